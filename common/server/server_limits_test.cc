// What a server does under load, at its limits, and at its end.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/server/echo_server.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestPki;

class ServerLimitsTest : public ::testing::Test {
 protected:
  ServerLimitsTest() : pki_(absl::Now()), echo_(pki_) {}

  void Start() {
    auto* health = echo_.config.add_allow();
    health->set_rpc("Check");
    health->add_peers(kClientId);
    ASSERT_OK(echo_.Start());
    ASSERT_OK_AND_ASSIGN(identity_, client::Identity::FromFiles(pki_.Issue("client", kClientId)));
    stub_ = echo_.Stub(*identity_);
  }
  std::shared_ptr<grpc::Channel> Channel() { return *client::MakeChannel(echo_.AsPeer(), *identity_); }

  // The answer of a method called by its bare wire: `bytes` is the message.
  grpc::Status CallRaw(const std::string& method, const std::string& bytes, grpc::ByteBuffer* answer = nullptr) {
    grpc::GenericStub generic(Channel());
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    auto call = generic.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (answer != nullptr) *answer = response;
    return status;
  }

  std::thread HoldInBackground(grpc::Status& status) {
    return std::thread([this, &status] {
      grpc::ClientContext context;
      testing::SayResponse response;
      status = stub_->Hold(&context, testing::SayRequest(), &response);
    });
  }

  TestPki pki_;
  EchoServer echo_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<testing::Echo::Stub> stub_;
};

