#include "common/testing/tls_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "openssl/err.h"
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

std::string LastError() {
  char text[256] = "closed";
  const unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  return text;
}

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};  // a probe that gets no answer fails, it does not hang
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

ProbeResult ProbeTls(int port, TlsVersion version, const std::string& certificate_pem, const std::string& key_pem) {
  ProbeResult result;
  std::signal(SIGPIPE, SIG_IGN);  // a server that refuses us closes the connection while we write
  ERR_clear_error();
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const int wire = version == TlsVersion::k12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(context.get(), wire);
  SSL_CTX_set_max_proto_version(context.get(), wire);
  const unsigned char alpn[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), alpn, sizeof alpn);
  if (!certificate_pem.empty()) {
    Owned<BIO> cert_bio(BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
    Owned<BIO> key_bio(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
    Owned<X509> cert(PEM_read_bio_X509(cert_bio.get(), nullptr, nullptr, nullptr));
    Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    if (cert == nullptr || key == nullptr || SSL_CTX_use_certificate(context.get(), cert.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
      result.error = "client certificate: " + LastError();
      return result;
    }
  }
  const int fd = Connect(port);
  if (fd < 0) {
    result.error = "connect";
    return result;
  }
  Owned<SSL> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  if (SSL_connect(ssl.get()) == 1) {
    result.handshake_done = true;
    result.version = SSL_get_version(ssl.get());
    // In TLS 1.3 the client is done before the server has judged its certificate: only the server's first frame says
    // that it did.
    char frame[9];
    const int n = SSL_write(ssl.get(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x4\0\0\0\0\0", 33) > 0
                      ? SSL_read(ssl.get(), frame, sizeof frame)
                      : -1;
    result.served = n > 0;
    if (!result.served) result.error = LastError();
  } else {
    result.error = LastError();
  }
  close(fd);
  return result;
}

}  // namespace twi::testing
