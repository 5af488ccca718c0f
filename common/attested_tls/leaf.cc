#include "common/attested_tls/leaf.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/code_points.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_builder.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

constexpr absl::Duration kBackdate = absl::Minutes(5);  // the peer's clock may be a little behind

absl::Status Invalid(absl::string_view detail) {
  return Deny(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID, absl::StrCat("the leaf: ", detail));
}

absl::Status TooLarge(std::size_t size) {
  return Deny(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE,
              absl::StrCat("a leaf with its KAT of ", size, " bytes, at most ", kMaxLeaf));
}

}  // namespace

absl::StatusOr<std::string> MakeLeaf(const crypto::PrivateKey& key, const std::optional<CmwRecord>& kat, absl::Time now,
                                     crypto::Random& random) {
  crypto::CertificateTemplate leaf;
  leaf.serial = random.Bytes(16);
  leaf.serial[0] = static_cast<char>((leaf.serial[0] & 0x7F) | 0x40);  // positive and not zero
  leaf.issuer_der = leaf.subject_der = crypto::NameFromCommonName("twi attested tls");
  leaf.not_before = now - kBackdate;
  leaf.not_after = now + kLeafLifetime;
  leaf.subject_spki = key.public_key().spki();
  leaf.key_usage = crypto::kKeyUsageDigitalSignature;
  leaf.extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
  if (kat.has_value()) {
    if (kat->value.size() > kMaxLeaf) return TooLarge(kat->value.size());
    leaf.extensions.push_back({kCmwOid, /*critical=*/false, WriteCmwExtension(*kat)});
  }
  TWI_ASSIGN_OR_RETURN(std::string der, crypto::SignCertificate(leaf, key));
  if (der.size() > kMaxLeaf) return TooLarge(der.size());
  return der;
}

absl::StatusOr<Leaf> ReadLeaf(absl::string_view der, absl::Time now) {
  if (der.size() > kMaxLeaf) return TooLarge(der.size());
  const absl::StatusOr<crypto::Certificate> cert = crypto::ParseCertificate(der);
  if (!cert.ok()) return Invalid(cert.status().message());
  if (cert->public_key.type() != crypto::KeyType::kP256) return Invalid("its key is not P-256");
  if (cert->issuer_der != cert->subject_der) return Invalid("it is not self-issued");
  if (!crypto::VerifyCertificateSignature(*cert, cert->public_key).ok())
    return Invalid("it is not signed by its own key");
  if (now < cert->not_before || now > cert->not_after) return Invalid("it is not valid now");
  if (cert->is_ca) return Invalid("it is a CA's");
  if (!cert->key_usage.has_value() || (*cert->key_usage & crypto::kKeyUsageDigitalSignature) == 0)
    return Invalid("its key usage lacks digitalSignature");
  Leaf leaf{cert->public_key.spki(), cert->public_key.spki_sha256(), std::nullopt};
  if (const crypto::Extension* cmw = cert->Find(kCmwOid)) {
    if (cmw->critical) return Invalid("id-pe-cmw is critical");
    TWI_ASSIGN_OR_RETURN(leaf.kat, ReadCmwExtension(cmw->value));
  }
  return leaf;
}

}  // namespace twi::atls
