#include "services/verifier/formats/tpm_endorsement.h"

#include <optional>
#include <string>

#include "common/crypto/hash.h"
#include "common/crypto/x509_builder.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_builder.h"

namespace twi::verifier {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint16_t kCaUsage = crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign;

std::vector<DenyReason> Reasons(const EvidenceResult& result) {
  std::vector<DenyReason> reasons;
  for (const Finding& finding : result.findings) reasons.push_back(finding.reason);
  return reasons;
}

// A valid quote with an AK certificate by a pinned root; each test breaks one thing. These are step 5 of VerifyTpm.
class TpmEndorsementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ak_.emplace(*crypto::PrivateKey::Generate(crypto::KeyType::kP256));
    evidence_ = *BuildTpmEvidence(*ak_, "binding", {{0, std::string(32, 'a')}});
    root_key_.emplace(*crypto::PrivateKey::Generate(crypto::KeyType::kP384));
    root_ = Issue("root", root_key_->public_key().spki(), "root", *root_key_, true);
    leaf_ = Leaf();
    evidence_.add_ak_certificates(leaf_);
    trust_.anchors = {*crypto::ParseCertificate(root_)};
  }

  std::string Leaf() { return Issue("ak", ak_->public_key().spki(), "root", *root_key_, false); }

  std::string Issue(const std::string& subject, const std::string& spki, const std::string& issuer,
                    const crypto::PrivateKey& key, bool ca, std::uint16_t usage = 0,
                    absl::Duration life = absl::Hours(24)) {
    crypto::CertificateTemplate cert;
    cert.serial = std::string(1, static_cast<char>(++serial_));
    cert.issuer_der = crypto::NameFromCommonName(issuer);
    cert.subject_der = crypto::NameFromCommonName(subject);
    cert.not_before = now_ - absl::Hours(1);
    cert.not_after = now_ + life;
    cert.subject_spki = spki;
    cert.is_ca = ca;
    cert.key_usage = usage != 0 ? usage : ca ? kCaUsage : crypto::kKeyUsageDigitalSignature;
    if (!ca) cert.extended_key_usage = extended_key_usage_;
    return *crypto::SignCertificate(cert, key);
  }

  EvidenceResult Verify() const { return VerifyTpm(evidence_, trust_, now_); }
  void ExpectOnly(DenyReason reason) const { EXPECT_THAT(Reasons(Verify()), ElementsAre(reason)); }

  // What ParseCrl gives of a CRL by `key`. The path looks at the values and has the signature verified, so any signed
  // bytes do.
  crypto::Crl MakeCrl(const crypto::PrivateKey& key) const {
    crypto::Crl crl;
    crl.issuer_der = crypto::NameFromCommonName("root");
    crl.this_update = now_ - absl::Hours(1);
    crl.next_update = now_ + absl::Hours(1);
    crl.tbs = "to be signed";
    crl.signature_algorithm_der =
        std::string("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", 12);  // ecdsa-with-SHA384
    crl.signature = *key.Sign(crypto::SignatureAlgorithm::kEcdsaP384Sha384, crl.tbs);
    return crl;
  }

  const absl::Time now_ = absl::FromUnixSeconds(1800000000);
  std::optional<crypto::PrivateKey> ak_;
  v1::TpmEvidence evidence_;
  TrustStore trust_;
  std::optional<crypto::PrivateKey> root_key_;
  std::string root_, leaf_;
  int serial_ = 0;
  std::vector<std::string> extended_key_usage_;  // of the leaves that are issued
};

TEST_F(TpmEndorsementTest, AcceptsAnAkCertificate) {
  const EvidenceResult result = Verify();
  EXPECT_THAT(Reasons(result), IsEmpty());
  EXPECT_EQ(result.claims.claims["ak_endorsed_by"], "certificate: root");
  EXPECT_FALSE(result.claims.insecure);
}

TEST_F(TpmEndorsementTest, AnAnchorPinnedByHashMayComeWithTheEvidence) {
  trust_.anchors.clear();
  evidence_.add_ak_certificates(root_);
  ExpectOnly(v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN);  // for being sent it is not trusted
  trust_.anchor_sha256.insert(crypto::Sha256(root_));
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
}

TEST_F(TpmEndorsementTest, ADevelopmentAnchorOfSevSnpEndorsesNoTpm) {
  std::swap(trust_.anchors, trust_.insecure_anchors);
  ExpectOnly(v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN);
}

TEST_F(TpmEndorsementTest, TheExtendedKeyUsageMustBeATpms) {
  const auto with = [this](const std::vector<std::string>& usages) {
    extended_key_usage_ = usages;
    evidence_.set_ak_certificates(0, Leaf());
  };
  for (const std::vector<std::string>& good : std::vector<std::vector<std::string>>{
           {}, {"2.23.133.8.3"}, {"2.23.133.8.1"}, {crypto::kEkuServerAuth, "2.23.133.8.3"}}) {
    with(good);
    EXPECT_THAT(Reasons(Verify()), IsEmpty());
  }
  for (const char* bad : {crypto::kEkuServerAuth, crypto::kEkuClientAuth, "2.5.29.37.0", "2.23.133.8.2"}) {
    with({bad});
    ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MISMATCH);
  }
}

