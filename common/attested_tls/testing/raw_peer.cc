#include "common/attested_tls/testing/raw_peer.h"

#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/secret/secret_bytes.h"
#include "openssl/err.h"
#include "openssl/pem.h"

namespace twi::atls::testing {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "raw peer: %s\n", what);
  ERR_print_errors_fp(stderr);
  std::abort();
}

X509* Parse509(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return d2i_X509(nullptr, &at, static_cast<long>(der.size()));
}

}  // namespace

RawPeer::RawPeer(RawOptions options, int fd) : options_(std::move(options)) {
  Configure();
  ssl_ = SSL_new(ctx_);
  Require(ssl_ != nullptr && SSL_set_fd(ssl_, fd) == 1, "SSL_new");
  options_.role == Role::kClient ? SSL_set_connect_state(ssl_) : SSL_set_accept_state(ssl_);
}

RawPeer::~RawPeer() {
  SSL_free(ssl_);
  SSL_CTX_free(ctx_);
}

void RawPeer::Configure() {
  ctx_ = SSL_CTX_new(TLS_method());
  Require(ctx_ != nullptr && SSL_CTX_set_min_proto_version(ctx_, options_.version) == 1 &&
              SSL_CTX_set_max_proto_version(ctx_, options_.version) == 1,
          "SSL_CTX_new");
  unsigned contexts = SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS | SSL_EXT_TLS1_3_CERTIFICATE_REQUEST |
                      SSL_EXT_TLS1_3_CERTIFICATE;
  for (const auto& [context, body] : options_.extension) contexts |= context;
  if (options_.knows_extension)
    Require(SSL_CTX_add_custom_ext(ctx_, kExtensionType, contexts, Add, nullptr, this, Parse, this) == 1, "custom ext");
  if (options_.key.has_value()) {
    const SecretBytes pem = options_.key->ToPem();
    BIO* bio = BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    X509* leaf = Parse509(options_.leaf_der);
    Require(key != nullptr && leaf != nullptr && SSL_CTX_use_certificate(ctx_, leaf) == 1, "certificate");
    Require(SSL_CTX_use_PrivateKey(ctx_, key) == 1, "key");
    for (const std::string& der : options_.further_certificates)
      Require(SSL_CTX_add_extra_chain_cert(ctx_, Parse509(der)) == 1, "chain");
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }
  if (!options_.groups.empty()) Require(SSL_CTX_set1_groups_list(ctx_, options_.groups.c_str()) == 1, "groups");
  if (options_.role == Role::kServer && options_.ask_for_certificate)
    SSL_CTX_set_verify(ctx_, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  if (options_.keeps_certificate) KeepCertificate();
  SSL_CTX_set_msg_callback(ctx_, OnMessage);
  SSL_CTX_set_msg_callback_arg(ctx_, this);
}

void RawPeer::KeepCertificate() {
  Require(SSL_CTX_set_ciphersuites(ctx_, "TLS_AES_128_GCM_SHA256") == 1, "ciphersuites");
  SSL_CTX_set_app_data(ctx_, this);
  SSL_CTX_set_keylog_callback(ctx_, [](const SSL* ssl, const char* line) {  // NAME random secret, in hex
    const std::string text(line);
    if (text.rfind("CLIENT_HANDSHAKE_TRAFFIC_SECRET ", 0) != 0) return;
    long size = 0;
    unsigned char* secret = OPENSSL_hexstr2buf(text.substr(text.rfind(' ') + 1).c_str(), &size);
    Require(secret != nullptr, "key log");
    static_cast<RawPeer*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))
        ->client_secret.assign(reinterpret_cast<char*>(secret), static_cast<std::size_t>(size));
    OPENSSL_free(secret);
  });
}

const std::string* RawPeer::BodyFor(unsigned context) {
  if (context == SSL_EXT_CLIENT_HELLO && ++hellos_ > 1 && options_.second_hello.has_value())
    return options_.second_hello->empty() ? nullptr : &*options_.second_hello;
  const auto found = options_.extension.find(context);
  return found == options_.extension.end() ? nullptr : &found->second;
}

