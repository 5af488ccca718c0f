#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/crypto/random.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_builder.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/secret/secret_bytes.h"
#include "common/server/tls13.h"
#include "common/server/tls_files.h"
#include "common/server/verify_peer.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "grpc/grpc_security.h"
#include "grpc/support/string_util.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace twi::client {
namespace {

namespace ge = grpc::experimental;

using Anchors = std::vector<crypto::Certificate>;
using AnchorSource = std::function<absl::StatusOr<Anchors>()>;

absl::string_view View(grpc::string_ref ref) { return absl::string_view(ref.data(), ref.size()); }

// The whole judgement of the server's certificate: gRPC's own is switched off, because it knows host names, and an
// address says nothing about who answers. TLS has proved possession of the key before this is called.
class ServerVerifier final : public ge::ExternalCertificateVerifier {
 public:
  ServerVerifier(std::string spiffe_id, AnchorSource anchors)
      : spiffe_id_(std::move(spiffe_id)), anchors_(std::move(anchors)) {}

  // Always synchronous. The answer is a refusal until everything is known to be right.
  bool Verify(ge::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the server's certificate was not verified");
    const absl::Status verified = VerifyServer(View(request->peer_cert()), View(request->peer_cert_full_chain()));
    if (verified.ok()) {
      *sync_status = grpc::Status::OK;
      return true;
    }
    log::Warn("server_refused", {{log::fields::kPeer, spiffe_id_},
                                 {log::fields::kReason, DenyReasonName(DenyReasonOf(verified))},
                                 {log::fields::kDetail, std::string(verified.message())}});
    // gRPC passes on nothing but words: the reason's name in front of them is what FromGrpc (channel.cc) finds again.
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, absl::StrCat(DenyReasonName(DenyReasonOf(verified)),
                                                                                ": ", std::string(verified.message())));
    return true;
  }
  void Cancel(ge::TlsCustomVerificationCheckRequest*) override {}

 private:
  absl::Status VerifyServer(absl::string_view leaf, absl::string_view chain) const {
    TWI_ASSIGN_OR_RETURN(const Anchors anchors, anchors_());
    const absl::StatusOr<server::VerifiedPeer> peer = server::VerifyPeer(
        leaf, chain, anchors, {server::PeerRole::kServer, /*allow_attested_key=*/false, absl::Now()});
    if (!peer.ok()) {
      return Deny(v1::DENY_REASON_SERVER_UNAUTHENTICATED,
                  absl::StrCat("expected ", spiffe_id_, ": ", peer.status().message()));
    }
    if (peer->identity.kind != server::PeerIdentity::Kind::kSpiffeId || peer->identity.spiffe_id != spiffe_id_) {
      return Deny(v1::DENY_REASON_SERVER_IDENTITY_MISMATCH,
                  absl::StrCat("expected ", spiffe_id_, ", the server is ", peer->identity.ToString()));
    }
    return absl::OkStatus();
  }

  const std::string spiffe_id_;
  const AnchorSource anchors_;
};

std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(std::shared_ptr<ge::CertificateProviderInterface> provider,
                                                          const std::string& peer_spiffe_id, AnchorSource anchors) {
  ge::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::move(provider));
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      ge::ExternalCertificateVerifier::Create<ServerVerifier>(peer_spiffe_id, std::move(anchors)));
  return ge::TlsCredentials(options);
}

// A self-signed certificate in PEM whose private key is gone: nothing chains to it. Generated once.
const std::string& RootThatSignedNothing() {
  static const std::string* const pem = [] {
    crypto::CertificateTemplate root;
    root.serial = std::string(1, '\x01');
    root.issuer_der = root.subject_der = crypto::NameFromCommonName("twi: no public root is trusted");
    root.not_before = absl::FromUnixSeconds(0);
    root.not_after = absl::FromUnixSeconds(4102444800);  // 2100
    root.is_ca = true;
    root.key_usage = crypto::kKeyUsageKeyCertSign;
    const absl::StatusOr<crypto::PrivateKey> key = crypto::PrivateKey::Generate(crypto::KeyType::kP256);
    if (!key.ok()) return new std::string();
    root.subject_spki = key->public_key().spki();
    const absl::StatusOr<std::string> der = crypto::SignCertificate(root, *key);
    return new std::string(der.ok() ? crypto::CertificateToPem(*der) : std::string());
  }();
  return *pem;
}

