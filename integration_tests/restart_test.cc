// kill -9 of any daemon, and of a workload agent, at any time, in a loop of acquisitions by all four mechanisms: no
// record of a credential that a workload received, or of a key that was released to it, is lost, what an agent has
// installed belongs together, nothing stays stuck, and the system comes back by itself. The test restarts what it
// killed, as an init system would, and does nothing else.
#include <signal.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/jose/jws.h"
#include "common/sealed_key/sealed_key.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/expect_credential.h"

namespace twi::integration {
namespace {

constexpr int kAcquisitions = 200;
constexpr unsigned kSeed = 20261121;
constexpr char kAgent[] = "agent";

class RestartTest : public DeploymentTest {};

absl::StatusOr<v1::ProvisionKeyResponse> Provision(const Deployment& deployment, Caller& owner) {
  v1::ProvisionKeyRequest request;
  request.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
  request.set_release_policy(deployment.Read("config/release_policy.yaml"));
  request.set_target(kTarget);
  return owner.ProvisionKey(request);
}

// Mechanism D of a workload: OK when it holds the key that was provisioned.
absl::Status AcquireByD(const Deployment& deployment, Caller& workload, const v1::ProvisionKeyResponse& provisioned) {
  TWI_ASSIGN_OR_RETURN(const crypto::HpkePrivateKey encryption_key, crypto::HpkePrivateKey::Generate());
  TWI_ASSIGN_OR_RETURN(const Attested attested,
                       AttestAndAppraise(deployment, workload, Tee::kSevSnp, encryption_key.spki(), kKeyStoreRpId));
  v1::ReleaseKeyRequest request;
  request.set_key_id(provisioned.key_id());
  request.set_attestation_results(attested.results);
  *request.mutable_binding() = attested.binding;
  TWI_ASSIGN_OR_RETURN(const v1::ReleaseKeyResponse released, workload.ReleaseKey(request));
  TWI_ASSIGN_OR_RETURN(const v1::GetKeyStoreKeysResponse published, workload.GetKeyStoreKeys());
  TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, jose::JwkSetFromText(published.jwks()));
  SealedKeyContext context;
  context.rp_id = kKeyStoreRpId;
  context.target = kTarget;
  context.nonce = attested.binding.nonce();
  context.key_id = provisioned.key_id();
  context.results_sha256 = crypto::Sha256(attested.results);
  TWI_ASSIGN_OR_RETURN(const SecretBytes pkcs8,
                       OpenSealedKey(released.sealed_key(), keys, kKeyStoreId, context, encryption_key));
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey key, crypto::PrivateKey::FromPkcs8(pkcs8));
  if (key.public_key().spki() != provisioned.public_key())
    return Deny(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH, "another key was released");
  return absl::OkStatus();
}

// One acquisition as a workload makes it that tries again, from the beginning, until it has its credential.
struct Loop {
  const Deployment& deployment;
  const v1::ProvisionKeyResponse provisioned;
  std::atomic<int> done{0};
  std::map<std::string, std::string> received;  // serial to mechanism: A, B, C
  std::uint64_t released = 0;                   // D
  std::map<std::string, int> refusals;          // by reason
  std::atomic<bool> stuck{false};

  absl::Status Once(char mechanism) {
    Caller workload = Caller::Workload(deployment);
    if (mechanism == 'D') {
      TWI_RETURN_IF_ERROR(AcquireByD(deployment, workload, provisioned));
      ++released;
      return absl::OkStatus();
    }
    const Requester requester;
    const auto acquire = mechanism == 'A' ? AcquireByA : mechanism == 'B' ? AcquireByB : AcquireByC;
    TWI_ASSIGN_OR_RETURN(const v1::WorkloadCredential credential,
                         acquire(deployment, workload, requester, Tee::kSevSnp));
    received.emplace(credential.serial(), std::string(1, mechanism));
    return absl::OkStatus();
  }

