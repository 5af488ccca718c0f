// TPM 2.0 quotes over tpm2-tss (ESYS). The AK is persistent; the quote's scheme is the AK's own (inScheme
// TPM_ALG_NULL), its extraData the binding value.
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/binding/binding.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/tpm_address.h"
#include "services/workload_agent/tpm_context.h"

namespace twi::agent {
namespace {

constexpr std::uint32_t kMaxPcr = 23;
constexpr int kPcrBytes = 3;                      // a selection's bitmap: PCRs 0..23
constexpr int kAttempts = 5;                      // when PCRs change between reading and quoting
constexpr std::size_t kMaxEventLog = 192 * 1024;  // limit of TpmEvidence.event_log
constexpr char kDefaultBank[] = "sha256";

struct Bank {
  const char* name;
  TPM2_ALG_ID algorithm;
};
constexpr Bank kBanks[] = {{"sha256", TPM2_ALG_SHA256}, {"sha384", TPM2_ALG_SHA384}};

using PcrValues = std::map<std::uint32_t, std::string>;

TPML_PCR_SELECTION Selection(TPM2_ALG_ID bank, const std::set<std::uint32_t>& pcrs) {
  TPML_PCR_SELECTION selection = {};
  selection.count = 1;
  selection.pcrSelections[0].hash = bank;
  selection.pcrSelections[0].sizeofSelect = kPcrBytes;
  for (const std::uint32_t pcr : pcrs)
    selection.pcrSelections[0].pcrSelect[pcr / 8] |= static_cast<BYTE>(1u << (pcr % 8));
  return selection;
}

bool Selected(const TPML_PCR_SELECTION& selection, std::uint32_t pcr) {
  return selection.count == 1 && pcr / 8 < selection.pcrSelections[0].sizeofSelect &&
         (selection.pcrSelections[0].pcrSelect[pcr / 8] >> (pcr % 8) & 1) != 0;
}

struct PcrReading {
  PcrValues values;
  UINT32 update_counter = 0;  // the TPM's; changes when a PCR does
  bool torn = false;          // a PCR changed between two reads of this reading
};

// TPM2_PCR_Read answers at most eight PCRs, so: read what is missing until nothing is (Part 3, 22.4).
absl::StatusOr<PcrReading> ReadPcrs(const TpmContext& tpm, TPM2_ALG_ID bank, const std::set<std::uint32_t>& pcrs) {
  PcrReading reading;
  std::set<std::uint32_t> missing = pcrs;
  while (!missing.empty()) {
    const TPML_PCR_SELECTION wanted = Selection(bank, missing);
    UINT32 counter = 0;
    TPML_PCR_SELECTION* selection_out = nullptr;
    TPML_DIGEST* digests_out = nullptr;
    const TSS2_RC rc = Esys_PCR_Read(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, &counter,
                                     &selection_out, &digests_out);
    const EsysPtr<TPML_PCR_SELECTION> selection(selection_out);
    const EsysPtr<TPML_DIGEST> digests(digests_out);
    TWI_RETURN_IF_ERROR(tpm.StatusOf(rc, "TPM2_PCR_Read"));
    if (!reading.values.empty() && counter != reading.update_counter) reading.torn = true;
    reading.update_counter = counter;
    UINT32 next = 0;
    for (auto it = missing.begin(); it != missing.end();) {
      if (!Selected(*selection, *it)) {
        ++it;
        continue;
      }
      if (next >= digests->count)
        return Deny(v1::DENY_REASON_ATTESTER_FAILED, "TPM: TPM2_PCR_Read answered fewer digests than it selected");
      const TPM2B_DIGEST& digest = digests->digests[next++];
      reading.values[*it] = std::string(reinterpret_cast<const char*>(digest.buffer), digest.size);
      it = missing.erase(it);
    }
    if (next == 0)
      return Deny(v1::DENY_REASON_ATTESTER_FAILED, absl::StrCat("TPM: no PCR ", *missing.begin(), " in this bank"));
  }
  return reading;
}

struct Quote {
  std::string attest, signature;
};

absl::StatusOr<Quote> MakeQuote(const TpmContext& tpm, ESYS_TR ak, const std::string& qualifying_data,
                                const TPML_PCR_SELECTION& selection) {
  TPM2B_DATA data = {};
  data.size = static_cast<UINT16>(qualifying_data.size());
  std::memcpy(data.buffer, qualifying_data.data(), qualifying_data.size());
  TPMT_SIG_SCHEME scheme = {};
  scheme.scheme = TPM2_ALG_NULL;
  TPM2B_ATTEST* attest_out = nullptr;
  TPMT_SIGNATURE* signature_out = nullptr;
  const TSS2_RC rc = Esys_Quote(tpm.esys(), ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, &scheme,
                                &selection, &attest_out, &signature_out);
  const EsysPtr<TPM2B_ATTEST> attest(attest_out);
  const EsysPtr<TPMT_SIGNATURE> signature(signature_out);
  TWI_RETURN_IF_ERROR(tpm.StatusOf(rc, "TPM2_Quote"));
  Quote quote;
  quote.attest.assign(reinterpret_cast<const char*>(attest->attestationData), attest->size);
  quote.signature.resize(sizeof(TPMT_SIGNATURE));
  std::size_t size = 0;
  TWI_RETURN_IF_ERROR(
      TpmStatus(Tss2_MU_TPMT_SIGNATURE_Marshal(signature.get(), reinterpret_cast<std::uint8_t*>(&quote.signature[0]),
                                               quote.signature.size(), &size),
                "marshal the signature"));
  quote.signature.resize(size);
  return quote;
}

class Tpm2Attester final : public Attester {
 public:
  Tpm2Attester(config::v1::Tpm2Attester config, TPM2_ALG_ID bank, std::set<std::uint32_t> pcrs,
               std::vector<std::string> certificates)
      : config_(std::move(config)), bank_(bank), pcrs_(std::move(pcrs)), certificates_(std::move(certificates)) {}

