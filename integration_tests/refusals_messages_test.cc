// Oversized and malformed messages on every RPC of every daemon, sent by somebody who may call it.
#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_replace.h"
#include "common/client/channel.h"
#include "common/testing/matchers.h"
#include "common/testing/wire_field.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/client_unary_call.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/rpcs.h"

namespace twi::integration {
namespace {

using testing::StatusIs;
using testing::WireField;

constexpr int kOk = 0, kInvalidArgument = 3, kResourceExhausted = 8;
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

constexpr int kUnknownField = 1007;  // no message of ours has it

const google::protobuf::Descriptor& RequestOf(const Rpc& rpc) {
  std::string name = rpc.path.substr(1);
  name[name.find('/')] = '.';
  return *google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name)->input_type();
}

// Requests that set a field which this release does not know: at the top, as a group, and in each nested message.
std::vector<std::string> WithUnknownFields(const Rpc& rpc) {
  const google::protobuf::Descriptor& request = RequestOf(rpc);
  std::vector<std::string> messages = {WireField(kUnknownField, "x"), WireField(kUnknownField, ""), "\xfb\x3e\xfc\x3e"};
  for (int i = 0; i < request.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *request.field(i);
    if (field.message_type() == nullptr) continue;
    messages.push_back(WireField(field.number(), WireField(kUnknownField, "x")));
    for (int j = 0; j < field.message_type()->field_count(); ++j) {
      const google::protobuf::FieldDescriptor& inner = *field.message_type()->field(j);
      if (inner.message_type() != nullptr)
        messages.push_back(WireField(field.number(), WireField(inner.number(), WireField(kUnknownField, "x"))));
    }
  }
  return messages;
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
    const RawAnswer named = Send(rpc, WireField(1, std::string(kMaxMessage, '\x01')));
    EXPECT_EQ(named.code, kInvalidArgument) << rpc.path << ": " << named.message;
    EXPECT_THAT(named.reason, ::testing::AnyOf("REQUEST_TOO_LARGE", "REQUEST_MALFORMED")) << "if field 1 is a message";
    EXPECT_EQ(Send(rpc, WireField(kUnknownField, std::string(kMaxMessage, 'x'))).reason, "REQUEST_TOO_LARGE")
        << rpc.path;
    // From twice the limit on gRPC cancels the call itself (proto/README.md).
    const RawAnswer cut = Send(rpc, WireField(kUnknownField, std::string(2 * kMaxMessage, 'x')));
    EXPECT_EQ(cut.code, kResourceExhausted) << rpc.path << ": " << cut.message;
    EXPECT_EQ(cut.reason, "") << rpc.path;
  }
}

TEST_F(MessagesTest, RefusesWhatDoesNotParse) {
  const std::string nested_too_deep = std::string(1000, '\x0b') + std::string(1000, '\x0c');  // groups in groups
  for (const Rpc& rpc : AllRpcs()) {
    for (const std::string& message :
         {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f cut short"), std::string(2, '\0'), nested_too_deep}) {
      const RawAnswer answer = Send(rpc, message);
      EXPECT_EQ(answer.code, kInvalidArgument) << rpc.path << ": " << answer.message;
      EXPECT_EQ(answer.reason, "REQUEST_MALFORMED") << rpc.path;
    }
  }
  const auto lines = deployment_->LogLines(kVerifier, "refused");
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const nlohmann::json& line) {
    return line["rpc"] == "Appraise" && line["reason"] == "REQUEST_MALFORMED" &&
           line["detail"] == "the message does not parse, or did not arrive whole";
  }));
}

// The health service of each daemon, asked by the daemon itself (--probe does). It is not behind the gate's limits, but
// its messages are held to the same.
TEST_F(MessagesTest, HealthRefusesWhatIsTooLargeOrMalformed) {
  for (const std::string& daemon : kDaemons) {
    Caller itself = Caller::Holder(*deployment_, "tls/" + absl::StrReplaceAll(daemon, {{"_", "-"}}));
    const auto check = [&](const std::string& message) {
      return itself.Raw(daemon, "/grpc.health.v1.Health/Check", message);
    };
    EXPECT_EQ(check("").code, kOk) << daemon;
    EXPECT_EQ(check(WireField(1, "live")).code, kOk) << daemon;
    for (const int field : {1, kUnknownField}) {  // 1: the question
      const RawAnswer large = check(WireField(field, std::string(kMaxMessage, 'x')));
      EXPECT_EQ(large.reason, "REQUEST_TOO_LARGE") << daemon << " field " << field << ": " << large.message;
      EXPECT_EQ(large.code, kInvalidArgument) << daemon << " field " << field;
    }
    EXPECT_EQ(check(WireField(kUnknownField, std::string(2 * kMaxMessage, 'x'))).code, kResourceExhausted) << daemon;
    for (const std::string& message : {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f cut short"),
                                       std::string(2, '\0'), WireField(1, "\xff\xfe"), WireField(kUnknownField, "x")}) {
      const RawAnswer answer = check(message);
      EXPECT_EQ(answer.reason, "REQUEST_MALFORMED") << daemon << " " << message.size() << ": " << answer.message;
      EXPECT_EQ(answer.code, kInvalidArgument) << daemon;
    }
    EXPECT_EQ(check(WireField(1, "live")).code, kOk) << daemon << " goes on";
  }
}

// Unknown is refused: a field that a newer caller relies on is never ignored.
TEST_F(MessagesTest, RefusesUnknownFields) {
  for (const Rpc& rpc : AllRpcs()) {
    for (const std::string& message : WithUnknownFields(rpc)) {
      const RawAnswer answer = Send(rpc, message);
      EXPECT_EQ(answer.reason, "REQUEST_MALFORMED") << rpc.path << " " << message.size() << ": " << answer.message;
      EXPECT_EQ(answer.code, kInvalidArgument) << rpc.path;
    }
  }
}

// A method of the agent by its bare wire.
absl::Status AskAgent(const std::shared_ptr<grpc::Channel>& channel, const Rpc& rpc, const std::string& message) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::Slice slice(message);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  const grpc::internal::RpcMethod method(rpc.path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
  return client::FromGrpc(grpc::internal::BlockingUnaryCall(channel.get(), method, &context, request, &response),
                          rpc.method);
}

TEST_F(MessagesTest, TheAgentRefusesThemToo) {
  const std::string socket = "unix:" + deployment_->File("run/agent.sock");
  deployment_->Append("config/agent-B-snp.yaml", "listen: \"" + socket + "\"\n");
  const Process agent = deployment_->StartAgent("B-snp");
  const auto channel = grpc::CreateChannel(socket, grpc::InsecureChannelCredentials());
  ASSERT_EQ(AgentRpcs().size(), 1u);
  for (const Rpc& rpc : AgentRpcs()) {
    ASSERT_TRUE(WaitUntil([&] { return AskAgent(channel, rpc, "").ok(); }));
    for (const std::string& message : WithUnknownFields(rpc))
      EXPECT_THAT(AskAgent(channel, rpc, message), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
    EXPECT_THAT(AskAgent(channel, rpc, "\xff\xff"), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
    EXPECT_THAT(AskAgent(channel, rpc, WireField(kUnknownField, std::string(kMaxMessage, 'x'))),
                StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
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
