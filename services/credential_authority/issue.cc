#include "services/credential_authority/issue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/trace/trace.h"
#include "services/credential_authority/issuance_record.h"
#include "services/credential_authority/sign_credential.h"
#include "services/credential_authority/validate_credential.h"

namespace twi::credential_authority {
namespace {

// 48 bits of Unix milliseconds, then 80 random bits: unique, not guessable, and in order of time. The first bit is 0
// until the year 6429, so it is positive as an INTEGER.
std::string NewSerial(crypto::Random& random, absl::Time now) {
  const std::int64_t millis = absl::ToUnixMillis(now);
  std::string serial;
  for (int shift = 40; shift >= 0; shift -= 8) serial.push_back(static_cast<char>((millis >> shift) & 0xff));
  return serial + random.Bytes(10);
}

absl::Time FloorSeconds(absl::Time time) { return absl::FromUnixSeconds(absl::ToUnixSeconds(time)); }

struct Forms {
  bool x509 = false;
  bool wit = false;
};

absl::StatusOr<Forms> FormsOf(const IssueInput& input) {
  if (input.forms.empty()) return Forms{true, MayHaveWit(input.public_key)};
  Forms forms;
  for (const int form : input.forms) {
    bool* wanted = form == v1::CREDENTIAL_FORM_X509  ? &forms.x509
                   : form == v1::CREDENTIAL_FORM_WIT ? &forms.wit
                                                     : nullptr;
    if (wanted == nullptr || *wanted)
      return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("forms: ", form, " is unknown or named twice"));
    *wanted = true;
  }
  if (forms.wit && !MayHaveWit(input.public_key))
    return Deny(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED, "forms: WIT-SVID knows no EdDSA");
  return forms;
}

v1::GetIssuanceResponse MakeRecord(const IssueInput& input, const CredentialFacts& facts, const Forms& forms,
                                   absl::Time now) {
  v1::GetIssuanceResponse r;
  r.set_serial(ToHex(facts.serial));
  if (forms.wit) r.set_jti(ToHex(facts.serial));
  r.set_workload_identifier(facts.workload_identifier);
  r.set_mechanism(input.mechanism);
  r.set_issued_unix(absl::ToUnixSeconds(now));
  r.set_not_after_unix(absl::ToUnixSeconds(facts.not_after));
  r.set_public_key_sha256(ToHex(facts.public_key.spki_sha256()));
  if (input.results != nullptr) {
    r.set_attestation_results_sha256(ToHex(input.results_sha256));
    r.set_attestation_results_jti(input.results->jti);
    r.set_evidence_sha256(ToHex(input.results->evidence_sha256));
    r.set_appraisal_policy_ids(absl::StrJoin(input.results->appraisal_policy_ids, ","));
  }
  r.set_grant(input.grant_jws);
  r.set_policy_name(input.grant.policy_name);
  r.set_policy_version(input.grant.policy_version);
  r.set_policy_sha256(ToHex(input.grant.policy_sha256));
  r.set_policy_owner(input.grant.policy_owner);
  r.set_requester(input.requester);
  r.set_target(input.target);
  if (input.counter_signed != nullptr) {
    r.set_key_id(input.counter_signed->counter_signature.key_id);
    r.set_release_policy_sha256(ToHex(input.counter_signed->counter_signature.release_policy_sha256));
    r.set_counter_signature(input.counter_signed->jws);
  }
  if (const trace::Trace* current = trace::Current(); current != nullptr)
    r.set_trace_id(std::string(current->id_view()));
  return r;
}

absl::Status AddX509(const AuthorityDeps& deps, const CredentialFacts& facts, v1::WorkloadCredential& credential) {
  TWI_ASSIGN_OR_RETURN(*credential.add_x509_chain(), SignX509(facts, deps.x509));
  TWI_RETURN_IF_ERROR(ValidateX509(credential.x509_chain(0), facts, deps.x509.chain.front()));
  for (const std::string& der : deps.x509.intermediates) credential.add_x509_chain(der);
  for (const std::string& der : deps.x509.bundle) credential.add_x509_bundle(der);
  return absl::OkStatus();
}

absl::Status AddWit(const AuthorityDeps& deps, const CredentialFacts& facts, absl::Time now,
                    v1::WorkloadCredential& credential) {
  const std::shared_ptr<const storage::SigningKeys::Active> active = deps.wit_keys.Current(now);
  TWI_ASSIGN_OR_RETURN(*credential.mutable_wit(), SignWit(facts, deps.wit_issuer, active->key, active->kid));
  TWI_RETURN_IF_ERROR(ValidateWit(credential.wit(), facts, deps.wit_issuer,
                                  {{jose::Jwk{active->kid, "ES256", "", active->key.public_key()}}}));
  credential.set_wit_bundle(WitKeySet(deps));
  credential.set_jti(ToHex(facts.serial));
  return absl::OkStatus();
}

// Signs the forms that were asked for and reads them back.
absl::StatusOr<v1::WorkloadCredential> SignForms(const AuthorityDeps& deps, const CredentialFacts& facts,
                                                 const Forms& forms, absl::Time now) {
  v1::WorkloadCredential credential;
  if (forms.x509) TWI_RETURN_IF_ERROR(AddX509(deps, facts, credential));
  if (forms.wit) TWI_RETURN_IF_ERROR(AddWit(deps, facts, now, credential));
  credential.set_not_before_unix(absl::ToUnixSeconds(facts.not_before));
  credential.set_not_after_unix(absl::ToUnixSeconds(facts.not_after));
  credential.set_serial(ToHex(facts.serial));
  return credential;
}

}  // namespace

