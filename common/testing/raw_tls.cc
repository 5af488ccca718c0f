#include "common/testing/raw_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"

namespace twi::testing {
namespace {

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};  // who gets no answer fails, it does not hang
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

bool UseCertificate(SSL_CTX* context, const RawTls::Options& options) {
  if (options.certificate_pem.empty()) return true;
  Owned<BIO> cert_bio(
      BIO_new_mem_buf(options.certificate_pem.data(), static_cast<int>(options.certificate_pem.size())));
  Owned<BIO> key_bio(BIO_new_mem_buf(options.key_pem.data(), static_cast<int>(options.key_pem.size())));
  Owned<X509> cert(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr));
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  return cert != nullptr && key != nullptr && SSL_CTX_use_certificate(context, cert.get()) == 1 &&
         SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

// True when `text` is a whole response with Content-Length.
bool IsComplete(const std::string& text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string header = absl::AsciiStrToLower(text.substr(0, end + 2));
  const std::size_t at = header.find("content-length: ");
  if (at == std::string::npos) return header.compare(9, 3, "204") == 0 || header.compare(9, 3, "100") == 0;
  std::size_t size = 0;
  const std::string value = header.substr(at + 16, header.find("\r\n", at) - at - 16);
  return absl::SimpleAtoi(value, &size) && text.size() >= end + 4 + size;
}

}  // namespace

struct RawTls::State {
  Owned<SSL_CTX> context{SSL_CTX_new(TLS_client_method())};
  Owned<SSL> ssl;
  int fd = -1;
  bool done = false;
  ~State() {
    if (fd >= 0) close(fd);
  }
};

RawTls::RawTls(int port, const Options& options) : state_(std::make_unique<State>()) {
  std::signal(SIGPIPE, SIG_IGN);  // a server that refuses us closes the connection while we write
  SSL_CTX* context = state_->context.get();
  const int version = options.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  if (!UseCertificate(context, options)) return;
  if (!options.alpn.empty()) {
    std::string list(1, static_cast<char>(options.alpn.size()));
    list += options.alpn;
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()));
  }
  state_->fd = Connect(port);
  if (state_->fd < 0 || options.silent) return;
  state_->ssl.reset(SSL_new(context));
  SSL_set_fd(state_->ssl.get(), state_->fd);
  state_->done = SSL_connect(state_->ssl.get()) == 1;
}
RawTls::~RawTls() = default;
RawTls::RawTls(RawTls&&) noexcept = default;

bool RawTls::handshake_done() const { return state_->done; }

std::string RawTls::version() const { return state_->done ? SSL_get_version(state_->ssl.get()) : ""; }

std::string RawTls::server_certificate_sha256() const {
  if (!state_->done) return "";
  const Owned<X509> certificate(SSL_get1_peer_certificate(state_->ssl.get()));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (certificate == nullptr || X509_digest(certificate.get(), EVP_sha256(), digest, &size) != 1) return "";
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

bool RawTls::Write(const std::string& bytes) {
  return state_->done && SSL_write(state_->ssl.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
}

std::string RawTls::Read() {
  char buffer[4096];
  const int n = state_->done ? SSL_read(state_->ssl.get(), buffer, sizeof buffer) : 0;
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "";
}

std::string RawTls::ReadResponse() {
  std::string text;
  for (std::string more; !IsComplete(text) && !(more = Read()).empty();) text += more;
  return text;
}

bool RawTls::HasInput() const {
  pollfd waiting{state_->fd, POLLIN, 0};
  return poll(&waiting, 1, 0) > 0;
}

bool RawTls::AwaitClosed() {
  char buffer[4096];
  while (true) {
    const ssize_t n = recv(state_->fd, buffer, sizeof buffer, 0);
    if (n == 0) return true;
    if (n < 0) return errno == ECONNRESET || errno == EPIPE;
  }
}

}  // namespace twi::testing
