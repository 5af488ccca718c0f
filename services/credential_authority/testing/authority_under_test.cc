#include "services/credential_authority/testing/authority_under_test.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/credential_authority/issuance_record.h"

namespace twi::credential_authority {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "authority under test: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

absl::Status NotAsked() { return Deny(v1::DENY_REASON_INTERNAL, "the Credential Authority does not ask for this"); }

crypto::PrivateKey NewKey() { return OrDie(crypto::PrivateKey::Generate(crypto::KeyType::kP256)); }

std::unique_ptr<client::KeySource> SourceOf(const char* kid, const crypto::PrivateKey& key, const Clock& clock) {
  return std::make_unique<client::KeySource>(
      [kid, &key](absl::Time) -> absl::StatusOr<jose::JwkSet> {
        return jose::JwkSet{{{kid, "ES256", "sig", key.public_key()}}};
      },
      absl::Minutes(5), clock);
}

}  // namespace

absl::StatusOr<std::string> FakeMapper::MapClaims(v1::InputKind input_kind, absl::string_view results,
                                                  absl::string_view, absl::Time) {
  ++mapped;
  kind = input_kind;
  if (!refusal.ok()) return refusal;
  return map(results);
}
absl::StatusOr<v1::PlanClaimsResponse> FakeMapper::PlanClaims(const v1::PlanClaimsRequest&, absl::Time) {
  return NotAsked();
}
absl::StatusOr<v1::PutPolicyResponse> FakeMapper::PutPolicy(absl::string_view, absl::Time) { return NotAsked(); }
absl::StatusOr<v1::ListPoliciesResponse> FakeMapper::ListPolicies(absl::string_view, absl::Time) { return NotAsked(); }
absl::StatusOr<v1::GetPolicyVersionsResponse> FakeMapper::GetPolicyVersions(const std::vector<std::string>&,
                                                                            absl::Time) {
  ++versions_asked;
  if (!versions_refusal.ok()) return versions_refusal;
  v1::GetPolicyVersionsResponse response;
  if (!in_force.name().empty()) *response.add_policies() = in_force;
  return response;
}
absl::StatusOr<jose::JwkSet> FakeMapper::GetGrantKeys(absl::Time) { return NotAsked(); }

absl::StatusOr<v1::NewChallengeResponse> FakeVerifier::NewChallenge(absl::Time) { return NotAsked(); }
absl::StatusOr<v1::AppraiseResponse> FakeVerifier::Appraise(const v1::AppraiseRequest&, absl::Time) {
  return NotAsked();
}
absl::StatusOr<v1::AppraiseResponse> FakeVerifier::AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest& r,
                                                                           absl::Time) {
  ++asked;
  request = r;
  const absl::StatusOr<std::string> results = appraise(r);
  if (!results.ok()) return results.status();
  v1::AppraiseResponse response;
  response.set_attestation_results(*results);
  return response;
}
absl::StatusOr<v1::RequestCredentialResponse> FakeVerifier::RequestCredential(const v1::RequestCredentialRequest&,
                                                                              absl::Time) {
  return NotAsked();
}
absl::StatusOr<v1::GetVerifierKeysResponse> FakeVerifier::GetVerifierKeys(absl::Time) { return NotAsked(); }

AuthorityUnderTest::AuthorityUnderTest(absl::Time now)
    : clock(now),
      verifier_key(NewKey()),
      mapper_key(NewKey()),
      key_store_key(NewKey()),
      foreign_key(NewKey()),
      sealer(OrDie(storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'k'))))) {
  database = OrDie(storage::Database::Open(dir.File("authority.db"),
                                           {storage::kSigningKeysSchema, kAuthoritySchema, kIssuanceSchema}));
  config::v1::CredentialAuthorityConfig config;
  config.set_trust_domain("test.example");
  config.mutable_storage()->set_database_file(dir.File("authority.db"));
  config.mutable_issuing()->mutable_authority_lifetime()->set_seconds(7 * 24 * 3600);
  x509 = std::make_unique<X509Authority>(OrDie(LoadX509Authority(config, *database, *sealer, random, now)));
  wit_keys = OrDie(storage::SigningKeys::Load(*database, *sealer, random, "wit", {}, now));
  challenges = std::make_unique<Challenges>(Challenges::Options(), random);
  verifier_keys = SourceOf("v1", verifier_key, clock);
  grant_keys = SourceOf("g1", mapper_key, clock);
  key_store_keys = SourceOf("k1", key_store_key, clock);
  mapper.in_force.set_name("payroll");
  mapper.in_force.set_version(3);
  mapper.in_force.set_sha256(ToHex(std::string(32, 'p')));
  Assemble();
}

