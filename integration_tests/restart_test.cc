// kill -9 of any daemon at any time, in a loop of acquisitions: no issuance record of a credential that a workload
// received is lost, nothing stays stuck, and the system comes back by itself. The test restarts what it killed, as an
// init system would, and does nothing else.
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/expect_credential.h"

namespace twi::integration {
namespace {

constexpr int kAcquisitions = 200;
constexpr unsigned kSeed = 20261121;

class RestartTest : public DeploymentTest {};

struct Received {
  std::string serial, mechanism, key_spki;
};

// One acquisition as a workload makes it that tries again, from the beginning, until it has its credential.
struct Loop {
  const Deployment& deployment;
  std::atomic<int> done{0};
  std::vector<Received> received;
  std::map<std::string, int> refusals;  // by reason
  bool stuck = false;

  absl::StatusOr<v1::WorkloadCredential> Once(char mechanism, const Requester& requester) {
    Caller workload = Caller::Workload(deployment);
    if (mechanism == 'A') return AcquireByA(deployment, workload, requester);
    if (mechanism == 'B') return AcquireByB(deployment, workload, requester);
    return AcquireByC(deployment, workload, requester);
  }

  void Run() {
    for (int i = 0; i < kAcquisitions && !stuck; ++i, ++done) {
      const char mechanism = "ABC"[i % 3];
      stuck = !WaitUntil(
          [&] {
            const Requester requester;
            const auto credential = Once(mechanism, requester);
            if (!credential.ok()) {
              ++refusals[DenyReasonName(DenyReasonOf(credential.status()))];
              return false;
            }
            received.push_back({credential->serial(), std::string(1, mechanism), requester.key.public_key().spki()});
            return true;
          },
          absl::Seconds(30));
    }
  }
};

TEST_F(RestartTest, NoRecordIsLostAndTheSystemComesBack) {
  Loop loop{*deployment_};
  std::thread worker([&] { loop.Run(); });
  // On this thread: the kernel kills what a thread started when that thread ends.
  std::mt19937 random(kSeed);
  std::map<std::string, int> kills;
  while (loop.done < kAcquisitions && !loop.stuck) {
    const std::string& daemon = kDaemons[random() % kDaemons.size()];
    const int until = loop.done + static_cast<int>(random() % 8);
    // "At any time": not after so many milliseconds, but somewhere in one of the next acquisitions.
    (void)WaitUntil([&] { return loop.done >= until || loop.stuck; }, absl::Milliseconds(200 + random() % 1000));
    deployment_->Kill(daemon);
    ++kills[daemon];
    deployment_->Start(daemon);
  }
  worker.join();

  ASSERT_FALSE(loop.stuck) << "an acquisition did not succeed within 30 s";
  ASSERT_EQ(loop.received.size(), static_cast<std::size_t>(kAcquisitions));
  for (const std::string& daemon : kDaemons) EXPECT_GT(kills[daemon], 0) << daemon << " was never killed";

  // What a caller sees of a death: no answer, or a challenge of the daemon's earlier life; never a broken invariant.
  const std::set<std::string> expected = {"DEPENDENCY_UNAVAILABLE", "DEADLINE_EXCEEDED", "CHALLENGE_UNKNOWN"};
  for (const auto& [reason, count] : loop.refusals)
    EXPECT_EQ(expected.count(reason), 1u) << reason << " (" << count << " times)";

  Caller owner = Caller::Holder(*deployment_, "owners/payroll");
  std::set<std::string> serials;
  for (const Received& credential : loop.received) {
    EXPECT_TRUE(serials.insert(credential.serial).second) << "serial " << credential.serial << " twice";
    const auto record = owner.GetIssuance(credential.serial);
    ASSERT_OK(record) << "the record of " << credential.serial << " is lost";
    EXPECT_EQ(record->mechanism(), credential.mechanism);
    EXPECT_EQ(record->workload_identifier(), kIdentifier);
  }
  int total = 0;
  for (const auto& [daemon, count] : kills) total += count;
  std::printf("%d acquisitions, %d kills\n", kAcquisitions, total);
}

// What must survive: every key that others know, and what was issued.
TEST_F(RestartTest, EveryDaemonKeepsItsKeysOverAKill) {
  Caller workload = Caller::Workload(*deployment_);
  Caller authority = Caller::Holder(*deployment_, "tls/credential-authority");
  Caller owner = Caller::Holder(*deployment_, "owners/payroll");
  const Requester requester;
  v1::WorkloadCredential credential;
  ASSERT_TRUE(WaitUntil([&] {  // after the test above, connections come back
    const auto acquired = AcquireByB(*deployment_, workload, requester);
    if (acquired.ok()) credential = *acquired;
    return acquired.ok();
  }));
  ASSERT_OK_AND_ASSIGN(const v1::GetTrustBundleResponse bundle, workload.GetTrustBundle());
  ASSERT_OK_AND_ASSIGN(const v1::GetVerifierKeysResponse verifier_keys, workload.GetVerifierKeys());
  ASSERT_OK_AND_ASSIGN(const v1::GetKeyStoreKeysResponse store_keys, workload.GetKeyStoreKeys());
  ASSERT_OK_AND_ASSIGN(const v1::GetGrantKeysResponse grant_keys, authority.GetGrantKeys());
  ASSERT_OK_AND_ASSIGN(const v1::GetPolicyVersionsResponse policies, authority.GetPolicyVersions("payroll-worker"));
  ASSERT_EQ(policies.policies_size(), 1);
  v1::ProvisionKeyRequest provision;
  provision.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
  provision.set_release_policy(deployment_->Read("config/release_policy.yaml"));
  provision.set_target(kTarget);
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse provisioned, owner.ProvisionKey(provision));

