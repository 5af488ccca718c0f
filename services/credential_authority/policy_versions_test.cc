#include "services/credential_authority/policy_versions.h"

#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "services/credential_authority/testing/authority_under_test.h"

namespace twi::credential_authority {
namespace {

using testing::StatusIs;

constexpr auto kReplaced = v1::DENY_REASON_GRANT_POLICY_REPLACED;

class PolicyVersionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mapper_.in_force.set_name("payroll");
    mapper_.in_force.set_version(3);
    mapper_.in_force.set_sha256(ToHex(digest_));
  }
  absl::Status Ask(std::uint64_t version = 3) { return AskFor("payroll", version, digest_); }
  absl::Status AskFor(const std::string& name, std::uint64_t version, const std::string& sha256) {
    return versions_.CheckInForce(name, version, sha256, clock_.Now() + absl::Seconds(5));
  }

  const std::string digest_ = std::string(32, 'p');
  testing::FakeClock clock_;
  FakeMapper mapper_;
  PolicyVersions versions_{mapper_, clock_};
};

TEST_F(PolicyVersionsTest, TheVersionInForcePasses) { EXPECT_OK(Ask()); }

TEST_F(PolicyVersionsTest, RefusesAnotherVersionDocumentOrName) {
  EXPECT_THAT(Ask(2), StatusIs(kReplaced));
  EXPECT_THAT(Ask(4), StatusIs(kReplaced));
  EXPECT_THAT(AskFor("payroll", 3, std::string(32, 'q')), StatusIs(kReplaced));
  EXPECT_THAT(AskFor("payroll", 3, ""), StatusIs(kReplaced));
  EXPECT_THAT(AskFor("ledger", 3, digest_), StatusIs(kReplaced)) << "an answer about another name is none";
  EXPECT_THAT(AskFor("", 0, ""), StatusIs(kReplaced));
  mapper_.in_force.Clear();
  clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(Ask(), StatusIs(kReplaced)) << "withdrawn";
}

TEST_F(PolicyVersionsTest, IsRememberedForASecondAndNoLonger) {
  EXPECT_OK(Ask());
  mapper_.in_force.set_version(4);
  clock_.Advance(absl::Milliseconds(999));
  EXPECT_OK(Ask());
  EXPECT_EQ(mapper_.versions_asked, 1);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(Ask(), StatusIs(kReplaced));
  EXPECT_EQ(mapper_.versions_asked, 2);
  EXPECT_OK(Ask(4));
  EXPECT_EQ(mapper_.versions_asked, 2);
}

TEST_F(PolicyVersionsTest, AClockThatWentBackRemembersNothing) {
  EXPECT_OK(Ask());
  clock_.Advance(-absl::Hours(1));
  EXPECT_OK(Ask());
  EXPECT_EQ(mapper_.versions_asked, 2);
}

TEST_F(PolicyVersionsTest, AnUnreachableMapperRefusesAndIsNotRemembered) {
  mapper_.versions_refusal = Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "down");
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  mapper_.versions_refusal = absl::OkStatus();
  EXPECT_OK(Ask());
  mapper_.versions_refusal = Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "down");
  EXPECT_OK(Ask()) << "within the second";
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

}  // namespace
}  // namespace twi::credential_authority