absl::Status CheckMechanism(const AuthorityDeps& deps, const char* mechanism) {
  if (deps.mechanisms.count(mechanism) != 0) return absl::OkStatus();
  return Deny(v1::DENY_REASON_NOT_IMPLEMENTED,
              absl::StrCat("mechanism ", mechanism, " is not served here (config: mechanisms)"));
}

absl::StatusOr<AttestedRequest> ValidateAttestedRequest(const AuthorityDeps& deps, absl::string_view results_jws,
                                                        v1::Binding binding, const std::string* channel_key_sha256,
                                                        absl::Time deadline) {
  const absl::Time now = deps.clock.Now();
  ResultsExpectation expectation;
  expectation.audience = deps.rp_id;
  expectation.issuer = deps.verifier_issuer;
  expectation.now = now;
  expectation.max_age = deps.max_results_age;
  TWI_ASSIGN_OR_RETURN(const client::KeySource::Keyset keys,
                       deps.verifier_keys->Keys(client::UnverifiedKid(results_jws), deadline));
  TWI_ASSIGN_OR_RETURN(AttestationResults results, ValidateResults(results_jws, *keys, expectation));
  // What mechanism A returns to the workload is proof of a credential, not a claim to another one.
  if (results.workload_credential_json.has_value()) {
    return Deny(v1::DENY_REASON_RESULTS_REPLAYED, "these results carry the credential that they were good for");
  }
  // With OUR rp_id, whatever the request says: Evidence that was made for another relying party does not match then.
  binding.set_rp_id(deps.rp_id);
  const std::string& channel = channel_key_sha256 != nullptr ? *channel_key_sha256 : results.channel_key_sha256;
  TWI_RETURN_IF_ERROR(MatchResultsToRequest(results, binding, channel));
  if (deps.targets.count(binding.target()) == 0)
    return Deny(v1::DENY_REASON_TARGET_NOT_ALLOWED, absl::StrCat("target ", binding.target(), " is not served here"));
  TWI_ASSIGN_OR_RETURN(crypto::Csr csr, crypto::ParseAndVerifyCsr(binding.subject()));
  if (csr.public_key.spki() != results.key_spki)
    return Deny(v1::DENY_REASON_RESULTS_KEY_MISMATCH, "the results name another key than the request");
  return AttestedRequest{std::move(results), crypto::Sha256(results_jws), std::move(csr)};
}

