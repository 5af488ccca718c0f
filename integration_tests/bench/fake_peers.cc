#include "integration_tests/bench/fake_peers.h"

#include <utility>
#include <vector>

#include "common/config/load_yaml.h"
#include "common/jose/jwk.h"
#include "integration_tests/bench/measure.h"
#include "proto/twi/config/v1/claims_mapper.pb.h"
#include "proto/twi/config/v1/verifier.pb.h"
#include "proto/twi/v1/claims_mapper.grpc.pb.h"
#include "proto/twi/v1/verifier.grpc.pb.h"

namespace twi::bench {
namespace {

std::string Jwks(const crypto::PublicKey& key) {
  return jose::ToJson(jose::JwkSet{{jose::Jwk{jose::Thumbprint(key), "ES256", "sig", key}}}).dump();
}

class FakeVerifier final : public v1::Verifier::Service {
 public:
  FakeVerifier(server::Gate& gate, std::string jwks) : gate_(gate), jwks_(std::move(jwks)) {}
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

class FakeClaimsMapper final : public v1::ClaimsMapper::Service {
 public:
  FakeClaimsMapper(server::Gate& gate, std::string jwks, v1::PolicyInfo policy)
      : gate_(gate), jwks_(std::move(jwks)), policy_(std::move(policy)) {}
  grpc::Status GetGrantKeys(grpc::ServerContext* context, const v1::GetGrantKeysRequest*,
                            v1::GetGrantKeysResponse* response) override {
    return server::Handle(gate_, *context, "GetGrantKeys", [&](const server::Call&) {
      response->set_jwks(jwks_);
      return absl::OkStatus();
    });
  }
  grpc::Status GetPolicyVersions(grpc::ServerContext* context, const v1::GetPolicyVersionsRequest*,
                                 v1::GetPolicyVersionsResponse* response) override {
    return server::Handle(gate_, *context, "GetPolicyVersions", [&](const server::Call&) {
      *response->add_policies() = policy_;
      return absl::OkStatus();
    });
  }

 private:
  server::Gate& gate_;
  const std::string jwks_;
  const v1::PolicyInfo policy_;
};

template <typename Config>
config::v1::Server ServerSection(const integration::Deployment& deployment, const std::string& daemon) {
  Config config;
  OrFail(config::LoadYamlFile(deployment.File("config/" + daemon + ".yaml"), config), daemon);
  return config.server();
}

}  // namespace

FakePeers FakePeers::Start(const integration::Deployment& deployment, const Clock& clock,
                           const crypto::PublicKey& results_key, const crypto::PublicKey& grant_key,
                           const v1::PolicyInfo& policy) {
  FakePeers peers;
  peers.verifier =
      OrFail(server::Server::Start(ServerSection<config::v1::VerifierConfig>(deployment, integration::kVerifier), clock,
                                   [&](server::Gate& gate) {
                                     std::vector<server::NamedService> services;
                                     services.push_back({std::make_unique<FakeVerifier>(gate, Jwks(results_key)),
                                                         v1::Verifier::service_full_name()});
                                     return services;
                                   }),
             "fake verifier");
  peers.claims_mapper =
      OrFail(server::Server::Start(
                 ServerSection<config::v1::ClaimsMapperConfig>(deployment, integration::kClaimsMapper), clock,
                 [&](server::Gate& gate) {
                   std::vector<server::NamedService> services;
                   services.push_back({std::make_unique<FakeClaimsMapper>(gate, Jwks(grant_key), policy),
                                       v1::ClaimsMapper::service_full_name()});
                   return services;
                 }),
             "fake claims mapper");
  return peers;
}

}  // namespace twi::bench
