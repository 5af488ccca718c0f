// Certificates for tests: a CA of one's own, service certificates with SPIFFE IDs, and as many wrong ones as a test
// needs.
#ifndef TWI_COMMON_TESTING_TEST_PKI_H_
#define TWI_COMMON_TESTING_TEST_PKI_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509_builder.h"
#include "common/testing/temp_dir.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::testing {

// A failed step ends the test program: a test without its certificates tests nothing.
class TestPki {
 public:
  // `now`: certificates are valid from an hour before it to a day after it. TLS itself reads the system's clock: give
  // absl::Now() for real connections.
  explicit TestPki(absl::Time now);

  // What a certificate differs in from a right one.
  struct Options {
    std::optional<std::vector<std::string>> uri_sans;  // instead of the one SPIFFE ID
    std::vector<std::string> dns_sans;
    std::vector<std::string> extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
    std::optional<std::uint16_t> key_usage;   // instead of digitalSignature, or keyCertSign of a CA
    absl::Duration starts = -absl::Hours(1);  // relative to now
    absl::Duration ends = absl::Hours(24);
    bool is_ca = false;
    bool self_signed = false;
    bool by_intermediate = false;  // leaf <- intermediate <- CA; the certificate file holds both
  };

  // Issues a certificate and writes NAME.crt, NAME.key (0600) and ca.crt; returns the config message that names them.
  // Called again with the same name it replaces them (key first, then certificate).
  config::v1::Tls Issue(absl::string_view name, absl::string_view spiffe_id, const Options& options);
  config::v1::Tls Issue(absl::string_view name, absl::string_view spiffe_id) {
    return Issue(name, spiffe_id, Options());
  }

  struct Pair {
    std::string certificate_pem;
    std::string key_pem;
    std::string key_sha256;  // 32 bytes, over the SubjectPublicKeyInfo
  };
  Pair Make(absl::string_view spiffe_id, const Options& options);

  const std::string& ca_pem() const { return ca_pem_; }
  const TempDir& dir() const { return dir_; }

 private:
  std::string NextSerial();

  absl::Time now_;
  TempDir dir_;
  crypto::PrivateKey ca_key_;
  crypto::PrivateKey intermediate_key_;
  std::string ca_pem_;
  std::string intermediate_pem_;
  int serial_ = 1;
};

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_TEST_PKI_H_
