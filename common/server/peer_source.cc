#include "common/server/peer_source.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/tls13.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace twi::server {
namespace {

namespace ge = grpc::experimental;

absl::string_view View(grpc::string_ref ref) { return absl::string_view(ref.data(), ref.size()); }

// gRPC calls this after the TLS handshake (so possession of the key is proved) and before it lets the connection in.
class ClientVerifier final : public ge::ExternalCertificateVerifier {
 public:
  ClientVerifier(std::shared_ptr<TlsPeerSource> peers, metrics::Counter refused)
      : peers_(std::move(peers)), refused_(refused) {}

  // Always synchronous. The answer is a refusal until something else is known.
  bool Verify(ge::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "PEER_UNAUTHENTICATED");
    const absl::StatusOr<VerifiedPeer> peer =
        peers_->Verify(View(request->peer_cert()), View(request->peer_cert_full_chain()));
    if (peer.ok()) {
      *sync_status = grpc::Status::OK;
    } else {
      refused_.Increment();
      log::Warn("handshake_refused", {{log::fields::kReason, DenyReasonName(DenyReasonOf(peer.status()))},
                                      {log::fields::kDetail, std::string(peer.status().message())}});
    }
    return true;
  }
  void Cancel(ge::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::shared_ptr<TlsPeerSource> peers_;
  metrics::Counter refused_;
};

}  // namespace

absl::StatusOr<VerifiedPeer> TlsPeerSource::Verify(absl::string_view leaf_pem, absl::string_view chain_pem) {
  if (leaf_pem.empty()) return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED, "the peer presented no certificate");
  const std::shared_ptr<const TrustBundle> bundle = files_->bundle();
  const absl::Time now = clock_.Now();
  std::optional<VerifiedPeer> known = cache_.Find(leaf_pem, bundle->generation);
  if (!known.has_value()) {
    TWI_ASSIGN_OR_RETURN(
        known, VerifyPeer(leaf_pem, chain_pem, bundle->anchors, {PeerRole::kClient, allow_attested_key_, now}));
    cache_.Put(leaf_pem, *known, bundle->generation);
  }
  if (now > known->not_after) {
    return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED,
                absl::StrCat(known->identity.ToString(), ": its certificate has expired since the handshake"));
  }
  return *std::move(known);
}

absl::StatusOr<PeerIdentity> TlsPeerSource::PeerOf(const grpc::ServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr) return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED, "the channel is not authenticated");
  const std::vector<grpc::string_ref> leaf = auth->FindPropertyValues("x509_pem_cert");
  if (leaf.size() != 1) return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED, "the channel carries no client certificate");
  const std::vector<grpc::string_ref> chain = auth->FindPropertyValues("x509_pem_cert_chain");
  TWI_ASSIGN_OR_RETURN(VerifiedPeer peer,
                       Verify(View(leaf[0]), chain.size() == 1 ? View(chain[0]) : absl::string_view()));
  return std::move(peer.identity);
}

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsFiles& files,
                                                               std::shared_ptr<TlsPeerSource> peers,
                                                               metrics::Counter refused) {
  RequireTls13();
  ge::TlsServerCredentialsOptions options(files.provider());
  options.watch_identity_key_cert_pairs();
  // gRPC demands a certificate and OpenSSL checks possession of its key; whether it is to be believed is for
  // ClientVerifier alone, because an attested_key peer's certificate is self-signed.
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.set_certificate_verifier(ge::ExternalCertificateVerifier::Create<ClientVerifier>(std::move(peers), refused));
  options.set_check_call_host(false);
  return ge::TlsServerCredentials(options);
}

}  // namespace twi::server
