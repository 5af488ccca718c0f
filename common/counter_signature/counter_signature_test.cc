#include "common/counter_signature/counter_signature.h"

#include <functional>

#include "common/crypto/hash.h"
#include "common/jose/jws.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace twi {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kKeyStore[] = "spiffe://example.org/twi/key-store";
constexpr char kOwner[] = "spiffe://example.org/owner/payroll";
constexpr auto kInvalid = v1::DENY_REASON_COUNTER_SIGNATURE_INVALID;

class CounterSignatureTest : public ::testing::Test {
 protected:
  CounterSignatureTest() : key_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)) {
    keys_.keys.push_back({"k1", "ES256", "sig", key_.public_key()});
    made_.issuer = kKeyStore;
    made_.issued_at = now_;
    made_.jti = "j";
    made_.owner = kOwner;
    made_.key_id = "0011";
    made_.csr_sha256 = crypto::Sha256("the csr");
    made_.release_policy_sha256 = crypto::Sha256("the policy");
    made_.target = "https://payroll.example.org";
    expected_.issuer = kKeyStore;
    expected_.csr_der = "the csr";
    expected_.owner = kOwner;
    expected_.now = now_;
  }
  std::string Sign() { return *SignCounterSignature(made_, key_, "k1"); }
  // What a Key Store with our key would have said had its claims been changed.
  absl::StatusOr<CounterSignature> ValidateChanged(const std::function<void(json&)>& change) {
    json claims = jose::InsecureDecodeJws(Sign(), 16 * 1024)->payload;
    change(claims);
    return ValidateCounterSignature(*jose::SignJws(key_, "k1", kCounterSignatureTyp, claims.dump()), keys_, expected_);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1795262400);
  const crypto::PrivateKey key_;
  jose::JwkSet keys_;
  CounterSignature made_;
  CounterSignatureExpectation expected_;
};

TEST_F(CounterSignatureTest, WhatIsSignedIsRead) {
  ASSERT_OK_AND_ASSIGN(const CounterSignature read, ValidateCounterSignature(Sign(), keys_, expected_));
  EXPECT_EQ(read.key_id, "0011");
  EXPECT_EQ(read.target, made_.target);
  EXPECT_EQ(read.release_policy_sha256, made_.release_policy_sha256);
  EXPECT_EQ(read.jti, "j");
  EXPECT_EQ(read.issued_at, now_);
}

TEST_F(CounterSignatureTest, GoodUntilItsAge) {
  const std::string jws = Sign();
  expected_.now = now_ + absl::Hours(24);
  EXPECT_OK(ValidateCounterSignature(jws, keys_, expected_));
  expected_.now += absl::Seconds(1);
  EXPECT_THAT(ValidateCounterSignature(jws, keys_, expected_), StatusIs(kInvalid, HasSubstr("older than")));
  expected_.now = now_ - absl::Seconds(6);
  EXPECT_THAT(ValidateCounterSignature(jws, keys_, expected_), StatusIs(kInvalid, HasSubstr("future")));
}

TEST_F(CounterSignatureTest, RefusesAnotherCsr) {
  expected_.csr_der = "another csr";
  EXPECT_THAT(ValidateCounterSignature(Sign(), keys_, expected_), StatusIs(kInvalid, HasSubstr("another CSR")));
}

TEST_F(CounterSignatureTest, RefusesAnotherOwnerOrIssuer) {
  expected_.owner = "spiffe://example.org/owner/other";
  EXPECT_THAT(ValidateCounterSignature(Sign(), keys_, expected_), StatusIs(kInvalid, HasSubstr("owner is")));
  expected_.owner = kOwner;
  expected_.issuer = "spiffe://example.org/twi/verifier";
  EXPECT_THAT(ValidateCounterSignature(Sign(), keys_, expected_), StatusIs(kInvalid, HasSubstr("iss is")));
}

TEST_F(CounterSignatureTest, RefusesAForeignSigner) {
  const auto foreign = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EXPECT_THAT(ValidateCounterSignature(*SignCounterSignature(made_, foreign, "k1"), keys_, expected_),
              StatusIs(kInvalid));
  EXPECT_THAT(ValidateCounterSignature(*SignCounterSignature(made_, foreign, "k2"), keys_, expected_),
              StatusIs(kInvalid));
}

TEST_F(CounterSignatureTest, RefusesEveryFlippedCharacter) {
  const std::string good = Sign();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_THAT(ValidateCounterSignature(bad, keys_, expected_), StatusIs(kInvalid)) << i;
  }
}

TEST_F(CounterSignatureTest, RefusesAnotherTyp) {
  const json claims = jose::InsecureDecodeJws(Sign(), 16 * 1024)->payload;
  EXPECT_THAT(ValidateCounterSignature(*jose::SignJws(key_, "k1", "twi-grant+jwt", claims.dump()), keys_, expected_),
              StatusIs(kInvalid));
}

TEST_F(CounterSignatureTest, RefusesEachMissingClaimAndAnyOther) {
  ASSERT_OK(ValidateChanged([](json&) {}));
  for (const char* name : {"iss", "iat", "jti", "owner", "key_id", "csr_sha256", "release_policy_sha256", "target"}) {
    EXPECT_THAT(ValidateChanged([&](json& claims) { claims.erase(name); }), StatusIs(kInvalid, HasSubstr(name)));
    EXPECT_THAT(ValidateChanged([&](json& claims) { claims[name] = json::array(); }),
                StatusIs(kInvalid, HasSubstr(name)));
  }
  EXPECT_THAT(ValidateChanged([](json& claims) { claims["exp"] = 1; }),
              StatusIs(kInvalid, HasSubstr("not one of ours")));
  EXPECT_THAT(ValidateChanged([](json& claims) { claims["iat"] = 1.5; }), StatusIs(kInvalid));
  EXPECT_THAT(ValidateChanged([](json& claims) { claims["jti"] = std::string(65, 'x'); }), StatusIs(kInvalid));
  EXPECT_THAT(ValidateChanged([](json& claims) { claims["csr_sha256"] = "AAAA"; }), StatusIs(kInvalid));
}

TEST_F(CounterSignatureTest, AnIncompleteExpectationOrClaimSetIsOurOwnFault) {
  const std::string good = Sign();
  expected_.owner.clear();
  EXPECT_THAT(ValidateCounterSignature(good, keys_, expected_), StatusIs(v1::DENY_REASON_INTERNAL));
  made_.csr_sha256.clear();
  EXPECT_THAT(SignCounterSignature(made_, key_, "k1"), StatusIs(v1::DENY_REASON_INTERNAL));
}

}  // namespace
}  // namespace twi
