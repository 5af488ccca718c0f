// Oversized and malformed messages on every RPC of every daemon, sent by somebody who may call it.
#include <map>
#include <random>
#include <set>

#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/rpcs.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

constexpr int kOk = 0, kResourceExhausted = 8, kInternal = 13;
constexpr std::size_t kMaxMessage = 512 * 1024;  // default of server.max_message_bytes

// Who may call it, of those that dev_deployment.sh names (refusals_channel_test holds every RPC to its list).
std::string CallerOf(const Rpc& rpc) {
  static const auto* const callers =
      new std::map<std::string, std::string>{{"AppraiseForRelyingParty", "tls/credential-authority"},
                                             {"IssueForVerifier", "tls/verifier"},
                                             {"IssueForOwner", "owners/payroll"},
                                             {"GetIssuance", "owners/payroll"},
                                             {"MapClaims", "tls/verifier"},
                                             {"PlanClaims", "owners/payroll"},
                                             {"PutPolicy", "owners/payroll"},
                                             {"ListPolicies", "owners/payroll"},
                                             {"GetPolicyVersions", "tls/credential-authority"},
                                             {"GetGrantKeys", "tls/credential-authority"},
                                             {"ProvisionKey", "owners/payroll"},
                                             {"ListKeys", "owners/payroll"}};
  const auto found = callers->find(rpc.method);
  return found == callers->end() ? "" : found->second;  // the others are open to a workload
}

class MessagesTest : public DeploymentTest {
 protected:
  RawAnswer Send(const Rpc& rpc, const std::string& message) {
    const std::string name = CallerOf(rpc);
    auto at = callers_.find(name);
    if (at == callers_.end())
      at = callers_.emplace(name, name.empty() ? Caller::Workload(*deployment_) : Caller::Holder(*deployment_, name))
               .first;
    return at->second.Raw(rpc.daemon, rpc.path, message);
  }
  // Everybody still answers.
  void TearDown() override {
    Caller workload = Caller::Workload(*deployment_);
    EXPECT_OK(AcquireByB(*deployment_, workload, Requester()));
    EXPECT_OK(workload.GetKeyStoreKeys());
  }
  std::map<std::string, Caller> callers_;
};

TEST_F(MessagesTest, RefusesWhatIsTooLarge) {
  for (const Rpc& rpc : AllRpcs()) {
    const RawAnswer answer = Send(rpc, std::string(kMaxMessage + 1, '\0'));
    EXPECT_EQ(answer.code, kResourceExhausted) << rpc.path << ": " << answer.message;
  }
}

TEST_F(MessagesTest, RefusesWhatDoesNotParse) {
  const std::string nested_too_deep = std::string(1000, '\x0b') + std::string(1000, '\x0c');  // groups in groups
  for (const Rpc& rpc : AllRpcs()) {
    for (const std::string& message :
         {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f cut short"), std::string(2, '\0'), nested_too_deep}) {
      const RawAnswer answer = Send(rpc, message);
      EXPECT_EQ(answer.code, kInternal) << rpc.path << ": " << answer.message;  // gRPC's word for it
      EXPECT_EQ(answer.reason, "") << rpc.path << ": refused before any work of ours";
    }
  }
}

// Nothing set: a request without required fields is refused by name; those that take nothing are answered.
TEST_F(MessagesTest, RefusesEmptyRequestsByName) {
  const std::set<std::string> takes_nothing = {"NewChallenge", "GetVerifierKeys",   "GetTrustBundle",
                                               "ListPolicies", "GetPolicyVersions", "GetGrantKeys",
                                               "ListKeys",     "GetKeyStoreKeys"};
  for (const Rpc& rpc : AllRpcs()) {
    const RawAnswer answer = Send(rpc, "");
    if (takes_nothing.count(rpc.method) != 0) {
      EXPECT_EQ(answer.code, kOk) << rpc.path << ": " << answer.message;
    } else {
      EXPECT_NE(answer.code, kOk) << rpc.path;
      EXPECT_NE(answer.reason, "") << rpc.path << ": " << answer.message;
      EXPECT_NE(answer.reason, "INTERNAL") << rpc.path;
    }
  }
}

TEST_F(MessagesTest, NoRandomMessageIsABrokenInvariant) {
  std::mt19937 random(20261121);
  for (const Rpc& rpc : AllRpcs()) {
    for (int i = 0; i < 40; ++i) {
      std::string message(random() % 200, '\0');
      for (char& c : message) c = static_cast<char>(random());
      // Half of them with a first field that parses: 1, length-delimited.
      if (i % 2 == 0)
        message =
            std::string("\x0a") + static_cast<char>(message.size() & 0x7f) + message.substr(0, message.size() & 0x7f);
      const RawAnswer answer = Send(rpc, message);
      EXPECT_NE(answer.reason, "INTERNAL") << rpc.path << " message " << i;
      EXPECT_NE(answer.code, 2) << rpc.path << " message " << i << ": UNKNOWN";
      EXPECT_NE(answer.code, 14) << rpc.path << " message " << i << ": " << answer.message;
    }
  }
}

TEST_F(MessagesTest, RefusesFieldsOverTheirLimits) {
  Caller workload = Caller::Workload(*deployment_);
  const auto appraise = [&](const std::function<void(v1::AppraiseRequest&)>& change) {
    v1::AppraiseRequest request;
    *request.mutable_binding() = MakeBinding(workload.VerifierChallenge().value().nonce(), Requester().csr);
    *request.mutable_evidence() = SnpEvidence(*deployment_, request.binding());
    change(request);
    return workload.Appraise(request);
  };
  EXPECT_OK(appraise([](v1::AppraiseRequest&) {}));
  const auto too_large = StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE);
  EXPECT_THAT(appraise([](auto& r) { r.mutable_binding()->set_subject(std::string(4097, 's')); }), too_large);
  EXPECT_THAT(appraise([](auto& r) { r.mutable_binding()->set_nonce(std::string(129, 'n')); }),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(appraise([](auto& r) { r.mutable_binding()->set_target("https://" + std::string(2048, 't')); }),
              too_large);
  EXPECT_THAT(appraise([](auto& r) { r.mutable_binding()->set_rp_id("https://" + std::string(2048, 'r')); }),
              too_large);
  EXPECT_THAT(appraise([](auto& r) {
                r.mutable_evidence()->mutable_sev_snp()->add_certificates(std::string(300 * 1024, 'c'));
              }),
              too_large);
  EXPECT_THAT(appraise([](auto& r) { r.mutable_binding()->set_target("no uri"); }),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

}  // namespace
}  // namespace twi::integration
