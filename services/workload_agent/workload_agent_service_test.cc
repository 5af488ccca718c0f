#include "services/workload_agent/workload_agent_service.h"

#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "grpcpp/grpcpp.h"

namespace twi::agent {
namespace {

using twi::testing::StatusIs;

class StatusServiceTest : public ::testing::Test {
 protected:
  SystemClock clock_;
  twi::testing::FakeRandom random_;
  SystemWaiter waiter_{clock_};
  AgentLoop loop_{AgentLoopDeps{
      "C", []() -> absl::StatusOr<AcquiredCredential> { return Deny(v1::DENY_REASON_MEASUREMENT_UNKNOWN, "x"); },
      [](const AcquiredCredential&) { return absl::OkStatus(); }, [] {}, RenewalSettings(), clock_, random_, waiter_}};
  twi::testing::TempDir dir_;
};

TEST_F(StatusServiceTest, TellsItsOwnUserTheStateOverAUnixSocket) {
  EXPECT_FALSE(loop_.AcquireOnce().ok());
  ASSERT_OK_AND_ASSIGN(const auto server, ServeStatus("unix:" + dir_.File("s"), loop_, clock_));
  const auto stub =
      v1::WorkloadAgent::NewStub(grpc::CreateChannel("unix:" + dir_.File("s"), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::GetAgentStatusResponse response;
  const grpc::Status status = stub->GetStatus(&context, v1::GetAgentStatusRequest(), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.mechanism(), "C");
  EXPECT_EQ(response.last_refusal(), "MEASUREMENT_UNKNOWN");
  EXPECT_EQ(response.failed_attempts(), 1u);
  server->Drain();
}

TEST_F(StatusServiceTest, RefusesAnythingButAUnixSocket) {
  EXPECT_THAT(ServeStatus("127.0.0.1:0", loop_, clock_), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

}  // namespace
}  // namespace twi::agent
