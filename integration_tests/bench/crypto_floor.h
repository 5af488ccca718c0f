// floor.crypto (performance.md section 7): what the asymmetric operations cost here, through the library that the
// daemons link. Thread CPU time, microseconds per operation, median of 7 repeats.
#ifndef TWI_INTEGRATION_TESTS_BENCH_CRYPTO_FLOOR_H_
#define TWI_INTEGRATION_TESTS_BENCH_CRYPTO_FLOOR_H_

#include "nlohmann/json.hpp"

namespace twi::bench {

struct CryptoFloor {
  double p256_keygen = 0, p256_sign = 0, p256_verify = 0;
  double p384_sign = 0;  // the development SNP report: the client's cost
  double p384_verify = 0;
  double rsa2048_verify = 0;            // PKCS#1 v1.5, a TPM's RSASSA
  double csr_make = 0, csr_verify = 0;  // P-256: build and sign; parse and verify the Proof-of-Possession
  double leaf = 0;                      // X.509 leaf of the Credential Authority's shape: build and sign, P-256
  double x25519_keygen = 0, hpke_seal = 0, hpke_open = 0;  // 250 bytes
};

// About 4 s.
CryptoFloor MeasureCryptoFloor();
nlohmann::ordered_json ToJson(const CryptoFloor& floor);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_CRYPTO_FLOOR_H_
