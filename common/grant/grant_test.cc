#include "common/grant/grant.h"

#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

constexpr char kMapper[] = "spiffe://example.org/twi/claims-mapper";
constexpr char kAuthority[] = "https://ca.example.org";
constexpr char kOwner[] = "spiffe://example.org/owner/payroll";
const absl::Time kNow = absl::FromUnixSeconds(1800000000);

class GrantTest : public ::testing::Test {
 protected:
  GrantTest()
      : key_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
        other_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)) {
    keys_.keys.push_back({"k1", "ES256", "sig", key_.public_key()});
    grant_.issuer = kMapper;
    grant_.audience = kAuthority;
    grant_.jti = "Zm9vYmFyZm9vYmFyZm9vYg";
    grant_.issued_at = kNow;
    grant_.expires_at = kNow + absl::Minutes(2);
    grant_.workload_identifier = "spiffe://example.org/payroll/worker";
    grant_.claims = {{"team", "payroll"}, {"tier", 1}, {"regions", {"eu", "us"}}};
    grant_.max_lifetime = absl::Hours(1);
    grant_.dns_names = {"worker.payroll.example.org"};
    grant_.policy_name = "payroll";
    grant_.policy_version = 7;
    grant_.policy_sha256 = std::string(32, 'p');
    grant_.policy_owner = kOwner;
    grant_.key_sha256 = std::string(32, 'k');
    grant_.results_sha256 = std::string(32, 'r');
    expected_.audience = kAuthority;
    expected_.issuer = kMapper;
    expected_.now = kNow + absl::Seconds(1);
    expected_.key_sha256 = grant_.key_sha256;
    expected_.results_sha256 = grant_.results_sha256;
  }

  std::string Signed() { return *SignGrant(grant_, key_, "k1"); }
  // Mechanism D's.
  void MakeItForTheOwner() {
    grant_.key_sha256.clear();
    grant_.results_sha256.clear();
    grant_.owner = kOwner;
    grant_.release_policy_sha256 = std::string(32, 'l');
  }
  v1::DenyReason Refused(absl::string_view jws) { return DenyReasonOf(ValidateGrant(jws, keys_, expected_).status()); }
  nlohmann::json Claims() { return jose::InsecureDecodeJws(Signed(), 65536)->payload; }
  v1::DenyReason RefusedClaims(const nlohmann::json& claims, const char* typ = kGrantTyp) {
    return Refused(*jose::SignJws(key_, "k1", typ, claims.dump()));
  }

  crypto::PrivateKey key_, other_;
  jose::JwkSet keys_;
  Grant grant_;
  GrantExpectation expected_;
};

TEST_F(GrantTest, CarriesEverythingFromTheMapperToTheAuthority) {
  const auto grant = ValidateGrant(Signed(), keys_, expected_);
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->workload_identifier, grant_.workload_identifier);
  EXPECT_EQ(grant->claims, grant_.claims);
  EXPECT_EQ(grant->max_lifetime, absl::Hours(1));
  EXPECT_EQ(grant->dns_names, grant_.dns_names);
  EXPECT_EQ(grant->policy_name, "payroll");
  EXPECT_EQ(grant->policy_version, 7u);
  EXPECT_EQ(grant->policy_sha256, grant_.policy_sha256);
  EXPECT_EQ(grant->policy_owner, kOwner);
  EXPECT_EQ(grant->jti, grant_.jti);
  EXPECT_EQ(grant->key_sha256, grant_.key_sha256);
  EXPECT_EQ(grant->results_sha256, grant_.results_sha256);
  EXPECT_EQ(grant->owner, "");
  EXPECT_EQ(grant->release_policy_sha256, "");
}

TEST_F(GrantTest, MayBeForAnOwner) {
  MakeItForTheOwner();
  expected_.key_sha256.clear();
  expected_.results_sha256.clear();
  expected_.owner = kOwner;
  const auto grant = ValidateGrant(Signed(), keys_, expected_);
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->owner, kOwner);
  EXPECT_EQ(grant->release_policy_sha256, grant_.release_policy_sha256);
  expected_.owner = "spiffe://example.org/owner/other";
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_WRONG_OWNER);
}

