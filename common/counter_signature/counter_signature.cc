#include "common/counter_signature/counter_signature.h"

#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/secret/secret_bytes.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace twi {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSize = 16 * 1024;
constexpr std::size_t kMaxUri = 2048;
constexpr std::size_t kMaxId = 64;
constexpr std::size_t kDigestSize = 32;
constexpr std::uint64_t kLastSecond = 253402300799;  // year 9999

absl::Status Invalid(absl::string_view detail) {
  return Deny(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID, absl::StrCat("counter-signature: ", detail));
}

// Style H17: a claim that is missing fails, and so does one that is not named here.
absl::Status ExactClaims(const json& claims) {
  static const auto* const kNames = new std::set<std::string>{
      "iss", "iat", "jti", "owner", "key_id", "csr_sha256", "release_policy_sha256", "target"};
  for (const std::string& name : *kNames) {
    if (!claims.contains(name)) return Invalid(absl::StrCat("claim ", name, " is missing"));
  }
  for (const auto& [name, value] : claims.items()) {
    if (kNames->count(name) == 0) return Invalid(absl::StrCat("claim ", name, " is not one of ours"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Text(const json& claims, const char* name, std::size_t max) {
  const json& value = claims.at(name);
  if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
      value.get_ref<const std::string&>().size() > max) {
    return Invalid(absl::StrCat(name, " is not a string of 1..", max, " bytes"));
  }
  return value.get<std::string>();
}

absl::StatusOr<std::string> Digest(const json& claims, const char* name) {
  TWI_ASSIGN_OR_RETURN(const std::string text, Text(claims, name, kMaxId));
  const absl::StatusOr<std::string> bytes = FromBase64Url(text);
  if (!bytes.ok() || bytes->size() != kDigestSize) return Invalid(absl::StrCat(name, " is not base64url of 32 bytes"));
  return *bytes;
}

absl::StatusOr<CounterSignature> ReadClaims(const json& claims) {
  TWI_RETURN_IF_ERROR(ExactClaims(claims));
  CounterSignature read;
  TWI_ASSIGN_OR_RETURN(read.issuer, Text(claims, "iss", kMaxUri));
  TWI_ASSIGN_OR_RETURN(read.jti, Text(claims, "jti", kMaxId));
  TWI_ASSIGN_OR_RETURN(read.owner, Text(claims, "owner", kMaxUri));
  if (const absl::Status valid = ValidateWorkloadIdentifier(read.owner); !valid.ok())
    return Invalid(absl::StrCat("owner: ", valid.message()));
  TWI_ASSIGN_OR_RETURN(read.key_id, Text(claims, "key_id", kMaxId));
  TWI_ASSIGN_OR_RETURN(read.target, Text(claims, "target", kMaxUri));
  TWI_ASSIGN_OR_RETURN(read.csr_sha256, Digest(claims, "csr_sha256"));
  TWI_ASSIGN_OR_RETURN(read.release_policy_sha256, Digest(claims, "release_policy_sha256"));
  const json& issued = claims.at("iat");
  if (!issued.is_number_unsigned() || issued.get<std::uint64_t>() > kLastSecond)
    return Invalid("iat is not a whole number in range");
  read.issued_at = absl::FromUnixSeconds(static_cast<std::int64_t>(issued.get<std::uint64_t>()));
  return read;
}

}  // namespace

absl::StatusOr<std::string> SignCounterSignature(const CounterSignature& c, const crypto::PrivateKey& key,
                                                 absl::string_view kid) {
  const json claims = {
      {"iss", c.issuer},
      {"iat", static_cast<std::uint64_t>(absl::ToUnixSeconds(c.issued_at))},
      {"jti", c.jti},
      {"owner", c.owner},
      {"key_id", c.key_id},
      {"csr_sha256", ToBase64Url(c.csr_sha256)},
      {"release_policy_sha256", ToBase64Url(c.release_policy_sha256)},
      {"target", c.target},
  };
  // What would not be accepted is not signed: the reading side decides what a counter-signature is.
  if (const absl::StatusOr<CounterSignature> read = ReadClaims(claims); !read.ok()) {
    return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("our own would be refused: ", read.status().message()));
  }
  return jose::SignJws(key, kid, kCounterSignatureTyp, claims.dump(-1, ' ', false, json::error_handler_t::replace));
}

absl::StatusOr<CounterSignature> ValidateCounterSignature(absl::string_view jws, const jose::JwkSet& keys,
                                                          const CounterSignatureExpectation& expected) {
  if (expected.issuer.empty() || expected.owner.empty() || expected.csr_der.empty()) {
    return Deny(v1::DENY_REASON_INTERNAL,
                "ValidateCounterSignature: the expectation does not say whose, by whom, over what");
  }
  jose::JwsExpectation form;
  form.typ = kCounterSignatureTyp;
  form.max_size = kMaxSize;
  const absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(jws, keys, form);
  if (!verified.ok())
    return DenyReasonOf(verified.status()) == v1::DENY_REASON_INTERNAL ? verified.status()
                                                                       : Invalid(verified.status().message());
  TWI_ASSIGN_OR_RETURN(CounterSignature read, ReadClaims(verified->payload));
  if (read.issuer != expected.issuer)
    return Invalid(absl::StrCat("iss is ", read.issuer, ", expected ", expected.issuer));
  if (read.owner != expected.owner)
    return Invalid(absl::StrCat("owner is ", read.owner, ", the caller is ", expected.owner));
  if (!ConstantTimeEqual(read.csr_sha256, crypto::Sha256(expected.csr_der))) return Invalid("it is over another CSR");
  if (read.issued_at > expected.now + expected.max_skew) return Invalid("iat is in the future");
  if (expected.now - read.issued_at > expected.max_age) {
    return Invalid(absl::StrCat("it is from ", absl::FormatTime(read.issued_at, absl::UTCTimeZone()), ", older than ",
                                absl::FormatDuration(expected.max_age)));
  }
  return read;
}

}  // namespace twi