void AuthorityUnderTest::Assemble() {
  policy_versions = std::make_unique<PolicyVersions>(mapper, clock);
  deps = std::make_unique<AuthorityDeps>(AuthorityDeps{clock,
                                                       random,
                                                       *database,
                                                       *x509,
                                                       *wit_keys,
                                                       *challenges,
                                                       kRpId,
                                                       "test.example",
                                                       kRpId,
                                                       {kTarget},
                                                       mechanisms,
                                                       max_lifetime,
                                                       absl::Seconds(30),
                                                       absl::Minutes(10),
                                                       {kOperator},
                                                       kVerifierId,
                                                       kMapperId,
                                                       kKeyStoreId,
                                                       verifier_keys.get(),
                                                       grant_keys.get(),
                                                       key_store_keys.get(),
                                                       &mapper,
                                                       &verifier,
                                                       policy_versions.get()});
}

AuthorityUnderTest::Workload AuthorityUnderTest::NewWorkload(crypto::KeyType type) {
  crypto::PrivateKey key = OrDie(crypto::PrivateKey::Generate(type));
  std::string csr = OrDie(crypto::MakeCsr(key));
  server::PeerIdentity peer;
  peer.kind = server::PeerIdentity::Kind::kAttestedKey;
  peer.key_sha256 = crypto::Sha256(absl::StrCat("channel ", serial_++));
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(challenges->Issue(peer.key_sha256, clock.Now()));  // C; in A and B the Verifier's
  binding.set_target(kTarget);
  binding.set_rp_id(kRpId);
  binding.set_subject(csr);
  return {std::move(key), std::move(csr), std::move(peer), std::move(binding)};
}

AttestationResults AuthorityUnderTest::ResultsFor(const Workload& workload) {
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
  r.key_spki = workload.key.public_key().spki();
  r.nonce = workload.binding.nonce();
  r.target = workload.binding.target();
  r.reported_binding = BindingValue64(workload.binding);
  r.channel_key_sha256 = workload.peer.key_sha256;
  r.evidence_sha256 = std::string(32, 'e');
  r.software = {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", kOwner}};
  r.attester_claims = {{"format", "sev-snp"}};
  return r;
}

std::string AuthorityUnderTest::SignResults(const AttestationResults& results) const {
  return OrDie(twi::SignResults(results, verifier_key, "v1"));
}

Grant AuthorityUnderTest::GrantForOwner() {
  Grant g;
  g.issuer = kMapperId;
  g.audience = kRpId;
  g.jti = absl::StrCat("grant-", serial_++);
  g.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(clock.Now()));
  g.expires_at = g.issued_at + absl::Minutes(2);
  g.workload_identifier = kIdentifier;
  g.claims = {{"team", "payroll"}, {"level", 3}};
  g.max_lifetime = absl::Minutes(30);
  g.dns_names = {"worker.payroll.test.example"};
  g.policy_name = "payroll";
  g.policy_version = 3;
  g.policy_sha256 = std::string(32, 'p');
  g.policy_owner = kOwner;
  g.owner = kOwner;
  g.release_policy_sha256 = std::string(32, 'r');  // CounterSignatureFor's
  return g;
}

Grant AuthorityUnderTest::GrantFor(const crypto::PublicKey& key, absl::string_view results_jws) {
  Grant g = GrantForOwner();
  g.owner.clear();
  g.release_policy_sha256.clear();
  g.key_sha256 = key.spki_sha256();
  g.results_sha256 = crypto::Sha256(results_jws);
  return g;
}

std::string AuthorityUnderTest::SignGrant(const Grant& grant) const {
  return OrDie(twi::SignGrant(grant, mapper_key, "g1"));
}

CounterSignature AuthorityUnderTest::CounterSignatureFor(const std::string& csr) {
  CounterSignature c;
  c.issuer = kKeyStoreId;
  c.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(clock.Now()));
  c.jti = absl::StrCat("counter-signature-", serial_++);
  c.owner = kOwner;
  c.key_id = "key-1";
  c.csr_sha256 = crypto::Sha256(csr);
  c.release_policy_sha256 = std::string(32, 'r');
  c.target = kTarget;
  return c;
}

std::string AuthorityUnderTest::Sign(const CounterSignature& counter_signature) const {
  return OrDie(SignCounterSignature(counter_signature, key_store_key, "k1"));
}

server::PeerIdentity AuthorityUnderTest::Spiffe(const std::string& id) {
  server::PeerIdentity peer;
  peer.kind = server::PeerIdentity::Kind::kSpiffeId;
  peer.spiffe_id = id;
  peer.key_sha256 = std::string(32, 's');
  return peer;
}

long long AuthorityUnderTest::issued() const { return OrDie(CountIssuances(*database)); }

}  // namespace twi::credential_authority
