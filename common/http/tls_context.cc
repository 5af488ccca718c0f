#include "common/http/tls_context.h"

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/x509.h"

namespace twi::http {
namespace {

constexpr long kMaxClientChain = 64 << 10;  // bytes of the client's Certificate message
constexpr unsigned char kHttp11[] = "\x08http/1.1";

absl::Status TlsError(absl::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("TLS: ", what, ": ", text));
}

void AppendPem(X509* certificate, std::string& out) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return;  // no PEM: no peer
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  if (size > 0) out.append(data, static_cast<std::size_t>(size));
}

std::string ChainPem(const STACK_OF(X509) * chain) {
  std::string pem;
  for (int i = 0; i < sk_X509_num(chain); ++i) AppendPem(sk_X509_value(chain, i), pem);
  return pem;
}

// In place of OpenSSL's own path validation: the one that all our servers share.
int VerifyClient(X509_STORE_CTX* store, void* argument) {
  auto* peers = static_cast<server::TlsPeerSource*>(argument);
  const PeerCertificate certificate = PeerCertificateOf(*store);
  const auto peer = peers->Verify(certificate.leaf_pem, certificate.chain_pem);
  if (peer.ok()) return 1;
  log::Warn("handshake_refused", {{log::fields::kReason, DenyReasonName(DenyReasonOf(peer.status()))},
                                  {log::fields::kDetail, std::string(peer.status().message())}});
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
               void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

PeerCertificate PeerCertificateOf(const SSL& ssl) {
  PeerCertificate client;
  const std::unique_ptr<X509, void (*)(X509*)> leaf(SSL_get1_peer_certificate(&ssl), X509_free);
  if (leaf == nullptr) return client;
  AppendPem(leaf.get(), client.leaf_pem);
  client.chain_pem = ChainPem(SSL_get_peer_cert_chain(&ssl));
  return client;
}

PeerCertificate PeerCertificateOf(X509_STORE_CTX& store) {
  PeerCertificate peer;
  if (X509* leaf = X509_STORE_CTX_get0_cert(&store); leaf != nullptr) AppendPem(leaf, peer.leaf_pem);
  peer.chain_pem = ChainPem(X509_STORE_CTX_get0_untrusted(&store));
  return peer;
}

absl::StatusOr<std::unique_ptr<TlsContexts>> TlsContexts::Make(std::shared_ptr<server::TlsFiles> files,
                                                               std::shared_ptr<server::TlsPeerSource> peers,
                                                               bool require_certificate) {
  std::unique_ptr<TlsContexts> contexts(new TlsContexts(std::move(files), std::move(peers), require_certificate));
  contexts->generation_ = contexts->files_->pair_generation();
  auto first = contexts->Build();
  if (!first.ok()) return first.status();
  contexts->current_ = *std::move(first);
  return contexts;
}

std::shared_ptr<SSL_CTX> TlsContexts::Current() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::uint64_t generation = files_->pair_generation();
  if (generation == generation_) return current_;
  auto fresh = Build();
  if (fresh.ok()) {
    current_ = *std::move(fresh);
    generation_ = generation;
  } else {  // exchanged while it was read: the next connection tries again
    log::Error("certificate_not_taken", {{log::fields::kDetail, std::string(fresh.status().message())}});
  }
  return current_;
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> TlsContexts::Build() const {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr) return TlsError("SSL_CTX_new");
  SSL_CTX* c = context.get();
  const std::string path = files_->pair_path();
  if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 || SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) != 1)
    return TlsError("TLS 1.3");
  if (SSL_CTX_use_certificate_chain_file(c, path.c_str()) != 1) return TlsError("certificate");
  if (SSL_CTX_use_PrivateKey_file(c, path.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1)
    return TlsError("key");
  SSL_CTX_set_security_level(c, 2);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (SSL_CTX_set_num_tickets(c, 0) != 1 || SSL_CTX_set_max_early_data(c, 0) != 1) return TlsError("tickets");
  SSL_CTX_set_max_cert_list(c, kMaxClientChain);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);  // an idle connection holds no record buffers
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | (require_certificate_ ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  SSL_CTX_set_cert_verify_callback(c, &VerifyClient, peers_.get());  // the server keeps peers_ for as long as contexts
  SSL_CTX_set_alpn_select_cb(c, &SelectAlpn, nullptr);
  return context;
}

}  // namespace twi::http
