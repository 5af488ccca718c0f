// The Verifier's results key rotates with overlap: what the old key signed is accepted while it lasts, what the new key
// signs at once, and a key that left is unknown.
#include "common/jose/jwk.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

std::string KidOf(const std::string& jws) { return jose::InsecureDecodeJws(jws, 1 << 18).value().header.kid; }

// A deployment whose Verifier rotates fast.
std::unique_ptr<Deployment> StartRotating(const std::string& results_keys) {
  auto deployment = std::make_unique<Deployment>();
  deployment->Append("config/verifier.yaml", "results_keys: " + results_keys + "\n");
  for (const char* daemon : {kCredentialAuthority, kClaimsMapper})
    deployment->Edit(std::string("config/") + daemon + ".yaml", "verifier_keys:\n", "verifier_keys:\n  refresh: 5s\n");
  deployment->StartAll();
  return deployment;
}

class RotationTest : public ::testing::Test {
 protected:
  absl::StatusOr<Attested> Attest() { return AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, requester_.csr); }
  // Results signed by another key than `kid`.
  Attested AttestUnderNewKey(const std::string& kid) {
    Attested fresh;
    EXPECT_TRUE(WaitUntil([&] {
      const auto attested = Attest();
      if (!attested.ok() || KidOf(attested->results) == kid) return false;
      fresh = *attested;
      return true;
    }));
    return fresh;
  }
  bool Published(const std::string& kid) {
    const auto keys = workload_.GetVerifierKeys();
    EXPECT_OK(keys);
    return jose::JwkSetFromText(keys->jwks()).value().Find(kid) != nullptr;
  }

  std::unique_ptr<Deployment> deployment_;
  const Requester requester_;
  std::unique_ptr<Caller> caller_;
  Caller& workload_;

  explicit RotationTest(const std::string& results_keys)
      : deployment_(StartRotating(results_keys)),
        caller_(std::make_unique<Caller>(Caller::Workload(*deployment_))),
        workload_(*caller_) {}
};

class OverlapTest : public RotationTest {
 protected:
  OverlapTest() : RotationTest("{rotate_after: 2s, overlap: 30s}\nresults_lifetime: 30s") {}
};

TEST_F(OverlapTest, OldResultsStayGoodAndNewOnesAreTakenAtOnce) {
  // Two under the old key; with the first, the relying parties come to know it.
  ASSERT_OK_AND_ASSIGN(const Attested first, Attest());
  ASSERT_OK_AND_ASSIGN(const Attested kept, Attest());
  ASSERT_OK(workload_.IssueFromResults(RequestFromResults(first)));
  const std::string old_kid = KidOf(kept.results);

  const Attested fresh = AttestUnderNewKey(old_kid);
  EXPECT_TRUE(Published(old_kid)) << "overlap";
  EXPECT_TRUE(Published(KidOf(fresh.results)));

  // A kid that they do not know makes the relying parties ask, at most every five seconds (common/client/key_source.h).
  absl::Status last;
  EXPECT_TRUE(WaitUntil([&] {
    last = workload_.IssueFromResults(RequestFromResults(fresh)).status();
    if (!last.ok()) {
      EXPECT_THAT(last, StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
    }
    return last.ok();
  })) << last;

  ASSERT_TRUE(Published(old_kid));
  EXPECT_OK(workload_.IssueFromResults(RequestFromResults(kept))) << "within overlap";
}

// The shortest that a config may say: a key stays published for as long as what it signed is good.
class StaleKeyTest : public RotationTest {
 protected:
  StaleKeyTest() : RotationTest("{rotate_after: 1s, overlap: 10s}\nresults_lifetime: 10s") {}
};

TEST_F(StaleKeyTest, ResultsOfAKeyThatLeftAreRefused) {
  ASSERT_OK_AND_ASSIGN(const Attested stale, Attest());
  const std::string old_kid = KidOf(stale.results);
  AttestUnderNewKey(old_kid);
  ASSERT_TRUE(WaitUntil([&] { return !Published(old_kid); }));
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(stale)), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
}

TEST_F(StaleKeyTest, ARelyingPartyForgetsAKeyThatLeft) {
  ASSERT_OK_AND_ASSIGN(const Attested first, Attest());
  ASSERT_OK_AND_ASSIGN(const Attested stale, Attest());
  const std::string kid = KidOf(stale.results);
  const absl::Time known = absl::Now();
  (void)workload_.IssueFromResults(RequestFromResults(first));  // now they have fetched the keys
  AttestUnderNewKey(kid);
  ASSERT_TRUE(WaitUntil([&] { return !Published(kid) && absl::Now() > known + absl::Seconds(6); }));
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(stale)), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
}

}  // namespace
}  // namespace twi::integration