  for (const std::string& daemon : kDaemons) deployment_->Kill(daemon);
  for (const std::string& daemon : kDaemons) deployment_->Start(daemon);

  Caller workload_after = Caller::Workload(*deployment_);
  Caller authority_after = Caller::Holder(*deployment_, "tls/credential-authority");
  Caller owner_after = Caller::Holder(*deployment_, "owners/payroll");
  ASSERT_OK_AND_ASSIGN(const v1::GetTrustBundleResponse bundle_after, workload_after.GetTrustBundle());
  EXPECT_EQ(bundle_after.SerializeAsString(), bundle.SerializeAsString()) << "issuing certificate, WIT keys";
  ASSERT_OK_AND_ASSIGN(const v1::GetVerifierKeysResponse verifier_after, workload_after.GetVerifierKeys());
  EXPECT_EQ(verifier_after.SerializeAsString(), verifier_keys.SerializeAsString()) << "results key, encryption key";
  ASSERT_OK_AND_ASSIGN(const v1::GetKeyStoreKeysResponse store_after, workload_after.GetKeyStoreKeys());
  EXPECT_EQ(store_after.jwks(), store_keys.jwks());
  ASSERT_OK_AND_ASSIGN(const v1::GetGrantKeysResponse grants_after, authority_after.GetGrantKeys());
  EXPECT_EQ(grants_after.jwks(), grant_keys.jwks());
  ASSERT_OK_AND_ASSIGN(const v1::GetPolicyVersionsResponse policies_after,
                       authority_after.GetPolicyVersions("payroll-worker"));
  EXPECT_EQ(policies_after.SerializeAsString(), policies.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse keys, owner_after.ListKeys());
  bool kept = false;
  for (const v1::KeyInfo& key : keys.keys()) kept = kept || key.key_id() == provisioned.key_id();
  EXPECT_TRUE(kept) << "the Credential Key";
  ExpectGoodCredential(workload_after, credential, requester.key.public_key(), "1.2.0");
  ExpectIssuance(*deployment_, credential.serial(), "B", requester.key.public_key());
}

TEST_F(RestartTest, StopsInGoodOrderOnSigterm) {
  for (const std::string& daemon : kDaemons) {
    EXPECT_EQ(deployment_->Stop(daemon), 0) << daemon;
    deployment_->Start(daemon);
  }
  Caller workload = Caller::Workload(*deployment_);
  EXPECT_TRUE(WaitUntil([&] { return AcquireByB(*deployment_, workload, Requester()).ok(); }));
}

}  // namespace
}  // namespace twi::integration
