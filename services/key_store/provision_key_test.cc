// D provisioning at the Key Store, through the real door.
#include "services/key_store/provision_key.h"

#include "absl/strings/str_cat.h"
#include "common/counter_signature/counter_signature.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/key_store/testing/key_store_under_test.h"

namespace twi::key_store {
namespace {

using testing::StatusIs;

class ProvisionKeyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.Start();
    request_.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
    request_.set_release_policy(kPolicy);
    request_.set_target(kTarget);
  }
  absl::StatusOr<v1::ProvisionKeyResponse> ProvisionAs(const std::string& spiffe_id) {
    return store_.As(spiffe_id)->ProvisionKey(request_, store_.deadline());
  }
  jose::JwkSet PublishedKeys() {
    return *jose::JwkSetFromText(store_.As(kOwner)->GetKeyStoreKeys(store_.deadline())->jwks());
  }
  CounterSignatureExpectation Expected(const v1::ProvisionKeyResponse& made) {
    CounterSignatureExpectation expected;
    expected.issuer = kKeyStoreId;
    expected.csr_der = made.csr();
    expected.owner = kOwner;
    expected.now = store_.clock.Now();
    return expected;
  }

  KeyStoreUnderTest store_;
  v1::ProvisionKeyRequest request_;
};

TEST_F(ProvisionKeyTest, EveryKeyTypeComesWithCsrAndCounterSignature) {
  for (const auto& [type, key_type] : {std::pair(v1::CREDENTIAL_KEY_TYPE_P256, crypto::KeyType::kP256),
                                       std::pair(v1::CREDENTIAL_KEY_TYPE_P384, crypto::KeyType::kP384),
                                       std::pair(v1::CREDENTIAL_KEY_TYPE_ED25519, crypto::KeyType::kEd25519),
                                       std::pair(v1::CREDENTIAL_KEY_TYPE_RSA3072, crypto::KeyType::kRsa3072)}) {
    // P3
    request_.set_key_type(type);
    ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse made, ProvisionAs(kOwner));
    // P4
    EXPECT_EQ(made.key_id().size(), 32u);
    // P5
    ASSERT_OK_AND_ASSIGN(const crypto::Csr csr, crypto::ParseAndVerifyCsr(made.csr()));
    EXPECT_EQ(csr.public_key.type(), key_type);
    EXPECT_EQ(csr.public_key.spki(), made.public_key());
    ASSERT_OK_AND_ASSIGN(const CounterSignature said,
                         ValidateCounterSignature(made.counter_signature(), PublishedKeys(), Expected(made)));
    EXPECT_EQ(said.key_id, made.key_id());
    EXPECT_EQ(said.target, kTarget);
    EXPECT_EQ(said.release_policy_sha256, crypto::Sha256(kPolicy));
  }
}

TEST_F(ProvisionKeyTest, ATamperedCounterSignatureOrCsrIsRefused) {
  ASSERT_OK_AND_ASSIGN(v1::ProvisionKeyResponse made, ProvisionAs(kOwner));
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse other, ProvisionAs(kOwner));
  const jose::JwkSet keys = PublishedKeys();
  EXPECT_THAT(ValidateCounterSignature(made.counter_signature(), keys, Expected(other)),
              StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
  std::string tampered = made.counter_signature();
  tampered[tampered.size() / 2] ^= 1;
  EXPECT_THAT(ValidateCounterSignature(tampered, keys, Expected(made)),
              StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
}

TEST_F(ProvisionKeyTest, ThePolicyOfAKeyCannotBeChanged) {
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse made, ProvisionAs(kOwner));
  request_.set_key_id(made.key_id());
  request_.set_release_policy("conditions:\n- name: c\n  expression: results.software.name == \"malware\"\n");
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_RELEASE_POLICY_IMMUTABLE));
  EXPECT_THAT(ProvisionAs(kOtherOwner), StatusIs(v1::DENY_REASON_KEY_UNKNOWN));  // not even that it exists
  EXPECT_EQ(store_.keys->Find(made.key_id())->release_policy, kPolicy);
  request_.set_key_id("a name of my own");
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_KEY_UNKNOWN));
}

