// Tests only: a VCEK or VLEK chain of our own with AMD's names and extensions, and reports signed by it. ECDSA P-384
// throughout (AMD's CAs are RSA-4096; making such keys takes seconds, and the real ones are covered by
// //integration_tests:vectors_test).
#ifndef TWI_SERVICES_VERIFIER_TESTING_SNP_BUILDER_H_
#define TWI_SERVICES_VERIFIER_TESTING_SNP_BUILDER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/formats/snp_report.h"

namespace twi::verifier::testing {

struct SnpChainOptions {
  SnpProduct product = SnpProduct::kMilan;
  bool vlek = false;
  std::string issuer_common_name;  // default "SEV-Milan", "SEV-VLEK-Milan", ...
  std::string root_common_name;    // default "ARK-Milan", ...
  std::map<std::string, std::string>
      override_extensions;  // OID suffix ("3.8", "4") -> value; an empty value leaves the extension out
  crypto::KeyType leaf_key = crypto::KeyType::kP384;
  bool ark_may_sign_crls = true;  // cRLSign in its keyUsage
};

class SnpChain {
 public:
  explicit SnpChain(const SnpChainOptions& options = {});

  // A correct report for this chain: TCB, chip id, CPUID; version 2, 3 or 5; report_data is 64 times 'd'. Signed.
  std::string Report(std::uint32_t version = 3) const;
  // Signs bytes 0..0x29f and writes r and s.
  std::string Sign(std::string report) const;
  // The report with `bytes` at `offset`, signed again.
  std::string With(std::string report, std::size_t offset, const std::string& bytes) const;
  // A CRL of the ARK.
  crypto::Crl ArkCrl(const std::vector<std::string>& revoked_serials, absl::Time this_update,
                     absl::Time next_update) const;

  v1::SnpEvidence Evidence(const std::string& report) const;  // with leaf and ASK
  TrustStore PinnedByCertificate() const;
  TrustStore PinnedByHash() const;  // the ARK's hash; the ARK itself must come with the Evidence or as an intermediate

  const crypto::Certificate& ark() const { return ark_; }
  const crypto::Certificate& ask() const { return ask_; }
  const crypto::Certificate& leaf() const { return leaf_; }

 private:
  SnpChainOptions options_;
  crypto::PrivateKey ark_key_, ask_key_, leaf_key_;
  crypto::Certificate ark_, ask_, leaf_;
};

absl::Time TestTime();  // 2026-06-01; all certificates are valid from 2025-01-01 to 2035-01-01.

// AMD's encodings, for tests that change one extension.
std::string DerInteger(int value);
std::string DerIa5String(const std::string& text);

}  // namespace twi::verifier::testing

#endif  // TWI_SERVICES_VERIFIER_TESTING_SNP_BUILDER_H_
