#include "services/verifier/formats/tpm_companions.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/tpm_files.h"
#include "services/verifier/formats/tpm_parts.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

using Files = std::vector<EvidenceFile>;

const char* NameOf(TpmPart part) {
  switch (part) {
    case TpmPart::kQuote:
      return "TPMS_ATTEST";
    case TpmPart::kSignature:
      return "TPMT_SIGNATURE";
    case TpmPart::kPublic:
    case TpmPart::kBareKey:
      return "attestation key";
    case TpmPart::kPcrs:
      return "PCR values";
    case TpmPart::kEventLog:
      return "event log";
    case TpmPart::kCertificates:
      return "certificates";
    case TpmPart::kUnknown:
      break;
  }
  return "unknown";
}

bool SameKey(const EvidenceFile& a, const EvidenceFile& b) {
  const auto key_a = EnrolledKeyFromFile(a.bytes), key_b = EnrolledKeyFromFile(b.bytes);
  return key_a.ok() && key_b.ok() && key_a->key == key_b->key;
}

bool CanSign(const EvidenceFile& file) {
  const auto area = ParseTpmPublic(file.bytes);
  return area.ok() && (area->attributes & kTpmaSign) != 0;
}

// The parts that `main` and the named files are. A container holds a quote and its signature, and may hold the rest.
std::set<TpmPart> PartsGiven(const EvidenceFile& main, const Files& named) {
  std::set<TpmPart> given;
  for (const EvidenceFile& file : named) given.insert(TpmPartOf(file.bytes));
  given.insert(TpmPartOf(main.bytes));
  given.erase(TpmPart::kUnknown);
  const auto container = TpmPartOf(main.bytes) == TpmPart::kUnknown ? TpmEvidenceFromContainer(main.bytes)
                                                                    : std::vector<v1::TpmEvidence>();
  if (!container.ok() || container->empty()) return given;
  given.insert({TpmPart::kQuote, TpmPart::kSignature});
  if (!container->front().ak_public().empty()) given.insert(TpmPart::kPublic);
  if (!container->front().event_log().empty()) given.insert(TpmPart::kEventLog);
  if (!container->front().pcr_values().empty()) given.insert(TpmPart::kPcrs);
  return given;
}

bool HasKey(const std::set<TpmPart>& parts) {
  return parts.count(TpmPart::kPublic) > 0 || parts.count(TpmPart::kBareKey) > 0;
}

class Chooser {
 public:
  Chooser(const EvidenceFile& main, const Files& attestation_keys) : main_(main), attestation_keys_(attestation_keys) {}

  absl::StatusOr<TpmCompanions> Run(const Files& companions) {
    Files found;
    for (const EvidenceFile& file : companions) (file.found ? found : out_.chosen).push_back(file);
    given_ = PartsGiven(main_, out_.chosen);
    for (const EvidenceFile& file : found) Sort(file);
    NarrowKeys();
    for (auto& [part, files] : candidates_) TWI_RETURN_IF_ERROR(Choose(part, files));
    TakeAttestationKey();
    return std::move(out_);
  }

 private:
  void LeaveOut(const EvidenceFile& file, absl::string_view why) {
    out_.left_out.push_back(absl::StrCat(file.name, ": not used: ", why));
  }

  void Sort(const EvidenceFile& file) {
    const auto same = [&file](const EvidenceFile& other) { return other.bytes == file.bytes; };
    if (same(main_) || std::any_of(out_.chosen.begin(), out_.chosen.end(), same)) return;  // the very file, once more
    const TpmPart part = TpmPartOf(file.bytes);
    if (part == TpmPart::kCertificates) return;
    if (part == TpmPart::kUnknown) return LeaveOut(file, "no part of a TPM's Evidence");
    const bool key = part == TpmPart::kPublic || part == TpmPart::kBareKey;
    if (given_.count(part) > 0 || (key && HasKey(given_)))
      return LeaveOut(file, absl::StrCat("the ", NameOf(part), " was given"));
    if (part == TpmPart::kPublic && !CanSign(file)) return LeaveOut(file, "a key that cannot sign");
    Files& candidates = candidates_[part];
    if (std::none_of(candidates.begin(), candidates.end(), same)) candidates.push_back(file);
  }

  // Keeps of `keys` those that the operator vouches for, when there is one.
  void KeepVouchedFor(Files& keys) {
    const auto vouched = [this](const EvidenceFile& key) {
      return std::any_of(attestation_keys_.begin(), attestation_keys_.end(),
                         [&key](const EvidenceFile& other) { return SameKey(key, other); });
    };
    if (std::none_of(keys.begin(), keys.end(), vouched)) return;
    for (const EvidenceFile& key : keys) {
      if (!vouched(key)) LeaveOut(key, "--attestation-key names another key");
    }
    keys.erase(std::remove_if(keys.begin(), keys.end(), [&](const EvidenceFile& key) { return !vouched(key); }),
               keys.end());
  }

  void NarrowKeys() {
    Files& areas = candidates_[TpmPart::kPublic];
    Files& bare = candidates_[TpmPart::kBareKey];
    KeepVouchedFor(areas);
    KeepVouchedFor(bare);
    if (areas.empty()) return;
    for (const EvidenceFile& key : bare) LeaveOut(key, "a public area says more");
    bare.clear();
  }

  absl::Status Choose(TpmPart part, const Files& files) {
    if (files.empty()) return absl::OkStatus();
    if (files.size() > 1) {
      return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED,
                  absl::StrCat(files[0].name, " and ", files[1].name, " could each be the ", NameOf(part), " of ",
                               main_.name, ": name the one that belongs to it (--endorsement FILE)"));
    }
    out_.chosen.push_back(files[0]);
    given_.insert(part);
    return absl::OkStatus();
  }

  // Not when `main` does not parse and is all that could be the key: then it is the broken one.
  void TakeAttestationKey() {
    const bool main_is_the_key = TpmPartOf(main_.bytes) == TpmPart::kUnknown && !LooksLikeTpmContainer(main_.bytes) &&
                                 given_.count(TpmPart::kQuote) > 0 && given_.count(TpmPart::kSignature) > 0;
    if (HasKey(given_) || main_is_the_key || attestation_keys_.size() != 1) return;
    const auto key = EnrolledKeyFromFile(attestation_keys_[0].bytes);
    if (!key.ok()) return;  // whoever enrolls it says what is wrong
    out_.chosen.push_back(
        {attestation_keys_[0].name, key->public_area.empty() ? key->key.spki() : key->public_area, false});
  }

  const EvidenceFile& main_;
  const Files& attestation_keys_;
  TpmCompanions out_;
  std::set<TpmPart> given_;
  std::map<TpmPart, Files> candidates_;
};

}  // namespace

absl::StatusOr<TpmCompanions> ChooseTpmCompanions(const EvidenceFile& main, const std::vector<EvidenceFile>& companions,
                                                  const std::vector<EvidenceFile>& attestation_keys) {
  return Chooser(main, attestation_keys).Run(companions);
}

}  // namespace twi::verifier
