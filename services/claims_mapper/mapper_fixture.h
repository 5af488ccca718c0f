// A Claims Mapper that runs in the test's process, behind its real door: TLS, allow-lists, gRPC. The Verifier's keys
// come from the test.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_MAPPER_FIXTURE_H_
#define TWI_SERVICES_CLAIMS_MAPPER_MAPPER_FIXTURE_H_

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/attestation_results/attestation_results.h"
#include "common/client/claims_mapper_client.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/grant/grant.h"
#include "common/policy_signature/policy_signature.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "common/testing/test_pki.h"
#include "services/claims_mapper/claims_mapper_daemon.h"

namespace twi::claims_mapper {

inline constexpr char kMapper[] = "spiffe://example.org/twi/claims-mapper";
inline constexpr char kVerifier[] = "spiffe://example.org/twi/verifier";
inline constexpr char kAuthority[] = "spiffe://example.org/twi/credential-authority";
inline constexpr char kStranger[] = "spiffe://example.org/twi/stranger";
inline constexpr char kPayrollOwner[] = "spiffe://example.org/owner/payroll";
inline constexpr char kLedgerOwner[] = "spiffe://example.org/owner/ledger";
inline constexpr char kOperator[] = "spiffe://example.org/operator";
inline constexpr char kRpId[] = "https://ca.example.org";

inline std::string PublicPem(const crypto::PublicKey& key) {
  return absl::StrCat("-----BEGIN PUBLIC KEY-----\n", ToBase64(key.spki()), "\n-----END PUBLIC KEY-----\n");
}

class MapperFixture : public ::testing::Test {
 protected:
  // Real connections need the system's time; it stands still from here on.
  MapperFixture() : clock_(absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()))), pki_(clock_.Now()) {
    Allow("MapClaims", {kVerifier, kAuthority});
    Allow("PlanClaims", {kPayrollOwner, kLedgerOwner, kStranger});
    Allow("PutPolicy", {kPayrollOwner, kLedgerOwner, kStranger});
    Allow("ListPolicies", {kPayrollOwner, kLedgerOwner, kOperator});
    Allow("GetPolicyVersions", {kAuthority});
    Allow("GetGrantKeys", {kAuthority});
    config_.mutable_server()->set_listen("127.0.0.1:0");
    *config_.mutable_server()->mutable_tls() = pki_.Issue("mapper", kMapper);
    config_.mutable_storage()->set_database_file(database_dir_.File("mapper.db"));
    config_.mutable_storage()->set_root_key_file(pki_.dir().Write("root.key", std::string(32, 'R')));
    config_.set_issuer(kMapper);
    config_.set_trust_domain("example.org");
    config_.mutable_verifier_keys()->mutable_peer()->set_address("127.0.0.1:1");
    config_.mutable_verifier_keys()->mutable_peer()->set_spiffe_id(kVerifier);
    config_.add_relying_parties(kRpId);
    config_.add_verifiers(kVerifier);
    config_.add_operators(kOperator);
    config_.add_credential_authorities(kAuthority);
    AddOwner(kPayrollOwner, "payroll", payroll_key_);
    AddOwner(kLedgerOwner, "ledger", ledger_key_);
  }

  void AddOwner(const std::string& id, const std::string& name, const crypto::PrivateKey& key) {
    config::v1::WorkloadOwner& owner = *config_.add_owners();
    owner.set_spiffe_id(id);
    owner.set_public_key_file(pki_.dir().Write(name + ".pub", PublicPem(key.public_key())));
    owner.add_identifier_prefixes(absl::StrCat("spiffe://example.org/", name, "/"));
    owner.add_dns_suffixes(absl::StrCat(".", name, ".example.org"));
  }

  void Allow(const std::string& rpc, const std::vector<std::string>& peers) {
    config::v1::Allow& allow = *config_.mutable_server()->add_allow();
    allow.set_rpc(rpc);
    for (const std::string& peer : peers) allow.add_peers(peer);
  }

  absl::Status Start() {
    daemon_ = nullptr;  // one process owns the store
    const auto fetch = [this](absl::Time) -> absl::StatusOr<jose::JwkSet> {
      if (verifier_down_) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier is down");
      return jose::JwkSet{{{"v1", "ES256", "sig", verifier_key_.public_key()}}};
    };
    auto daemon = StartClaimsMapper(config_, clock_, random_, fetch);
    if (!daemon.ok()) return daemon.status();
    daemon_ = *std::move(daemon);
    return absl::OkStatus();
  }

  std::unique_ptr<client::ClaimsMapperClient> Client(const std::string& spiffe_id) {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", daemon_->port()));
    peer.set_spiffe_id(kMapper);
    auto identity =
        client::Identity::FromFiles(pki_.Issue(absl::StrReplaceAll(spiffe_id, {{"/", "_"}, {":", "_"}}), spiffe_id));
    EXPECT_OK(identity);
    auto client = client::MakeClaimsMapperClient(peer, **identity, clock_);
    EXPECT_OK(client);
    return *std::move(client);
  }

  absl::Time Deadline() const { return clock_.Now() + absl::Seconds(30); }

  AttestationResults Results(const std::string& software = "payroll") {
    AttestationResults r;
    r.issuer = kVerifier;
    r.build = "twi-verifier 1";
    r.audience = kRpId;
    r.jti = ToBase64Url(random_.Bytes(16));
    r.issued_at = clock_.Now();
    r.expires_at = clock_.Now() + absl::Minutes(5);
    r.status = EarStatus::kAffirming;
    r.trustworthiness = {{"hardware", 2}, {"executables", 3}};
    r.appraisal_policy_ids = {"default@sha256:00"};
    r.key_spki = workload_key_.public_key().spki();
    r.nonce = std::string(32, 'n');
    r.target = "https://db.example.org";
    r.reported_binding = std::string(64, 'b');
    r.channel_key_sha256 = std::string(32, 'c');
    r.evidence_sha256 = std::string(32, 'e');
    r.software = {{"name", software}, {"version", "1.2"}, {"vendor", "Example"}};
    r.attester_claims = {{"format", "sev-snp"}, {"region", "eu"}};
    return r;
  }
  std::string Sign(const AttestationResults& results) { return *SignResults(results, verifier_key_, "v1"); }

  static std::string Document(const std::string& name, std::uint64_t version, const std::string& software,
                              const std::string& more = "") {
    return absl::StrCat("name: ", name, "\nversion: ", version, "\nowner: spiffe://example.org/owner/",
                        name.substr(0, name.find('-')), "\nworkload_identifier: spiffe://example.org/",
                        name.substr(0, name.find('-')), "/", name,
                        "\naccepts: [attestation_results, anticipated]\nmatch:\n- name: image\n  expression: "
                        "results.software.name == \"",
                        software, "\"\nclaims:\n- {name: team, constant: ", name, "}\n", more);
  }

  std::string SignDocument(const std::string& document, const std::string& name, std::uint64_t version,
                           const std::string& owner, const crypto::PrivateKey& key) {
    SignedPolicy policy;
    policy.document = document;
    policy.name = name;
    policy.version = version;
    policy.owner = owner;
    policy.signed_at = clock_.Now() + absl::Seconds(signed_++);
    const auto jws = SignPolicy(policy, key);
    EXPECT_OK(jws);
    return *jws;
  }
  std::string Payroll(std::uint64_t version, const std::string& software = "payroll", const std::string& more = "") {
    return SignDocument(Document("payroll", version, software, more), "payroll", version, kPayrollOwner, payroll_key_);
  }

  absl::StatusOr<Grant> MapAndValidate(const std::string& results) {
    const auto client = Client(kAuthority);
    TWI_ASSIGN_OR_RETURN(const std::string grant,
                         client->MapClaims(v1::INPUT_KIND_ATTESTATION_RESULTS, results, kRpId, Deadline()));
    TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, client->GetGrantKeys(Deadline()));
    GrantExpectation expected;
    expected.audience = kRpId;
    expected.issuer = kMapper;
    expected.now = clock_.Now();
    expected.key_sha256 = workload_key_.public_key().spki_sha256();
    expected.results_sha256 = crypto::Sha256(results);
    return ValidateGrant(grant, keys, expected);
  }

  testing::FakeClock clock_;
  testing::FakeRandom random_;
  testing::TestPki pki_;
  testing::TempDir database_dir_;
  crypto::PrivateKey verifier_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  crypto::PrivateKey workload_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  crypto::PrivateKey payroll_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  crypto::PrivateKey ledger_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  config::v1::ClaimsMapperConfig config_;
  bool verifier_down_ = false;
  int signed_ = 0;
  std::unique_ptr<server::Running> daemon_;
};

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_MAPPER_FIXTURE_H_
