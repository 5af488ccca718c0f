#include "services/credential_authority/issuer.h"

#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/session.h"

namespace twi::credential_authority {
namespace {

constexpr char kSealContext[] = "credential-authority/x509-authority";

absl::Status Invalid(absl::string_view file, absl::string_view detail) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(file, ": ", detail));
}

// Splits a checked chain into what is trusted and what travels with the leaf.
absl::StatusOr<X509Authority> Arrange(crypto::PrivateKey key, std::vector<crypto::Certificate> chain,
                                      absl::string_view file, absl::Time now) {
  if (key.type() != crypto::KeyType::kP256) return Invalid(file, "expected an ECDSA P-256 key");
  if (chain.empty()) return Invalid(file, "expected at least one certificate");
  if (chain.front().public_key != key.public_key()) return Invalid(file, "the first certificate is not of this key");
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const crypto::Certificate& c = chain[i];
    if (!c.is_ca || !c.key_usage.has_value() || (*c.key_usage & crypto::kKeyUsageKeyCertSign) == 0)
      return Invalid(file, "expected CA certificates with keyCertSign");
    if (now < c.not_before || now > c.not_after)
      return Invalid(file, absl::StrCat("certificate ", i, " is not valid now"));
    const crypto::Certificate& issuer = i + 1 < chain.size() ? chain[i + 1] : c;
    if (i + 1 < chain.size() && c.issuer_der != issuer.subject_der)
      return Invalid(file, "the certificates do not follow each other");
    if (i + 1 < chain.size() && !crypto::VerifyCertificateSignature(c, issuer.public_key).ok()) {
      return Invalid(file, absl::StrCat("certificate ", i, " is not signed by the next one"));
    }
  }
  X509Authority authority{std::move(key), std::move(chain), {}, {}};
  for (std::size_t i = 0; i + 1 < authority.chain.size(); ++i)
    authority.intermediates.push_back(authority.chain[i].der);
  authority.bundle.push_back(authority.chain.back().der);
  return authority;
}

absl::StatusOr<X509Authority> Supplied(const config::v1::Issuing& issuing, absl::Time now) {
  TWI_ASSIGN_OR_RETURN(std::string pem, config::ReadFile(issuing.supplied_key_file(), {1 << 16, config::kPrivateFile}));
  const SecretBytes secret = SecretBytes::CopyOf(pem);
  Wipe(pem);
  absl::StatusOr<crypto::PrivateKey> key = crypto::PrivateKey::FromPem(secret);
  if (!key.ok()) return Invalid(issuing.supplied_key_file(), key.status().message());
  if (issuing.supplied_certificate_file().empty())
    return Invalid("issuing.supplied_certificate_file", "expected the certificate chain of supplied_key_file");
  TWI_ASSIGN_OR_RETURN(const std::string certificates, config::ReadFile(issuing.supplied_certificate_file(), {}));
  absl::StatusOr<std::vector<crypto::Certificate>> chain = crypto::ParseCertificates(certificates);
  if (!chain.ok()) return Invalid(issuing.supplied_certificate_file(), chain.status().message());
  return Arrange(*std::move(key), *std::move(chain), issuing.supplied_certificate_file(), now);
}

absl::StatusOr<std::string> SelfSigned(const crypto::PrivateKey& key, const std::string& trust_domain,
                                       absl::Duration lifetime, crypto::Random& random, absl::Time now) {
  crypto::CertificateTemplate t;
  t.serial = random.Bytes(16);
  t.serial[0] = static_cast<char>((t.serial[0] & 0x7f) | 0x40);
  t.subject_der = crypto::NameFromCommonName(absl::StrCat("TWI Credential Authority of ", trust_domain));
  t.issuer_der = t.subject_der;
  t.not_before = now - absl::Minutes(5);
  t.not_after = now + lifetime;
  t.subject_spki = key.public_key().spki();
  t.is_ca = true;
  t.path_len = 0;
  t.key_usage = crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign;
  t.uri_sans = {absl::StrCat("spiffe://", trust_domain)};
  return crypto::SignCertificate(t, key);
}

