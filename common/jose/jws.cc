#include "common/jose/jws.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::jose {
namespace {

using crypto::SignatureAlgorithm;
using nlohmann::json;

constexpr std::size_t kMaxHeaderSize = 8 * 1024;
constexpr int kMaxHeaderDepth = 4;
constexpr int kMaxPayloadDepth = 32;

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_JWS_MALFORMED, detail); }

// The algorithms that we accept, and by which key type. Everything else ("none", HS*, ES512 ...) is refused.
std::optional<SignatureAlgorithm> AlgorithmFor(absl::string_view alg) {
  if (alg == "ES256") return SignatureAlgorithm::kEcdsaP256Sha256Raw;
  if (alg == "ES384") return SignatureAlgorithm::kEcdsaP384Sha384Raw;
  if (alg == "EdDSA") return SignatureAlgorithm::kEd25519;  // RFC 8037; Ed448 has another key type
  if (alg == "RS256") return SignatureAlgorithm::kRsaPkcs1Sha256;
  if (alg == "PS256") return SignatureAlgorithm::kRsaPssSha256;
  return std::nullopt;
}

// The parts of a token, decoded; header and payload are JSON objects. Nothing is verified.
struct Parts {
  JwsHeader header;
  std::string payload_text;
  std::string signature;
  absl::string_view signing_input;  // into the token
};

absl::StatusOr<JwsHeader> ParseHeader(absl::string_view encoded) {
  if (encoded.size() > kMaxHeaderSize) return Malformed("header over 8 KiB");
  const absl::StatusOr<std::string> text = FromBase64Url(encoded);
  if (!text.ok()) return Malformed("header is not base64url");
  const absl::StatusOr<json> parsed = ParseJson(*text, kMaxHeaderSize, kMaxHeaderDepth);
  if (!parsed.ok()) return Malformed(absl::StrCat("header: ", parsed.status().message()));
  if (!parsed->is_object()) return Malformed("header is not an object");
  // Extensions that must be understood (crit, b64), and keys to be fetched from where the token says. A key inside the
  // header (jwk, x5c) is not looked at.
  for (const char* name : {"crit", "b64", "jku", "x5u"}) {
    if (parsed->contains(name)) return Malformed(absl::StrCat("header member ", name, " is not accepted"));
  }
  JwsHeader header;
  if (!GetOptionalString(*parsed, "alg", &header.alg) || !GetOptionalString(*parsed, "kid", &header.kid) ||
      !GetOptionalString(*parsed, "typ", &header.typ)) {
    return Malformed("header members alg, kid and typ are strings");
  }
  if (header.kid.empty() && parsed->contains("kid")) return Malformed("header member kid is empty");
  return header;
}

absl::StatusOr<Parts> Split(absl::string_view token, std::size_t max_size) {
  if (token.size() > max_size) return Malformed(absl::StrCat("token of ", token.size(), " bytes; at most ", max_size));
  const std::size_t first = token.find('.');
  const std::size_t second = first == absl::string_view::npos ? first : token.find('.', first + 1);
  if (second == absl::string_view::npos || token.find('.', second + 1) != absl::string_view::npos)
    return Malformed("not three parts");
  if (first == 0 || second == first + 1 || second + 1 == token.size()) return Malformed("an empty part");
  Parts parts;
  TWI_ASSIGN_OR_RETURN(parts.header, ParseHeader(token.substr(0, first)));
  absl::StatusOr<std::string> payload = FromBase64Url(token.substr(first + 1, second - first - 1));
  absl::StatusOr<std::string> signature = FromBase64Url(token.substr(second + 1));
  if (!payload.ok() || !signature.ok()) return Malformed("payload or signature is not base64url");
  parts.payload_text = *std::move(payload);
  parts.signature = *std::move(signature);
  parts.signing_input = token.substr(0, second);
  return parts;
}

