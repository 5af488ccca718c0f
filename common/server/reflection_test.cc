// Server reflection: off unless the allow-list names it, and then no more than the services' own files, to those named.
#include "common/server/reflection.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/server/echo_server.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptorProto;
using ::testing::ElementsAre;
using testing::StatusIs;
using testing::TestPki;

using Request = Reflection::Request;
using Response = Reflection::Response;
using Stub = grpc::reflection::v1alpha::ServerReflection::Stub;

class ReflectionTest : public ::testing::Test {
 protected:
  ReflectionTest() : pki_(absl::Now()), echo_(pki_) {}

  void Allow(const std::string& peer) {
    auto* allow = echo_.config.add_allow();
    allow->set_rpc("ServerReflectionInfo");
    allow->add_peers(peer);
  }
  void Start() { ASSERT_OK(echo_.Start()); }

  std::unique_ptr<Stub> StubFor(const std::string& id) {
    const auto identity = client::Identity::FromFiles(pki_.Issue("asker", id));
    EXPECT_OK(identity);
    return grpc::reflection::v1alpha::ServerReflection::NewStub(*client::MakeChannel(echo_.AsPeer(), **identity));
  }

  // The answer to one question, asked of a stream of its own.
  Response Ask(const Request& question) {
    const auto stub = StubFor(kClientId);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const auto stream = stub->ServerReflectionInfo(&context);
    Response response;
    EXPECT_TRUE(stream->Write(question) && stream->Read(&response));
    stream->WritesDone();
    Response more;
    EXPECT_FALSE(stream->Read(&more));
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_EQ(response.original_request().SerializeAsString(), question.SerializeAsString());
    return response;
  }

  Response AskForSymbol(const std::string& symbol) {
    Request question;
    question.set_file_containing_symbol(symbol);
    return Ask(question);
  }

  TestPki pki_;
  EchoServer echo_;
};

TEST_F(ReflectionTest, IsNotServedWhenTheAllowListDoesNotNameIt) {
  Start();
  const auto stub = StubFor(kClientId);
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ReflectionTest, ListsTheServices) {
  Allow(kClientId);
  Start();
  Request question;
  question.set_host("any");
  question.set_list_services("");
  const Response response = Ask(question);
  EXPECT_EQ(response.valid_host(), "any");
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names,
              ElementsAre("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "twi.testing.Echo"));
}

// As a client that has no .proto files does it.
TEST_F(ReflectionTest, GivesTheFilesThatAServiceNeeds) {
  Allow(kClientId);
  Start();
  for (const char* symbol : {"twi.testing.Echo", "twi.testing.Echo.Say", "twi.testing.SayRequest"}) {
    const Response response = AskForSymbol(symbol);
    const auto& files = response.file_descriptor_response().file_descriptor_proto();
    ASSERT_FALSE(files.empty()) << response.DebugString();
    DescriptorPool pool;
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      FileDescriptorProto proto;
      ASSERT_TRUE(proto.ParseFromString(*file));
      ASSERT_NE(pool.BuildFile(proto), nullptr) << proto.name();
    }
    const auto* method = pool.FindMethodByName("twi.testing.Echo.Say");
    ASSERT_NE(method, nullptr);
    EXPECT_NE(method->input_type()->FindFieldByName("text"), nullptr);
  }
  Request by_name;
  by_name.set_file_by_filename(testing::SayRequest::descriptor()->file()->name());
  EXPECT_EQ(Ask(by_name).file_descriptor_response().file_descriptor_proto_size(), 1);
}

TEST_F(ReflectionTest, FindsNothingElse) {
  Allow(kClientId);
  Start();
  Request file, extension, numbers, of_known;
  file.set_file_by_filename(config::v1::Server::descriptor()->file()->name());
  extension.mutable_file_containing_extension()->set_containing_type("twi.testing.SayRequest");
  numbers.set_all_extension_numbers_of_type("twi.config.v1.Server");
  for (const Response& response : {AskForSymbol("twi.testing.Nope"), AskForSymbol(""),
                                   AskForSymbol("twi.config.v1.Server"), Ask(file), Ask(extension), Ask(numbers)}) {
    EXPECT_EQ(response.error_response().error_code(), grpc::StatusCode::NOT_FOUND) << response.DebugString();
  }
  EXPECT_EQ(Ask(Request()).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  of_known.set_all_extension_numbers_of_type("twi.testing.SayRequest");
  EXPECT_EQ(Ask(of_known).all_extension_numbers_response().base_type_name(), "twi.testing.SayRequest");
}

TEST_F(ReflectionTest, RefusesOthers) {
  Allow("spiffe://test.example/twi/operator");
  Start();
  for (const char* id : {kClientId, kServerId}) {
    const auto stub = StubFor(id);
    grpc::ClientContext context;
    const auto stream = stub->ServerReflectionInfo(&context);
    Request question;
    question.set_list_services("");
    stream->Write(question);
    Response response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_THAT(client::FromGrpc(stream->Finish(), "ServerReflectionInfo"), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  }
}

TEST_F(ReflectionTest, RefusesAConfigThatLetsWorkloadsAsk) {
  Allow("attested_key");
  EXPECT_THAT(echo_.Start(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, ::testing::HasSubstr("has a certificate")));
}

TEST_F(ReflectionTest, RefusesUnknownFieldsAndEndlessQuestions) {
  Allow(kClientId);
  Start();
  const auto stub = StubFor(kClientId);
  {
    grpc::ClientContext context;
    const auto stream = stub->ServerReflectionInfo(&context);
    Request unknown;
    ASSERT_TRUE(unknown.ParseFromString("\xfa\x3e\x01x"));  // field 1007
    stream->Write(unknown);
    Response response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_THAT(client::FromGrpc(stream->Finish(), "ServerReflectionInfo"),
                StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  }
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  int answers = 0;
  Response response;
  while (stream->Write(Request()) && stream->Read(&response)) ++answers;
  EXPECT_EQ(answers, kMaxReflectionQuestions);
  EXPECT_THAT(client::FromGrpc(stream->Finish(), "ServerReflectionInfo"), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

TEST_F(ReflectionTest, EndsAStreamThatIsLeftOpen) {
  Allow(kClientId);
  echo_.config.mutable_max_deadline()->set_nanos(200000000);
  echo_.config.set_max_concurrent_requests(1);
  Start();
  const auto stub = StubFor(kClientId);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  const auto stream = stub->ServerReflectionInfo(&context);
  Response response;
  EXPECT_FALSE(stream->Read(&response)) << "nothing was asked";
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED)
      << "by the server: our own deadline has another name";
  const auto identity = client::Identity::FromFiles(pki_.Issue("client", kClientId));
  ASSERT_OK(identity);
  const auto say = echo_.Stub(**identity);
  while (Say(*say).status.error_message() == "OVERLOADED") std::this_thread::yield();
  EXPECT_TRUE(Say(*say).status.ok()) << "the one place is free again";
}

}  // namespace
}  // namespace twi::server
