#include "services/workload_agent/testing/fake_issuer.h"

#include "common/jose/jwk.h"
#include "common/jose/jws.h"

namespace twi::agent::testing {
namespace {

crypto::Certificate MakeRoot(const crypto::PrivateKey& key, absl::Time now) {
  crypto::CertificateTemplate root;
  root.serial = "\x01";
  root.issuer_der = root.subject_der = crypto::NameFromCommonName("test credential authority");
  root.not_before = now - absl::Hours(1);
  root.not_after = now + absl::Hours(1000);
  root.subject_spki = key.public_key().spki();
  root.is_ca = true;
  root.key_usage = crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign;
  return crypto::ParseCertificate(crypto::SignCertificate(root, key).value()).value();
}

}  // namespace

FakeIssuer::FakeIssuer(absl::Time now)
    : now_(now),
      root_key_(crypto::PrivateKey::Generate(crypto::KeyType::kP256).value()),
      wit_key_(crypto::PrivateKey::Generate(crypto::KeyType::kP256).value()),
      root_(MakeRoot(root_key_, now)) {}

v1::WorkloadCredential FakeIssuer::Issue(const crypto::PublicKey& key, const Changes& changes) const {
  crypto::CertificateTemplate leaf;
  leaf.serial = "\x42\x43";
  leaf.issuer_der = root_.subject_der;
  leaf.subject_der = crypto::EmptyName();
  leaf.not_before = now_ - absl::Minutes(1);
  leaf.not_after = now_ + absl::Hours(1);
  leaf.subject_spki = key.spki();
  leaf.key_usage = crypto::kKeyUsageDigitalSignature;
  leaf.uri_sans = {kIdentifier};
  if (changes.certificate) changes.certificate(leaf);
  v1::WorkloadCredential credential;
  credential.add_x509_chain(crypto::SignCertificate(leaf, root_key_).value());
  credential.add_x509_bundle(root_.der);
  if (changes.wit_issuer != nullptr) {
    const v1::WorkloadCredential other = changes.wit_issuer->Issue(key);
    credential.set_wit(other.wit());
    credential.set_wit_bundle(other.wit_bundle());
    return credential;
  }
  if (!changes.with_wit || key.type() == crypto::KeyType::kEd25519) return credential;

  const std::string kid = jose::Thumbprint(wit_key_.public_key());
  nlohmann::json claims = {{"iss", "https://ca.example"},
                           {"sub", kIdentifier},
                           {"iat", absl::ToUnixSeconds(now_)},
                           {"exp", absl::ToUnixSeconds(now_ + absl::Minutes(30))},
                           {"jti", "4243"},
                           {"cnf", {{"jwk", jose::ToJson(jose::Jwk{"", jose::JwsAlgFor(key.type()), "", key})}}}};
  if (changes.wit_claims) changes.wit_claims(claims);
  credential.set_wit(jose::SignJws(wit_key_, kid, changes.wit_typ, claims.dump()).value());
  credential.set_wit_bundle(wit_bundle());
  return credential;
}

std::string FakeIssuer::wit_bundle() const {
  const std::string kid = jose::Thumbprint(wit_key_.public_key());
  nlohmann::json bundle = jose::ToJson(jose::JwkSet{{jose::Jwk{kid, "ES256", "wit-svid", wit_key_.public_key()}}});
  bundle["spiffe_sequence"] = 1;
  bundle["keys"].push_back({{"use", "x509-svid"}, {"kty", "EC"}, {"x5c", {"not read here"}}});
  return bundle.dump();
}

}  // namespace twi::agent::testing
