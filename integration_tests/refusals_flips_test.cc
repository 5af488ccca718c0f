// Genuine Evidence with one bit flipped, at the real Verifier: every bit of a report, and of a quote, its signature,
// its key and its PCR values; of each byte of the certificates one bit (about 2,300 of 18,500: each costs the Verifier
// a path of RSA signatures). Part by part of the Evidence the table says for which reasons it may be refused.
#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "common/testing/matchers.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

constexpr std::size_t kToItsEnd = static_cast<std::size_t>(-1);
constexpr int kThreads = 4;

// Some bytes of a field, and the reasons for which any change of them may be refused.
struct Part {
  const char* name;
  std::string* (*field)(v1::Evidence&);
  std::size_t begin, end;
  bool every_bit;  // else one of each byte, which one by a fixed seed
  std::set<v1::DenyReason> reasons;
};

// Signed bytes that say nothing by themselves are found by the signature; the others also by what they say.
constexpr v1::DenyReason kSignature = v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID;
constexpr v1::DenyReason kMalformed = v1::DENY_REASON_EVIDENCE_MALFORMED;
constexpr v1::DenyReason kVersion = v1::DENY_REASON_EVIDENCE_VERSION_UNSUPPORTED;
constexpr v1::DenyReason kFormat = v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED;
constexpr v1::DenyReason kUnsigned = v1::DENY_REASON_EVIDENCE_UNSIGNED;
constexpr v1::DenyReason kWrongType = v1::DENY_REASON_EVIDENCE_WRONG_TYPE;
constexpr v1::DenyReason kOtherEndorsement = v1::DENY_REASON_ENDORSEMENT_MISMATCH;
constexpr v1::DenyReason kBadCertificate = v1::DENY_REASON_ENDORSEMENT_MALFORMED;
constexpr v1::DenyReason kNoCertificate = v1::DENY_REASON_ENDORSEMENT_MISSING;  // not to be known as what it was
constexpr v1::DenyReason kTcb = v1::DENY_REASON_TCB_TOO_LOW;
// Of a chain of ours that is broken: no path to the pinned ARK, and its names say what it is (snp_path.cc).
constexpr v1::DenyReason kBrokenChain = v1::DENY_REASON_INSECURE_EVIDENCE_NOT_ALLOWED;

std::string* Report(v1::Evidence& e) { return e.mutable_sev_snp()->mutable_report(); }
std::string* Vcek(v1::Evidence& e) { return e.mutable_sev_snp()->mutable_certificates(0); }
std::string* Ask(v1::Evidence& e) { return e.mutable_sev_snp()->mutable_certificates(1); }

// AMD 56860, ATTESTATION_REPORT: the offsets are those of its table.
std::vector<Part> SnpParts() {
  return {{"version", Report, 0x000, 0x004, true, {kVersion, kMalformed}},  // 2 has no CPUID
          {"guest_svn", Report, 0x004, 0x008, true, {kSignature}},
          {"policy", Report, 0x008, 0x010, true, {kSignature, kMalformed}},
          {"family_id, image_id", Report, 0x010, 0x030, true, {kSignature}},
          {"vmpl", Report, 0x030, 0x034, true, {kSignature, kMalformed}},
          {"signature_algo", Report, 0x034, 0x038, true, {kMalformed}},
          {"current_tcb", Report, 0x038, 0x040, true, {kSignature, kMalformed}},
          {"platform_info", Report, 0x040, 0x048, true, {kSignature}},
          {"key_info", Report, 0x048, 0x04c, true, {kSignature, kUnsigned, kOtherEndorsement, kMalformed}},
          {"reserved", Report, 0x04c, 0x050, true, {kMalformed}},
          {"report_data .. report_id_ma", Report, 0x050, 0x180, true, {kSignature}},
          {"reported_tcb", Report, 0x180, 0x188, true, {kTcb, kOtherEndorsement, kMalformed}},
          {"cpuid", Report, 0x188, 0x18b, true, {kSignature, kOtherEndorsement, kVersion}},
          {"reserved", Report, 0x18b, 0x1a0, true, {kMalformed}},
          {"chip_id", Report, 0x1a0, 0x1e0, true, {kOtherEndorsement}},
          {"committed_tcb .. launch_tcb", Report, 0x1e0, 0x1f8, true, {kSignature, kMalformed}},
          {"mitigation vectors, reserved", Report, 0x1f8, 0x2a0, true, {kMalformed}},
          {"signature", Report, 0x2a0, 0x330, true, {kSignature}},
          {"reserved, not signed", Report, 0x330, kToItsEnd, true, {kMalformed}},
          {"VCEK", Vcek, 0, kToItsEnd, false, {kBadCertificate, kBrokenChain, kNoCertificate}},
          {"ASK", Ask, 0, kToItsEnd, false, {kBadCertificate, kBrokenChain, kNoCertificate}}};
}

std::string* Quote(v1::Evidence& e) { return e.mutable_tpm2()->mutable_quote(); }
std::string* Signature(v1::Evidence& e) { return e.mutable_tpm2()->mutable_signature(); }
std::string* Ak(v1::Evidence& e) { return e.mutable_tpm2()->mutable_ak_public(); }
template <int kAt>
std::string* Pcr(v1::Evidence& e) {
  return e.mutable_tpm2()->mutable_pcr_values(kAt)->mutable_value();
}

