// Validation in both directions (style H17): a claim that is missing fails, and so does one that this file does not
// name.
#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attestation_results/attestation_results.h"
#include "common/attestation_results/claims.h"
#include "common/binding/binding.h"
#include "common/encoding/encoding.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxResultsSize = 192 * 1024;

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_RESULTS_MALFORMED, detail); }

using Names = std::initializer_list<const char*>;

bool Holds(Names names, absl::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const char* one) { return name == one; });
}

// Every member of `required` is there, and no member outside `required` and `optional`.
absl::Status ExactMembers(const json& object, absl::string_view where, Names required, Names optional) {
  if (!object.is_object()) return Malformed(absl::StrCat(where, " is not an object"));
  for (const char* name : required) {
    if (!object.contains(name)) return Malformed(absl::StrCat(where, ".", name, " is missing"));
  }
  for (const auto& [name, value] : object.items()) {
    if (!Holds(required, name) && !Holds(optional, name))
      return Malformed(absl::StrCat(where, ".", name, " is not a claim of ours"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Text(const json& object, const char* name, std::size_t max_size) {
  const json& value = object.at(name);
  if (!value.is_string()) return Malformed(absl::StrCat(name, " is not a string"));
  std::string text = value.get<std::string>();
  if (text.empty() || text.size() > max_size)
    return Malformed(absl::StrCat(name, " has ", text.size(), " bytes, 1..", max_size, " are allowed"));
  return text;
}

absl::StatusOr<std::string> Bytes(const json& object, const char* name, std::size_t min_size, std::size_t max_size) {
  TWI_ASSIGN_OR_RETURN(const std::string text, Text(object, name, 2 * max_size));
  absl::StatusOr<std::string> bytes = FromBase64Url(text);
  if (!bytes.ok() || bytes->size() < min_size || bytes->size() > max_size) {
    return Malformed(absl::StrCat(name, " is not base64url of ", min_size, "..", max_size, " bytes"));
  }
  return *bytes;
}

absl::StatusOr<absl::Time> Seconds(const json& object, const char* name) {
  const json& value = object.at(name);
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > 253402300799) {
    return Malformed(absl::StrCat(name, " is not a NumericDate integer"));
  }
  return absl::FromUnixSeconds(value.get<std::int64_t>());
}

absl::Status ReadVector(const json& vector, AttestationResults& r) {
  if (!vector.is_object() || vector.empty())
    return Malformed("ear_trustworthiness_vector is not an object with entries");
  for (const auto& [label, value] : vector.items()) {
    if (!ear::IsTrustworthinessLabel(label) || !value.is_number_integer()) {
      return Malformed(absl::StrCat("ear_trustworthiness_vector.", label, " is not an AR4SI entry"));
    }
    const std::int64_t number = value.get<std::int64_t>();
    if (number < -128 || number > 127)
      return Malformed(absl::StrCat("ear_trustworthiness_vector.", label, " is out of range"));
    r.trustworthiness[label] = static_cast<int>(number);
  }
  const std::optional<EarStatus> worst = ear::WorstTier(r.trustworthiness);
  if (!worst.has_value() || ear::MoreTrusted(r.status, *worst))
    return Malformed("ear_status claims more trust than the worst entry of the vector");
  return absl::OkStatus();
}

absl::Status ReadAttestedKey(const json& submod, AttestationResults& r) {
  TWI_RETURN_IF_ERROR(
      ExactMembers(submod.at("ear_veraison_key_attestation"), "ear_veraison_key_attestation", {"akpub"}, {}));
  TWI_ASSIGN_OR_RETURN(r.key_spki, Bytes(submod.at("ear_veraison_key_attestation"), "akpub", 32, 1024));
  TWI_RETURN_IF_ERROR(ExactMembers(submod.at("cnf"), "cnf", {"jwk"}, {}));
  absl::StatusOr<json> expected = ear::AttestedKeyJwk(r.key_spki);
  if (!expected.ok()) return Malformed(absl::StrCat("akpub: ", std::string(expected.status().message())));
  if (*expected != submod.at("cnf").at("jwk"))
    return Deny(v1::DENY_REASON_RESULTS_KEY_MISMATCH, "akpub and cnf.jwk name different keys");
  return absl::OkStatus();
}

absl::Status ReadSubmod(json& submod, AttestationResults& r) {
  TWI_RETURN_IF_ERROR(ExactMembers(submod, "submods.workload",
                                   {"ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids", "eat_nonce",
                                    "ear_veraison_key_attestation", "cnf", "ear_attester_claims", "twi_binding"},
                                   {"ear_verifier_claims"}));
  TWI_ASSIGN_OR_RETURN(const std::string status, Text(submod, "ear_status", 32));
  const std::optional<EarStatus> known = ear::StatusFromName(status);
  if (!known.has_value()) return Malformed("ear_status is not one of the four");
  r.status = *known;
  TWI_RETURN_IF_ERROR(ReadVector(submod.at("ear_trustworthiness_vector"), r));
  const json& ids = submod.at("ear_appraisal_policy_ids");
  if (!ids.is_array() || ids.empty() || ids.size() > 16)
    return Malformed("ear_appraisal_policy_ids is not a list of 1..16");
  for (const json& id : ids) {
    if (!id.is_string() || id.get_ref<const std::string&>().size() > 512)
      return Malformed("ear_appraisal_policy_ids holds something that is no short string");
    r.appraisal_policy_ids.push_back(id.get<std::string>());
  }
  TWI_ASSIGN_OR_RETURN(r.reported_binding, Bytes(submod, "eat_nonce", 32, 64));
  if (r.reported_binding.size() != 32 && r.reported_binding.size() != 64)
    return Malformed("eat_nonce is neither 32 nor 64 bytes");
  TWI_RETURN_IF_ERROR(ReadAttestedKey(submod, r));
  r.attester_claims = std::move(submod.at("ear_attester_claims"));
  if (!r.attester_claims.is_object()) return Malformed("ear_attester_claims is not an object");
  if (submod.contains("ear_verifier_claims")) {
    TWI_RETURN_IF_ERROR(ExactMembers(submod.at("ear_verifier_claims"), "ear_verifier_claims", {"software"}, {}));
    r.software = std::move(submod.at("ear_verifier_claims").at("software"));
    TWI_RETURN_IF_ERROR(ExactMembers(r.software, "software", {"name", "version", "vendor"}, {}));
    for (const auto& [name, value] : r.software.items()) {
      if (!value.is_string()) return Malformed(absl::StrCat("software.", name, " is not a string"));
    }
  }
  const json& binding = submod.at("twi_binding");
  TWI_RETURN_IF_ERROR(ExactMembers(binding, "twi_binding", {"profile", "nonce", "target", "channel_key_sha256"}, {}));
  TWI_ASSIGN_OR_RETURN(r.binding_profile, Text(binding, "profile", 32));
  if (r.binding_profile != kBindingTacra2) return Malformed("twi_binding.profile is not tacra-2");
  TWI_ASSIGN_OR_RETURN(r.nonce, Bytes(binding, "nonce", 8, 128));
  TWI_ASSIGN_OR_RETURN(r.target, Text(binding, "target", 2048));
  TWI_ASSIGN_OR_RETURN(r.channel_key_sha256, Bytes(binding, "channel_key_sha256", 32, 32));
  return absl::OkStatus();
}

// Takes what is kept whole out of `claims`.
absl::StatusOr<AttestationResults> ReadClaims(json& claims) {
  TWI_RETURN_IF_ERROR(
      ExactMembers(claims, "claims",
                   {"eat_profile", "iss", "aud", "jti", "iat", "exp", "ear_verifier_id", "ear_input_digest", "submods"},
                   {"twi_workload_credential"}));
  AttestationResults r;
  TWI_ASSIGN_OR_RETURN(const std::string profile, Text(claims, "eat_profile", 128));
  if (profile != kEarProfile) return Malformed(absl::StrCat("eat_profile is not ", kEarProfile));
  TWI_ASSIGN_OR_RETURN(r.issuer, Text(claims, "iss", 2048));
  TWI_ASSIGN_OR_RETURN(r.audience, Text(claims, "aud", 2048));
  TWI_ASSIGN_OR_RETURN(r.jti, Text(claims, "jti", 64));
  TWI_ASSIGN_OR_RETURN(r.issued_at, Seconds(claims, "iat"));
  TWI_ASSIGN_OR_RETURN(r.expires_at, Seconds(claims, "exp"));
  const json& id = claims.at("ear_verifier_id");
  TWI_RETURN_IF_ERROR(ExactMembers(id, "ear_verifier_id", {"developer", "build"}, {}));
  TWI_ASSIGN_OR_RETURN(r.build, Text(id, "build", 256));
  TWI_ASSIGN_OR_RETURN(const std::string developer, Text(id, "developer", 2048));
  if (developer != r.issuer) return Malformed("ear_verifier_id.developer is not iss");
  const json& digest = claims.at("ear_input_digest");
  if (!digest.is_array() || digest.size() != 2 || digest[0] != "sha-256" || !digest[1].is_string())
    return Malformed("ear_input_digest is not [\"sha-256\", digest]");
  absl::StatusOr<std::string> sha256 = FromBase64Url(digest[1].get_ref<const std::string&>());
  if (!sha256.ok() || sha256->size() != 32) return Malformed("ear_input_digest does not hold 32 bytes");
  r.evidence_sha256 = *sha256;
  if (claims.contains("twi_workload_credential")) {
    TWI_ASSIGN_OR_RETURN(r.workload_credential_json, Text(claims, "twi_workload_credential", 128 * 1024));
  }
  TWI_RETURN_IF_ERROR(ExactMembers(claims.at("submods"), "submods", {kSubmod}, {}));
  TWI_RETURN_IF_ERROR(ReadSubmod(claims.at("submods").at(kSubmod), r));
  return r;
}

absl::Status CheckTimes(const AttestationResults& r, const ResultsExpectation& expectation) {
  if (r.expires_at <= r.issued_at) return Malformed("exp is not after iat");
  if (r.issued_at > expectation.now + expectation.max_skew) {
    return Deny(v1::DENY_REASON_RESULTS_NOT_YET_VALID, absl::StrCat("issued at ", absl::FormatTime(r.issued_at),
                                                                    ", now is ", absl::FormatTime(expectation.now)));
  }
  if (expectation.now >= r.expires_at)
    return Deny(v1::DENY_REASON_RESULTS_EXPIRED, absl::StrCat("expired at ", absl::FormatTime(r.expires_at)));
  if (expectation.now - r.issued_at > expectation.max_age) {
    return Deny(v1::DENY_REASON_RESULTS_EXPIRED,
                absl::StrCat("issued at ", absl::FormatTime(r.issued_at), ", older than ",
                             absl::FormatDuration(expectation.max_age)));
  }
  return absl::OkStatus();
}

// The reasons of a JWS, said of Attestation Results.
absl::Status AsResultsStatus(const absl::Status& status) {
  switch (DenyReasonOf(status)) {
    case v1::DENY_REASON_SIGNATURE_INVALID:
      return Deny(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID, status.message());
    case v1::DENY_REASON_JWS_KEY_UNKNOWN:
      return Deny(v1::DENY_REASON_RESULTS_KEY_UNKNOWN, status.message());
    default:
      return Malformed(status.message());
  }
}

}  // namespace

absl::StatusOr<AttestationResults> ValidateResults(absl::string_view jws, const jose::JwkSet& keys,
                                                   const ResultsExpectation& expectation) {
  jose::JwsExpectation form;
  form.typ = kEarTyp;
  form.max_size = kMaxResultsSize;
  absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(jws, keys, form);
  if (!verified.ok()) return AsResultsStatus(verified.status());
  TWI_ASSIGN_OR_RETURN(AttestationResults r, ReadClaims(verified->payload));
  if (r.issuer != expectation.issuer) {
    return Deny(v1::DENY_REASON_RESULTS_KEY_UNKNOWN,
                absl::StrCat("iss is ", r.issuer, ", expected ", expectation.issuer));
  }
  if (r.audience != expectation.audience) {
    return Deny(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE,
                absl::StrCat("aud is ", r.audience, ", we are ", expectation.audience));
  }
  TWI_RETURN_IF_ERROR(CheckTimes(r, expectation));
  if (expectation.require_affirming && r.status != EarStatus::kAffirming) {
    return Deny(v1::DENY_REASON_RESULTS_NOT_AFFIRMING, absl::StrCat("ear_status is ", ear::StatusName(r.status)));
  }
  return r;
}

absl::Status MatchResultsToRequest(const AttestationResults& results, const v1::Binding& binding,
                                   absl::string_view channel_key_sha256) {
  TWI_RETURN_IF_ERROR(ValidateBinding(binding));
  if (!ConstantTimeEqual(results.nonce, binding.nonce()))
    return Deny(v1::DENY_REASON_BINDING_MISMATCH, "the nonce of the request is not the one of the results");
  if (results.target != binding.target()) {
    return Deny(v1::DENY_REASON_BINDING_MISMATCH,
                absl::StrCat("target is ", binding.target(), ", the results say ", results.target));
  }
  TWI_RETURN_IF_ERROR(MatchBinding(binding, results.reported_binding));
  if (!ConstantTimeEqual(results.channel_key_sha256, channel_key_sha256)) {
    return Deny(v1::DENY_REASON_RESULTS_WRONG_CHANNEL, "the workload that was attested connected with another TLS key");
  }
  return absl::OkStatus();
}

json ResultsForPolicy(const AttestationResults& r) {
  return {{"status", ear::StatusName(r.status)},
          {"trustworthiness", r.trustworthiness},
          {"software", r.software.is_object() ? r.software : json(nullptr)},
          {"policy_ids", r.appraisal_policy_ids},
          {"audience", r.audience},
          {"target", r.target},
          {"issuer", r.issuer},
          {"attester", r.attester_claims}};
}

}  // namespace twi