TEST_F(ProvisionKeyTest, RefusesWhoIsNotAnOwner) {
  EXPECT_THAT(ProvisionAs(kNotAnOwner), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(ProvisionAs(kStranger), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(store_.NewWorkload().client->ProvisionKey(request_, store_.deadline()),
              StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(store_.As(kNotAnOwner)->ListKeys(store_.deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(ProvisionKeyTest, RefusesAPolicyThatProtectsNothing) {
  request_.set_release_policy("conditions:\n- name: c\n  expression: results.status == \"affirming\"\n");
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  request_.set_release_policy("conditions:\n- name: c\n  expression: results.chip_id == \"1\"\n");
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  request_.clear_release_policy();
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
}

TEST_F(ProvisionKeyTest, RefusesAMissingOrUnknownKeyType) {
  request_.clear_key_type();
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  request_.set_key_type(static_cast<v1::CredentialKeyType>(99));
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST_F(ProvisionKeyTest, RefusesABadTarget) {
  for (const char* target : {"", "payroll", "https://a b", "https://\xc3\xa9"}) {
    request_.set_target(target);
    EXPECT_FALSE(ProvisionAs(kOwner).ok()) << target;
  }
  request_.set_target("https://" + std::string(2048, 'a'));
  EXPECT_THAT(ProvisionAs(kOwner), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

TEST_F(ProvisionKeyTest, AnOwnerSeesItsOwnKeysOnly) {
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse made, ProvisionAs(kOwner));
  ASSERT_OK(ProvisionAs(kOtherOwner));
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse listed, store_.As(kOwner)->ListKeys(store_.deadline()));
  ASSERT_EQ(listed.keys_size(), 1);
  EXPECT_EQ(listed.keys(0).key_id(), made.key_id());
  EXPECT_EQ(listed.keys(0).release_policy(), kPolicy);
  EXPECT_EQ(listed.keys(0).releases(), 0u);
  EXPECT_EQ(listed.next(), "");
}

TEST_F(ProvisionKeyTest, ALongListComesInPages) {
  const auto owner = store_.As(kOwner);
  request_.set_release_policy(std::string(kPolicy) + "description: " + std::string(60000, 'x') + "\n");
  for (int i = 0; i < 6; ++i) ASSERT_OK(owner->ProvisionKey(request_, store_.deadline()));
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse first, ListKeys(*store_.deps, {}, kOwner));
  EXPECT_EQ(first.keys_size(), 4);
  v1::ListKeysRequest next;
  next.set_after(first.next());
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse second, ListKeys(*store_.deps, next, kOwner));
  EXPECT_EQ(second.keys_size(), 2);
  EXPECT_EQ(second.next(), "");
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse all, owner->ListKeys(store_.deadline()));
  EXPECT_EQ(all.keys_size(), 6) << "the client reads every page";
}

TEST_F(ProvisionKeyTest, APageEndsAt64Keys) {
  CredentialKey key;
  key.type = v1::CREDENTIAL_KEY_TYPE_P256;
  key.owner = kOwner;
  key.release_policy = kPolicy;
  for (int i = 100; i < 165; ++i) {
    key.key_id = absl::StrCat("key-", i);
    key.spki = key.key_id;
    ASSERT_OK(store_.keys->Add(key, SecretBytes::CopyOf("a key")));
  }
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse first, ListKeys(*store_.deps, {}, kOwner));
  EXPECT_EQ(first.keys_size(), 64);
  EXPECT_EQ(first.next(), "key-163");
  v1::ListKeysRequest next;
  next.set_after(first.next());
  EXPECT_EQ(ListKeys(*store_.deps, next, kOwner)->keys_size(), 1);
}

TEST_F(ProvisionKeyTest, RefusesAPlaceInTheListThatIsNoKeyId) {
  v1::ListKeysRequest request;
  request.set_after(std::string(64, 'f'));
  EXPECT_OK(ListKeys(*store_.deps, request, kOwner));
  request.set_after(std::string(65, 'f'));
  EXPECT_THAT(ListKeys(*store_.deps, request, kOwner), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

}  // namespace
}  // namespace twi::key_store
