// Challenges at each door that takes one: missing, foreign, expired, replayed, of another channel. Real daemons.
#include <functional>

#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

// An RPC that redeems a challenge, and where that challenge comes from.
struct Door {
  const char* name;
  const char* daemon;
  absl::StatusOr<v1::NewChallengeResponse> (Caller::*challenge)();
  std::function<absl::Status(const Deployment&, Caller&, const v1::Binding&)> send;  // with Evidence over this binding
};

absl::Status SendAppraise(const Deployment& deployment, Caller& caller, const v1::Binding& binding) {
  v1::AppraiseRequest request;
  *request.mutable_binding() = binding;
  *request.mutable_evidence() = SnpEvidence(deployment, binding);
  return caller.Appraise(request).status();
}

absl::Status SendRequestCredential(const Deployment& deployment, Caller& caller, const v1::Binding& binding) {
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = binding;
  *request.mutable_evidence() = SnpEvidence(deployment, binding);
  return caller.RequestCredential(request).status();
}

absl::Status SendIssueFromEvidence(const Deployment& deployment, Caller& caller, const v1::Binding& binding) {
  const auto keys = caller.GetVerifierKeys();
  if (!keys.ok()) return keys.status();
  v1::IssueFromEvidenceRequest request;
  *request.mutable_binding() = binding;
  *request.mutable_encrypted_evidence() = EncryptToVerifier(SnpEvidence(deployment, binding), binding, *keys);
  return caller.IssueFromEvidence(request).status();
}

std::vector<Door> Doors() {
  return {{"Appraise", kVerifier, &Caller::VerifierChallenge, SendAppraise},
          {"RequestCredential", kVerifier, &Caller::VerifierChallenge, SendRequestCredential},
          {"IssueFromEvidence", kCredentialAuthority, &Caller::AuthorityChallenge, SendIssueFromEvidence}};
}

std::string DoorName(const ::testing::TestParamInfo<Door>& info) { return info.param.name; }

class ChallengeTest : public DeploymentTest, public ::testing::WithParamInterface<Door> {
 protected:
  std::string Challenge(Caller& caller) const {
    const auto challenge = (caller.*GetParam().challenge)();
    EXPECT_OK(challenge);
    return challenge.ok() ? challenge->nonce() : "";
  }
  absl::Status Send(Caller& caller, const std::string& nonce) const {
    return GetParam().send(*deployment_, caller, MakeBinding(nonce, requester_.csr));
  }
  const Requester requester_;
};

INSTANTIATE_TEST_SUITE_P(, ChallengeTest, ::testing::ValuesIn(Doors()), DoorName);

TEST_P(ChallengeTest, ControlIsTaken) {
  Caller workload = Caller::Workload(*deployment_);
  EXPECT_OK(Send(workload, Challenge(workload)));
}

TEST_P(ChallengeTest, RefusesNone) {
  Caller workload = Caller::Workload(*deployment_);
  EXPECT_THAT(Send(workload, ""), StatusIs(v1::DENY_REASON_CHALLENGE_MISSING));
}

TEST_P(ChallengeTest, RefusesAForeignOne) {
  Caller workload = Caller::Workload(*deployment_);
  EXPECT_THAT(Send(workload, std::string(56, 'x')), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN));
  EXPECT_THAT(Send(workload, "12345678"), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN));
  const auto elsewhere =
      GetParam().daemon == std::string(kVerifier) ? workload.AuthorityChallenge() : workload.VerifierChallenge();
  ASSERT_OK(elsewhere);
  EXPECT_THAT(Send(workload, elsewhere->nonce()), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN)) << "another service's";
}

TEST_P(ChallengeTest, RefusesEveryFlippedByteOfOne) {
  Caller workload = Caller::Workload(*deployment_);
  const std::string nonce = Challenge(workload);
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    std::string flipped = nonce;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    // The last 16 bytes bind the channel, what stands before them says who issued it and until when.
    EXPECT_THAT(Send(workload, flipped), StatusIs(i < nonce.size() - 16 ? v1::DENY_REASON_CHALLENGE_UNKNOWN
                                                                        : v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL))
        << i;
  }
  EXPECT_OK(Send(workload, nonce)) << "what was refused has not used it up";
}

TEST_P(ChallengeTest, RefusesAReplayedOne) {
  Caller workload = Caller::Workload(*deployment_);
  const std::string nonce = Challenge(workload);
  EXPECT_OK(Send(workload, nonce));
  EXPECT_THAT(Send(workload, nonce), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
}

TEST_P(ChallengeTest, RefusesTheOneOfAnotherChannel) {
  Caller workload = Caller::Workload(*deployment_), thief = Caller::Workload(*deployment_);
  const std::string nonce = Challenge(workload);
  EXPECT_THAT(Send(thief, nonce), StatusIs(v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL));
  EXPECT_OK(Send(workload, nonce)) << "nobody else can use it up";
}

TEST_P(ChallengeTest, RefusesTheOneOfAnEarlierRun) {
  Caller workload = Caller::Workload(*deployment_);
  const std::string nonce = Challenge(workload);
  deployment_->Kill(GetParam().daemon);
  deployment_->Start(GetParam().daemon);
  Caller same = Caller::Workload(*deployment_);
  // Restarted peers are found again by themselves, within moments.
  EXPECT_TRUE(WaitUntil([&] { return Send(same, Challenge(same)).ok(); }));
  EXPECT_TRUE(WaitUntil([&] { return DenyReasonOf(Send(workload, nonce)) == v1::DENY_REASON_CHALLENGE_UNKNOWN; }));
}

// A deployment whose challenges live for a second.
class ShortChallengeTest : public ChallengeTest {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>();
    deployment_->Append("config/verifier.yaml", "challenge_lifetime: 1s\n");
    deployment_->Append("config/credential_authority.yaml", "challenge_lifetime: 1s\n");
    deployment_->StartAll();
  }
};

INSTANTIATE_TEST_SUITE_P(, ShortChallengeTest, ::testing::ValuesIn(Doors()), DoorName);

TEST_P(ShortChallengeTest, RefusesAnExpiredOne) {
  Caller workload = Caller::Workload(*deployment_);
  const std::string nonce = Challenge(workload);
  const absl::Time issued = absl::Now();
  ASSERT_TRUE(WaitUntil([&] { return absl::Now() > issued + absl::Seconds(1); }));
  EXPECT_THAT(Send(workload, nonce), StatusIs(v1::DENY_REASON_CHALLENGE_EXPIRED));
}

}  // namespace
}  // namespace twi::integration