TEST_F(TpmEndorsementTest, TheCertificateMayBeConfigured) {
  evidence_.clear_ak_certificates();
  trust_.intermediates.push_back(*crypto::ParseCertificate(leaf_));
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
}

TEST_F(TpmEndorsementTest, WithoutCertificateNobodyVouches) {
  evidence_.clear_ak_certificates();
  ExpectOnly(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED);
  evidence_.add_ak_certificates(root_);  // a CA's alone is none for the AK
  ExpectOnly(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED);
}

TEST_F(TpmEndorsementTest, ABareKeyIsNotEndorsedByACertificate) {
  evidence_.set_ak_public(ak_->public_key().spki());
  ExpectOnly(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED);
}

TEST_F(TpmEndorsementTest, NotEndorsedIsCollectedLast) {
  evidence_.clear_ak_certificates();
  (*evidence_.mutable_pcr_values(0)->mutable_value())[0] ^= 1;
  EXPECT_THAT(Reasons(Verify()),
              ElementsAre(v1::DENY_REASON_PCR_DIGEST_MISMATCH, v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED));
}

TEST_F(TpmEndorsementTest, RefusesACertificateForAnotherKey) {
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  evidence_.set_ak_certificates(0, Issue("ak", other.public_key().spki(), "root", *root_key_, false));
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MISMATCH);
}

TEST_F(TpmEndorsementTest, RefusesACertificateThatIsNotForSigningOrIsACas) {
  evidence_.set_ak_certificates(
      0, Issue("ak", ak_->public_key().spki(), "root", *root_key_, false, crypto::kKeyUsageKeyEncipherment));
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MISMATCH);
  evidence_.set_ak_certificates(0, Issue("ak", ak_->public_key().spki(), "root", *root_key_, true,
                                         crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageDigitalSignature));
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MISMATCH);
}

TEST_F(TpmEndorsementTest, RefusesAnExpiredCertificate) {
  evidence_.set_ak_certificates(0,
                                Issue("ak", ak_->public_key().spki(), "root", *root_key_, false, 0, -absl::Minutes(1)));
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_EXPIRED);
}

TEST_F(TpmEndorsementTest, RefusesACertificateByAnotherIssuerOfTheSameName) {
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP384);
  evidence_.set_ak_certificates(0, Issue("ak", ak_->public_key().spki(), "root", other, false));
  EXPECT_THAT(Reasons(Verify()), Not(IsEmpty()));
  EXPECT_THAT(Reasons(Verify()),
              Not(Contains(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED)));  // rejected, not only unwanted
}

TEST_F(TpmEndorsementTest, RefusesRubbishAndTooMany) {
  evidence_.add_ak_certificates("rubbish");
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MALFORMED);
  const std::string pem = crypto::CertificateToPem(leaf_);
  evidence_.set_ak_certificates(1, std::string(16 * 1024 - pem.size(), '\n') + pem);
  EXPECT_THAT(Reasons(Verify()), IsEmpty()) << "16 KiB, with what PEM allows around it";
  evidence_.set_ak_certificates(1, "\n" + evidence_.ak_certificates(1));
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MALFORMED);
  evidence_.clear_ak_certificates();
  for (int i = 0; i < 9; ++i) evidence_.add_ak_certificates(leaf_);
  ExpectOnly(v1::DENY_REASON_EVIDENCE_MALFORMED);
}

TEST_F(TpmEndorsementTest, LooksAtTheIssuersCrl) {
  crypto::Crl crl = MakeCrl(*root_key_);
  trust_.crls = {crl};
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
  crl.revoked_serials = {crypto::ParseCertificate(leaf_)->serial};
  trust_.crls = {crl};
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_REVOKED);
  crl.issuer_der = crypto::NameFromCommonName("another");
  trust_.crls = {crl};
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
}

TEST_F(TpmEndorsementTest, RefusesAForgedAndAStaleCrl) {
  trust_.crls = {MakeCrl(*crypto::PrivateKey::Generate(crypto::KeyType::kP384))};
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID);
  trust_.crls = {MakeCrl(*root_key_)};
  trust_.crls[0].next_update = now_;
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_EXPIRED);
  trust_.crls = {MakeCrl(*root_key_)};
  trust_.crls[0].this_update = now_ + absl::Seconds(1);
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_EXPIRED);
}

TEST_F(TpmEndorsementTest, RefusesACrlByAnIssuerThatMayNotSignCrls) {
  trust_.anchors = {*crypto::ParseCertificate(
      Issue("root", root_key_->public_key().spki(), "root", *root_key_, true, crypto::kKeyUsageKeyCertSign))};
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
  trust_.crls = {MakeCrl(*root_key_)};
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID);
}

TEST(BuiltinTpmAnchorsTest, CertificatesAreThosePinned) {
  ASSERT_EQ(BuiltinTpmAnchorCertificates().size(), 2u);
  EXPECT_EQ(BuiltinTpmAnchors().size(), 2u);
  for (const crypto::Certificate& anchor : BuiltinTpmAnchorCertificates())
    EXPECT_EQ(BuiltinTpmAnchors().count(anchor.sha256()), 1u);
}

}  // namespace
}  // namespace twi::verifier