absl::StatusOr<Grant> ValidateGrantFor(const AuthorityDeps& deps, absl::string_view grant_jws,
                                       const AttestedRequest* attested, absl::string_view owner, absl::Time deadline) {
  GrantExpectation expectation;
  expectation.audience = deps.rp_id;
  expectation.issuer = deps.grant_issuer;
  expectation.now = deps.clock.Now();
  if (attested != nullptr) {
    expectation.key_sha256 = attested->csr.public_key.spki_sha256();
    expectation.results_sha256 = attested->results_sha256;
  } else {
    expectation.owner = std::string(owner);
  }
  TWI_ASSIGN_OR_RETURN(const client::KeySource::Keyset keys,
                       deps.grant_keys->Keys(client::UnverifiedKid(grant_jws), deadline));
  TWI_ASSIGN_OR_RETURN(Grant grant, ValidateGrant(grant_jws, *keys, expectation));
  const std::string prefix = absl::StrCat("spiffe://", deps.trust_domain, "/");
  if (grant.workload_identifier.compare(0, prefix.size(), prefix) != 0) {
    return Deny(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED,
                absl::StrCat(grant.workload_identifier, " is outside ", prefix));
  }
  // Services' own identities are never a workload's, whoever grants them.
  const std::string reserved = ReservedPrefix(deps.trust_domain);
  if (grant.workload_identifier.compare(0, reserved.size(), reserved) == 0) {
    return Deny(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED,
                absl::StrCat(grant.workload_identifier, " is below ", reserved, ", where services are named"));
  }
  return grant;
}

absl::Status CheckPolicyInForce(const AuthorityDeps& deps, const Grant& grant, absl::Time deadline) {
  return deps.policy_versions->CheckInForce(grant.policy_name, grant.policy_version, grant.policy_sha256, deadline);
}

absl::StatusOr<v1::IssueResponse> Issue(const AuthorityDeps& deps, const IssueInput& input) {
  TWI_ASSIGN_OR_RETURN(const Forms forms, FormsOf(input));
  const absl::Time now = deps.clock.Now();
  CredentialFacts facts{NewSerial(deps.random, now),
                        input.grant.workload_identifier,
                        input.public_key,
                        input.grant.dns_names,
                        input.grant.claims,
                        {},
                        {}};
  facts.not_before = FloorSeconds(std::max(now - deps.backdate, deps.x509.chain.front().not_before));
  const absl::Duration lifetime = std::min(deps.max_lifetime, input.grant.max_lifetime);
  facts.not_after = FloorSeconds(std::min(now + lifetime, deps.x509.chain.front().not_after));
  if (facts.not_after <= now)
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "the issuing certificate or the grant leaves no lifetime");

  v1::IssueResponse response;
  TWI_ASSIGN_OR_RETURN(*response.mutable_credential(), SignForms(deps, facts, forms, now));

  SingleUse single_use;
  if (input.counter_signed != nullptr) {
    single_use.csr_sha256 = input.counter_signed->counter_signature.csr_sha256;
    single_use.csr_expires = input.counter_signed->expires;
  }
  single_use.grant_jti = input.grant.jti;
  single_use.grant_expires = input.grant.expires_at;
  if (input.results != nullptr) {
    single_use.results_jti = input.results->jti;
    single_use.results_expire = input.results->expires_at;
  }
  TWI_RETURN_IF_ERROR(RecordIssuance(deps.database, MakeRecord(input, facts, forms, now), single_use, now));
  namespace f = log::fields;
  log::Audit("issued", {{f::kSerial, ToHex(facts.serial)},
                        {f::kMechanism, input.mechanism},
                        {f::kWorkloadIdentifier, facts.workload_identifier},
                        {f::kPeer, input.requester},
                        {f::kPolicy, absl::StrCat(input.grant.policy_name, "@", input.grant.policy_version)},
                        {f::kResultsId, input.results != nullptr ? input.results->jti : ""},
                        {f::kNotAfter, absl::FormatTime(absl::RFC3339_sec, facts.not_after, absl::UTCTimeZone())}});
  return response;
}

std::string WitKeySet(const AuthorityDeps& deps) {
  jose::JwkSet set = deps.wit_keys.Published(deps.clock.Now());
  for (jose::Jwk& jwk : set.keys) jwk.use = "wit-svid";
  return jose::ToJson(set).dump();
}

std::string SpiffeBundle(const AuthorityDeps& deps) {
  nlohmann::json bundle = nlohmann::json::parse(WitKeySet(deps));
  for (const std::string& der : deps.x509.bundle) {
    const absl::StatusOr<crypto::Certificate> anchor = crypto::ParseCertificate(der);
    if (!anchor.ok()) continue;  // it was parsed when it was loaded
    nlohmann::json entry = jose::ToJson(jose::Jwk{"", "", "x509-svid", anchor->public_key});
    entry["x5c"] = {ToBase64(der)};
    bundle["keys"].push_back(std::move(entry));
  }
  bundle["spiffe_refresh_hint"] = 300;
  return bundle.dump();
}

}  // namespace twi::credential_authority