// The AK is enrolled as a TPMT_PUBLIC, so each bit of its public area counts.
std::vector<Part> TpmParts() {
  std::vector<Part> parts = {
      {"TPMS_ATTEST", Quote, 0, kToItsEnd, true, {kSignature, kMalformed, kWrongType}},
      {"TPMT_SIGNATURE", Signature, 0, kToItsEnd, true, {kSignature, kMalformed, kFormat, kUnsigned}},
      {"TPMT_PUBLIC",
       Ak,
       0,
       kToItsEnd,
       true,
       {kMalformed, kFormat, kWrongType, kOtherEndorsement, v1::DENY_REASON_KEY_MALFORMED}}};
  for (const auto pcr : {Pcr<0>, Pcr<1>, Pcr<2>, Pcr<3>, Pcr<4>, Pcr<5>, Pcr<6>})
    parts.push_back({"PCR", pcr, 0, kToItsEnd, true, {v1::DENY_REASON_PCR_DIGEST_MISMATCH}});
  return parts;
}

struct Flip {
  const Part* part;
  std::size_t at;
  int bit;
};

// Also holds the table to its word: no byte of a field is between two parts, or behind the last.
std::vector<Flip> Flips(const std::vector<Part>& parts, v1::Evidence sample) {
  std::mt19937 random(20261121);
  std::vector<Flip> flips;
  std::size_t expected = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const std::size_t size = part.field(sample)->size(), end = std::min(part.end, size);
    EXPECT_EQ(part.begin, expected) << part.name;
    const bool last = i + 1 == parts.size() || parts[i + 1].field != part.field;
    EXPECT_EQ(end == size, last) << part.name;
    expected = last ? 0 : end;
    for (std::size_t at = part.begin; at < end; ++at) {
      const int one = static_cast<int>(random() % 8);
      for (int bit = 0; bit < 8; ++bit) {
        if (part.every_bit || bit == one) flips.push_back({&part, at, bit});
      }
    }
  }
  return flips;
}

class FlipsTest : public MechanismTest {
 protected:
  // The Evidence as it is, with a challenge that is good: genuine Evidence is refused for its binding, after everything
  // else about it was found good. So is, and this reason is in no part's list, whatever the Verifier overlooks.
  static absl::Status Send(Caller& workload, const std::string& csr, const v1::Evidence& evidence) {
    const auto challenge = workload.VerifierChallenge();
    if (!challenge.ok()) return challenge.status();
    v1::AppraiseRequest request;
    *request.mutable_binding() = MakeBinding(challenge->nonce(), csr);
    *request.mutable_evidence() = evidence;
    return workload.Appraise(request).status();
  }
  v1::Evidence Sample() const { return Attest(*deployment_, GetParam(), MakeBinding("12345678", requester_.csr)); }

  const Requester requester_;
};

INSTANTIATE_TEST_SUITE_P(, FlipsTest, BothTees(), TeeOf);

TEST_P(FlipsTest, ControlIsRefusedForItsBindingOnly) {
  Caller workload = Caller::Workload(*deployment_);
  EXPECT_THAT(Send(workload, requester_.csr, Sample()), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  EXPECT_OK(AttestAndAppraise(*deployment_, workload, GetParam(), requester_.csr));
}

TEST_P(FlipsTest, RefusesEveryFlippedBit) {
  const std::vector<Part> parts = GetParam() == Tee::kSevSnp ? SnpParts() : TpmParts();
  const v1::Evidence sample = Sample();
  const std::vector<Flip> flips = Flips(parts, sample);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    Caller workload = Caller::Workload(*deployment_);
    for (std::size_t i = next++; i < flips.size(); i = next++) {
      const Flip& flip = flips[i];
      v1::Evidence evidence = sample;
      char& byte = (*flip.part->field(evidence))[flip.at];
      byte = static_cast<char>(byte ^ (1 << flip.bit));
      const absl::Status refused = Send(workload, requester_.csr, evidence);
      EXPECT_EQ(flip.part->reasons.count(DenyReasonOf(refused)), 1u)
          << flip.part->name << " byte " << flip.at << " bit " << flip.bit << ": " << refused;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(flips.size(), GetParam() == Tee::kSevSnp ? 1184u * 8 : 2000u) << "the whole report; a quote and its key";
  Caller workload = Caller::Workload(*deployment_);
  EXPECT_OK(AttestAndAppraise(*deployment_, workload, GetParam(), requester_.csr)) << "the Verifier goes on";
}

// What of a PCR value is a number: its bank and its index, both as the quote selects them.
TEST_P(FlipsTest, RefusesEveryFlippedBitOfABankOrAnIndex) {
  if (GetParam() != Tee::kTpm2) GTEST_SKIP() << "PCRs are a TPM's";
  Caller workload = Caller::Workload(*deployment_);
  const v1::Evidence sample = Sample();
  for (int at = 0; at < sample.tpm2().pcr_values_size(); ++at) {
    for (int bit = 0; bit < 32; ++bit) {
      v1::Evidence bank = sample, index = sample;
      v1::PcrValue &of_bank = *bank.mutable_tpm2()->mutable_pcr_values(at),
                   &at_index = *index.mutable_tpm2()->mutable_pcr_values(at);
      of_bank.set_hash_algorithm(of_bank.hash_algorithm() ^ (1u << bit));
      at_index.set_index(at_index.index() ^ (1u << bit));
      EXPECT_THAT(Send(workload, requester_.csr, bank), StatusIs(v1::DENY_REASON_PCR_DIGEST_MISMATCH)) << at << bit;
      EXPECT_THAT(Send(workload, requester_.csr, index), StatusIs(v1::DENY_REASON_PCR_DIGEST_MISMATCH)) << at << bit;
    }
  }
}

}  // namespace
}  // namespace twi::integration
