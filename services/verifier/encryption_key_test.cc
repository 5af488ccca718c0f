#include "services/verifier/encryption_key.h"

#include "common/binding/binding.h"
#include "common/encoding/encoding.h"
#include "common/storage/session.h"
#include "common/testing/matchers.h"
#include "services/verifier/testing/verifier_under_test.h"

namespace twi::verifier {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::twi::testing::StatusIs;

constexpr auto kFailed = v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED;

class EncryptionKeyTest : public ::testing::Test {
 protected:
  v1::Binding NewBinding() { return verifier_.NewBinding(std::string(32, 'c'), "subject"); }
  const EncryptionKey& key() { return *verifier_.encryption_key; }
  VerifierUnderTest verifier_{testing::TestTime()};
};

TEST_F(EncryptionKeyTest, OpensWhatWasEncryptedForThisBinding) {
  const v1::Binding binding = NewBinding();
  const auto opened = key().Open(verifier_.Encrypt("evidence", binding), binding);
  ASSERT_OK(opened);
  EXPECT_EQ(opened->reveal(), "evidence");
}

TEST_F(EncryptionKeyTest, RefusesEveryOtherBinding) {
  const v1::Binding binding = NewBinding();
  const v1::EncryptedEvidence encrypted = verifier_.Encrypt("evidence", binding);
  for (const char* field : {"nonce", "target", "rp_id", "subject"}) {
    v1::Binding other = binding;
    other.GetReflection()->SetString(&other, other.GetDescriptor()->FindFieldByName(field), "https://other.example");
    EXPECT_THAT(key().Open(encrypted, other), StatusIs(kFailed)) << field;
  }
}

TEST_F(EncryptionKeyTest, RefusesAnotherKidChangedBytesAndWrongSizes) {
  const v1::Binding binding = NewBinding();
  const v1::EncryptedEvidence good = verifier_.Encrypt("evidence", binding);
  v1::EncryptedEvidence bad = good;
  bad.set_kid("0123");
  EXPECT_THAT(key().Open(bad, binding), StatusIs(kFailed, HasSubstr(key().kid())));
  bad = good;
  bad.clear_kid();
  EXPECT_THAT(key().Open(bad, binding), StatusIs(kFailed));
  bad = good;
  (*bad.mutable_ciphertext())[0] ^= 1;
  EXPECT_THAT(key().Open(bad, binding), StatusIs(kFailed));
  bad = good;
  bad.clear_ciphertext();
  EXPECT_THAT(key().Open(bad, binding), StatusIs(kFailed));
  bad = good;
  (*bad.mutable_enc())[31] ^= 1;
  EXPECT_THAT(key().Open(bad, binding), StatusIs(kFailed));
  bad = good;
  bad.set_enc(good.enc() + "x");
  EXPECT_THAT(key().Open(bad, binding), StatusIs(kFailed, HasSubstr("32 bytes")));
  bad = good;
  bad.set_ciphertext(std::string(260 * 1024 + 1, 'x'));
  EXPECT_THAT(key().Open(bad, binding), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

TEST_F(EncryptionKeyTest, SurvivesARestart) {
  const v1::Binding binding = NewBinding();
  const v1::EncryptedEvidence encrypted = verifier_.Encrypt("evidence", binding);
  const auto again = EncryptionKey::Load(*verifier_.database, *verifier_.sealer, verifier_.random);
  ASSERT_OK(again);
  EXPECT_EQ(again->kid(), key().kid());
  EXPECT_EQ(again->spki(), key().spki());
  EXPECT_OK(again->Open(encrypted, binding));
}

TEST_F(EncryptionKeyTest, AnotherStoreHasAnotherKey) {
  VerifierUnderTest other(testing::TestTime());
  EXPECT_NE(other.encryption_key->kid(), key().kid());
  const v1::Binding binding = NewBinding();
  EXPECT_THAT(other.encryption_key->Open(verifier_.Encrypt("evidence", binding), binding), StatusIs(kFailed));
}

TEST_F(EncryptionKeyTest, IsSealedOnDiskUnderTheRootKey) {
  std::string sealed_hex;
  ASSERT_OK(verifier_.database->Read([&](storage::Session& session) {
    session.Row("SELECT sealed_hex FROM encryption_key", soci::into(sealed_hex));
    return absl::OkStatus();
  }));
  const auto raw = verifier_.sealer->Open("verifier/encryption-key", *FromHex(sealed_hex));
  ASSERT_OK(raw);
  EXPECT_EQ(raw->size(), 32u);
  for (const char* file : {"verifier.db", "verifier.db-wal"}) {
    EXPECT_THAT(verifier_.dir.Read(file), Not(HasSubstr(std::string(raw->reveal()))));
    EXPECT_THAT(verifier_.dir.Read(file), Not(HasSubstr(ToHex(raw->reveal()))));
  }
  const auto other = storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'o')));
  ASSERT_OK(other);
  EXPECT_THAT(EncryptionKey::Load(*verifier_.database, **other, verifier_.random),
              StatusIs(v1::DENY_REASON_DECRYPTION_FAILED))
      << "and no new key in its place";
}

}  // namespace
}  // namespace twi::verifier
