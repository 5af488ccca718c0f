#include "services/workload_agent/validate_credential.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/jose/jws.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxChain = 8;
constexpr std::size_t kMaxWit = 16 * 1024;
constexpr std::size_t kMaxWitBundle = 128 * 1024;
constexpr absl::Duration kMaxSkew = absl::Seconds(5);
constexpr std::uint16_t kDigitalSignature = 1 << 0, kKeyCertSign = 1 << 5, kCrlSign = 1 << 6;  // RFC 5280 4.2.1.3

absl::Status Invalid(absl::string_view detail) { return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, detail); }

absl::Status Invalid(absl::string_view where, const absl::Status& why) {
  return Invalid(absl::StrCat(where, ": ", DenyReasonName(DenyReasonOf(why)), ": ", why.message()));
}

// spiffe://<trust domain>/<path>, both there. The Credential Authority's validator checks the characters; here the
// whole is compared or handed on.
bool IsSpiffeIdWithPath(const std::string& uri) {
  if (!absl::StartsWith(uri, "spiffe://") || uri.size() > 2048) return false;
  const std::size_t slash = uri.find('/', 9);
  return slash != std::string::npos && slash > 9 && slash + 1 < uri.size();
}

absl::StatusOr<crypto::Certificate> ValidateChain(const v1::WorkloadCredential& credential,
                                                  const crypto::PublicKey& key,
                                                  const CredentialExpectation& expectation) {
  if (credential.x509_chain_size() < 1 || static_cast<std::size_t>(credential.x509_chain_size()) > kMaxChain) {
    return Invalid(absl::StrCat("chain of ", credential.x509_chain_size(), " certificates, expected 1..", kMaxChain));
  }
  std::vector<crypto::Certificate> chain;
  for (const std::string& der : credential.x509_chain()) {
    auto certificate = crypto::ParseCertificate(der);
    if (!certificate.ok()) return Invalid("chain", certificate.status());
    chain.push_back(*std::move(certificate));
  }
  crypto::Certificate leaf = chain.front();
  if (leaf.public_key != key)
    return Deny(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH,
                "the X.509 leaf carries another public key than the Credential Key's");
  chain.erase(chain.begin());
  crypto::PathOptions options;
  options.now = expectation.now;
  auto path = crypto::BuildPath(leaf, chain, expectation.anchors, options);
  if (!path.ok()) return Invalid("path to credential_trust_bundle_file", path.status());
  return leaf;
}

absl::Status ValidateLeaf(const crypto::Certificate& leaf, const CredentialExpectation& expectation) {
  if (leaf.is_ca) return Invalid("the leaf is a CA");
  if (!leaf.key_usage.has_value() || (*leaf.key_usage & kDigitalSignature) == 0 ||
      (*leaf.key_usage & (kKeyCertSign | kCrlSign)) != 0) {
    return Invalid("the leaf's key usage is not digitalSignature without keyCertSign and cRLSign");
  }
  if (leaf.uri_sans.size() != 1) return Invalid(absl::StrCat(leaf.uri_sans.size(), " URI SANs, expected exactly one"));
  const std::string& identifier = leaf.uri_sans.front();
  if (!IsSpiffeIdWithPath(identifier)) return Invalid(absl::StrCat("\"", identifier, "\" is no SPIFFE ID with a path"));
  if (!expectation.workload_identifier.empty() && identifier != expectation.workload_identifier) {
    return Invalid(absl::StrCat("workload identifier is ", identifier, ", expected ", expectation.workload_identifier));
  }
  return absl::OkStatus();
}

absl::Status ValidateConfirmation(const json& claims, const crypto::PublicKey& key) {
  if (!claims.contains("cnf") || !claims["cnf"].is_object() || !claims["cnf"].contains("jwk"))
    return Invalid("WIT: no cnf.jwk");
  auto jwk = jose::JwkFromJson(claims["cnf"]["jwk"]);
  if (!jwk.ok()) return Invalid("WIT: cnf.jwk", jwk.status());
  if (jwk->alg != jose::JwsAlgFor(key.type()))
    return Invalid(absl::StrCat("WIT: cnf.jwk.alg is \"", jwk->alg, "\", expected ", jose::JwsAlgFor(key.type())));
  if (jwk->key != key)
    return Deny(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH,
                "the WIT's cnf.jwk is another public key than the Credential Key's");
  return absl::OkStatus();
}