  absl::StatusOr<v1::Evidence> Attest(const v1::Binding& binding, absl::Duration limit) override {
    TWI_RETURN_IF_ERROR(ValidateBinding(binding));
    const TpmDeadline deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
    const std::unique_lock<std::timed_mutex> lock(mutex_, deadline);
    if (!lock.owns_lock()) return Deny(v1::DENY_REASON_ATTESTER_FAILED, "TPM: busy with another attestation");
    TWI_ASSIGN_OR_RETURN(const std::unique_ptr<TpmContext> tpm, TpmContext::Open(config_.tcti(), deadline));
    v1::Evidence evidence;
    v1::TpmEvidence& out = *evidence.mutable_tpm2();
    TWI_ASSIGN_OR_RETURN(const ESYS_TR ak, LoadAk(*tpm, out));
    TWI_RETURN_IF_ERROR(QuotePcrs(*tpm, ak, BindingValue32(binding), out));
    for (const std::string& certificate : certificates_) out.add_ak_certificates(certificate);
    if (!config_.event_log_file().empty()) {
      config::ReadFileOptions options;
      options.max_bytes = kMaxEventLog;
      auto log = config::ReadFile(config_.event_log_file(), options);
      if (!log.ok()) return Deny(v1::DENY_REASON_ATTESTER_FAILED, absl::StrCat("event log: ", log.status().message()));
      out.set_event_log(*std::move(log));
    }
    return evidence;
  }

  // Does the TPM answer, and is the AK there? Asked once at start, so that a wrong config shows at once.
  absl::Status Probe() const {
    TWI_ASSIGN_OR_RETURN(
        const std::unique_ptr<TpmContext> tpm,
        TpmContext::Open(config_.tcti(), std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(kLimit)));
    v1::TpmEvidence unused;
    return LoadAk(*tpm, unused).status();
  }

