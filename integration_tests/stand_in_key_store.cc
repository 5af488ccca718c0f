#include "integration_tests/stand_in_key_store.h"

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/crypto/hash.h"
#include "common/crypto/random.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/sealed_key/sealed_key.h"
#include "common/server/server.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "proto/twi/v1/key_store.grpc.pb.h"

namespace twi::integration {
namespace {

using Seal = std::function<absl::StatusOr<std::string>(const v1::ReleaseKeyRequest&)>;

class KeysAndRelease final : public v1::KeyStore::Service {
 public:
  KeysAndRelease(server::Gate& gate, std::string jwks, Seal seal)
      : gate_(gate), jwks_(std::move(jwks)), seal_(std::move(seal)) {}
  grpc::Status GetKeyStoreKeys(grpc::ServerContext* context, const v1::GetKeyStoreKeysRequest*,
                               v1::GetKeyStoreKeysResponse* response) override {
    return server::Handle(gate_, *context, "GetKeyStoreKeys", [&](const server::Call&) {
      response->set_jwks(jwks_);
      return absl::OkStatus();
    });
  }
  grpc::Status ReleaseKey(grpc::ServerContext* context, const v1::ReleaseKeyRequest* request,
                          v1::ReleaseKeyResponse* response) override {
    return server::Handle(gate_, *context, "ReleaseKey", [&](const server::Call&) -> absl::Status {
      TWI_ASSIGN_OR_RETURN(*response->mutable_sealed_key(), seal_(*request));
      return absl::OkStatus();
    });
  }

 private:
  server::Gate& gate_;
  const std::string jwks_;
  const Seal seal_;
};

config::v1::Server ServerConfig(const Deployment& deployment) {
  config::v1::Server config;
  config.set_listen(deployment.address(kKeyStore));
  config.mutable_tls()->set_certificate_file(deployment.File("tls/key-store.pem"));
  config.mutable_tls()->set_key_file(deployment.File("tls/key-store.key.pem"));
  config.mutable_tls()->set_trust_bundle_file(deployment.File("tls/ca.pem"));
  for (const char* rpc : {"GetKeyStoreKeys", "ReleaseKey"}) {
    config::v1::Allow& allow = *config.add_allow();
    allow.set_rpc(rpc);
    allow.add_peers("attested_key");
  }
  return config;
}

}  // namespace

struct StandInKeyStore::Impl {
  explicit Impl(const crypto::PrivateKey& key_to_give) : credential_key(key_to_give) {}

  // As the real one does (services/key_store/release_key.cc), but for the signer; nothing is checked.
  absl::StatusOr<std::string> Seal(const v1::ReleaseKeyRequest& request) {
    SealedKeyContext context;
    context.rp_id = request.binding().rp_id();
    context.target = request.binding().target();
    context.nonce = request.binding().nonce();
    context.key_id = request.key_id();
    context.results_sha256 = crypto::Sha256(request.attestation_results());
    const Signer by = signer;
    const bool other = by == Signer::kUnpublished || by == Signer::kForged;
    const std::string kid = jose::Thumbprint((by == Signer::kUnpublished ? another : published).public_key());
    const std::string issuer = by == Signer::kAnotherIssuer ? "spiffe://example.org/twi/another" : kKeyStoreId;
    ++released;
    return SealKey(context, request.binding().subject(), credential_key.ToPkcs8(), issuer,
                   ToBase64Url(random.Bytes(16)), clock.Now(), other ? another : published, kid);
  }

  const crypto::PrivateKey& credential_key;
  SystemClock clock;
  crypto::SystemRandom random;
  const crypto::PrivateKey published = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  const crypto::PrivateKey another = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  std::atomic<Signer> signer{Signer::kPublished};
  std::atomic<int> released{0};
  std::unique_ptr<server::Server> server;  // the last to come: it uses the others
};

StandInKeyStore::StandInKeyStore(const Deployment& deployment, const crypto::PrivateKey& credential_key)
    : impl_(std::make_unique<Impl>(credential_key)) {
  const crypto::PublicKey& key = impl_->published.public_key();
  const std::string jwks = jose::ToJson(jose::JwkSet{{jose::Jwk{jose::Thumbprint(key), "ES256", "sig", key}}}).dump();
  impl_->server = server::Server::Start(
                      ServerConfig(deployment), impl_->clock,
                      server::OneService(v1::KeyStore::service_full_name(),
                                         [&](server::Gate& gate) {
                                           return std::make_unique<KeysAndRelease>(
                                               gate, jwks, [impl = impl_.get()](const v1::ReleaseKeyRequest& request) {
                                                 return impl->Seal(request);
                                               });
                                         }))
                      .value();
}

StandInKeyStore::~StandInKeyStore() = default;

void StandInKeyStore::SignBy(Signer signer) { impl_->signer = signer; }

int StandInKeyStore::released() const { return impl_->released; }

}  // namespace twi::integration
