#include "common/server/tls_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/crypto/keys.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/secret/secret_bytes.h"
#include "common/server/verify_peer.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

constexpr std::size_t kMaxPemBytes = 256 << 10;
constexpr absl::Duration kComplainEvery = absl::Minutes(1);

// Changes whenever the file is written or exchanged.
std::string Stamp(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return absl::StrCat("errno ", errno);
  return absl::StrCat(st.st_dev, ":", st.st_ino, ":", st.st_size, ":", st.st_mtim.tv_sec, ".", st.st_mtim.tv_nsec, ":",
                      st.st_ctim.tv_sec, ".", st.st_ctim.tv_nsec, ":", st.st_mode);
}

absl::Status Invalid(const std::string& path, absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", what));
}

// A memory file with `content`, or -1. Not inherited by programs we start.
int MemoryFile(absl::string_view content) {
  const int fd = memfd_create("twi-tls", MFD_CLOEXEC);
  if (fd < 0) return -1;
  (void)fchmod(fd, 0600);
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      close(fd);
      return -1;
    }
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return fd;
}

std::string Shown(absl::Time time) { return absl::FormatTime(time, absl::UTCTimeZone()); }

struct Pair {
  std::string chain_pem;
  SecretBytes key_pem;
  crypto::Certificate leaf;
  std::string spiffe_id;
};

absl::StatusOr<Pair> ReadCertificate(const std::string& path, absl::Time now) {
  TWI_ASSIGN_OR_RETURN(std::string pem, config::ReadFile(path, {kMaxPemBytes, S_IWGRP | S_IWOTH}));
  const auto chain = crypto::ParseCertificates(pem);
  if (!chain.ok()) return Invalid(path, chain.status().message());
  if (chain->empty()) return Invalid(path, "expected a PEM certificate chain, leaf first");
  const crypto::Certificate& leaf = chain->front();
  const auto spiffe_id = SpiffeIdOf(leaf);
  if (!spiffe_id.ok()) return Invalid(path, spiffe_id.status().message());
  if (now > leaf.not_after) return Invalid(path, absl::StrCat("expired at ", Shown(leaf.not_after)));
  if (now < leaf.not_before) return Invalid(path, absl::StrCat("is not valid yet, but from ", Shown(leaf.not_before)));
  return Pair{std::move(pem), SecretBytes(), leaf, *spiffe_id};
}

absl::StatusOr<SecretBytes> ReadKeyOf(const crypto::Certificate& leaf, const config::v1::Tls& tls) {
  const std::string& path = tls.key_file();
  TWI_ASSIGN_OR_RETURN(std::string text, config::ReadFile(path, {kMaxPemBytes, config::kPrivateFile}));
  SecretBytes pem = SecretBytes::CopyOf(text);
  Wipe(text);
  const auto key = crypto::PrivateKey::FromPem(pem);
  if (!key.ok()) return Invalid(path, key.status().message());
  if (key->public_key() != leaf.public_key)
    return Invalid(path, absl::StrCat("is not the key of the certificate in ", tls.certificate_file()));
  return pem;
}

// Each error at the place of its field, which is `field` and the name in Tls.
absl::StatusOr<Pair> ReadPair(const config::v1::Tls& tls, const std::string& field, absl::Time now) {
  absl::StatusOr<Pair> pair = ReadCertificate(tls.certificate_file(), now);
  if (!pair.ok()) return config::AtField(field + ".certificate_file", pair.status());
  absl::StatusOr<SecretBytes> key = ReadKeyOf(pair->leaf, tls);
  if (!key.ok()) return config::AtField(field + ".key_file", key.status());
  pair->key_pem = *std::move(key);
  return pair;
}

absl::StatusOr<std::vector<crypto::Certificate>> ReadBundle(const config::v1::Tls& tls, const std::string& field) {
  absl::StatusOr<std::vector<crypto::Certificate>> bundle = LoadTrustBundle(tls.trust_bundle_file());
  if (!bundle.ok()) return config::AtField(field + ".trust_bundle_file", bundle.status());
  return bundle;
}