 private:
  // The handle of the AK; its public area goes into `out`.
  absl::StatusOr<ESYS_TR> LoadAk(const TpmContext& tpm, v1::TpmEvidence& out) const {
    ESYS_TR ak = ESYS_TR_NONE;
    TWI_RETURN_IF_ERROR(tpm.StatusOf(
        Esys_TR_FromTPMPublic(tpm.esys(), config_.ak_handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ak),
        absl::StrFormat("AK at 0x%x", config_.ak_handle())));
    TPM2B_PUBLIC* public_out = nullptr;
    const TSS2_RC rc =
        Esys_ReadPublic(tpm.esys(), ak, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public_out, nullptr, nullptr);
    const EsysPtr<TPM2B_PUBLIC> owned(public_out);
    TWI_RETURN_IF_ERROR(tpm.StatusOf(rc, "TPM2_ReadPublic"));
    TWI_ASSIGN_OR_RETURN(*out.mutable_ak_public(), MarshalPublic(*owned));
    return ak;
  }

  // The TPM signs only a digest of the PCRs, so their values are read before and after: equal counters mean that the
  // values are those quoted.
  absl::Status QuotePcrs(const TpmContext& tpm, ESYS_TR ak, const std::string& qualifying_data,
                         v1::TpmEvidence& out) const {
    const TPML_PCR_SELECTION selection = Selection(bank_, pcrs_);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      TWI_ASSIGN_OR_RETURN(const PcrReading before, ReadPcrs(tpm, bank_, pcrs_));
      TWI_ASSIGN_OR_RETURN(Quote quote, MakeQuote(tpm, ak, qualifying_data, selection));
      TWI_ASSIGN_OR_RETURN(const PcrReading after, ReadPcrs(tpm, bank_, pcrs_));
      if (before.torn || after.torn || before.update_counter != after.update_counter || before.values != after.values)
        continue;
      out.set_quote(std::move(quote.attest));
      out.set_signature(std::move(quote.signature));
      for (const auto& [index, value] : before.values) {
        v1::PcrValue& pcr = *out.add_pcr_values();
        pcr.set_hash_algorithm(bank_);
        pcr.set_index(index);
        pcr.set_value(value);
      }
      return absl::OkStatus();
    }
    return Deny(v1::DENY_REASON_ATTESTER_FAILED,
                absl::StrCat("TPM: PCRs changed during each of ", kAttempts, " attempts to quote them"));
  }

  const config::v1::Tpm2Attester config_;
  const TPM2_ALG_ID bank_;
  const std::set<std::uint32_t> pcrs_;
  const std::vector<std::string> certificates_;  // DER, leaf first
  std::timed_mutex mutex_;
};

absl::Status ConfigInvalid(absl::string_view field, absl::string_view expected) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("attester.tpm2.", field, ": expected ", expected));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Attester>> MakeTpm2Attester(const config::v1::Tpm2Attester& config) {
  const std::string bank_name = config.bank().empty() ? kDefaultBank : config.bank();
  const Bank* bank =
      std::find_if(std::begin(kBanks), std::end(kBanks), [&](const Bank& b) { return bank_name == b.name; });
  if (bank == std::end(kBanks)) return ConfigInvalid("bank", "sha256 or sha384");
  if (!ParseTpmAddress(config.tcti()).ok()) return ConfigInvalid("tcti", kTpmAddressForm);
  if (config.ak_handle() >> 24 != 0x81)
    return ConfigInvalid("ak_handle", "a persistent handle, 0x81000000..0x81ffffff");
  std::set<std::uint32_t> pcrs(config.pcrs().begin(), config.pcrs().end());
  if (pcrs.empty() || *pcrs.rbegin() > kMaxPcr || pcrs.size() != static_cast<std::size_t>(config.pcrs_size())) {
    return ConfigInvalid("pcrs", "at least one PCR, 0..23, each once");
  }
  std::vector<std::string> certificates;
  for (const std::string& path : config.ak_certificate_files()) {
    TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(path, {}));
    auto parsed = crypto::ParseCertificates(bytes);
    if (!parsed.ok()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", parsed.status().message()));
    for (crypto::Certificate& certificate : *parsed) certificates.push_back(std::move(certificate.der));
  }
  auto attester = std::make_unique<Tpm2Attester>(config, bank->algorithm, std::move(pcrs), std::move(certificates));
  TWI_RETURN_IF_ERROR(attester->Probe());
  return std::unique_ptr<Attester>(std::move(attester));
}

}  // namespace twi::agent