absl::StatusOr<X509Authority> StoredOrMade(const config::v1::CredentialAuthorityConfig& config,
                                           storage::Database& database, const storage::Sealer& sealer,
                                           crypto::Random& random, absl::Time now) {
  const std::string& file = config.storage().database_file();
  std::string sealed_hex, certificate_hex;
  TWI_RETURN_IF_ERROR(database.Read([&](storage::Session& session) {
    session.Row("SELECT sealed_hex, certificate_hex FROM x509_authority WHERE id = 1", soci::into(sealed_hex),
                soci::into(certificate_hex));
    return absl::OkStatus();
  }));
  if (!sealed_hex.empty()) {
    TWI_ASSIGN_OR_RETURN(const std::string sealed, FromHex(sealed_hex));
    TWI_ASSIGN_OR_RETURN(const SecretBytes pkcs8, sealer.Open(kSealContext, sealed));
    TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::FromPkcs8(pkcs8));
    TWI_ASSIGN_OR_RETURN(const std::string der, FromHex(certificate_hex));
    TWI_ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::ParseCertificate(der));
    // Issuing for another trust domain under the old one's anchor would make credentials that nobody can tell apart.
    if (certificate.uri_sans != std::vector<std::string>{absl::StrCat("spiffe://", config.trust_domain())}) {
      return Invalid(file, absl::StrCat("holds the authority of another trust domain than ", config.trust_domain()));
    }
    return Arrange(std::move(key), {std::move(certificate)}, file, now);
  }
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
  const absl::Duration lifetime = config.issuing().has_authority_lifetime()
                                      ? absl::Seconds(config.issuing().authority_lifetime().seconds())
                                      : absl::Hours(8760);
  TWI_ASSIGN_OR_RETURN(const std::string der, SelfSigned(key, config.trust_domain(), lifetime, random, now));
  TWI_ASSIGN_OR_RETURN(const std::string sealed, sealer.Seal(kSealContext, key.ToPkcs8(), random));
  sealed_hex = ToHex(sealed);
  certificate_hex = ToHex(der);
  TWI_RETURN_IF_ERROR(database.Write([&](storage::Session& session) {
    session.Change("INSERT INTO x509_authority (id, sealed_hex, certificate_hex) VALUES (1, ?, ?)",
                   soci::use(sealed_hex), soci::use(certificate_hex));
    return absl::OkStatus();
  }));
  TWI_ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::ParseCertificate(der));
  return Arrange(std::move(key), {std::move(certificate)}, file, now);
}

}  // namespace

const char kAuthoritySchema[] =
    "CREATE TABLE x509_authority (id INTEGER PRIMARY KEY CHECK (id = 1), sealed_hex TEXT NOT NULL, certificate_hex "
    "TEXT NOT NULL)";

absl::Status CheckSupplied(const config::v1::Issuing& issuing, absl::Time now) {
  if (issuing.supplied_key_file().empty()) return absl::OkStatus();
  return config::AtField("issuing.supplied_key_file", Supplied(issuing, now).status());
}

absl::StatusOr<X509Authority> LoadX509Authority(const config::v1::CredentialAuthorityConfig& config,
                                                storage::Database& database, const storage::Sealer& sealer,
                                                crypto::Random& random, absl::Time now) {
  if (!config.issuing().supplied_key_file().empty()) return Supplied(config.issuing(), now);
  return StoredOrMade(config, database, sealer, random, now);
}

absl::Status AuthorityUsable(const X509Authority& authority, bool supplied, storage::Database& database,
                             absl::Time now) {
  for (const crypto::Certificate& certificate : authority.chain) {
    if (now < certificate.not_before || now > certificate.not_after) {
      return Deny(v1::DENY_REASON_CREDENTIAL_INVALID,
                  absl::StrCat("the issuing certificate ended at ",
                               absl::FormatTime(certificate.not_after, absl::UTCTimeZone())));
    }
  }
  if (supplied) return absl::OkStatus();
  const std::string certificate_hex = ToHex(authority.chain.front().der);
  return database.Read([&](storage::Session& session) {
    long long found = 0;
    session.Row("SELECT count(*) FROM x509_authority WHERE certificate_hex = ?", soci::into(found),
                soci::use(certificate_hex));
    if (found == 1) return absl::OkStatus();
    return Deny(v1::DENY_REASON_KEY_UNKNOWN, "the issuing key is not in the store any more");
  });
}

}  // namespace twi::credential_authority