absl::StatusOr<VerifiedJws> WithPayload(Parts parts) {
  absl::StatusOr<json> payload = ParseJson(parts.payload_text, parts.payload_text.size(), kMaxPayloadDepth);
  if (!payload.ok()) return Malformed(absl::StrCat("payload: ", payload.status().message()));
  if (!payload->is_object()) return Malformed("payload is not an object");
  return VerifiedJws{std::move(parts.header), *std::move(payload), std::move(parts.payload_text)};
}

// One key: alg fits (the key's own alg too, when it has one), then the signature.
absl::Status VerifyWithKey(const Parts& parts, SignatureAlgorithm algorithm, const Jwk& jwk) {
  if (!jwk.alg.empty() && jwk.alg != parts.header.alg)
    return Deny(v1::DENY_REASON_SIGNATURE_INVALID, "alg is not the one that the key is for");
  return jwk.key.Verify(algorithm, parts.signing_input, parts.signature);
}

absl::Status VerifyWithSet(const Parts& parts, SignatureAlgorithm algorithm, const JwkSet& keys,
                           bool allow_missing_kid) {
  if (!parts.header.kid.empty()) {
    const Jwk* jwk = keys.Find(parts.header.kid);
    if (jwk == nullptr) return Deny(v1::DENY_REASON_JWS_KEY_UNKNOWN, "kid names no key of the set");
    return VerifyWithKey(parts, algorithm, *jwk);
  }
  if (!allow_missing_kid || keys.keys.empty()) return Deny(v1::DENY_REASON_JWS_KEY_UNKNOWN, "no kid, or no keys");
  for (const Jwk& jwk : keys.keys) {
    if (VerifyWithKey(parts, algorithm, jwk).ok()) return absl::OkStatus();
  }
  return Deny(v1::DENY_REASON_SIGNATURE_INVALID, "no key of the set verifies the signature");
}

}  // namespace

absl::StatusOr<std::string> SignJws(const crypto::PrivateKey& key, absl::string_view kid, absl::string_view typ,
                                    absl::string_view payload) {
  const std::string alg = JwsAlgFor(key.type());
  const std::optional<SignatureAlgorithm> algorithm = AlgorithmFor(alg);
  if (!algorithm || kid.empty() || typ.empty() || payload.empty())
    return absl::InvalidArgumentError("a JWS has a kid, a typ and a payload");
  json header = {{"alg", alg}, {"kid", std::string(kid)}, {"typ", std::string(typ)}};
  const std::string input =
      absl::StrCat(ToBase64Url(header.dump(-1, ' ', false, json::error_handler_t::replace)), ".", ToBase64Url(payload));
  TWI_ASSIGN_OR_RETURN(const std::string signature, key.Sign(*algorithm, input));
  return absl::StrCat(input, ".", ToBase64Url(signature));
}

absl::StatusOr<VerifiedJws> VerifyJws(absl::string_view token, const JwkSet& keys, const JwsExpectation& expectation) {
  TWI_ASSIGN_OR_RETURN(Parts parts, Split(token, expectation.max_size));
  if (expectation.typ.empty() || !absl::EqualsIgnoreCase(parts.header.typ, expectation.typ)) {
    return Malformed(absl::StrCat("typ is \"", parts.header.typ, "\", expected \"", expectation.typ, "\""));
  }
  const std::optional<SignatureAlgorithm> algorithm = AlgorithmFor(parts.header.alg);
  if (!algorithm) return Malformed(absl::StrCat("alg \"", parts.header.alg, "\" is not accepted"));
  TWI_RETURN_IF_ERROR(VerifyWithSet(parts, *algorithm, keys, expectation.allow_missing_kid));
  return WithPayload(std::move(parts));
}

absl::StatusOr<VerifiedJws> InsecureDecodeJws(absl::string_view token, std::size_t max_size) {
  TWI_ASSIGN_OR_RETURN(Parts parts, Split(token, max_size));
  return WithPayload(std::move(parts));
}

}  // namespace twi::jose
