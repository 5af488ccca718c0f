#include "services/workload_agent/tunnel/trust.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/attestation_results/attestation_results.h"
#include "common/client/channel.h"
#include "common/client/claims_mapper_client.h"
#include "common/client/key_source.h"
#include "common/client/verifier_session.h"
#include "common/client/verifier_sessions.h"
#include "common/conditions/conditions.h"
#include "common/config/checks.h"
#include "common/crypto/hash.h"
#include "common/grant/grant.h"
#include "common/jose/jwk.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

using config::Expect;
using config::v1::AttestedTlsPeerPolicy;
using config::v1::AttestedTlsRelyingParty;

constexpr absl::Duration kRefresh = absl::Minutes(5);
constexpr int kMaxIdentifiers = 256;

absl::Status ValidatePeer(const config::v1::Peer& peer, const std::string& field) {
  TWI_RETURN_IF_ERROR(Expect(absl::StrContains(peer.address(), ":"), field + ".address", "HOST:PORT"));
  return Expect(ValidateWorkloadIdentifier(peer.spiffe_id()).ok(), field + ".spiffe_id",
                "the SPIFFE ID that the peer's certificate carries");
}

absl::StatusOr<Conditions> Compile(const AttestedTlsPeerPolicy& policy) {
  std::vector<std::pair<std::string, std::string>> named;
  for (const config::v1::Condition& condition : policy.allow())
    named.emplace_back(condition.name(), condition.expression());
  return Conditions::Compile(named, {{"results", ResultsType()}});
}

class TrustImpl final : public Trust, public std::enable_shared_from_this<TrustImpl> {
 public:
  TrustImpl(AttestedTlsRelyingParty config, const Clock& clock) : config_(std::move(config)), clock_(clock) {}

