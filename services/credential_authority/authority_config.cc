#include "services/credential_authority/authority_config.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::credential_authority {
namespace {

using config::v1::CredentialAuthorityConfig;

using config::DurationOr;
using config::Expect;

// Our services' `iss` is the SPIFFE ID of their certificate (their own --check-config says so), so an issuer and the
// peer that its keys come from are one. Where they differ, nothing would ever be accepted, or another's word than was
// meant.
absl::Status ExpectSamePeer(const std::string& id, absl::string_view field, const config::v1::Peer& peer,
                            absl::string_view peer_field) {
  return Expect(id == peer.spiffe_id(), field, absl::StrCat(peer_field, ".spiffe_id, ", peer.spiffe_id()));
}

absl::Status ValidatePeers(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(ExpectSamePeer(c.grant_keys().peer().spiffe_id(), "grant_keys.peer.spiffe_id", c.claims_mapper(),
                                     "claims_mapper"));
  if (Serves(c, "A") || Serves(c, "B") || Serves(c, "C")) {
    TWI_RETURN_IF_ERROR(
        ExpectSamePeer(c.verifier_issuer(), "verifier_issuer", c.verifier_keys().peer(), "verifier_keys.peer"));
  }
  if (Serves(c, "C")) {
    TWI_RETURN_IF_ERROR(
        ExpectSamePeer(c.verifier().spiffe_id(), "verifier.spiffe_id", c.verifier_keys().peer(), "verifier_keys.peer"));
  }
  if (!Serves(c, "D")) return absl::OkStatus();
  return ExpectSamePeer(c.key_store_issuer(), "key_store_issuer", c.key_store_keys().peer(), "key_store_keys.peer");
}

absl::Status ValidateMechanisms(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(Expect(!c.mechanisms().empty(), "mechanisms", "at least one of A, B, C, D"));
  std::set<std::string> seen;
  for (int i = 0; i < c.mechanisms_size(); ++i) {
    const std::string& mechanism = c.mechanisms(i);
    const std::string field = absl::StrCat("mechanisms[", i, "]");
    TWI_RETURN_IF_ERROR(Expect(mechanism.size() == 1 && mechanism >= "A" && mechanism <= "D", field, "A, B, C or D"));
    TWI_RETURN_IF_ERROR(Expect(seen.insert(mechanism).second, field, "each once"));
  }
  const bool attested = Serves(c, "A") || Serves(c, "B") || Serves(c, "C");
  TWI_RETURN_IF_ERROR(Expect(!attested || c.has_verifier_keys(), "verifier_keys", "a section (for A, B, C)"));
  TWI_RETURN_IF_ERROR(Expect(!attested || ValidateWorkloadIdentifier(c.verifier_issuer()).ok(), "verifier_issuer",
                             "the Verifier's SPIFFE ID (for A, B, C)"));
  TWI_RETURN_IF_ERROR(Expect(!Serves(c, "C") || c.has_verifier(), "verifier", "a section (for C)"));
  TWI_RETURN_IF_ERROR(Expect(!Serves(c, "D") || c.has_key_store_keys(), "key_store_keys", "a section (for D)"));
  return Expect(!Serves(c, "D") || ValidateWorkloadIdentifier(c.key_store_issuer()).ok(), "key_store_issuer",
                "the Key Store's SPIFFE ID (for D)");
}

absl::Status ValidateIssuing(const CredentialAuthorityConfig& c) {
  const config::v1::Issuing& i = c.issuing();
  // A certificate without its key would be ignored, and another authority made in silence.
  TWI_RETURN_IF_ERROR(Expect(i.supplied_certificate_file().empty() || !i.supplied_key_file().empty(),
                             "issuing.supplied_key_file", "the key of supplied_certificate_file"));
  TWI_RETURN_IF_ERROR(Expect(i.supplied_key_file().empty() || !i.supplied_certificate_file().empty(),
                             "issuing.supplied_certificate_file", "the certificates of supplied_key_file"));
  const absl::Duration authority = DurationOr(i.has_authority_lifetime(), i.authority_lifetime(), absl::Hours(8760));
  TWI_RETURN_IF_ERROR(
      config::ExpectWithin(authority, absl::Hours(1), absl::Hours(87600), "issuing.authority_lifetime"));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(MaxLifetime(c), absl::Minutes(1), absl::Hours(24), "issuing.max_lifetime"));
  TWI_RETURN_IF_ERROR(
      Expect(MaxLifetime(c) <= authority, "issuing.max_lifetime", "at most issuing.authority_lifetime"));
  return config::ExpectWithin(Backdate(c), absl::ZeroDuration(), absl::Minutes(10), "issuing.backdate");
}

}  // namespace

bool Serves(const CredentialAuthorityConfig& c, const std::string& mechanism) {
  return std::find(c.mechanisms().begin(), c.mechanisms().end(), mechanism) != c.mechanisms().end();
}

absl::Duration ChallengeLifetime(const CredentialAuthorityConfig& c) {
  return DurationOr(c.has_challenge_lifetime(), c.challenge_lifetime(), absl::Minutes(2));
}
absl::Duration MaxResultsAge(const CredentialAuthorityConfig& c) {
  return DurationOr(c.has_max_results_age(), c.max_results_age(), absl::Minutes(10));
}
absl::Duration MaxLifetime(const CredentialAuthorityConfig& c) {
  return DurationOr(c.issuing().has_max_lifetime(), c.issuing().max_lifetime(), absl::Hours(1));
}
absl::Duration Backdate(const CredentialAuthorityConfig& c) {
  return DurationOr(c.issuing().has_backdate(), c.issuing().backdate(), absl::Seconds(30));
}

absl::Status ValidateConfig(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(config::ExpectUri(c.rp_id(), "rp_id"));
  const absl::StatusOr<SpiffeId> domain = ParseSpiffeId(absl::StrCat("spiffe://", c.trust_domain()));
  TWI_RETURN_IF_ERROR(
      Expect(domain.ok() && domain->path.empty(), "trust_domain", "a trust domain's name, without spiffe://"));
  TWI_RETURN_IF_ERROR(Expect(absl::StartsWith(c.issuer(), "https://") || absl::StartsWith(c.issuer(), "spiffe://"),
                             "issuer", "an https or spiffe URI"));
  TWI_RETURN_IF_ERROR(Expect(!c.targets().empty(), "targets", "at least one URI"));
  for (int i = 0; i < c.targets_size(); ++i)
    TWI_RETURN_IF_ERROR(config::ExpectUri(c.targets(i), absl::StrCat("targets[", i, "]")));
  TWI_RETURN_IF_ERROR(Expect(c.has_grant_keys(), "grant_keys", "a section"));
  TWI_RETURN_IF_ERROR(Expect(c.has_claims_mapper(), "claims_mapper",
                             "a section (it maps for B and C, and says for A and D whether a policy is in force)"));
  TWI_RETURN_IF_ERROR(
      config::ExpectWithin(ChallengeLifetime(c), absl::Seconds(1), absl::Minutes(10), "challenge_lifetime"));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(MaxResultsAge(c), absl::Seconds(10), absl::Hours(1), "max_results_age"));
  TWI_RETURN_IF_ERROR(ValidateIssuing(c));
  TWI_RETURN_IF_ERROR(ValidateMechanisms(c));
  TWI_RETURN_IF_ERROR(ValidatePeers(c));
  return config::ExpectSpiffeIds(c.operators(), "operators");
}

}  // namespace twi::credential_authority
