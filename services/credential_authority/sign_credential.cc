#include "services/credential_authority/sign_credential.h"

#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/jose/jws.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/credential_authority/claims_name.h"

namespace twi::credential_authority {
namespace {

// DER UTF8String of at most 64 KiB.
std::string DerUtf8String(const std::string& text) {
  std::string der(1, '\x0c');
  const std::size_t size = text.size();
  if (size < 0x80) {
    der.push_back(static_cast<char>(size));
  } else if (size < 0x100) {
    der += {'\x81', static_cast<char>(size)};
  } else {
    der += {'\x82', static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
  }
  return der + text;
}

}  // namespace

bool MayHaveWit(const crypto::PublicKey& key) { return key.type() != crypto::KeyType::kEd25519; }

absl::StatusOr<std::string> SignX509(const CredentialFacts& facts, const X509Authority& authority) {
  const std::string claims = facts.claims.dump();
  if (claims.size() > 0xffff) return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "the claims are over 64 KiB");
  crypto::CertificateTemplate t;
  t.serial = facts.serial;
  t.issuer_der = authority.chain.front().subject_der;
  t.subject_der = crypto::EmptyName();
  t.not_before = facts.not_before;
  t.not_after = facts.not_after;
  t.subject_spki = facts.public_key.spki();
  t.key_usage = crypto::kKeyUsageDigitalSignature;
  t.extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
  t.uri_sans = {facts.workload_identifier};
  t.dns_sans = facts.dns_names;
  t.authority_key_id = crypto::SubjectKeyId(authority.key.public_key().spki());
  t.extensions.push_back({kClaimsOid, false, DerUtf8String(claims)});
  return crypto::SignCertificate(t, authority.key);
}

absl::StatusOr<std::string> SignWit(const CredentialFacts& facts, absl::string_view issuer,
                                    const crypto::PrivateKey& key, absl::string_view kid) {
  if (!MayHaveWit(facts.public_key)) return Deny(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED, "WIT-SVID knows no EdDSA");
  const nlohmann::json payload = {
      {"iss", std::string(issuer)},
      {"sub", facts.workload_identifier},
      {"iat", absl::ToUnixSeconds(facts.not_before)},
      {"exp", absl::ToUnixSeconds(facts.not_after)},
      {"jti", ToHex(facts.serial)},
      {"cnf", {{"jwk", jose::ToJson(jose::Jwk{"", jose::JwsAlgFor(facts.public_key.type()), "", facts.public_key})}}},
      {kClaimsClaim, facts.claims},
  };
  return jose::SignJws(key, kid, "wit+jwt", payload.dump());
}

}  // namespace twi::credential_authority
