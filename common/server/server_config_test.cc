// The `server` section of a config.
#include "common/server/server_config.h"

#include <string>

#include "common/server/insecure_fields.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kId[] = "spiffe://test.example/twi/echo";

class ServerConfigTest : public ::testing::Test {
 protected:
  ServerConfigTest() {
    config_.set_listen("127.0.0.1:0");
    config_.mutable_tls();
    Add("Say", kId);
  }
  config::v1::Allow& Add(const std::string& rpc, const std::string& peer) {
    auto* allow = config_.add_allow();
    allow->set_rpc(rpc);
    if (!peer.empty()) allow->add_peers(peer);
    return *allow;
  }
  // The refusal's words; "" when there is none.
  std::string Refusal() {
    const absl::Status status = CheckServerConfig(config_, {"Say", "Open"}, field_).status();
    EXPECT_TRUE(status.ok() || DenyReasonOf(status) == v1::DENY_REASON_CONFIG_INVALID) << status;
    return std::string(status.message());
  }
  config::v1::Server config_;
  std::string field_ = "server";
};

TEST_F(ServerConfigTest, NamesTheFieldsWhereTheyStand) {
  field_ = "admin.server";
  config_.clear_tls();
  EXPECT_EQ(Refusal(), "admin.server.tls: required");
  field_ = "";
  config_.set_listen("unix:relative");
  EXPECT_EQ(Refusal(), "listen: expected unix: and an absolute path of at most 107 bytes");
}

TEST_F(ServerConfigTest, FillsInDefaults) {
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings, CheckServerConfig(config_, {"Say", "Open"}, field_));
  EXPECT_EQ(settings.max_message_bytes, 524288);
  EXPECT_EQ(settings.max_deadline, absl::Seconds(10));
  EXPECT_EQ(settings.drain_timeout, absl::Seconds(10));
  EXPECT_EQ(settings.max_concurrent_requests, 256);
  EXPECT_EQ(settings.max_receive_memory_bytes, 256u << 20);
  EXPECT_FALSE(settings.any_attested_key);
  EXPECT_EQ(settings.allow.at("Open").spiffe_ids.size(), 0u);
  EXPECT_FALSE(settings.allow.at("Open").attested_key);
}
TEST_F(ServerConfigTest, RefusesNoTls) {
  config_.clear_tls();
  EXPECT_EQ(Refusal(), "server.tls: required");
}
TEST_F(ServerConfigTest, RefusesBadListen) {
  for (const char* listen : {"", "localhost", ":80", "127.0.0.1:", "127.0.0.1:65536", "unix:", "unix:relative"}) {
    config_.set_listen(listen);
    EXPECT_THAT(Refusal(), HasSubstr("server.listen")) << listen;
  }
}
TEST_F(ServerConfigTest, RefusesUnknownRpc) {
  Add("Sya", kId);
  EXPECT_EQ(Refusal(), "server.allow[1].rpc: expected one of Say, Open, got \"Sya\"");
}
TEST_F(ServerConfigTest, RefusesRpcTwice) {
  Add("Say", "attested_key");
  EXPECT_THAT(Refusal(), HasSubstr("twice"));
}
TEST_F(ServerConfigTest, RefusesPeerTwice) {
  config_.mutable_allow(0)->add_peers(kId);
  EXPECT_THAT(Refusal(), HasSubstr("twice"));
}
TEST_F(ServerConfigTest, RefusesRuleWithoutPeers) {
  Add("Open", "");
  EXPECT_THAT(Refusal(), HasSubstr("server.allow[1].peers"));
}
TEST_F(ServerConfigTest, RefusesNoRules) {
  config_.clear_allow();
  EXPECT_THAT(Refusal(), HasSubstr("server.allow"));
}
TEST_F(ServerConfigTest, RefusesWildcardsAndWords) {
  for (const char* peer : {"*", "any", "spiffe://*/x", "spiffe://test.example/*", "uid:0"}) {
    config_.mutable_allow(0)->set_peers(0, peer);
    EXPECT_THAT(Refusal(), HasSubstr("expected a SPIFFE ID or attested_key")) << peer;
  }
}
TEST_F(ServerConfigTest, RefusesOverLargeLimits) {
  config_.set_max_message_bytes(5 << 20);
  EXPECT_THAT(Refusal(), HasSubstr("max_message_bytes"));
  config_.set_max_message_bytes(0);
  config_.set_max_concurrent_requests(1000000);
  EXPECT_THAT(Refusal(), HasSubstr("max_concurrent_requests"));
  config_.set_max_concurrent_requests(0);
  config_.set_max_receive_memory_bytes(1 << 20);
  EXPECT_THAT(Refusal(), HasSubstr("max_receive_memory_bytes"));
  config_.set_max_receive_memory_bytes(0);
  config_.mutable_max_deadline();
  EXPECT_THAT(Refusal(), HasSubstr("max_deadline"));
}
TEST_F(ServerConfigTest, UnixSocketWantsOneUidAndNoTls) {
  config_.set_listen("unix:/tmp/x.sock");
  EXPECT_THAT(Refusal(), HasSubstr("server.tls"));
  config_.clear_tls();
  EXPECT_THAT(Refusal(), HasSubstr("expected uid:N"));
  config_.mutable_allow(0)->set_peers(0, "uid:1000");
  EXPECT_EQ(Refusal(), "");
  Add("Open", "uid:1001");
  EXPECT_THAT(Refusal(), HasSubstr("the same uid"));
}

TEST(InsecureFieldsTest, NothingSetNothingNamed) {
  EXPECT_THAT(InsecureFieldsSet(config::v1::Server()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace twi::server