// A SPIFFE ID as iss is an authority of the trust domain that it issues in.
absl::Status ValidateIssuer(const json& claims, const std::string& identifier) {
  if (!claims.contains("iss")) return absl::OkStatus();
  if (!claims["iss"].is_string()) return Invalid("WIT: iss is no string");
  const std::string issuer = claims["iss"].get<std::string>();
  if (absl::StartsWith(issuer, "https://")) return absl::OkStatus();
  const absl::StatusOr<SpiffeId> authority = ParseSpiffeId(issuer), workload = ParseSpiffeId(identifier);
  if (!authority.ok() || !workload.ok() || authority->trust_domain != workload->trust_domain)
    return Invalid(
        absl::StrCat("WIT: iss is ", issuer, ", expected an https URI, or the trust domain of ", identifier));
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> EndIn(const json& claims) {
  if (!claims.contains("exp") || !claims["exp"].is_number_integer()) return Invalid("WIT: no whole-second exp");
  return absl::FromUnixSeconds(claims["exp"].get<std::int64_t>());
}

// Returns when the WIT ends.
absl::StatusOr<absl::Time> ValidateWit(const v1::WorkloadCredential& credential, const std::string& bundle,
                                       const std::string& identifier, const crypto::PublicKey& key, absl::Time now) {
  if (bundle.empty()) return Invalid("a WIT, and no bundle of the configured issuer to verify it with");
  auto keys = ParseWitBundle(bundle);
  if (!keys.ok()) return Invalid("wit_bundle", keys.status());
  jose::JwsExpectation expectation;
  expectation.typ = "wit+jwt";
  expectation.max_size = kMaxWit;
  auto wit = jose::VerifyJws(credential.wit(), *keys, expectation);
  if (!wit.ok()) return Invalid("WIT", wit.status());
  const json& claims = wit->payload;
  if (!claims.contains("sub") || claims["sub"] != identifier)
    return Invalid(absl::StrCat("WIT: sub is not the certificate's identifier ", identifier));
  TWI_RETURN_IF_ERROR(ValidateIssuer(claims, identifier));
  if (claims.contains("aud")) return Invalid("WIT: has aud, which a WIT-SVID must not");
  if (!claims.contains("jti") || !claims["jti"].is_string() || claims["jti"].get<std::string>().empty())
    return Invalid("WIT: no jti");
  TWI_ASSIGN_OR_RETURN(const absl::Time expires, EndIn(claims));
  if (expires <= now) return Invalid(absl::StrCat("WIT: expired at ", absl::FormatTime(expires, absl::UTCTimeZone())));
  if (claims.contains("iat")) {
    if (!claims["iat"].is_number_integer()) return Invalid("WIT: iat is no whole second");
    if (absl::FromUnixSeconds(claims["iat"].get<std::int64_t>()) > now + kMaxSkew)
      return Invalid("WIT: iat is in the future");
  }
  TWI_RETURN_IF_ERROR(ValidateConfirmation(claims, key));
  return expires;
}

}  // namespace

absl::StatusOr<CredentialFacts> ValidateCredential(const v1::WorkloadCredential& credential,
                                                   const crypto::PublicKey& credential_key,
                                                   const CredentialExpectation& expectation) {
  TWI_ASSIGN_OR_RETURN(const crypto::Certificate leaf, ValidateChain(credential, credential_key, expectation));
  TWI_RETURN_IF_ERROR(ValidateLeaf(leaf, expectation));
  CredentialFacts facts{leaf.uri_sans.front(), leaf.not_before, leaf.not_after, ToHex(leaf.serial)};
  const bool may_have_wit = credential_key.type() != crypto::KeyType::kEd25519;
  if (credential.wit().empty()) {
    if (expectation.wit_required && may_have_wit) return Invalid("no WIT, and one was asked for");
    return facts;
  }
  if (!may_have_wit) return Invalid("a WIT for an Ed25519 key, which WIT-SVID forbids");
  TWI_ASSIGN_OR_RETURN(
      const absl::Time wit_expires,
      ValidateWit(credential, expectation.wit_bundle, facts.workload_identifier, credential_key, expectation.now));
  facts.not_after = std::min(facts.not_after, wit_expires);
  return facts;
}

absl::StatusOr<jose::JwkSet> ParseWitBundle(const std::string& bundle) {
  const auto parsed = jose::ParseJson(bundle, kMaxWitBundle);
  if (!parsed.ok()) return Invalid("no JSON", parsed.status());
  if (!parsed->is_object() || !parsed->contains("keys") || !(*parsed)["keys"].is_array())
    return Invalid("no array \"keys\"");
  json wanted = json::array();
  for (const json& key : (*parsed)["keys"]) {
    if (key.is_object() && key.contains("use") && key["use"] == "wit-svid") wanted.push_back(key);
  }
  if (wanted.empty()) return Invalid("no key of use wit-svid");
  auto keys = jose::JwkSetFromJson(json{{"keys", wanted}});
  return keys.ok() ? keys : Invalid("keys", keys.status());
}

absl::StatusOr<absl::Time> EndOfWit(const std::string& wit) {
  const auto decoded = jose::InsecureDecodeJws(wit, kMaxWit);
  if (!decoded.ok()) return Invalid("WIT", decoded.status());
  return EndIn(decoded->payload);
}

}  // namespace twi::agent
