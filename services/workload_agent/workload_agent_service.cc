#include "services/workload_agent/workload_agent_service.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace twi::agent {

grpc::Status WorkloadAgentService::GetStatus(grpc::ServerContext* context, const v1::GetAgentStatusRequest*,
                                             v1::GetAgentStatusResponse* response) {
  return server::Handle(gate_, *context, "GetStatus", [&](const server::Call&) {
    *response = loop_.GetStatus();
    return absl::OkStatus();
  });
}

config::v1::Server StatusServerConfig(const std::string& listen) {
  config::v1::Server config;
  config.set_listen(listen);
  config::v1::Allow& allow = *config.add_allow();
  allow.set_rpc("GetStatus");
  allow.add_peers(absl::StrCat("uid:", ::geteuid()));
  return config;
}

absl::StatusOr<std::unique_ptr<server::Server>> ServeStatus(const std::string& listen, const AgentLoop& loop,
                                                            const Clock& clock, metrics::Metrics* metrics) {
  const server::MakeService make = [&loop](server::Gate& gate) {
    return std::make_unique<WorkloadAgentService>(loop, gate);
  };
  return server::Server::Start(StatusServerConfig(listen), clock,
                               server::OneService(v1::WorkloadAgent::service_full_name(), make),
                               {[&loop] { return loop.Ready(); }, [&loop] { return loop.Started(); }}, metrics,
                               /*field=*/"");  // the agent's config has no section for it, but `listen`
}

}  // namespace twi::agent
