#include "services/credential_authority/issuer.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/storage/session.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::credential_authority {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_CONFIG_INVALID;

class IssuerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    sealer_ = *storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'k')));
    config_.set_trust_domain("test.example");
    config_.mutable_storage()->set_database_file(dir_.File("ca.db"));
  }
  void Open() {
    database_ = nullptr;
    database_ = *storage::Database::Open(dir_.File("ca.db"), {kAuthoritySchema});
  }
  absl::StatusOr<X509Authority> Load() {
    return LoadX509Authority(config_, *database_, *sealer_, random_, clock_.Now());
  }

  // Supplied files. `change` makes the issuer's certificate another one than it should be.
  crypto::CertificateTemplate IssuerTemplate(const crypto::PrivateKey& key, const char* name, const char* issuer) {
    crypto::CertificateTemplate t;
    t.serial = "\x01";
    t.subject_der = crypto::NameFromCommonName(name);
    t.issuer_der = crypto::NameFromCommonName(issuer);
    t.not_before = clock_.Now() - absl::Hours(1);
    t.not_after = clock_.Now() + absl::Hours(100);
    t.subject_spki = key.public_key().spki();
    t.is_ca = true;
    t.key_usage = crypto::kKeyUsageKeyCertSign;
    return t;
  }
  std::string Pem(const crypto::CertificateTemplate& t, const crypto::PrivateKey& key) {
    return crypto::CertificateToPem(*crypto::SignCertificate(t, key));
  }
  void Supply(const crypto::PrivateKey& key, const std::string& certificates) {
    config_.mutable_issuing()->set_supplied_key_file(dir_.Write("issuer.key", key.ToPem().reveal()));
    config_.mutable_issuing()->set_supplied_certificate_file(dir_.Write("issuer.pem", certificates));
  }

  testing::FakeClock clock_;
  testing::FakeRandom random_;
  testing::TempDir dir_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::Sealer> sealer_;
  config::v1::CredentialAuthorityConfig config_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const crypto::PrivateKey root_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP384);
};

TEST_F(IssuerTest, MakesASpiffeAuthorityAtFirstStart) {
  const auto authority = Load();
  ASSERT_OK(authority);
  ASSERT_EQ(authority->chain.size(), 1u);
  const crypto::Certificate& certificate = authority->chain[0];
  EXPECT_TRUE(certificate.is_ca);
  EXPECT_EQ(certificate.path_len, 0);
  EXPECT_THAT(certificate.uri_sans, ElementsAre("spiffe://test.example"));
  EXPECT_EQ(certificate.key_usage, crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign);
  EXPECT_EQ(certificate.public_key, authority->key.public_key());
  EXPECT_EQ(certificate.not_after, clock_.Now() + absl::Hours(8760));
  EXPECT_OK(crypto::VerifyCertificateSignature(certificate, certificate.public_key));
  EXPECT_THAT(authority->bundle, ElementsAre(certificate.der));
  EXPECT_TRUE(authority->intermediates.empty());
}

TEST_F(IssuerTest, SurvivesARestart) {
  config_.mutable_issuing()->mutable_authority_lifetime()->set_seconds(3600);
  const auto first = Load();
  ASSERT_OK(first);
  EXPECT_EQ(first->chain[0].not_after, clock_.Now() + absl::Hours(1));
  Open();
  const auto second = Load();
  ASSERT_OK(second);
  EXPECT_EQ(second->chain[0].der, first->chain[0].der);
  EXPECT_EQ(second->key.public_key(), first->key.public_key());
}

TEST_F(IssuerTest, TheKeyIsSealedUnderTheRootKey) {
  const auto authority = Load();
  ASSERT_OK(authority);
  const std::string pkcs8(authority->key.ToPkcs8().reveal());
  for (const char* file : {"ca.db", "ca.db-wal"}) {
    EXPECT_THAT(dir_.Read(file), Not(HasSubstr(pkcs8)));
    EXPECT_THAT(dir_.Read(file), Not(HasSubstr(ToHex(pkcs8))));
  }
  sealer_ = *storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'o')));
  EXPECT_THAT(Load(), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED)) << "and no new authority in its place";
}

TEST_F(IssuerTest, RefusesAStoredAuthorityThatExpiredOrIsOfAnotherTrustDomain) {
  ASSERT_OK(Load());
  config_.set_trust_domain("other.example");
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("trust domain")));
  config_.set_trust_domain("test.example");
  clock_.Advance(absl::Hours(8761));
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("not valid now")));
}

