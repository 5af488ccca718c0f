#include "common/grant/grant.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/secret/secret_bytes.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxGrantSize = 32 * 1024;
constexpr std::size_t kMaxText = 2048;
constexpr std::size_t kMaxDnsNames = 16;
constexpr std::size_t kDigestSize = 32;
constexpr absl::Duration kMaxGrantLife = absl::Minutes(15);
constexpr absl::Duration kMaxCredentialLife = absl::Hours(24);
constexpr std::int64_t kLastSecond = 253402300799;  // year 9999

absl::Status Malformed(absl::string_view detail) {
  return Deny(v1::DENY_REASON_GRANT_MALFORMED, absl::StrCat("grant: ", detail));
}

using Names = std::initializer_list<const char*>;

bool Holds(Names names, absl::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const char* one) { return name == one; });
}

// Style H17: a member that is missing fails, and so does one that is not named here.
absl::Status ExactMembers(const json& object, absl::string_view where, Names required, Names optional) {
  if (!object.is_object()) return Malformed(absl::StrCat(where, " is not an object"));
  for (const char* name : required) {
    if (!object.contains(name)) return Malformed(absl::StrCat(where, name, " is missing"));
  }
  for (const auto& [name, value] : object.items()) {
    if (!Holds(required, name) && !Holds(optional, name))
      return Malformed(absl::StrCat(where, name, " is not a claim of ours"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Text(const json& object, const char* name) {
  const json& value = object.at(name);
  if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
      value.get_ref<const std::string&>().size() > kMaxText) {
    return Malformed(absl::StrCat(name, " is not a string of 1..", kMaxText, " bytes"));
  }
  return value.get<std::string>();
}

absl::StatusOr<std::string> Digest(const json& object, const char* name) {
  TWI_ASSIGN_OR_RETURN(const std::string text, Text(object, name));
  const absl::StatusOr<std::string> bytes = FromBase64Url(text);
  if (!bytes.ok() || bytes->size() != kDigestSize)
    return Malformed(absl::StrCat(name, " is not base64url of 32 bytes"));
  return *bytes;
}

absl::StatusOr<std::uint64_t> Whole(const json& object, const char* name, std::uint64_t max) {
  const json& value = object.at(name);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max)
    return Malformed(absl::StrCat(name, " is not a whole number in range"));
  return value.get<std::uint64_t>();
}

absl::Status ReadPolicy(const json& policy, Grant& grant) {
  TWI_RETURN_IF_ERROR(ExactMembers(policy, "policy.", {"name", "version", "sha256", "owner"}, {}));
  TWI_ASSIGN_OR_RETURN(grant.policy_name, Text(policy, "name"));
  TWI_ASSIGN_OR_RETURN(grant.policy_version, Whole(policy, "version", UINT64_MAX));
  if (grant.policy_version == 0) return Malformed("policy.version is 0");
  TWI_ASSIGN_OR_RETURN(grant.policy_sha256, Digest(policy, "sha256"));
  TWI_ASSIGN_OR_RETURN(grant.policy_owner, Text(policy, "owner"));
  return absl::OkStatus();
}

// What the grant entitles to.
absl::Status ReadEntitlement(const json& claims, Grant& grant) {
  TWI_ASSIGN_OR_RETURN(grant.workload_identifier, Text(claims, "sub"));
  if (const absl::Status valid = ValidateWorkloadIdentifier(grant.workload_identifier); !valid.ok())
    return Malformed(absl::StrCat("sub: ", valid.message()));
  grant.claims = claims.at("claims");
  if (!grant.claims.is_object()) return Malformed("claims is not an object");
  TWI_ASSIGN_OR_RETURN(
      const std::uint64_t lifetime,
      Whole(claims, "max_lifetime", static_cast<std::uint64_t>(absl::ToInt64Seconds(kMaxCredentialLife))));
  if (lifetime == 0) return Malformed("max_lifetime is 0");
  grant.max_lifetime = absl::Seconds(static_cast<std::int64_t>(lifetime));
  const json& names = claims.at("dns_names");
  if (!names.is_array() || names.size() > kMaxDnsNames) return Malformed("dns_names is not a list of at most 16");
  for (const json& name : names) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty() ||
        name.get_ref<const std::string&>().size() > 253) {
      return Malformed("dns_names holds something that is no DNS name");
    }
    grant.dns_names.push_back(name.get<std::string>());
  }
  return ReadPolicy(claims.at("policy"), grant);
}