TEST_F(GrantTest, AGrantForAKeyIsNotForAnOwnerNorTheOtherWay) {
  const std::string for_key = Signed();
  GrantExpectation owner = expected_;
  owner.key_sha256.clear();
  owner.results_sha256.clear();
  owner.owner = kOwner;
  EXPECT_EQ(DenyReasonOf(ValidateGrant(for_key, keys_, owner).status()), v1::DENY_REASON_GRANT_WRONG_OWNER);
  MakeItForTheOwner();
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_WRONG_KEY);
}

// The release policy belongs to D's grant as the results do to the others': never without it, and nowhere else.
TEST_F(GrantTest, TheReleasePolicyStandsInAnOwnersGrantAndInNoOther) {
  nlohmann::json claims = Claims();
  claims["release_policy_sha256"] = ToBase64Url(std::string(32, 'l'));
  EXPECT_EQ(RefusedClaims(claims), v1::DENY_REASON_GRANT_MALFORMED) << "a key's grant";
  MakeItForTheOwner();
  expected_.key_sha256.clear();
  expected_.results_sha256.clear();
  expected_.owner = kOwner;
  const nlohmann::json good = Claims();
  ASSERT_EQ(RefusedClaims(good), v1::DENY_REASON_UNSPECIFIED);
  for (const auto& [name, value] : good.items()) {
    claims = good;
    claims.erase(name);
    EXPECT_EQ(RefusedClaims(claims), v1::DENY_REASON_GRANT_MALFORMED) << name;
  }
  for (const char* digest : {"", "AAAA"}) {
    claims = good;
    claims["release_policy_sha256"] = digest;
    EXPECT_EQ(RefusedClaims(claims), v1::DENY_REASON_GRANT_MALFORMED) << digest;
  }
}

TEST_F(GrantTest, RefusesAnotherKeyOrOtherResults) {
  expected_.key_sha256 = std::string(32, 'x');
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_WRONG_KEY);
  expected_.key_sha256 = grant_.key_sha256;
  expected_.results_sha256 = std::string(32, 'x');
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_WRONG_KEY);
}

TEST_F(GrantTest, RefusesAnExpiredGrant) {
  expected_.now = kNow + absl::Minutes(2);
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_EXPIRED);
}

TEST_F(GrantTest, RefusesAGrantFromTheFutureBeyondTheSkew) {
  expected_.now = kNow - absl::Seconds(5);
  EXPECT_TRUE(ValidateGrant(Signed(), keys_, expected_).ok());
  expected_.now = kNow - absl::Seconds(6);
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_NOT_YET_VALID);
}

TEST_F(GrantTest, RefusesAnotherAudience) {
  expected_.audience = "https://other-ca.example.org";
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_WRONG_AUDIENCE);
}

TEST_F(GrantTest, RefusesUnknownKeysAndIssuers) {
  EXPECT_EQ(Refused(*SignGrant(grant_, key_, "k2")), v1::DENY_REASON_GRANT_KEY_UNKNOWN);
  expected_.issuer = "spiffe://example.org/twi/other-mapper";
  EXPECT_EQ(Refused(Signed()), v1::DENY_REASON_GRANT_KEY_UNKNOWN);
}

TEST_F(GrantTest, RefusesASignatureOfAnotherKey) {
  EXPECT_EQ(Refused(*SignGrant(grant_, other_, "k1")), v1::DENY_REASON_GRANT_SIGNATURE_INVALID);
}

