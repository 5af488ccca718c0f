// One's own key, certificate and trust bundle, from files that are re-read when they change.
#ifndef TWI_COMMON_SERVER_TLS_FILES_H_
#define TWI_COMMON_SERVER_TLS_FILES_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "common/time/clock.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

// The anchors in force, and a number that changes with them.
struct TrustBundle {
  std::vector<crypto::Certificate> anchors;
  std::uint64_t generation = 0;
};

// The anchors of a PEM file: at least one, each a CA's certificate. CONFIG_INVALID.
absl::StatusOr<std::vector<crypto::Certificate>> LoadTrustBundle(const std::string& path);

// What Open would refuse, without keeping anything: missing or unreadable files, a key that others may read or that is
// not the certificate's, a leaf that is not valid at `now` or has no SPIFFE ID, a bundle without anchors.
// CONFIG_INVALID at the place of the field below `field`. Gives the certificate's SPIFFE ID.
absl::StatusOr<std::string> CheckTls(const config::v1::Tls& tls, const std::string& field, absl::Time now);

// Watches the files of a config::v1::Tls, once a second. What is new is taken only when it is good as a whole: key and
// certificate fit, the leaf has exactly one SPIFFE ID and is valid now, the bundle parses. Otherwise the last good one
// stays in force and the log says so at error, once per change and then each minute. gRPC's own file watcher would take
// a mismatched pair and fail every handshake from then on (design/build.md F).
class TlsFiles {
 public:
  struct Options {
    std::string field = "tls";  // what the config calls it: errors name the fields below it
    absl::Duration expiry_warning = absl::Hours(24);
    std::function<void(absl::Time not_after)> on_certificate;  // called at Open and after each reload; may be empty
  };
  // CONFIG_INVALID when a file is missing or bad, or when others may read the key. `clock` must outlive the object.
  static absl::StatusOr<std::unique_ptr<TlsFiles>> Open(const config::v1::Tls& config, const Clock& clock,
                                                        const Options& options);
  ~TlsFiles();

  std::shared_ptr<const TrustBundle> bundle() const;
  std::string spiffe_id() const;
  std::string key_sha256() const;  // 32 bytes
  absl::Time not_after() const;    // of the leaf
  // For gRPC: serves the pair in force, at most a second behind. Made when it is first asked for, since it has a thread
  // of its own. Credentials that are made with it must keep these files for as long as they live: their verifier does.
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const;
  // For common/http: a file of this process's memory with the chain and the key in force, PEM, and a number that
  // changes with them. Good as long as this object.
  std::string pair_path() const;
  std::uint64_t pair_generation() const;

  // One turn of the watch; the thread calls it each second, tests when they like.
  void Refresh();
  // Ends the watch; what is loaded stays. Idempotent.
  void Stop();

 private:
  TlsFiles(const config::v1::Tls& config, const Clock& clock, const Options& options);
  absl::Status LoadPair();
  absl::Status LoadBundle();
  void WarnOfExpiry();
  void Watch();

  const config::v1::Tls config_;
  const Clock& clock_;
  const Options options_;
  int pair_fd_ = -1;  // memory file that gRPC and OpenSSL read the pair from

  std::mutex refresh_mutex_;  // one Refresh at a time; guards the next four
  std::string pair_stamp_, bundle_stamp_;
  absl::Status pair_status_, bundle_status_;
  absl::Time complained_ = absl::InfinitePast();

  mutable std::mutex mutex_;  // guards the next six
  mutable std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;
  std::shared_ptr<const TrustBundle> bundle_;
  std::string spiffe_id_, key_sha256_;
  absl::Time not_after_;
  std::uint64_t pair_generation_ = 0;

  std::mutex stop_mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_TLS_FILES_H_