absl::StatusOr<Grant> ReadClaims(const json& claims) {
  TWI_RETURN_IF_ERROR(ExactMembers(
      claims, "", {"iss", "aud", "jti", "iat", "exp", "sub", "claims", "max_lifetime", "dns_names", "policy"},
      {"key_sha256", "results_sha256", "owner", "release_policy_sha256"}));
  Grant grant;
  TWI_ASSIGN_OR_RETURN(grant.issuer, Text(claims, "iss"));
  TWI_ASSIGN_OR_RETURN(grant.audience, Text(claims, "aud"));
  TWI_ASSIGN_OR_RETURN(grant.jti, Text(claims, "jti"));
  if (grant.jti.size() > 64) return Malformed("jti is longer than 64 bytes");
  TWI_ASSIGN_OR_RETURN(const std::uint64_t issued, Whole(claims, "iat", kLastSecond));
  TWI_ASSIGN_OR_RETURN(const std::uint64_t expires, Whole(claims, "exp", kLastSecond));
  grant.issued_at = absl::FromUnixSeconds(static_cast<std::int64_t>(issued));
  grant.expires_at = absl::FromUnixSeconds(static_cast<std::int64_t>(expires));
  if (grant.expires_at <= grant.issued_at || grant.expires_at - grant.issued_at > kMaxGrantLife)
    return Malformed("it lives for no time, or longer than 15 minutes");
  TWI_RETURN_IF_ERROR(ReadEntitlement(claims, grant));
  // Bound to a key and to results (A, B, C), or to an owner and a release policy (D): never both, never neither.
  const bool key = claims.contains("key_sha256"), results = claims.contains("results_sha256");
  const bool owner = claims.contains("owner"), release_policy = claims.contains("release_policy_sha256");
  if (key != results || owner != release_policy || key == owner)
    return Malformed(
        "it is bound neither to a key with its results alone, nor to an owner with a release policy alone");
  if (owner) {
    TWI_ASSIGN_OR_RETURN(grant.owner, Text(claims, "owner"));
    TWI_ASSIGN_OR_RETURN(grant.release_policy_sha256, Digest(claims, "release_policy_sha256"));
  } else {
    TWI_ASSIGN_OR_RETURN(grant.key_sha256, Digest(claims, "key_sha256"));
    TWI_ASSIGN_OR_RETURN(grant.results_sha256, Digest(claims, "results_sha256"));
  }
  return grant;
}

absl::Status AsGrantStatus(const absl::Status& status) {
  switch (DenyReasonOf(status)) {
    case v1::DENY_REASON_SIGNATURE_INVALID:
      return Deny(v1::DENY_REASON_GRANT_SIGNATURE_INVALID, status.message());
    case v1::DENY_REASON_JWS_KEY_UNKNOWN:
      return Deny(v1::DENY_REASON_GRANT_KEY_UNKNOWN, status.message());
    case v1::DENY_REASON_INTERNAL:
      return status;
    default:
      return Malformed(status.message());
  }
}