absl::Status RequirePaths(const config::v1::Tls& tls, const std::string& field) {
  TWI_RETURN_IF_ERROR(
      config::Expect(!tls.certificate_file().empty(), field + ".certificate_file", "a path, got nothing"));
  TWI_RETURN_IF_ERROR(config::Expect(!tls.key_file().empty(), field + ".key_file", "a path, got nothing"));
  return config::Expect(!tls.trust_bundle_file().empty(), field + ".trust_bundle_file", "a path, got nothing");
}

}  // namespace

absl::StatusOr<std::string> CheckTls(const config::v1::Tls& tls, const std::string& field, absl::Time now) {
  TWI_RETURN_IF_ERROR(RequirePaths(tls, field));
  TWI_ASSIGN_OR_RETURN(const Pair pair, ReadPair(tls, field, now));
  TWI_RETURN_IF_ERROR(ReadBundle(tls, field).status());
  return pair.spiffe_id;
}

absl::StatusOr<std::vector<crypto::Certificate>> LoadTrustBundle(const std::string& path) {
  TWI_ASSIGN_OR_RETURN(const std::string pem, config::ReadFile(path, {kMaxPemBytes, S_IWGRP | S_IWOTH}));
  auto anchors = crypto::ParseCertificates(pem);
  if (!anchors.ok()) return Invalid(path, anchors.status().message());
  if (anchors->empty()) return Invalid(path, "expected at least one PEM certificate");
  for (const crypto::Certificate& anchor : *anchors) {
    if (!anchor.is_ca)
      return Invalid(path, absl::StrCat("\"", anchor.subject_common_name, "\" is no CA's certificate"));
  }
  return *std::move(anchors);
}

TlsFiles::TlsFiles(const config::v1::Tls& config, const Clock& clock, const Options& options)
    : config_(config), clock_(clock), options_(options) {}

absl::StatusOr<std::unique_ptr<TlsFiles>> TlsFiles::Open(const config::v1::Tls& config, const Clock& clock,
                                                         const Options& options) {
  TWI_RETURN_IF_ERROR(RequirePaths(config, options.field));
  std::unique_ptr<TlsFiles> files(new TlsFiles(config, clock, options));
  files->pair_stamp_ = absl::StrCat(Stamp(config.key_file()), "/", Stamp(config.certificate_file()));
  files->bundle_stamp_ = Stamp(config.trust_bundle_file());
  TWI_RETURN_IF_ERROR(files->LoadPair());
  TWI_RETURN_IF_ERROR(files->LoadBundle());
  files->WarnOfExpiry();
  files->complained_ = clock.Now();
  files->watcher_ = std::thread([raw = files.get()] { raw->Watch(); });
  return files;
}

// gRPC's provider reads the memory file by its number, each second, in a thread that ends with the last credentials
// that were made with it, which may be long after the server or the client that made them: closed while it reads, the
// number could come to name another file. The verifier of each of those credentials holds this object (peer_source.cc,
// client/identity.cc), so here none of them is in use any more, and the provider's thread ends in this destructor, or
// has nobody left to serve.
TlsFiles::~TlsFiles() {
  Stop();
  provider_.reset();
  if (pair_fd_ >= 0) close(pair_fd_);
}

void TlsFiles::Stop() {
  {
    std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

absl::Status TlsFiles::LoadPair() {
  TWI_ASSIGN_OR_RETURN(const Pair pair_read, ReadPair(config_, options_.field, clock_.Now()));
  const crypto::Certificate& leaf = pair_read.leaf;
  // gRPC takes keys from files or from strings that it keeps: here is the one place where a service's TLS key is handed
  // over.
  std::string pair = absl::StrCat(pair_read.chain_pem, "\n", pair_read.key_pem.reveal(), "\n");
  const int fresh = MemoryFile(pair);
  Wipe(pair);
  if (fresh < 0) return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("memfd: ", std::strerror(errno)));
  if (pair_fd_ < 0) {
    pair_fd_ = fresh;
  } else {
    const bool exchanged = dup3(fresh, pair_fd_, O_CLOEXEC) >= 0;
    close(fresh);
    if (!exchanged) return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("dup3: ", std::strerror(errno)));
  }
  {
    std::lock_guard lock(mutex_);
    spiffe_id_ = pair_read.spiffe_id;
    key_sha256_ = leaf.public_key.spki_sha256();
    not_after_ = leaf.not_after;
    ++pair_generation_;
  }
  if (options_.on_certificate) options_.on_certificate(leaf.not_after);
  return absl::OkStatus();
}