// gRPC wants roots for its own verification, which ServerVerifier replaces. Without this it reads those of the web from
// a file of its package: they have no say here, and an image FROM scratch does not hold them. No root: no connection.
grpc_ssl_roots_override_result NoPublicRoots(char** pem_root_certs) {
  if (RootThatSignedNothing().empty()) return GRPC_SSL_ROOTS_OVERRIDE_FAIL_PERMANENTLY;
  *pem_root_certs = gpr_strdup(RootThatSignedNothing().c_str());
  return GRPC_SSL_ROOTS_OVERRIDE_OK;
}

// Must run before the first TLS credentials of the process are made.
void PrepareGrpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    server::RequireTls13();
    grpc_set_ssl_roots_override_callback(NoPublicRoots);
  });
}

class FileIdentity final : public Identity {
 public:
  FileIdentity(std::shared_ptr<SystemClock> clock, std::shared_ptr<server::TlsFiles> files)
      : clock_(std::move(clock)), files_(std::move(files)) {}
  ~FileIdentity() override { files_->Stop(); }
  std::string key_sha256() const override { return files_->key_sha256(); }
  std::shared_ptr<grpc::ChannelCredentials> ForPeer(const std::string& peer_spiffe_id) const override {
    return MakeCredentials(files_->provider(), peer_spiffe_id,
                           [files = files_]() -> absl::StatusOr<Anchors> { return files->bundle()->anchors; });
  }

 private:
  const std::shared_ptr<SystemClock> clock_;
  const std::shared_ptr<server::TlsFiles> files_;
};

class AttestedKeyIdentity final : public Identity {
 public:
  AttestedKeyIdentity(std::string trust_bundle_file, std::string key_sha256,
                      std::shared_ptr<ge::CertificateProviderInterface> provider)
      : trust_bundle_file_(std::move(trust_bundle_file)),
        key_sha256_(std::move(key_sha256)),
        provider_(std::move(provider)) {}
  std::string key_sha256() const override { return key_sha256_; }
  std::shared_ptr<grpc::ChannelCredentials> ForPeer(const std::string& peer_spiffe_id) const override {
    // Read at each handshake (they are rare): always the bundle in force, and no bundle means no connection.
    return MakeCredentials(provider_, peer_spiffe_id,
                           [path = trust_bundle_file_] { return server::LoadTrustBundle(path); });
  }

 private:
  const std::string trust_bundle_file_;
  const std::string key_sha256_;
  const std::shared_ptr<ge::CertificateProviderInterface> provider_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Identity>> Identity::FromFiles(const config::v1::Tls& tls) {
  PrepareGrpc();
  auto clock = std::make_shared<SystemClock>();
  TWI_ASSIGN_OR_RETURN(std::shared_ptr<server::TlsFiles> files,
                       server::TlsFiles::Open(tls, *clock, server::TlsFiles::Options()));
  return std::make_shared<FileIdentity>(std::move(clock), std::move(files));
}

absl::StatusOr<std::shared_ptr<Identity>> Identity::AttestedKey(const std::string& trust_bundle_file, absl::Time now) {
  PrepareGrpc();
  TWI_RETURN_IF_ERROR(server::LoadTrustBundle(trust_bundle_file).status());
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
  crypto::CertificateTemplate certificate;
  certificate.serial = crypto::SystemRandom().Bytes(16);
  certificate.serial[0] = static_cast<char>((certificate.serial[0] & 0x7F) | 0x40);  // positive and not zero
  certificate.issuer_der = certificate.subject_der = crypto::NameFromCommonName("twi attested key");
  certificate.not_before = now - absl::Minutes(5);  // the server's clock may be a little behind ours
  certificate.not_after = now + absl::Hours(24);
  certificate.subject_spki = key.public_key().spki();
  certificate.key_usage = crypto::kKeyUsageDigitalSignature;
  certificate.extended_key_usage = {crypto::kEkuClientAuth};
  TWI_ASSIGN_OR_RETURN(const std::string der, crypto::SignCertificate(certificate, key));

  // The one place where this key leaves wiped memory: gRPC takes it as a std::string and keeps copies of its own for as
  // long as the channel lives. It is worth little: it proves nothing but "the same peer as before", and dies with the
  // process.
  std::string key_pem(key.ToPem().reveal());
  std::vector<ge::IdentityKeyCertPair> pairs{{std::move(key_pem), crypto::CertificateToPem(der)}};
  auto provider = std::make_shared<ge::StaticDataCertificateProvider>(pairs);
  Wipe(pairs[0].private_key);
  return std::make_shared<AttestedKeyIdentity>(trust_bundle_file, key.public_key().spki_sha256(), std::move(provider));
}

}  // namespace twi::client
