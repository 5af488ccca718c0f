// What the agent offers locally (proto/twi/v1/workload_agent.proto): its status. An adapter only. Authentication: a
// Unix socket to which only processes of the agent's own user are let (common/server asks the kernel who connects).
#ifndef TWI_SERVICES_WORKLOAD_AGENT_WORKLOAD_AGENT_SERVICE_H_
#define TWI_SERVICES_WORKLOAD_AGENT_WORKLOAD_AGENT_SERVICE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/server/server.h"
#include "common/time/clock.h"
#include "proto/twi/v1/workload_agent.grpc.pb.h"
#include "services/workload_agent/agent_loop.h"

namespace twi::agent {

class WorkloadAgentService final : public v1::WorkloadAgent::Service {
 public:
  WorkloadAgentService(const AgentLoop& loop, server::Gate& gate) : loop_(loop), gate_(gate) {}
  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetAgentStatusRequest* request,
                         v1::GetAgentStatusResponse* response) override;

 private:
  const AgentLoop& loop_;
  server::Gate& gate_;
};

// What ServeStatus serves with: GetStatus and health for our own user.
config::v1::Server StatusServerConfig(const std::string& listen);

// `listen`: "unix:/path". `loop` and `metrics` (null: not counted) must outlive the server. CONFIG_INVALID. Health:
// ready while a valid credential is held, started once the first one was acquired (what waits for the agent to be
// started finds a credential).
absl::StatusOr<std::unique_ptr<server::Server>> ServeStatus(const std::string& listen, const AgentLoop& loop,
                                                            const Clock& clock, metrics::Metrics* metrics = nullptr);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_WORKLOAD_AGENT_SERVICE_H_