TEST_F(IssuerTest, RefusesAStoredCertificateOfAnotherKey) {
  ASSERT_OK(Load());
  const auto t = IssuerTemplate(key_, "CA", "CA");
  crypto::CertificateTemplate named = t;
  named.uri_sans = {"spiffe://test.example"};
  const std::string hex = ToHex(*crypto::SignCertificate(named, key_));
  ASSERT_OK(database_->Write([&](storage::Session& session) {
    session.Change("UPDATE x509_authority SET certificate_hex = ?", soci::use(hex));
    return absl::OkStatus();
  }));
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("not of this key")));
}

TEST_F(IssuerTest, SuppliedRootAndSuppliedIntermediate) {
  Supply(key_, Pem(IssuerTemplate(key_, "Root", "Root"), key_));
  const auto root = Load();
  ASSERT_OK(root);
  EXPECT_EQ(root->key.public_key(), key_.public_key());
  EXPECT_TRUE(root->intermediates.empty());
  EXPECT_EQ(root->bundle.size(), 1u);
  Supply(key_, Pem(IssuerTemplate(key_, "Issuing", "Root"), root_key_) +
                   Pem(IssuerTemplate(root_key_, "Root", "Root"), root_key_));
  const auto chained = Load();
  ASSERT_OK(chained);
  ASSERT_EQ(chained->chain.size(), 2u);
  EXPECT_THAT(chained->intermediates, ElementsAre(chained->chain[0].der));
  EXPECT_THAT(chained->bundle, ElementsAre(chained->chain[1].der));
}

TEST_F(IssuerTest, RefusesSuppliedFilesThatAreMissingUnprotectedOrMalformed) {
  Supply(key_, Pem(IssuerTemplate(key_, "Root", "Root"), key_));
  const config::v1::Issuing good = config_.issuing();
  config_.mutable_issuing()->clear_supplied_certificate_file();
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("supplied_certificate_file")));
  *config_.mutable_issuing() = good;
  config_.mutable_issuing()->set_supplied_key_file(dir_.File("absent.key"));
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("absent.key")));
  config_.mutable_issuing()->set_supplied_key_file(dir_.Write("open.key", key_.ToPem().reveal(), 0644));
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("open.key")));
  config_.mutable_issuing()->set_supplied_key_file(dir_.Write("junk.key", "junk"));
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("junk.key")));
  *config_.mutable_issuing() = good;
  config_.mutable_issuing()->set_supplied_certificate_file(dir_.Write("junk.pem", "junk"));
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("junk.pem")));
}

TEST_F(IssuerTest, RefusesSuppliedKeysAndCertificatesThatMayNotIssue) {
  const auto expect = [&](const std::string& detail) { EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr(detail))); };
  Supply(root_key_, Pem(IssuerTemplate(root_key_, "Root", "Root"), root_key_));
  expect("P-256");
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  Supply(other, Pem(IssuerTemplate(key_, "Root", "Root"), key_));
  expect("not of this key");
  crypto::CertificateTemplate t = IssuerTemplate(key_, "Root", "Root");
  t.not_after = clock_.Now() - absl::Seconds(1);
  Supply(key_, Pem(t, key_));
  expect("not valid now");
  t.not_before = clock_.Now() + absl::Seconds(1);
  t.not_after = clock_.Now() + absl::Hours(1);
  Supply(key_, Pem(t, key_));
  expect("not valid now");
  t = IssuerTemplate(key_, "Root", "Root");
  t.is_ca = false;
  Supply(key_, Pem(t, key_));
  expect("CA certificates");
  t = IssuerTemplate(key_, "Root", "Root");
  t.key_usage = crypto::kKeyUsageDigitalSignature;
  Supply(key_, Pem(t, key_));
  expect("keyCertSign");
}

TEST_F(IssuerTest, RefusesSuppliedChainsThatDoNotLink) {
  const std::string root = Pem(IssuerTemplate(root_key_, "Root", "Root"), root_key_);
  Supply(key_, Pem(IssuerTemplate(key_, "Issuing", "Other"), root_key_) + root);
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("follow")));
  Supply(key_, Pem(IssuerTemplate(key_, "Issuing", "Root"), key_) + root);  // signed by itself, not by the root
  EXPECT_THAT(Load(), StatusIs(kInvalid, HasSubstr("issuer.pem")));
}

}  // namespace
}  // namespace twi::credential_authority
