#include "services/key_store/testing/key_store_under_test.h"

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/binding/binding.h"

namespace twi::key_store {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "key store under test: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

void Allow(config::v1::Server& config, const char* rpc, const std::vector<const char*>& peers) {
  auto* allow = config.add_allow();
  allow->set_rpc(rpc);
  for (const char* peer : peers) allow->add_peers(peer);
}

}  // namespace

KeyStoreUnderTest::KeyStoreUnderTest()
    : clock(absl::Now()),
      pki(clock.Now()),
      verifier_key(OrDie(crypto::PrivateKey::Generate(crypto::KeyType::kP256))),
      sealer(OrDie(storage::Sealer::FromKey(random.Secret(32)))) {}

void KeyStoreUnderTest::Start() {
  database = OrDie(storage::Database::Open(
      pki.dir().File("keys.db"), {storage::kSigningKeysSchema, kCredentialKeysSchema, kReleaseRecordsSchema}));
  signing_keys = OrDie(storage::SigningKeys::Load(*database, *sealer, random, "key-store", {}, clock.Now()));
  keys = std::make_unique<SealedStore>(*database, *sealer, random);
  records = std::make_unique<ReleaseRecords>(*database, 1000);
  policies = std::make_unique<ReleasePolicyCache>();
  verifier_keys = std::make_unique<client::KeySource>(
      [this](absl::Time) -> absl::StatusOr<jose::JwkSet> {
        return jose::JwkSet{{{"v1", "ES256", "sig", verifier_key.public_key()}}};
      },
      absl::Minutes(5), clock);
  deps = std::make_unique<KeyStoreDeps>(KeyStoreDeps{clock,
                                                     random,
                                                     *keys,
                                                     *records,
                                                     *policies,
                                                     *signing_keys,
                                                     *verifier_keys,
                                                     kRpId,
                                                     kKeyStoreId,
                                                     kVerifierId,
                                                     absl::Minutes(10),
                                                     {kOwner, kOtherOwner}});
  config::v1::Server config;
  config.set_listen("127.0.0.1:0");
  *config.mutable_tls() = pki.Issue("server", kKeyStoreId);
  Allow(config, "ProvisionKey", {kOwner, kOtherOwner, kNotAnOwner});
  Allow(config, "ListKeys", {kOwner, kOtherOwner, kNotAnOwner});
  Allow(config, "ReleaseKey", {"attested_key"});
  Allow(config, "GetKeyStoreKeys", {"attested_key", kOwner});
  server = OrDie(server::Server::Start(config, clock, [this](server::Gate& gate) {
    std::vector<server::NamedService> services;
    services.push_back({std::make_unique<KeyStoreService>(gate, *deps), v1::KeyStore::service_full_name()});
    return services;
  }));
}

void KeyStoreUnderTest::Stop() {
  server.reset();
  deps.reset();
  verifier_keys.reset();
  policies.reset();
  records.reset();
  keys.reset();
  signing_keys.reset();
  database.reset();
}

std::unique_ptr<client::KeyStoreClient> KeyStoreUnderTest::As(const std::string& spiffe_id) {
  const auto identity = OrDie(client::Identity::FromFiles(pki.Issue(absl::StrCat("client", serial_++), spiffe_id)));
  config::v1::Peer peer;
  peer.set_address(absl::StrCat("127.0.0.1:", server->port()));
  peer.set_spiffe_id(kKeyStoreId);
  peer.mutable_timeout()->set_seconds(20);
  return OrDie(client::MakeKeyStoreClient(peer, *identity, clock));
}

KeyStoreUnderTest::Workload KeyStoreUnderTest::NewWorkload() {
  auto identity = OrDie(client::Identity::AttestedKey(pki.dir().File("ca.crt"), clock.Now()));
  config::v1::Peer peer;
  peer.set_address(absl::StrCat("127.0.0.1:", server->port()));
  peer.set_spiffe_id(kKeyStoreId);
  peer.mutable_timeout()->set_seconds(20);
  auto client = OrDie(client::MakeKeyStoreClient(peer, *identity, clock));
  auto encryption_key = OrDie(crypto::HpkePrivateKey::Generate());
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(random.Bytes(56));
  binding.set_target(kTarget);
  binding.set_rp_id(kRpId);
  binding.set_subject(encryption_key.spki());
  return {std::move(identity), std::move(client), std::move(encryption_key), std::move(binding)};
}

v1::ProvisionKeyResponse KeyStoreUnderTest::Provision(const std::string& policy) {
  v1::ProvisionKeyRequest request;
  request.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
  request.set_release_policy(policy);
  request.set_target(kTarget);
  return OrDie(As(kOwner)->ProvisionKey(request, deadline()));
}

AttestationResults KeyStoreUnderTest::ResultsFor(const Workload& workload) {
  AttestationResults r;
  r.issuer = kVerifierId;
  r.build = "twi-verifier 0.1";
  r.audience = kRpId;
  r.jti = absl::StrCat("results-", serial_++);
  r.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(clock.Now()));
  r.expires_at = r.issued_at + absl::Minutes(5);
  r.status = EarStatus::kAffirming;
  r.trustworthiness = {{"hardware", 2}, {"executables", 3}, {"configuration", 2}};
  r.appraisal_policy_ids = {"default@sha256:00"};
  r.key_spki = workload.encryption_key.spki();
  r.nonce = workload.binding.nonce();
  r.target = workload.binding.target();
  r.reported_binding = BindingValue64(workload.binding);
  r.channel_key_sha256 = workload.identity->key_sha256();
  r.evidence_sha256 = std::string(32, 'e');
  r.software = {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", kOwner}};
  r.attester_claims = {{"format", "sev-snp"}, {"vmpl", 0}};
  return r;
}

std::string KeyStoreUnderTest::Sign(const AttestationResults& results) const {
  return OrDie(SignResults(results, verifier_key, "v1"));
}

v1::ReleaseKeyRequest KeyStoreUnderTest::RequestFor(const Workload& workload, const std::string& key_id,
                                                    const AttestationResults& results) const {
  v1::ReleaseKeyRequest request;
  request.set_key_id(key_id);
  request.set_attestation_results(Sign(results));
  *request.mutable_binding() = workload.binding;
  return request;
}

}  // namespace twi::key_store
