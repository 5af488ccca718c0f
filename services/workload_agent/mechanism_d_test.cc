#include "services/workload_agent/mechanism_d.h"

#include "common/crypto/x509.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/workload_agent/provisioned_credential.h"
#include "services/workload_agent/testing/fake_services.h"

namespace twi::agent {
namespace {

using namespace testing;  // NOLINT: the fakes
using twi::testing::FakeClock;
using twi::testing::StatusIs;

class MechanismDTest : public ::testing::Test {
 protected:
  MechanismDTest() { terms_.rp_id = "https://keys.example"; }
  absl::StatusOr<AcquiredCredential> Acquire() {
    return AcquireByMechanismD(
        {terms_, attester_, verifier_, key_store_, "key-1", provisioned_, clock_, clock_.Now() + absl::Seconds(30)});
  }
  FakeClock clock_;
  FakeIssuer issuer_{clock_.Now()};
  FakeAttester attester_;
  FakeVerifier verifier_{clock_, issuer_};
  FakeKeyStore key_store_{clock_};
  AcquisitionTerms terms_ = Terms(issuer_);
  v1::WorkloadCredential provisioned_ = issuer_.Issue(key_store_.credential_key());
};

TEST_F(MechanismDTest, Acquires) {
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.key.public_key(), key_store_.credential_key());
  EXPECT_EQ(attester_.attested[0].rp_id(), "https://keys.example");
  EXPECT_EQ(attester_.attested[0].subject().size(), 44u);  // SPKI of the X25519 key
}

TEST_F(MechanismDTest, EachAttemptHasItsOwnEncryptionKey) {
  ASSERT_OK(Acquire().status());
  ASSERT_OK(Acquire().status());
  EXPECT_NE(attester_.attested[0].subject(), attester_.attested[1].subject());
}

TEST_F(MechanismDTest, AsksForNoKeyAfterARefusedAppraisal) {
  verifier_.refuse = Deny(v1::DENY_REASON_VMPL_NOT_ALLOWED, "policy");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_VMPL_NOT_ALLOWED));
  EXPECT_EQ(key_store_.releases, 0);
}

TEST_F(MechanismDTest, HandsOnTheKeyStoresRefusal) {
  key_store_.refuse = Deny(v1::DENY_REASON_RELEASE_POLICY_REFUSED, "policy");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
}

TEST_F(MechanismDTest, RefusesABundleOfAnotherSigner) {
  key_store_.sign_with_foreign_key = true;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER));
  key_store_.sign_with_foreign_key = false;
  key_store_.issuer = "spiffe://example.org/twi/other-key-store";
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER));
}

TEST_F(MechanismDTest, RefusesABundleOfAnotherContext) {
  key_store_.change_context = [](std::string& rp_id, std::string&, std::string&, std::string&) {
    rp_id = "https://other.example";
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
  key_store_.change_context = [](std::string&, std::string& target, std::string&, std::string&) {
    target = "https://other.example";
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
  key_store_.change_context = [](std::string&, std::string&, std::string& nonce, std::string&) {
    nonce = "an old nonce";
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
  key_store_.change_context = [](std::string&, std::string&, std::string&, std::string& key_id) { key_id = "key-2"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
}

TEST_F(MechanismDTest, RefusesABundleForAnotherRecipient) {
  const crypto::HpkePrivateKey other = crypto::HpkePrivateKey::Generate().value();
  key_store_.seal_to = &other;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
}

TEST_F(MechanismDTest, RefusesAProvisionedCredentialOfAnotherKey) {
  provisioned_ = issuer_.Issue(crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key());
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
}

TEST_F(MechanismDTest, RefusesAWitThatTheOwnersBundleDoesNotVouchFor) {
  provisioned_.set_wit_bundle(FakeIssuer(clock_.Now()).wit_bundle());
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

TEST_F(MechanismDTest, ReadsTheProvisionedFiles) {
  const twi::testing::TempDir dir;
  config::v1::ProvisionedKey config;
  config.set_credential_file(dir.Write("chain.pem", crypto::CertificateToPem(provisioned_.x509_chain(0)), 0644));
  config.set_wit_file(dir.Write("wit.jwt", provisioned_.wit() + "\n", 0644));
  config.set_wit_bundle_file(dir.Write("bundle.json", provisioned_.wit_bundle(), 0644));
  ASSERT_OK_AND_ASSIGN(provisioned_, ReadProvisionedCredential(config));
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_FALSE(acquired.credential.wit().empty());
}

TEST_F(MechanismDTest, RefusesAProvisionedWitThatIsEmpty) {
  const twi::testing::TempDir dir;
  config::v1::ProvisionedKey config;
  config.set_credential_file(dir.Write("chain.pem", crypto::CertificateToPem(provisioned_.x509_chain(0)), 0644));
  config.set_wit_file(dir.Write("wit.jwt", " \n", 0644));
  config.set_wit_bundle_file(dir.Write("bundle.json", provisioned_.wit_bundle(), 0644));
  EXPECT_THAT(ReadProvisionedCredential(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(MechanismDTest, AcquiresX509AloneWhereTheOwnerProvisionedNoWit) {
  provisioned_.clear_wit();
  provisioned_.clear_wit_bundle();
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.credential.wit(), "");
}

TEST_F(MechanismDTest, RefusesProvisionedFilesThatAreNone) {
  const twi::testing::TempDir dir;
  config::v1::ProvisionedKey config;
  config.set_credential_file(dir.File("missing.pem"));
  EXPECT_THAT(ReadProvisionedCredential(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config.set_credential_file(dir.Write("empty.pem", "no certificate here"));
  EXPECT_THAT(ReadProvisionedCredential(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

}  // namespace
}  // namespace twi::agent