  absl::Status Connect() {
    TWI_ASSIGN_OR_RETURN(verifier_, client::MakeVerifierSessionClient(config_.verifier(), config_.tls(), clock_));
    sessions_ = client::MakeVerifierSessions(*verifier_, clock_);
    verifier_keys_ = std::make_unique<client::KeySource>(
        [this](absl::Time deadline) { return verifier_->ResultsKeys(deadline); }, kRefresh, clock_);
    if (!config_.has_claims_mapper()) return absl::OkStatus();
    TWI_ASSIGN_OR_RETURN(identity_, client::Identity::FromFiles(config_.tls()));
    TWI_ASSIGN_OR_RETURN(mapper_, client::MakeClaimsMapperClient(config_.claims_mapper(), *identity_, clock_));
    grant_keys_ = std::make_unique<client::KeySource>(
        [this](absl::Time deadline) { return mapper_->GetGrantKeys(deadline); }, kRefresh, clock_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const atls::RelyingParty>> RelyingPartyFor(
      const AttestedTlsPeerPolicy& policy) override {
    TWI_ASSIGN_OR_RETURN(Conditions compiled, Compile(policy));
    auto conditions = std::make_shared<const Conditions>(std::move(compiled));
    const std::set<std::string> identifiers(policy.workload_identifiers().begin(), policy.workload_identifiers().end());
    const std::shared_ptr<TrustImpl> self = shared_from_this();
    auto party = std::make_shared<atls::RelyingParty>();
    party->verifier = std::shared_ptr<atls::VerifierSessions>(self, sessions_.get());
    party->results_keys = [self](absl::string_view kid, absl::Time deadline) {
      return self->verifier_keys_->Keys(kid, deadline);
    };
    party->verifier_id = config_.verifier().spiffe_id();
    party->rp_id = config_.rp_id();
    party->accept = [self, conditions, identifiers](atls::AttestedPeer& peer, absl::Time deadline) {
      return self->Accept(*conditions, identifiers, peer, deadline);
    };
    return std::shared_ptr<const atls::RelyingParty>(std::move(party));
  }

 private:
  absl::Status Accept(const Conditions& conditions, const std::set<std::string>& identifiers, atls::AttestedPeer& peer,
                      absl::Time deadline) {
    cel::Activation activation;
    activation.Set("results", JsonToCel(ResultsForPolicy(peer.results)));
    const std::vector<FailedCondition> failed = conditions.Failed(activation);
    if (!failed.empty()) {
      return Deny(v1::DENY_REASON_ATTESTED_TLS_PEER_NOT_ALLOWED,
                  absl::StrJoin(failed, "; ", [](std::string* out, const FailedCondition& condition) {
                    absl::StrAppend(out, condition.ToString());
                  }));
    }
    for (const Conditions::Named& condition : conditions.all())
      peer.checks.push_back(absl::StrCat("allow-list: ", condition.name));
    if (mapper_ == nullptr) return absl::OkStatus();
    TWI_RETURN_IF_ERROR(Map(peer, deadline));
    if (!identifiers.empty() && identifiers.count(peer.workload_identifier) == 0) {
      return Deny(v1::DENY_REASON_ATTESTED_TLS_PEER_NOT_ALLOWED,
                  absl::StrCat("the peer is ", peer.workload_identifier, ", which workload_identifiers does not name"));
    }
    peer.checks.push_back(absl::StrCat("Claims Mapper: the peer is ", peer.workload_identifier));
    return absl::OkStatus();
  }

  // The mapper's word is a grant for the peer's key and these very results; nobody redeems it, it is only read.
  absl::Status Map(atls::AttestedPeer& peer, absl::Time deadline) {
    TWI_ASSIGN_OR_RETURN(const std::string jws, mapper_->MapClaims(v1::INPUT_KIND_ATTESTATION_RESULTS, peer.results_jws,
                                                                   config_.rp_id(), deadline));
    TWI_ASSIGN_OR_RETURN(const client::KeySource::Keyset keys, grant_keys_->Keys(client::UnverifiedKid(jws), deadline));
    GrantExpectation expectation;
    expectation.audience = config_.rp_id();
    expectation.issuer = config_.claims_mapper().spiffe_id();
    expectation.now = clock_.Now();
    expectation.key_sha256 = peer.key_sha256;
    expectation.results_sha256 = crypto::Sha256(peer.results_jws);
    TWI_ASSIGN_OR_RETURN(const Grant grant, ValidateGrant(jws, *keys, expectation));
    peer.workload_identifier = grant.workload_identifier;
    return absl::OkStatus();
  }

  const AttestedTlsRelyingParty config_;
  const Clock& clock_;
  std::unique_ptr<client::VerifierSessionClient> verifier_;
  std::unique_ptr<atls::VerifierSessions> sessions_;
  std::unique_ptr<client::KeySource> verifier_keys_;
  std::shared_ptr<client::Identity> identity_;  // towards the mapper
  std::unique_ptr<client::ClaimsMapperClient> mapper_;
  std::unique_ptr<client::KeySource> grant_keys_;
};

}  // namespace

absl::Status ValidateRelyingParty(const AttestedTlsRelyingParty& c, const std::string& field) {
  TWI_RETURN_IF_ERROR(Expect(!c.tls().certificate_file().empty(), field + ".tls.certificate_file", "a file"));
  TWI_RETURN_IF_ERROR(Expect(!c.tls().key_file().empty(), field + ".tls.key_file", "a file"));
  TWI_RETURN_IF_ERROR(Expect(!c.tls().trust_bundle_file().empty(), field + ".tls.trust_bundle_file", "a file"));
  TWI_RETURN_IF_ERROR(Expect(c.has_verifier(), field + ".verifier", "a peer"));
  TWI_RETURN_IF_ERROR(ValidatePeer(c.verifier(), field + ".verifier"));
  TWI_RETURN_IF_ERROR(config::ExpectUri(c.rp_id(), field + ".rp_id"));
  return c.has_claims_mapper() ? ValidatePeer(c.claims_mapper(), field + ".claims_mapper") : absl::OkStatus();
}

absl::Status ValidatePeerPolicy(const AttestedTlsPeerPolicy& policy, bool has_claims_mapper, const std::string& field) {
  TWI_RETURN_IF_ERROR(Expect(!policy.allow().empty(), field + ".allow",
                             "at least one condition, like results.software.name == \"payroll\""));
  const absl::StatusOr<Conditions> compiled = Compile(policy);
  if (!compiled.ok()) {
    return Expect(false, field + ".allow",
                  absl::StrCat("conditions that compile: ", std::string(compiled.status().message())));
  }
  TWI_RETURN_IF_ERROR(Expect(policy.workload_identifiers_size() <= kMaxIdentifiers, field + ".workload_identifiers",
                             "at most 256 of them"));
  TWI_RETURN_IF_ERROR(Expect(policy.workload_identifiers().empty() || has_claims_mapper,
                             field + ".workload_identifiers", "nothing without relying_party.claims_mapper"));
  for (const std::string& identifier : policy.workload_identifiers()) {
    TWI_RETURN_IF_ERROR(
        Expect(ValidateWorkloadIdentifier(identifier).ok(), field + ".workload_identifiers", "SPIFFE IDs with a path"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Trust>> Trust::Make(const AttestedTlsRelyingParty& config, const Clock& clock) {
  auto trust = std::make_shared<TrustImpl>(config, clock);
  TWI_RETURN_IF_ERROR(trust->Connect());
  return std::shared_ptr<Trust>(std::move(trust));
}

}  // namespace twi::agent
