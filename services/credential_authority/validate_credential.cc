#include "services/credential_authority/validate_credential.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/credential_authority/claims_name.h"

namespace twi::credential_authority {
namespace {

using nlohmann::json;

constexpr char kOidSubjectAltName[] = "2.5.29.17";
constexpr char kOidKeyUsage[] = "2.5.29.15";
constexpr char kOidBasicConstraints[] = "2.5.29.19";
constexpr char kOidExtendedKeyUsage[] = "2.5.29.37";
constexpr char kOidSubjectKeyId[] = "2.5.29.14";
constexpr char kOidAuthorityKeyId[] = "2.5.29.35";

absl::Status Expect(bool holds, absl::string_view what) {
  return holds ? absl::OkStatus()
               : Deny(v1::DENY_REASON_CREDENTIAL_INVALID, absl::StrCat("what was signed does not read back: ", what));
}

bool IsCritical(const crypto::Certificate& certificate, absl::string_view oid) {
  const crypto::Extension* extension = certificate.Find(oid);
  return extension != nullptr && extension->critical;
}

// The JSON inside the claims extension (DER UTF8String); null when it is not one.
json ClaimsOf(const crypto::Certificate& certificate) {
  const crypto::Extension* extension = certificate.Find(kClaimsOid);
  if (extension == nullptr || extension->critical || extension->value.size() < 2 || extension->value[0] != '\x0c')
    return json();
  const std::string& value = extension->value;
  const unsigned char first = static_cast<unsigned char>(value[1]);
  std::size_t header = 2, size = first;
  if (first >= 0x80) {
    const std::size_t octets = first & 0x7f;
    if (octets > 2 || value.size() < 2 + octets) return json();
    size = 0;
    for (std::size_t i = 0; i < octets; ++i) size = size << 8 | static_cast<unsigned char>(value[2 + i]);
    header += octets;
  }
  if (value.size() != header + size) return json();
  const absl::StatusOr<json> claims = jose::ParseJson(absl::string_view(value).substr(header), 1 << 16);
  return claims.ok() ? *claims : json();
}

// Null when there is no such claim, so that a claim of another type compares unequal and does not throw.
json Claim(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? json() : *found;
}

absl::Status ValidateExtensions(const crypto::Certificate& c) {
  for (const crypto::Extension& extension : c.extensions) {
    const bool known = extension.oid == kOidSubjectAltName || extension.oid == kOidKeyUsage ||
                       extension.oid == kOidBasicConstraints || extension.oid == kOidExtendedKeyUsage ||
                       extension.oid == kOidSubjectKeyId || extension.oid == kOidAuthorityKeyId ||
                       extension.oid == kClaimsOid;
    TWI_RETURN_IF_ERROR(Expect(known, absl::StrCat("extension ", extension.oid)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateX509(absl::string_view der, const CredentialFacts& facts, const crypto::Certificate& issuer) {
  const absl::StatusOr<crypto::Certificate> parsed = crypto::ParseCertificate(der);
  if (!parsed.ok()) return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, parsed.status().message());
  const crypto::Certificate& c = *parsed;
  TWI_RETURN_IF_ERROR(Expect(crypto::VerifyCertificateSignature(c, issuer.public_key).ok(), "signature"));
  TWI_RETURN_IF_ERROR(Expect(c.issuer_der == issuer.subject_der, "issuer"));
  TWI_RETURN_IF_ERROR(Expect(c.not_before == facts.not_before && c.not_after == facts.not_after, "validity"));
  TWI_RETURN_IF_ERROR(
      Expect(c.not_after <= issuer.not_after && c.not_before >= issuer.not_before, "validity within the issuer's"));
  TWI_RETURN_IF_ERROR(Expect(!c.is_ca, "basicConstraints"));
  TWI_RETURN_IF_ERROR(Expect(c.uri_sans == std::vector<std::string>{facts.workload_identifier}, "URI SAN"));
  TWI_RETURN_IF_ERROR(Expect(c.dns_sans == facts.dns_names && c.other_sans == 0, "SANs"));
  TWI_RETURN_IF_ERROR(Expect(IsCritical(c, kOidSubjectAltName) && IsCritical(c, kOidKeyUsage), "critical extensions"));
  TWI_RETURN_IF_ERROR(Expect(c.key_usage == 1, "keyUsage"));  // bit 0: digitalSignature
  const std::vector<std::string>& eku = c.extended_key_usage;
  TWI_RETURN_IF_ERROR(
      Expect(eku == std::vector<std::string>{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}, "extended key usage"));
  TWI_RETURN_IF_ERROR(Expect(c.public_key == facts.public_key, "public key"));
  TWI_RETURN_IF_ERROR(
      Expect(c.serial == facts.serial, "serial"));  // its first bit is 0, so the content octets are the serial itself
  TWI_RETURN_IF_ERROR(Expect(ClaimsOf(c) == facts.claims, "claims"));
  return ValidateExtensions(c);
}

absl::Status ValidateWit(absl::string_view wit, const CredentialFacts& facts, absl::string_view wit_issuer,
                         const jose::JwkSet& keys) {
  jose::JwsExpectation form;
  form.typ = "wit+jwt";
  const absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(wit, keys, form);
  if (!verified.ok()) return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, verified.status().message());
  const json& p = verified->payload;
  TWI_RETURN_IF_ERROR(Expect(verified->header.alg == "ES256" && !verified->header.kid.empty(), "header"));
  TWI_RETURN_IF_ERROR(Expect(p.size() == 7, "number of claims"));
  TWI_RETURN_IF_ERROR(Expect(Claim(p, "iss") == std::string(wit_issuer), "iss"));
  TWI_RETURN_IF_ERROR(Expect(Claim(p, "sub") == facts.workload_identifier, "sub"));
  TWI_RETURN_IF_ERROR(Expect(Claim(p, "iat") == absl::ToUnixSeconds(facts.not_before), "iat"));
  TWI_RETURN_IF_ERROR(Expect(Claim(p, "exp") == absl::ToUnixSeconds(facts.not_after), "exp"));
  TWI_RETURN_IF_ERROR(Expect(Claim(p, "jti") == ToHex(facts.serial), "jti"));
  TWI_RETURN_IF_ERROR(Expect(Claim(p, kClaimsClaim) == facts.claims, "claims"));
  const json cnf = Claim(p, "cnf");
  TWI_RETURN_IF_ERROR(Expect(cnf.is_object() && cnf.size() == 1 && cnf.contains("jwk"), "cnf"));
  const absl::StatusOr<jose::Jwk> jwk = jose::JwkFromJson(cnf["jwk"]);
  return Expect(jwk.ok() && jwk->key == facts.public_key && jwk->alg == jose::JwsAlgFor(facts.public_key.type()),
                "cnf.jwk");
}

}  // namespace twi::credential_authority