  void Run() {
    for (int i = 0; i < kAcquisitions && !stuck; ++i, ++done) {
      const char mechanism = "ABCD"[i % 4];
      stuck = !WaitUntil(
          [&] {
            const absl::Status acquired = Once(mechanism);
            if (!acquired.ok()) ++refusals[DenyReasonName(DenyReasonOf(acquired))];
            return acquired.ok();
          },
          absl::Seconds(30));
    }
  }
};

// The workload agents of the four mechanisms, one at a time, the next one after each kill.
class Agents {
 public:
  explicit Agents(Deployment& deployment) : deployment_(deployment) {
    // D: what the Workload Owner does beforehand.
    const Finished provision =
        deployment_.Twictl({"provision", "--anticipated", deployment_.File("config/anticipated_results.json"),
                            "--release-policy", deployment_.File("config/release_policy.yaml"), "--target", kTarget,
                            "--out", deployment_.File("run/provisioned")});
    EXPECT_EQ(provision.exit_code, 0) << provision.err;
    deployment_.Edit("config/agent-D-snp.yaml", "KEY_ID", deployment_.Read("run/provisioned/key-id").substr(0, 32));
    for (const char mechanism : kMechanisms) {
      deployment_.Append(absl::StrCat("config/agent-", NameOf(mechanism), ".yaml"),
                         "renewal: {retry_min: 100ms, retry_max: 300ms}\n");
    }
    Start();
  }

  void Start() { process_ = deployment_.StartAgent(NameOf(mechanism())); }
  // Attests anew, so that there is something to interrupt.
  void Renew() const { process_.Signal(SIGHUP); }
  void Kill() {
    process_.Kill();
    ExpectWhole(mechanism());
    ++next_;
  }
  // With all daemons there: each starts on what its predecessor left, and acquires.
  void ExpectEachComesBack() {
    process_.Kill();
    for (const char mechanism : kMechanisms) {
      const std::string log = "agent-" + NameOf(mechanism);
      const std::size_t before = deployment_.LogLines(log, "credential_acquired").size();
      process_ = deployment_.StartAgent(NameOf(mechanism));
      EXPECT_TRUE(WaitUntil([&] { return deployment_.LogLines(log, "credential_acquired").size() > before; })) << log;
      int exit_code = -1;
      process_.Signal(SIGTERM);
      EXPECT_TRUE(process_.Ended(absl::Seconds(30), &exit_code)) << log;
      EXPECT_EQ(exit_code, 0) << log;
      ExpectWhole(mechanism);
    }
  }

  struct Installed {
    char mechanism;
    std::string key_sha256;
  };
  std::map<std::string, Installed> installed;  // by serial

 private:
  static constexpr char kMechanisms[] = {'A', 'B', 'C', 'D'};
  static std::string NameOf(char mechanism) { return std::string(1, mechanism) + "-snp"; }
  char mechanism() const { return kMechanisms[next_ % 4]; }

  // What a workload finds in the folder: nothing yet, or a key and a credential in both forms for it.
  void ExpectWhole(char mechanism) {
    const std::string folder = "out/" + NameOf(mechanism) + "/..data/";
    const std::string key_pem = deployment_.Read(folder + "key.pem"),
                      chain_pem = deployment_.Read(folder + "chain.pem");
    if (key_pem.empty() && chain_pem.empty()) return;
    const auto key = crypto::PrivateKey::FromPem(SecretBytes::CopyOf(key_pem));
    const auto chain = crypto::ParseCertificates(chain_pem);
    const auto wit = jose::InsecureDecodeJws(deployment_.Read(folder + "wit.jwt"), 16 * 1024);
    ASSERT_OK(key);
    ASSERT_OK(chain);
    ASSERT_OK(wit);
    ASSERT_FALSE(chain->empty());
    const crypto::Certificate& leaf = chain->front();
    const std::string serial = ToHex(leaf.serial);
    EXPECT_EQ(leaf.public_key.spki(), key->public_key().spki()) << mechanism;
    EXPECT_EQ(wit->payload["jti"], serial) << mechanism;
    installed[serial] = {mechanism, ToHex(leaf.public_key.spki_sha256())};
  }