TEST_F(GrantTest, RefusesEveryFlippedCharacter) {
  const std::string jws = Signed();
  for (std::size_t i = 0; i < jws.size(); ++i) {
    std::string flipped = jws;
    flipped[i] = flipped[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(ValidateGrant(flipped, keys_, expected_).ok()) << i;
  }
}

// Each bound by itself: what is at it passes, what is beyond it does not.
TEST_F(GrantTest, HoldsEachBound) {
  const auto accepts = [this](const char* pointer, const nlohmann::json& value) {
    nlohmann::json claims = Claims();
    claims[nlohmann::json::json_pointer(pointer)] = value;
    const DenyReason reason = RefusedClaims(claims);
    EXPECT_TRUE(reason == v1::DENY_REASON_UNSPECIFIED || reason == v1::DENY_REASON_GRANT_MALFORMED) << reason;
    return reason == v1::DENY_REASON_UNSPECIFIED;
  };
  EXPECT_TRUE(accepts("/jti", std::string(64, 'j')));
  EXPECT_FALSE(accepts("/jti", std::string(65, 'j')));
  EXPECT_TRUE(accepts("/policy/version", 1));
  EXPECT_FALSE(accepts("/policy/version", 0));
  nlohmann::json names = nlohmann::json::array();
  for (int i = 0; i < 16; ++i) names.push_back("worker" + std::to_string(i) + ".example.org");
  EXPECT_TRUE(accepts("/dns_names", names));
  names.push_back("worker16.example.org");
  EXPECT_FALSE(accepts("/dns_names", names));
}

TEST_F(GrantTest, RefusesEachMissingUnknownOrMistypedClaim) {
  const nlohmann::json good = Claims();
  for (const auto& [name, value] : good.items()) {
    nlohmann::json missing = good;
    missing.erase(name);
    EXPECT_EQ(RefusedClaims(missing), v1::DENY_REASON_GRANT_MALFORMED) << name;
    nlohmann::json wrong = good;
    wrong[name] = nullptr;
    EXPECT_EQ(RefusedClaims(wrong), v1::DENY_REASON_GRANT_MALFORMED) << name;
  }
  nlohmann::json unknown = good;
  unknown["admin"] = true;
  EXPECT_EQ(RefusedClaims(unknown), v1::DENY_REASON_GRANT_MALFORMED);
  unknown = good;
  unknown["policy"]["note"] = "x";
  EXPECT_EQ(RefusedClaims(unknown), v1::DENY_REASON_GRANT_MALFORMED);
}

TEST_F(GrantTest, RefusesValuesOutOfRange) {
  const auto refused = [this](const char* name, const nlohmann::json& value) {
    nlohmann::json claims = Claims();
    claims[name] = value;
    return RefusedClaims(claims);
  };
  EXPECT_EQ(refused("exp", 1800000000), v1::DENY_REASON_GRANT_MALFORMED) << "no life";
  EXPECT_EQ(refused("exp", 1800000000 + 901), v1::DENY_REASON_GRANT_MALFORMED) << "longer than minutes";
  EXPECT_EQ(refused("max_lifetime", 86401), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("max_lifetime", 0), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("max_lifetime", -1), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("sub", "payroll"), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("sub", "spiffe://example.org"), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("key_sha256", "AAAA"), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("owner", kOwner), v1::DENY_REASON_GRANT_MALFORMED) << "both a key and an owner";
  EXPECT_EQ(refused("dns_names", nlohmann::json::array({""})), v1::DENY_REASON_GRANT_MALFORMED);
  EXPECT_EQ(refused("claims", nlohmann::json::array()), v1::DENY_REASON_GRANT_MALFORMED);
}

TEST_F(GrantTest, RefusesAnotherTyp) { EXPECT_EQ(RefusedClaims(Claims(), "eat+jwt"), v1::DENY_REASON_GRANT_MALFORMED); }

TEST_F(GrantTest, WillNotSignWhatWouldBeRefused) {
  grant_.workload_identifier = "worker";
  EXPECT_EQ(DenyReasonOf(SignGrant(grant_, key_, "k1").status()), v1::DENY_REASON_INTERNAL);
  grant_.workload_identifier = "spiffe://example.org/payroll/worker";
  grant_.owner = kOwner;
  EXPECT_EQ(DenyReasonOf(SignGrant(grant_, key_, "k1").status()), v1::DENY_REASON_INTERNAL);
  MakeItForTheOwner();
  grant_.release_policy_sha256.clear();
  EXPECT_EQ(DenyReasonOf(SignGrant(grant_, key_, "k1").status()), v1::DENY_REASON_INTERNAL);
}

TEST_F(GrantTest, WillNotValidateForNobody) {
  const std::string jws = Signed();
  expected_.key_sha256.clear();
  EXPECT_EQ(Refused(jws), v1::DENY_REASON_INTERNAL);
  expected_.results_sha256.clear();
  EXPECT_EQ(Refused(jws), v1::DENY_REASON_INTERNAL);
}

}  // namespace
}  // namespace twi
