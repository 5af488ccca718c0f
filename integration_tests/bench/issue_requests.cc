#include "integration_tests/bench/issue_requests.h"

#include "common/attestation_results/attestation_results.h"
#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/grant/grant.h"
#include "common/jose/jwk.h"
#include "integration_tests/bench/measure.h"
#include "integration_tests/deployment.h"

namespace twi::bench {
namespace {

constexpr char kPolicyName[] = "payroll-worker";
constexpr absl::Duration kLifetime = absl::Minutes(5);

crypto::PrivateKey NewKey() { return OrFail(crypto::PrivateKey::Generate(crypto::KeyType::kP256), "P-256"); }
std::string PolicySha256() { return crypto::Sha256("the benchmark's policy"); }

// As services/verifier gives them for an SNP report.
nlohmann::json AttesterClaims() {
  return {{"format", "sev-snp"},
          {"insecure", true},
          {"version", 3},
          {"product", "Milan"},
          {"guest_svn", 0},
          {"policy", "0x30000"},
          {"debug", false},
          {"migrate_ma", false},
          {"smt", true},
          {"vmpl", 0},
          {"signing_key", "vcek"},
          {"measurement", std::string(96, 'a')},
          {"host_data", std::string(64, '0')},
          {"family_id", std::string(32, '0')},
          {"image_id", std::string(32, '0')},
          {"id_key_digest", std::string(96, '0')},
          {"author_key_digest", std::string(96, '0')},
          {"reported_tcb", {{"bl", 4}, {"tee", 0}, {"snp", 22}, {"ucode", 213}}}};
}

}  // namespace

IssueRequests::IssueRequests()
    : results_key_(NewKey()),
      grant_key_(NewKey()),
      results_kid_(jose::Thumbprint(results_key_.public_key())),
      grant_kid_(jose::Thumbprint(grant_key_.public_key())) {
  for (int i = 0; i < 256; ++i) {
    const crypto::PrivateKey key = NewKey();
    clients_.push_back({OrFail(crypto::MakeCsr(key), "CSR"), key.public_key().spki(), key.public_key().spki_sha256()});
  }
}

v1::PolicyInfo IssueRequests::policy() const {
  v1::PolicyInfo policy;
  policy.set_name(kPolicyName);
  policy.set_version(1);
  policy.set_sha256(ToHex(PolicySha256()));
  return policy;
}

PreparedIssue IssueRequests::Make(bool wit, absl::Time now) {
  const Client& client = clients_[next_++ % clients_.size()];
  PreparedIssue prepared;
  prepared.key_spki = client.spki;
  v1::Binding& binding = *prepared.request.mutable_binding();
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(random_.Bytes(56));  // as long as a challenge of ours
  binding.set_target(integration::kTarget);
  binding.set_rp_id(integration::kAuthorityRpId);
  binding.set_subject(client.csr);
  prepared.request.add_forms(v1::CREDENTIAL_FORM_X509);
  if (wit) prepared.request.add_forms(v1::CREDENTIAL_FORM_WIT);
  prepared.request.set_attestation_results(MakeResults(binding, client, now));
  prepared.request.set_grant(MakeGrant(prepared.request.attestation_results(), client, now));
  return prepared;
}

std::string IssueRequests::MakeResults(const v1::Binding& binding, const Client& client, absl::Time now) {
  AttestationResults r;
  r.issuer = integration::kVerifierId;
  r.build = "twi-verifier/bench";
  r.audience = integration::kAuthorityRpId;
  r.jti = ToBase64Url(random_.Bytes(16));
  r.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  r.expires_at = r.issued_at + kLifetime;
  r.status = EarStatus::kAffirming;
  r.trustworthiness = {{"hardware", -2}, {"executables", 3}, {"configuration", 2}};
  r.appraisal_policy_ids = {"development@sha256:" + ToHex(PolicySha256())};
  r.key_spki = client.spki;
  r.nonce = binding.nonce();
  r.target = binding.target();
  r.reported_binding = BindingValue64(binding);
  r.channel_key_sha256 = crypto::Sha256("channel");
  r.evidence_sha256 = crypto::Sha256(binding.nonce());
  r.software = {{"name", "payroll-worker"}, {"version", "1.2.0"}, {"vendor", integration::kPayrollOwner}};
  r.attester_claims = AttesterClaims();
  return OrFail(SignResults(r, results_key_, results_kid_), "Attestation Results");
}

std::string IssueRequests::MakeGrant(const std::string& results, const Client& client, absl::Time now) {
  Grant g;
  g.issuer = integration::kClaimsMapperId;
  g.audience = integration::kAuthorityRpId;
  g.jti = ToBase64Url(random_.Bytes(16));
  g.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  g.expires_at = g.issued_at + kLifetime;
  g.workload_identifier = integration::kIdentifier;
  g.claims = {{"team", "payroll"}, {"software_version", "1.2.0"}};
  g.max_lifetime = absl::Hours(1);
  g.dns_names = {"worker.payroll.example.org"};
  g.policy_name = kPolicyName;
  g.policy_version = 1;
  g.policy_sha256 = PolicySha256();
  g.policy_owner = integration::kPayrollOwner;
  g.key_sha256 = client.spki_sha256;
  g.results_sha256 = crypto::Sha256(results);
  return OrFail(SignGrant(g, grant_key_, grant_kid_), "grant");
}

}  // namespace twi::bench
