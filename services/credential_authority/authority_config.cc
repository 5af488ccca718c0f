#include "services/credential_authority/authority_config.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::credential_authority {
namespace {

using config::v1::CredentialAuthorityConfig;

absl::Status Expect(bool holds, absl::string_view field, absl::string_view expected) {
  return holds ? absl::OkStatus() : Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(field, ": expected ", expected));
}

absl::Duration DurationOr(bool set, const google::protobuf::Duration& duration, absl::Duration otherwise) {
  return set ? absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()) : otherwise;
}

absl::Status ValidateMechanisms(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(Expect(!c.mechanisms().empty(), "mechanisms", "at least one of A, B, C, D"));
  std::set<std::string> seen;
  for (const std::string& mechanism : c.mechanisms()) {
    TWI_RETURN_IF_ERROR(Expect(mechanism.size() == 1 && mechanism >= "A" && mechanism <= "D", "mechanisms", "A, B, C or D"));
    TWI_RETURN_IF_ERROR(Expect(seen.insert(mechanism).second, "mechanisms", "each once"));
  }
  const bool attested = Serves(c, "A") || Serves(c, "B") || Serves(c, "C");
  TWI_RETURN_IF_ERROR(Expect(!attested || c.has_verifier_keys(), "verifier_keys", "a section (for A, B, C)"));
  TWI_RETURN_IF_ERROR(Expect(!attested || absl::StartsWith(c.verifier_issuer(), "spiffe://"), "verifier_issuer", "the Verifier's SPIFFE ID (for A, B, C)"));
  TWI_RETURN_IF_ERROR(Expect(!Serves(c, "C") || c.has_verifier(), "verifier", "a section (for C)"));
  TWI_RETURN_IF_ERROR(Expect(!Serves(c, "D") || c.has_key_store_keys(), "key_store_keys", "a section (for D)"));
  return Expect(!Serves(c, "D") || absl::StartsWith(c.key_store_issuer(), "spiffe://"), "key_store_issuer", "the Key Store's SPIFFE ID (for D)");
}

}  // namespace

bool Serves(const CredentialAuthorityConfig& c, const std::string& mechanism) {
  return std::find(c.mechanisms().begin(), c.mechanisms().end(), mechanism) != c.mechanisms().end();
}

absl::Duration ChallengeLifetime(const CredentialAuthorityConfig& c) { return DurationOr(c.has_challenge_lifetime(), c.challenge_lifetime(), absl::Minutes(2)); }
absl::Duration MaxResultsAge(const CredentialAuthorityConfig& c) { return DurationOr(c.has_max_results_age(), c.max_results_age(), absl::Minutes(10)); }
absl::Duration MaxLifetime(const CredentialAuthorityConfig& c) { return DurationOr(c.issuing().has_max_lifetime(), c.issuing().max_lifetime(), absl::Hours(1)); }
absl::Duration Backdate(const CredentialAuthorityConfig& c) { return DurationOr(c.issuing().has_backdate(), c.issuing().backdate(), absl::Seconds(30)); }
absl::Duration Refresh(const config::v1::KeySource& source) { return DurationOr(source.has_refresh(), source.refresh(), absl::Minutes(5)); }

absl::Status ValidateConfig(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(Expect(c.has_server(), "server", "a section"));
  TWI_RETURN_IF_ERROR(Expect(!c.storage().database_file().empty(), "storage.database_file", "a file"));
  TWI_RETURN_IF_ERROR(Expect(absl::StrContains(c.rp_id(), ":"), "rp_id", "a URI"));
  TWI_RETURN_IF_ERROR(Expect(!c.trust_domain().empty() && !absl::StrContains(c.trust_domain(), "/"), "trust_domain", "a name, without spiffe://"));
  TWI_RETURN_IF_ERROR(Expect(absl::StartsWith(c.issuer(), "https://") || absl::StartsWith(c.issuer(), "spiffe://"), "issuer", "an https or spiffe URI"));
  TWI_RETURN_IF_ERROR(Expect(!c.targets().empty(), "targets", "at least one URI"));
  for (const std::string& target : c.targets()) TWI_RETURN_IF_ERROR(Expect(absl::StrContains(target, ":"), "targets", "URIs"));
  TWI_RETURN_IF_ERROR(Expect(c.has_grant_keys(), "grant_keys", "a section"));
  TWI_RETURN_IF_ERROR(Expect(c.has_claims_mapper(), "claims_mapper", "a section (it maps for B and C, and says for A and D whether a policy is in force)"));
  const absl::Duration challenge = ChallengeLifetime(c), lifetime = MaxLifetime(c), age = MaxResultsAge(c), backdate = Backdate(c);
  TWI_RETURN_IF_ERROR(Expect(challenge >= absl::Seconds(1) && challenge <= absl::Minutes(10), "challenge_lifetime", "1s..10m"));
  TWI_RETURN_IF_ERROR(Expect(lifetime >= absl::Minutes(1) && lifetime <= absl::Hours(24), "issuing.max_lifetime", "1m..24h"));
  TWI_RETURN_IF_ERROR(Expect(age >= absl::Seconds(10) && age <= absl::Hours(1), "max_results_age", "10s..1h"));
  TWI_RETURN_IF_ERROR(Expect(backdate >= absl::ZeroDuration() && backdate <= absl::Minutes(10), "issuing.backdate", "0s..10m"));
  return ValidateMechanisms(c);
}

}  // namespace twi::credential_authority
