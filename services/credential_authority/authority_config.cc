#include "services/credential_authority/authority_config.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::credential_authority {
namespace {

using config::v1::CredentialAuthorityConfig;

absl::Status Expect(bool holds, absl::string_view field, absl::string_view expected) {
  return holds ? absl::OkStatus() : config::ConfigError("", field, expected);
}

absl::Duration DurationOr(bool set, const google::protobuf::Duration& duration, absl::Duration otherwise) {
  return set ? absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()) : otherwise;
}

absl::Status ValidateMechanisms(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(Expect(!c.mechanisms().empty(), "mechanisms", "at least one of A, B, C, D"));
  std::set<std::string> seen;
  for (const std::string& mechanism : c.mechanisms()) {
    TWI_RETURN_IF_ERROR(
        Expect(mechanism.size() == 1 && mechanism >= "A" && mechanism <= "D", "mechanisms", "A, B, C or D"));
    TWI_RETURN_IF_ERROR(Expect(seen.insert(mechanism).second, "mechanisms", "each once"));
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
  const absl::Duration authority = DurationOr(i.has_authority_lifetime(), i.authority_lifetime(), absl::Hours(8760)),
                       lifetime = MaxLifetime(c), backdate = Backdate(c);
  TWI_RETURN_IF_ERROR(Expect(authority >= absl::Hours(1) && authority <= absl::Hours(87600),
                             "issuing.authority_lifetime", "1h..87600h"));
  TWI_RETURN_IF_ERROR(
      Expect(lifetime >= absl::Minutes(1) && lifetime <= absl::Hours(24), "issuing.max_lifetime", "1m..24h"));
  return Expect(backdate >= absl::ZeroDuration() && backdate <= absl::Minutes(10), "issuing.backdate", "0s..10m");
}

absl::Status ValidateKeySource(bool set, const config::v1::KeySource& source, absl::string_view field) {
  if (!set) return absl::OkStatus();
  TWI_RETURN_IF_ERROR(Expect(source.has_peer(), absl::StrCat(field, ".peer"), "a section"));
  return Expect(Refresh(source) >= absl::Seconds(5) && Refresh(source) <= absl::Hours(24),
                absl::StrCat(field, ".refresh"), "5s..24h");
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
absl::Duration Refresh(const config::v1::KeySource& source) {
  return DurationOr(source.has_refresh(), source.refresh(), absl::Minutes(5));
}

absl::Status ValidateConfig(const CredentialAuthorityConfig& c) {
  TWI_RETURN_IF_ERROR(Expect(c.has_server(), "server", "a section"));
  TWI_RETURN_IF_ERROR(Expect(!c.storage().database_file().empty(), "storage.database_file", "a file"));
  TWI_RETURN_IF_ERROR(Expect(absl::StrContains(c.rp_id(), ":"), "rp_id", "a URI"));
  const absl::StatusOr<SpiffeId> domain = ParseSpiffeId(absl::StrCat("spiffe://", c.trust_domain()));
  TWI_RETURN_IF_ERROR(
      Expect(domain.ok() && domain->path.empty(), "trust_domain", "a trust domain's name, without spiffe://"));
  TWI_RETURN_IF_ERROR(Expect(absl::StartsWith(c.issuer(), "https://") || absl::StartsWith(c.issuer(), "spiffe://"),
                             "issuer", "an https or spiffe URI"));
  TWI_RETURN_IF_ERROR(Expect(!c.targets().empty(), "targets", "at least one URI"));
  for (const std::string& target : c.targets())
    TWI_RETURN_IF_ERROR(Expect(absl::StrContains(target, ":"), "targets", "URIs"));
  TWI_RETURN_IF_ERROR(Expect(c.has_grant_keys(), "grant_keys", "a section"));
  TWI_RETURN_IF_ERROR(Expect(c.has_claims_mapper(), "claims_mapper",
                             "a section (it maps for B and C, and says for A and D whether a policy is in force)"));
  TWI_RETURN_IF_ERROR(ValidateKeySource(c.has_grant_keys(), c.grant_keys(), "grant_keys"));
  TWI_RETURN_IF_ERROR(ValidateKeySource(c.has_verifier_keys(), c.verifier_keys(), "verifier_keys"));
  TWI_RETURN_IF_ERROR(ValidateKeySource(c.has_key_store_keys(), c.key_store_keys(), "key_store_keys"));
  const absl::Duration challenge = ChallengeLifetime(c), age = MaxResultsAge(c);
  TWI_RETURN_IF_ERROR(
      Expect(challenge >= absl::Seconds(1) && challenge <= absl::Minutes(10), "challenge_lifetime", "1s..10m"));
  TWI_RETURN_IF_ERROR(Expect(age >= absl::Seconds(10) && age <= absl::Hours(1), "max_results_age", "10s..1h"));
  TWI_RETURN_IF_ERROR(ValidateIssuing(c));
  return ValidateMechanisms(c);
}

}  // namespace twi::credential_authority
