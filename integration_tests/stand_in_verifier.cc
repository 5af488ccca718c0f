#include "integration_tests/stand_in_verifier.h"

#include "common/binding/binding.h"
#include "common/crypto/random.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/server/server.h"
#include "common/time/clock.h"
#include "proto/twi/v1/verifier.grpc.pb.h"

namespace twi::integration {
namespace {

class KeysOnly final : public v1::Verifier::Service {
 public:
  KeysOnly(server::Gate& gate, std::string jwks) : gate_(gate), jwks_(std::move(jwks)) {}
  grpc::Status GetVerifierKeys(grpc::ServerContext* context, const v1::GetVerifierKeysRequest*,
                               v1::GetVerifierKeysResponse* response) override {
    return server::Handle(gate_, *context, "GetVerifierKeys", [&](const server::Call&) {
      response->set_jwks(jwks_);
      return absl::OkStatus();
    });
  }

 private:
  server::Gate& gate_;
  const std::string jwks_;
};

config::v1::Server ServerConfig(const Deployment& deployment) {
  config::v1::Server config;
  config.set_listen(deployment.address(kVerifier));
  config.mutable_tls()->set_certificate_file(deployment.File("tls/verifier.pem"));
  config.mutable_tls()->set_key_file(deployment.File("tls/verifier.key.pem"));
  config.mutable_tls()->set_trust_bundle_file(deployment.File("tls/ca.pem"));
  config::v1::Allow& allow = *config.add_allow();
  allow.set_rpc("GetVerifierKeys");
  for (const char* service : {"claims-mapper", "credential-authority", "key-store"})
    allow.add_peers(std::string("spiffe://example.org/twi/") + service);
  return config;
}

}  // namespace

struct StandInVerifier::Impl {
  SystemClock clock;
  crypto::SystemRandom random;
  crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  std::string kid = jose::Thumbprint(key.public_key());
  std::unique_ptr<server::Server> server;
};

StandInVerifier::StandInVerifier(const Deployment& deployment) : impl_(std::make_unique<Impl>()) {
  const std::string jwks =
      jose::ToJson(jose::JwkSet{{jose::Jwk{impl_->kid, "ES256", "sig", impl_->key.public_key()}}}).dump();
  impl_->server = server::Server::Start(ServerConfig(deployment), impl_->clock, [&](server::Gate& gate) {
                    std::vector<server::NamedService> services;
                    services.push_back({std::make_unique<KeysOnly>(gate, jwks), v1::Verifier::service_full_name()});
                    return services;
                  }).value();
}

StandInVerifier::~StandInVerifier() = default;

AttestationResults StandInVerifier::Results(const v1::Binding& binding, const std::string& key_spki,
                                            const std::string& channel_key_sha256) const {
  AttestationResults results;
  results.issuer = kVerifierId;
  results.build = "stand-in 0";
  results.audience = binding.rp_id();
  results.jti = ToBase64Url(impl_->random.Bytes(16));
  results.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  results.expires_at = results.issued_at + absl::Minutes(5);
  results.status = EarStatus::kAffirming;
  results.trustworthiness = {{"hardware", 2}, {"executables", 3}, {"configuration", 2}};
  results.appraisal_policy_ids = {"stand-in@sha256:00"};
  results.key_spki = key_spki;
  results.nonce = binding.nonce();
  results.target = binding.target();
  results.reported_binding = BindingValue64(binding);
  results.channel_key_sha256 = channel_key_sha256;
  results.evidence_sha256 = std::string(32, 'e');
  results.software = {
      {"name", "payroll-worker"}, {"version", "1.2.0"}, {"vendor", "spiffe://example.org/owner/payroll"}};
  results.attester_claims = {{"format", "sev-snp"}, {"insecure", false}};
  return results;
}

std::string StandInVerifier::Sign(const AttestationResults& results) const {
  return SignResults(results, impl_->key, impl_->kid).value();
}

}  // namespace twi::integration
