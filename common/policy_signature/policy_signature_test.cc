#include "common/policy_signature/policy_signature.h"

#include "common/jose/jws.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

constexpr char kOwner[] = "spiffe://example.org/owner/payroll";
const absl::Time kNow = absl::FromUnixSeconds(1800000000);

class PolicySignatureTest : public ::testing::Test {
 protected:
  PolicySignatureTest()
      : key_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
        other_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)) {
    policy_.document = "name: payroll\n# \xc3\xa4 comment\n";
    policy_.name = "payroll";
    policy_.version = 3;
    policy_.owner = kOwner;
    policy_.signed_at = kNow;
  }

  v1::DenyReason Refused(absl::string_view jws) { return DenyReasonOf(Verify(jws).status()); }
  absl::StatusOr<SignedPolicy> Verify(absl::string_view jws) {
    return VerifyPolicySignature(
        jws,
        [this](absl::string_view owner) {
          return owner == kOwner ? std::optional<crypto::PublicKey>(key_.public_key()) : std::nullopt;
        },
        kNow);
  }
  // A token with this payload, signed as the owner signs.
  std::string Sign(const nlohmann::json& payload, const char* typ = kPolicyTyp) {
    return *jose::SignJws(key_, jose::Thumbprint(key_.public_key()), typ, payload.dump());
  }
  nlohmann::json Payload() { return jose::InsecureDecodeJws(*SignPolicy(policy_, key_), kMaxSignedPolicy)->payload; }

  crypto::PrivateKey key_, other_;
  SignedPolicy policy_;
};

TEST_F(PolicySignatureTest, GivesTheVeryBytesThatTheOwnerSigned) {
  const auto jws = SignPolicy(policy_, key_);
  ASSERT_TRUE(jws.ok()) << jws.status();
  const auto policy = Verify(*jws);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->document, policy_.document);
  EXPECT_EQ(policy->name, "payroll");
  EXPECT_EQ(policy->version, 3u);
  EXPECT_EQ(policy->owner, kOwner);
  EXPECT_EQ(policy->signed_at, kNow);
  EXPECT_EQ(policy->sha256.size(), 32u);
}

TEST_F(PolicySignatureTest, RefusesAnotherKeyThanTheOwners) {
  EXPECT_EQ(Refused(*SignPolicy(policy_, other_)), v1::DENY_REASON_POLICY_SIGNATURE_INVALID);
  // The other key under the owner's kid.
  EXPECT_EQ(Refused(*jose::SignJws(other_, jose::Thumbprint(key_.public_key()), kPolicyTyp, Payload().dump())),
            v1::DENY_REASON_POLICY_SIGNATURE_INVALID);
}

TEST_F(PolicySignatureTest, RefusesAnUnknownOwner) {
  policy_.owner = "spiffe://example.org/owner/stranger";
  EXPECT_EQ(Refused(*SignPolicy(policy_, key_)), v1::DENY_REASON_POLICY_OWNER_UNKNOWN);
}

TEST_F(PolicySignatureTest, RefusesEveryFlippedByte) {
  const std::string jws = *SignPolicy(policy_, key_);
  ASSERT_TRUE(Verify(jws).ok());
  for (std::size_t i = 0; i < jws.size(); ++i) {
    std::string flipped = jws;
    flipped[i] = flipped[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Verify(flipped).ok()) << i;
  }
}

TEST_F(PolicySignatureTest, RefusesOtherTyp) {
  EXPECT_EQ(Refused(Sign(Payload(), "twi-grant+jwt")), v1::DENY_REASON_POLICY_MALFORMED);
}

TEST_F(PolicySignatureTest, RefusesEachMissingOrWrongMember) {
  ASSERT_TRUE(Verify(Sign(Payload())).ok());
  for (const char* member : {"document", "sha256", "name", "version", "owner", "iat"}) {
    nlohmann::json missing = Payload();
    missing.erase(member);
    EXPECT_EQ(Refused(Sign(missing)), v1::DENY_REASON_POLICY_MALFORMED) << member;
    nlohmann::json wrong = Payload();
    wrong[member] = nlohmann::json::array();
    EXPECT_EQ(Refused(Sign(wrong)), v1::DENY_REASON_POLICY_MALFORMED) << member;
  }
  nlohmann::json more = Payload();
  more["note"] = "x";
  EXPECT_EQ(Refused(Sign(more)), v1::DENY_REASON_POLICY_MALFORMED);
}

TEST_F(PolicySignatureTest, RefusesADigestOfAnotherDocument) {
  nlohmann::json payload = Payload();
  payload["document"] = "name: other\n";
  EXPECT_EQ(Refused(Sign(payload)), v1::DENY_REASON_POLICY_MALFORMED);
}

TEST_F(PolicySignatureTest, RefusesAPolicyFromTheFuture) {
  policy_.signed_at = kNow + absl::Minutes(6);
  EXPECT_EQ(Refused(*SignPolicy(policy_, key_)), v1::DENY_REASON_POLICY_MALFORMED);
}

TEST_F(PolicySignatureTest, RefusesToSignWhatWouldBeRefused) {
  SignedPolicy bad = policy_;
  bad.document = "\xff\xfe";
  EXPECT_EQ(DenyReasonOf(SignPolicy(bad, key_).status()), v1::DENY_REASON_POLICY_MALFORMED);
  bad = policy_;
  bad.document = std::string(kMaxPolicyDocument + 1, 'a');
  EXPECT_EQ(DenyReasonOf(SignPolicy(bad, key_).status()), v1::DENY_REASON_POLICY_MALFORMED);
  bad = policy_;
  bad.version = 0;
  EXPECT_EQ(DenyReasonOf(SignPolicy(bad, key_).status()), v1::DENY_REASON_POLICY_MALFORMED);
  EXPECT_EQ(DenyReasonOf(SignPolicy(policy_, *crypto::PrivateKey::Generate(crypto::KeyType::kP384)).status()),
            v1::DENY_REASON_POLICY_MALFORMED);
}

TEST_F(PolicySignatureTest, RefusesGarbage) {
  for (const char* jws : {"", ".", "..", "a.b.c", "e30.e30.", "not a token"})
    EXPECT_EQ(Refused(jws), v1::DENY_REASON_POLICY_MALFORMED) << jws;
  EXPECT_EQ(Refused(std::string(kMaxSignedPolicy + 1, 'A')), v1::DENY_REASON_POLICY_MALFORMED);
}

}  // namespace
}  // namespace twi
