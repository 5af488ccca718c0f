// DEVELOPMENT ONLY. SEV-SNP attestation reports in the exact ABI format (AMD 56860, ATTESTATION_REPORT), signed by a
// development VCEK/ASK/ARK chain of its own, so that a machine without a TEE runs the real code path. A Verifier
// accepts the chain only where its config names the ARK as insecure_. For the agent's insecure_dev_snp attester, the
// demo, tests, benchmarks and `twictl dev-pki`.
#ifndef TWI_COMMON_DEV_SNP_DEV_SNP_H_
#define TWI_COMMON_DEV_SNP_DEV_SNP_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/random.h"

namespace twi {

constexpr char kDevArkCommonName[] = "TWI DEVELOPMENT ARK (insecure)";
constexpr char kDevAskCommonName[] = "TWI DEVELOPMENT ASK (insecure)";

// Security patch levels, as AMD's Milan and Genoa name them: in the VCEK's extensions and in TCB_VERSION.
struct DevSnpTcb {
  std::uint8_t bl = 4, tee = 0, snp = 22, ucode = 213;
};

// What the "guest" looks like. Sizes are checked: INVALID_ARGUMENT.
struct DevSnpReportParams {
  std::uint32_t version = 3;                      // 2, 3 or 5
  std::uint64_t policy = (1 << 17) | (1 << 16);   // bit 17 is always one, 16 SMT; bit 19 = debug
  std::uint32_t vmpl = 0;                         // 0..3
  std::string report_data;                        // 64 bytes
  std::string measurement;                        // 48 bytes
  std::string host_data = std::string(32, '\0');  // 32 bytes
};

constexpr std::uint64_t kSnpPolicyDebug = 1 << 19;

// A development "chip" (product Milan-B0): its VCEK's private key and the certificates. Immutable; thread-safe.
class DevSnpChain {
 public:
  // New keys (ARK and ASK RSA-3072, whose private halves are dropped here; VCEK P-384), random chip id, certificates
  // valid from an hour before `now` for ten years.
  static absl::StatusOr<DevSnpChain> Generate(absl::Time now, crypto::Random& random, const DevSnpTcb& tcb = {});

  // ark.pem, ask.pem, vcek.pem (mode 0644) and vcek.key.pem (0600, PKCS#8) in `directory`, which is created (0700) when
  // missing; existing files are never overwritten.
  absl::Status Write(const std::string& directory) const;
  // Refuses a key file that group or others may read, and a key that is not the certificate's. CONFIG_INVALID.
  static absl::StatusOr<DevSnpChain> Read(const std::string& directory);

  // 1184 bytes, signed. chip_id and TCB are the chain's, so that they equal the VCEK's extensions.
  absl::StatusOr<std::string> MakeReport(const DevSnpReportParams& params) const;

  const std::string& ark_der() const { return ark_der_; }
  const std::string& ask_der() const { return ask_der_; }
  const std::string& vcek_der() const { return vcek_der_; }
  const std::string& chip_id() const { return chip_id_; }  // 64 bytes

 private:
  DevSnpChain(crypto::PrivateKey vcek_key, std::string ark_der, std::string ask_der, std::string vcek_der,
              std::string chip_id, DevSnpTcb tcb);

  crypto::PrivateKey vcek_key_;
  std::string ark_der_, ask_der_, vcek_der_, chip_id_;
  DevSnpTcb tcb_;
};

}  // namespace twi

#endif  // TWI_COMMON_DEV_SNP_DEV_SNP_H_