int RawPeer::Add(SSL*, unsigned, unsigned context, const unsigned char** out, std::size_t* size, X509*, std::size_t,
                 int*, void* self) {
  const std::string* body = static_cast<RawPeer*>(self)->BodyFor(context);
  if (body == nullptr) return 0;
  *out = reinterpret_cast<const unsigned char*>(body->data());
  *size = body->size();
  return 1;
}

int RawPeer::Parse(SSL*, unsigned, unsigned context, const unsigned char* in, std::size_t size, X509*, std::size_t,
                   int*, void* self) {
  static_cast<RawPeer*>(self)->received[context] = std::string(reinterpret_cast<const char*>(in), size);
  return 1;
}

void RawPeer::OnMessage(int write, int, int content, const void* data, std::size_t size, SSL* ssl, void* self) {
  auto* peer = static_cast<RawPeer*>(self);
  const auto* bytes = static_cast<const unsigned char*>(data);
  if (content == SSL3_RT_ALERT && write == 0 && size == 2) peer->alert = bytes[1];
  if (content != SSL3_RT_HANDSHAKE || size == 0) return;
  (write == 1 ? peer->sent_messages : peer->received_messages)
      .emplace_back(bytes[0], std::string(reinterpret_cast<const char*>(data), size));
  const bool answers_next = write == 0 && bytes[0] == SSL3_MT_FINISHED;
  if (answers_next && peer->options_.keeps_certificate) SSL_set0_wbio(ssl, BIO_new(BIO_s_null()));
}

void RawPeer::Step() {
  if (failed_) return;
  Try();
  if (failed_) shutdown(SSL_get_fd(ssl_), SHUT_WR);  // the other side waits for it
}

void RawPeer::Try() {
  ERR_clear_error();
  if (!done_) {
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
      done_ = true;
    } else {
      const int error = SSL_get_error(ssl_, result);
      failed_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
      return;
    }
  }
  char buffer[16384];
  for (;;) {
    const int got = SSL_read(ssl_, buffer, sizeof(buffer));
    if (got > 0) {
      application.append(buffer, static_cast<std::size_t>(got));
      continue;
    }
    const int error = SSL_get_error(ssl_, got);
    failed_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    return;
  }
}

std::string RawPeer::peer_leaf_der() const {
  X509* leaf = SSL_get1_peer_certificate(ssl_);
  if (leaf == nullptr) return "";
  unsigned char* der = nullptr;
  const int size = i2d_X509(leaf, &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  X509_free(leaf);
  return out;
}

std::string RawPeer::Exporter() const {
  std::string out(kExporterSize, '\0');
  Require(SSL_export_keying_material(ssl_, reinterpret_cast<unsigned char*>(out.data()), out.size(), kExporterLabel,
                                     sizeof(kExporterLabel) - 1, nullptr, 0, 0) == 1,
          "exporter");
  return out;
}

void RawPeer::Send(absl::string_view bytes) {
  ERR_clear_error();
  const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  Require(sent == static_cast<int>(bytes.size()) || failed_ || sent <= 0, "SSL_write");
}

bool RawPeer::SendKeyUpdate() {
  ERR_clear_error();
  if (!key_update_pending_) Require(SSL_key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED) == 1, "SSL_key_update");
  const int result = SSL_do_handshake(ssl_);
  Require(result == 1 || SSL_get_error(ssl_, result) == SSL_ERROR_WANT_WRITE, "KeyUpdate");
  key_update_pending_ = result != 1;
  return result == 1;
}

std::optional<Frame> RawPeer::NextFrame() {
  if (application.size() < kFrameHeader) return std::nullopt;
  std::size_t size = 0;
  for (int i = 1; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(application[i]);
  if (application.size() < kFrameHeader + size) return std::nullopt;
  Frame frame{static_cast<FrameType>(application[0]), application.substr(kFrameHeader, size)};
  application.erase(0, kFrameHeader + size);
  return frame;
}

std::string RawPeer::refused() {
  std::optional<Frame> frame = NextFrame();
  while (frame.has_value() && frame->type != FrameType::kRefused) frame = NextFrame();
  return frame.has_value() ? frame->body : "";
}

}  // namespace twi::atls::testing