absl::Status TlsFiles::LoadBundle() {
  TWI_ASSIGN_OR_RETURN(std::vector<crypto::Certificate> anchors, ReadBundle(config_, options_.field));
  std::lock_guard lock(mutex_);
  const std::uint64_t generation = bundle_ == nullptr ? 1 : bundle_->generation + 1;
  bundle_ = std::make_shared<const TrustBundle>(TrustBundle{std::move(anchors), generation});
  return absl::OkStatus();
}

void TlsFiles::Refresh() {
  namespace f = log::fields;
  std::lock_guard lock(refresh_mutex_);
  const absl::Time now = clock_.Now();
  bool changed = false;
  const std::string pair = absl::StrCat(Stamp(config_.key_file()), "/", Stamp(config_.certificate_file()));
  // What was bad may have become good: not valid yet, a folder that was not mounted. In either direction, so that a
  // clock that was set back does not stop the tries.
  const bool again = absl::AbsDuration(now - complained_) >= kComplainEvery;
  if (pair != pair_stamp_ || (again && !pair_status_.ok())) {
    pair_stamp_ = pair;
    pair_status_ = LoadPair();
    changed = true;
    if (pair_status_.ok())
      log::Info("certificate_reloaded", {{f::kFile, config_.certificate_file()},
                                         {f::kNotAfter, absl::FormatTime(not_after(), absl::UTCTimeZone())}});
  }
  const std::string bundle_stamp = Stamp(config_.trust_bundle_file());
  if (bundle_stamp != bundle_stamp_ || (again && !bundle_status_.ok())) {
    bundle_stamp_ = bundle_stamp;
    bundle_status_ = LoadBundle();
    changed = true;
    if (bundle_status_.ok())
      log::Info("trust_bundle_reloaded",
                {{f::kFile, config_.trust_bundle_file()}, {f::kCount, absl::StrCat(bundle()->anchors.size())}});
  }
  if (!changed && !again) return;
  complained_ = now;
  for (const absl::Status& status : {pair_status_, bundle_status_}) {
    if (!status.ok()) {
      log::Error("certificate_files_bad",
                 {{f::kReason, DenyReasonName(DenyReasonOf(status))},
                  {f::kDetail, absl::StrCat(status.message(), "; what was loaded before stays in force")}});
    }
  }
  WarnOfExpiry();
}

void TlsFiles::WarnOfExpiry() {
  const absl::Time end = not_after();
  const absl::Duration left = end - clock_.Now();
  if (left > options_.expiry_warning) return;
  log::Error(left > absl::ZeroDuration() ? "certificate_expires_soon" : "certificate_expired",
             {{log::fields::kFile, config_.certificate_file()},
              {log::fields::kNotAfter, absl::FormatTime(end, absl::UTCTimeZone())}});
}

void TlsFiles::Watch() {
  std::unique_lock lock(stop_mutex_);
  while (!stop_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
    lock.unlock();
    Refresh();
    lock.lock();
  }
}

std::shared_ptr<const TrustBundle> TlsFiles::bundle() const {
  std::lock_guard lock(mutex_);
  return bundle_;
}
std::shared_ptr<grpc::experimental::CertificateProviderInterface> TlsFiles::provider() const {
  std::lock_guard lock(mutex_);
  if (provider_ == nullptr) {
    // Key and certificate are one file, so that gRPC reads both in one piece; LoadPair exchanges it atomically (dup3).
    const std::string path = pair_path();
    provider_ =
        std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(path, path, /*refresh_interval_sec=*/1);
  }
  return provider_;
}
std::string TlsFiles::pair_path() const { return absl::StrCat("/proc/self/fd/", pair_fd_); }
std::uint64_t TlsFiles::pair_generation() const {
  std::lock_guard lock(mutex_);
  return pair_generation_;
}
std::string TlsFiles::spiffe_id() const {
  std::lock_guard lock(mutex_);
  return spiffe_id_;
}
std::string TlsFiles::key_sha256() const {
  std::lock_guard lock(mutex_);
  return key_sha256_;
}
absl::Time TlsFiles::not_after() const {
  std::lock_guard lock(mutex_);
  return not_after_;
}

}  // namespace twi::server
