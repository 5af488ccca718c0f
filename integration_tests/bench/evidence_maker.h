// Evidence without hardware, for the clients of the benchmark. What it costs is the client's CPU, and reported as such.
#ifndef TWI_INTEGRATION_TESTS_BENCH_EVIDENCE_MAKER_H_
#define TWI_INTEGRATION_TESTS_BENCH_EVIDENCE_MAKER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/crypto/keys.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::bench {

// Thread-safe.
class EvidenceMaker {
 public:
  virtual ~EvidenceMaker() = default;
  virtual v1::Evidence Make(const v1::Binding& binding) const = 0;
};

// SNP reports by the deployment's development chain (`chain_directory`: DIR/dev-snp) of the software whose image file
// is measured. Chain, measurement and all fields are made beforehand; a report binds a nonce that the service chose, so
// its P-384 signature (floor.crypto p384_sign) cannot be, and is the client's cost per acquisition.
std::unique_ptr<EvidenceMaker> MakeSnpEvidence(const std::string& chain_directory, const std::string& image_file);

// A TPM in software: a P-256 AK and seven PCR values. No swtpm is in the loop: hardware time is not counted.
struct SoftTpm {
  crypto::PrivateKey ak;
  std::map<std::uint32_t, std::string> pcrs;

  static SoftTpm Generate();
  std::string PcrsYaml() const;  // for TWI_PCRS_YAML of deploy/dev_deployment.sh
};
std::unique_ptr<EvidenceMaker> MakeTpmEvidence(const SoftTpm& tpm);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_EVIDENCE_MAKER_H_
