// The one kind of SSL_CTX that we use, and the way from OpenSSL's callbacks to the connection.
#include "absl/strings/str_cat.h"
#include "common/attested_tls/connection.h"
#include "common/status/deny.h"
#include "openssl/err.h"

namespace twi::atls {
namespace {

constexpr unsigned kContexts = SSL_EXT_TLS1_3_ONLY | SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS |
                               SSL_EXT_TLS1_3_CERTIFICATE_REQUEST | SSL_EXT_TLS1_3_CERTIFICATE;

ConnectionImpl& ConnectionOf(SSL* ssl) { return *static_cast<ConnectionImpl*>(SSL_get_app_data(ssl)); }

int OnClientHello(SSL* ssl, int* alert, void*) { return ConnectionOf(ssl).OnClientHello(alert); }

int OnCertificate(SSL* ssl, void*) { return ConnectionOf(ssl).OnCertificateWanted(); }

int OnVerify(X509_STORE_CTX* context, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return ConnectionOf(ssl).OnVerify(context);
}

int OnAdd(SSL* ssl, unsigned, unsigned context, const unsigned char** out, std::size_t* size, X509*,
          std::size_t chain_index, int* alert, void*) {
  return ConnectionOf(ssl).OnExtensionAdd(context, chain_index, out, size, alert);
}

int OnParse(SSL* ssl, unsigned, unsigned context, const unsigned char* in, std::size_t size, X509*,
            std::size_t chain_index, int* alert, void*) {
  return ConnectionOf(ssl).OnExtensionParse(context, absl::string_view(reinterpret_cast<const char*>(in), size),
                                            chain_index, alert);
}

bool Configure(SSL_CTX* ctx, Role role, bool demands_certificate) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // By default SSL_read goes on by itself after each KeyUpdate, for as long as the peer streams them.
  SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(ctx, static_cast<long>(kMaxLeaf + 1024));
  SSL_CTX_set_cert_verify_callback(ctx, OnVerify, nullptr);
  if (role == Role::kServer) {
    SSL_CTX_set_client_hello_cb(ctx, OnClientHello, nullptr);
    SSL_CTX_set_verify(ctx, demands_certificate ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                       nullptr);
  } else {
    SSL_CTX_set_cert_cb(ctx, OnCertificate, nullptr);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  }
  return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
         SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
         SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") ==
             1 &&
         SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
         SSL_CTX_set1_sigalgs_list(ctx, "ecdsa_secp256r1_sha256") == 1 &&
         SSL_CTX_add_custom_ext(ctx, kExtensionType, kContexts, OnAdd, nullptr, nullptr, OnParse, nullptr) == 1;
}

}  // namespace

absl::StatusOr<UniqueSslCtx> MakeTlsContext(Role role, bool demands_certificate) {
  if (TlsLibrary() == nullptr) return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL cannot be set up");
  UniqueSslCtx ctx(
      SSL_CTX_new_ex(TlsLibrary(), nullptr, role == Role::kServer ? TLS_server_method() : TLS_client_method()));
  if (ctx == nullptr || !Configure(ctx.get(), role, demands_certificate)) {
    ERR_clear_error();
    return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL refuses the TLS settings");
  }
  return ctx;
}

absl::Status TlsFailure() {
  const unsigned long error = ERR_peek_error();  // the first is the cause
  char text[256] = "the connection was closed";
  if (error != 0) ERR_error_string_n(error, text, sizeof(text));
  ERR_clear_error();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  if (reason >= SSL_AD_REASON_OFFSET)
    return Deny(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED, absl::StrCat("the peer ended the handshake: ", text));
  switch (reason) {
    case SSL_R_BAD_EXTENSION:
    case SSL_R_UNSOLICITED_EXTENSION:
      return Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID, text);
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
      return Deny(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE, text);
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Deny(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID, "the peer showed no certificate");
    default:
      return Deny(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, text);
  }
}

}  // namespace twi::atls