TEST_F(ServerLimitsTest, RefusesAMessageThatIsTooLarge) {
  echo_.config.set_max_message_bytes(10000);
  Start();
  EXPECT_TRUE(Say(*stub_, std::string(4000, 'x')).status.ok());
  const grpc::Status named = Say(*stub_, std::string(15000, 'x')).status;
  EXPECT_EQ(named.error_message(), "REQUEST_TOO_LARGE");
  EXPECT_THAT(client::FromGrpc(named, "Say"), testing::StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  // gRPC's own limit: no ErrorInfo, the client knows it all the same.
  const grpc::Status cut = Say(*stub_, std::string(30000, 'x')).status;
  EXPECT_EQ(cut.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(cut.error_details(), "");
  EXPECT_THAT(client::FromGrpc(cut, "Say"), testing::StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_TRUE(Say(*stub_).status.ok()) << "the server goes on";
}

TEST_F(ServerLimitsTest, RefusesACompressedMessage) {
  Start();
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  testing::SayRequest request;
  request.set_text(std::string(400000, 'x'));
  testing::SayResponse response;
  EXPECT_EQ(stub_->Say(&context, request, &response).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ServerLimitsTest, RefusesWhatDoesNotParseOrIsUnknownByName) {
  testing::TempDir dir;
  config::v1::Log log_config;
  log_config.set_file(dir.File("log"));
  ASSERT_OK(log::Init(log_config, "echo"));
  Start();
  const std::string unknown = "\xfa\x3e\x01x";  // field 1007
  const std::vector<std::pair<const char*, std::string>> sent = {{"/twi.testing.Echo/Say", "\xff\xff\xff\xff"},
                                                                 {"/twi.testing.Echo/Say", unknown},
                                                                 {"/twi.testing.Echo/Refuse", unknown},
                                                                 {"/grpc.health.v1.Health/Check", unknown}};
  for (const auto& [method, bytes] : sent) {
    const grpc::Status status = CallRaw(method, bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_EQ(status.error_message(), "REQUEST_MALFORMED");
    EXPECT_THAT(client::FromGrpc(status, "x"), testing::StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  }
  EXPECT_EQ(CallRaw("/twi.testing.Echo/Open", unknown).error_message(), "PEER_NOT_ALLOWED") << "who asks comes first";
  EXPECT_TRUE(Say(*stub_).status.ok()) << "the server goes on";
  echo_.server->Drain();
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  std::vector<std::string> refused;
  for (absl::string_view line : absl::StrSplit(dir.Read("log"), '\n', absl::SkipEmpty())) {
    const auto parsed = nlohmann::json::parse(std::string(line));
    if (parsed["event"] != "refused") continue;
    EXPECT_EQ(parsed["peer"], kClientId);
    EXPECT_EQ(parsed["trace_id"].get<std::string>().size(), 32u);
    refused.push_back(absl::StrCat(parsed["rpc"].get<std::string>(), " ", parsed["reason"].get<std::string>()));
  }
  EXPECT_THAT(refused,
              ::testing::ElementsAre("Say REQUEST_MALFORMED", "Say REQUEST_MALFORMED", "Refuse REQUEST_MALFORMED",
                                     "Check REQUEST_MALFORMED", "Open PEER_NOT_ALLOWED"));
}

TEST_F(ServerLimitsTest, RefusesUnknownMethods) {
  Start();
  EXPECT_EQ(CallRaw("/twi.testing.Echo/Nope", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ServerLimitsTest, RefusesWhatIsOverTheConcurrencyLimit) {
  echo_.config.set_max_concurrent_requests(2);
  Start();
  grpc::Status first, second;
  std::thread a = HoldInBackground(first), b = HoldInBackground(second);
  echo_.latch.AwaitEntered(2);
  // On another connection: this one's streams are limited too.
  const auto other = echo_.Stub(*identity_);
  EXPECT_THAT(client::FromGrpc(Say(*other).status, "Say"), testing::StatusIs(v1::DENY_REASON_OVERLOADED));
  echo_.latch.Release();
  a.join();
  b.join();
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_TRUE(Say(*other).status.ok()) << "the places are free again";
}

TEST_F(ServerLimitsTest, DeadlineIsTheSmallerOfTheCallersAndOurs) {
  echo_.config.mutable_max_deadline()->set_seconds(3);
  Start();
  const Reply reply = Say(*stub_);  // with 10 s
  EXPECT_LE(reply.response.deadline_millis(), 3000);
  EXPECT_GT(reply.response.deadline_millis(), 1000);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1500));
  testing::SayResponse response;
  ASSERT_TRUE(stub_->Say(&context, testing::SayRequest(), &response).ok());
  EXPECT_LE(response.deadline_millis(), 1600);  // gRPC rounds up what it sends
}

TEST_F(ServerLimitsTest, CallerWithoutDeadlineGetsOurs) {
  Start();
  grpc::ClientContext context;
  testing::SayResponse response;
  ASSERT_TRUE(stub_->Say(&context, testing::SayRequest(), &response).ok());
  EXPECT_LE(response.deadline_millis(), 10000);
  EXPECT_GT(response.deadline_millis(), 5000);
}

TEST_F(ServerLimitsTest, DrainFinishesWhatIsInFlightAndTakesNothingNew) {
  Start();
  grpc::Status held;
  std::thread call = HoldInBackground(held);
  echo_.latch.AwaitEntered(1);
  std::thread drain([this] { echo_.server->Drain(); });
  // Until the server has said goodbye, calls may still be served; after it none is.
  const auto other = echo_.Stub(*identity_);
  while (Say(*other).status.ok()) std::this_thread::yield();
  EXPECT_EQ(Say(*other).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  echo_.latch.Release();
  call.join();
  drain.join();
  EXPECT_TRUE(held.ok()) << held.error_message();
  echo_.server->Drain();  // idempotent
}

TEST_F(ServerLimitsTest, DrainCutsWhatTakesTooLong) {
  echo_.config.mutable_drain_timeout()->set_nanos(50'000'000);
  Start();
  grpc::Status held;
  std::thread call = HoldInBackground(held);
  echo_.latch.AwaitEntered(1);
  std::thread drain([this] { echo_.server->Drain(); });
  call.join();  // the caller is let go although the body still runs
  EXPECT_FALSE(held.ok());
  echo_.latch.Release();
  drain.join();
}

TEST_F(ServerLimitsTest, AuditLineForEveryDecision) {
  testing::TempDir dir;
  config::v1::Log log_config;
  log_config.set_file(dir.File("log"));
  ASSERT_OK(log::Init(log_config, "echo"));
  Start();
  ASSERT_TRUE(Say(*stub_).status.ok());
  {
    grpc::ClientContext context;
    testing::RefuseRequest request;
    request.set_reason(v1::DENY_REASON_GRANT_EXPIRED);
    request.set_detail("301 s old\nsecond line");
    testing::SayResponse response;
    EXPECT_FALSE(stub_->Refuse(&context, request, &response).ok());
  }
  echo_.server->Drain();
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  std::vector<nlohmann::json> audits;
  for (absl::string_view line : absl::StrSplit(dir.Read("log"), '\n', absl::SkipEmpty())) {
    const auto parsed = nlohmann::json::parse(std::string(line));
    if (parsed.contains("audit")) audits.push_back(parsed);
  }
  ASSERT_EQ(audits.size(), 2u);
  EXPECT_EQ(audits[0]["event"], "served");
  EXPECT_EQ(audits[0]["rpc"], "Say");
  EXPECT_EQ(audits[0]["peer"], kClientId);
  EXPECT_EQ(audits[1]["event"], "refused");
  EXPECT_EQ(audits[1]["reason"], "GRANT_EXPIRED");
  EXPECT_EQ(audits[1]["detail"], "301 s old\nsecond line");
  EXPECT_EQ(audits[1]["sentence"], "The grant is past its expiry.");
}

// W3C Trace Context: a good traceparent is taken over; a malformed or doubled one starts a new trace and is no error.
TEST_F(ServerLimitsTest, TraceIdOfTheCallerIsOnEveryLine) {
  testing::TempDir dir;
  config::v1::Log log_config;
  log_config.set_file(dir.File("log"));
  ASSERT_OK(log::Init(log_config, "echo"));
  Start();
  const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736", good = "00-" + id + "-00f067aa0ba902b7-01";
  const std::vector<std::vector<std::string>> sent = {
      {good}, {}, {"00-" + id}, {good + "x"}, {"rubbish \"}"}, {good, good}, {std::string(8000, '0')}};
  for (const std::vector<std::string>& values : sent) {
    grpc::ClientContext context;
    for (const std::string& value : values) context.AddMetadata("traceparent", value);
    testing::SayResponse response;
    EXPECT_TRUE(stub_->Say(&context, testing::SayRequest(), &response).ok());
  }
  echo_.server->Drain();
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  std::vector<std::string> ids;
  for (absl::string_view line : absl::StrSplit(dir.Read("log"), '\n', absl::SkipEmpty())) {
    const auto parsed = nlohmann::json::parse(std::string(line));
    if (parsed["event"] == "served") ids.push_back(parsed.value("trace_id", ""));
  }
  ASSERT_EQ(ids.size(), sent.size());
  EXPECT_EQ(ids[0], id);
  for (std::size_t i = 1; i < ids.size(); ++i) {
    EXPECT_EQ(ids[i].size(), 32u) << i;
    EXPECT_EQ(std::count(ids.begin(), ids.end(), ids[i]), 1) << i << ": a trace of its own";
  }
}

TEST_F(ServerLimitsTest, UnixSocketServesTheOneUser) {
  testing::TempDir dir;
  const std::string path = dir.File("agent.sock");
  echo_.config.Clear();
  echo_.config.set_listen("unix:" + path);
  auto* allow = echo_.config.add_allow();
  allow->set_rpc("Say");
  allow->add_peers(absl::StrCat("uid:", getuid()));
  ASSERT_OK(echo_.Start());
  EXPECT_EQ(echo_.server->port(), 0);
  auto stub = testing::Echo::NewStub(grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
  const Reply reply = Say(*stub);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.response.peer(), absl::StrCat("uid:", getuid()));
  EXPECT_THAT(client::FromGrpc(Open(*stub).status, "Open"), testing::StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  echo_.server->Drain();
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "the socket is gone";
}

TEST_F(ServerLimitsTest, UnixSocketRefusesAnotherUser) {
  testing::TempDir dir;
  const std::string path = dir.File("agent.sock");
  echo_.config.Clear();
  echo_.config.set_listen("unix:" + path);
  auto* allow = echo_.config.add_allow();
  allow->set_rpc("Say");
  allow->add_peers(absl::StrCat("uid:", getuid() + 1));
  ASSERT_OK(echo_.Start());
  auto stub = testing::Echo::NewStub(grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
  EXPECT_EQ(Say(*stub).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace twi::server