  Deployment& deployment_;
  Process process_;
  std::size_t next_ = 0;
};

TEST_F(RestartTest, NoRecordIsLostAndTheSystemComesBack) {
  Caller provisioner = Caller::Holder(*deployment_, "owners/payroll");
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse provisioned, Provision(*deployment_, provisioner));
  Agents agents(*deployment_);
  Loop loop{*deployment_, provisioned};
  std::thread worker([&] { loop.Run(); });
  // On this thread: the kernel kills what a thread started when that thread ends.
  std::mt19937 random(kSeed);
  std::map<std::string, int> kills;
  std::vector<std::string> victims = kDaemons;
  victims.push_back(kAgent);
  while (loop.done < kAcquisitions && !loop.stuck) {
    const std::string& victim = victims[random() % victims.size()];
    const int until = loop.done + static_cast<int>(random() % 8);
    // "At any time": not after so many milliseconds, but somewhere in one of the next acquisitions.
    (void)WaitUntil([&] { return loop.done >= until || loop.stuck; }, absl::Milliseconds(200 + random() % 1000));
    agents.Renew();
    if (victim == kAgent) {
      // Of an acquisition's milliseconds, any.
      (void)WaitUntil([&] { return loop.stuck.load(); }, absl::Milliseconds(random() % 200));
      agents.Kill();
      agents.Start();
    } else {
      deployment_->Kill(victim);
      deployment_->Start(victim);
    }
    ++kills[victim];
  }
  worker.join();

  ASSERT_FALSE(loop.stuck) << "an acquisition did not succeed within 30 s";
  // One serial for each: none came twice.
  ASSERT_EQ(loop.received.size() + loop.released, static_cast<std::size_t>(kAcquisitions));
  EXPECT_EQ(loop.released, static_cast<std::uint64_t>(kAcquisitions / 4));
  for (const std::string& victim : victims) EXPECT_GT(kills[victim], 0) << victim << " was never killed";

  // What a caller sees of a death: no answer, or a challenge of the daemon's earlier life; never a broken invariant.
  const std::set<std::string> expected = {"DEPENDENCY_UNAVAILABLE", "DEADLINE_EXCEEDED", "CHALLENGE_UNKNOWN"};
  for (const auto& [reason, count] : loop.refusals)
    EXPECT_EQ(expected.count(reason), 1u) << reason << " (" << count << " times)";

  Caller owner = Caller::Holder(*deployment_, "owners/payroll");
  for (const auto& [serial, mechanism] : loop.received) {
    const auto record = owner.GetIssuance(serial);
    ASSERT_OK(record) << "the record of " << serial << " is lost";
    EXPECT_EQ(record->mechanism(), mechanism);
    EXPECT_EQ(record->workload_identifier(), kIdentifier);
  }
  agents.ExpectEachComesBack();
  std::set<char> mechanisms;
  for (const auto& [serial, found] : agents.installed) {
    mechanisms.insert(found.mechanism);
    const auto record = owner.GetIssuance(serial);
    ASSERT_OK(record) << "the record of " << serial << ", which an agent has installed, is lost";
    EXPECT_EQ(record->mechanism(), std::string(1, found.mechanism));
    EXPECT_EQ(record->public_key_sha256(), found.key_sha256);
  }
  EXPECT_EQ(mechanisms, (std::set<char>{'A', 'B', 'C', 'D'}));
  ASSERT_OK_AND_ASSIGN(const v1::ListKeysResponse keys, owner.ListKeys());
  std::uint64_t recorded = 0;
  for (const v1::KeyInfo& key : keys.keys())
    if (key.key_id() == provisioned.key_id()) recorded = key.releases();
  EXPECT_GE(recorded, loop.released) << "the record of a release is lost";
  int total = 0;
  for (const auto& [daemon, count] : kills) total += count;
  std::printf("%d acquisitions, %d kills, %d of them of agents, which were found with %zu credentials\n", kAcquisitions,
              total, kills[kAgent], agents.installed.size());
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
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse provisioned, Provision(*deployment_, owner));

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