absl::Status MatchBearer(const Grant& grant, const GrantExpectation& expected) {
  if (!expected.owner.empty()) {
    if (grant.owner != expected.owner) {
      return Deny(v1::DENY_REASON_GRANT_WRONG_OWNER,
                  absl::StrCat("the grant is for ", grant.owner.empty() ? "a key" : grant.owner, ", the caller is ",
                               expected.owner));
    }
    return absl::OkStatus();
  }
  if (!ConstantTimeEqual(grant.key_sha256, expected.key_sha256)) {
    return Deny(
        v1::DENY_REASON_GRANT_WRONG_KEY,
        absl::StrCat("the grant is for ", grant.key_sha256.empty() ? "an owner" : "key " + ToHex(grant.key_sha256),
                     ", the request's key is ", ToHex(expected.key_sha256)));
  }
  if (!ConstantTimeEqual(grant.results_sha256, expected.results_sha256)) {
    return Deny(v1::DENY_REASON_GRANT_WRONG_KEY,
                "the grant was made from other Attestation Results than those of the request");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SignGrant(const Grant& grant, const crypto::PrivateKey& key, absl::string_view kid) {
  json claims = {
      {"iss", grant.issuer},
      {"aud", grant.audience},
      {"jti", grant.jti},
      {"iat", static_cast<std::uint64_t>(absl::ToUnixSeconds(grant.issued_at))},
      {"exp", static_cast<std::uint64_t>(absl::ToUnixSeconds(grant.expires_at))},
      {"sub", grant.workload_identifier},
      {"claims", grant.claims},
      {"max_lifetime", static_cast<std::uint64_t>(absl::ToInt64Seconds(grant.max_lifetime))},
      {"dns_names", grant.dns_names},
      {"policy",
       {{"name", grant.policy_name},
        {"version", grant.policy_version},
        {"sha256", ToBase64Url(grant.policy_sha256)},
        {"owner", grant.policy_owner}}},
  };
  if (!grant.owner.empty()) claims["owner"] = grant.owner;
  if (!grant.key_sha256.empty()) claims["key_sha256"] = ToBase64Url(grant.key_sha256);
  if (!grant.results_sha256.empty()) claims["results_sha256"] = ToBase64Url(grant.results_sha256);
  if (!grant.release_policy_sha256.empty()) claims["release_policy_sha256"] = ToBase64Url(grant.release_policy_sha256);
  // What would not be accepted is not signed: the reading side decides what a grant is.
  if (const absl::StatusOr<Grant> read = ReadClaims(claims); !read.ok()) {
    return Deny(v1::DENY_REASON_INTERNAL,
                absl::StrCat("a grant of our own would be refused: ", read.status().message()));
  }
  return jose::SignJws(key, kid, kGrantTyp, claims.dump(-1, ' ', false, json::error_handler_t::replace));
}

absl::StatusOr<Grant> ValidateGrant(absl::string_view jws, const jose::JwkSet& keys, const GrantExpectation& expected) {
  const bool for_key = expected.key_sha256.size() == kDigestSize && expected.results_sha256.size() == kDigestSize &&
                       expected.owner.empty();
  const bool for_owner = !expected.owner.empty() && expected.key_sha256.empty() && expected.results_sha256.empty();
  if (expected.audience.empty() || expected.issuer.empty() || for_key == for_owner) {
    return Deny(v1::DENY_REASON_INTERNAL, "ValidateGrant: the expectation does not say for whom");
  }
  jose::JwsExpectation form;
  form.typ = kGrantTyp;
  form.max_size = kMaxGrantSize;
  const absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(jws, keys, form);
  if (!verified.ok()) return AsGrantStatus(verified.status());
  TWI_ASSIGN_OR_RETURN(Grant grant, ReadClaims(verified->payload));
  if (grant.issuer != expected.issuer) {
    return Deny(v1::DENY_REASON_GRANT_KEY_UNKNOWN,
                absl::StrCat("iss is ", grant.issuer, ", expected ", expected.issuer));
  }
  if (grant.audience != expected.audience) {
    return Deny(v1::DENY_REASON_GRANT_WRONG_AUDIENCE,
                absl::StrCat("aud is ", grant.audience, ", we are ", expected.audience));
  }
  if (grant.issued_at > expected.now + expected.max_skew) {
    return Deny(v1::DENY_REASON_GRANT_NOT_YET_VALID,
                absl::StrCat("issued at ", absl::FormatTime(grant.issued_at, absl::UTCTimeZone())));
  }
  if (expected.now >= grant.expires_at) {
    return Deny(v1::DENY_REASON_GRANT_EXPIRED,
                absl::StrCat("expired at ", absl::FormatTime(grant.expires_at, absl::UTCTimeZone())));
  }
  TWI_RETURN_IF_ERROR(MatchBearer(grant, expected));
  return grant;
}

}  // namespace twi
