#include "services/workload_agent/tunnel/tunnels.h"

#include <sys/resource.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/workers.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/tunnel/route.h"
#include "services/workload_agent/tunnel/tunnel_loop.h"

namespace twi::agent {
namespace {

// A TPM makes one quote at a time; a Verifier answers many at once.
constexpr int kAttesterThreads = 2, kVerifierThreads = 16;
constexpr std::size_t kQueued = 4096;
// Files that the rest of the agent needs: its log, its own server and its clients, TPM or TEE, name look-ups.
constexpr std::size_t kOtherFiles = 256;

// A half-open connection takes one socket, an open one two. The soft limit is low by default because of select(2),
// which nothing here uses: it is raised as far as it may be.
absl::Status MakeRoomForFiles(const std::vector<std::shared_ptr<const Route>>& routes) {
  std::size_t connections = 0;
  for (const std::shared_ptr<const Route>& route : routes) connections += route->max_connections;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return Deny(v1::DENY_REASON_INTERNAL, "RLIMIT_NOFILE cannot be read");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return Deny(v1::DENY_REASON_INTERNAL, "RLIMIT_NOFILE cannot be raised");
  const std::string detail =
      absl::StrCat("limits.max_connections of all tunnels make ", connections, " connections of two sockets each; ",
                   limit.rlim_max, " files are allowed (RLIMIT_NOFILE; LimitNOFILE= of the systemd unit)");
  if (limit.rlim_max < connections + kOtherFiles)
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("attested_tls: ", detail));
  if (limit.rlim_max < 2 * connections + kOtherFiles)
    log::Warn("attested_tls_few_files", {{log::fields::kDetail, detail}});
  return absl::OkStatus();
}

class TunnelsImpl final : public Tunnels {
 public:
  TunnelsImpl(std::shared_ptr<const atls::Attester> attester, const Clock& clock, metrics::Metrics& metrics)
      : attester_(std::move(attester)),
        attester_workers_(std::make_shared<atls::Workers>(kAttesterThreads, kQueued)),
        verifier_workers_(std::make_shared<atls::Workers>(kVerifierThreads, kQueued)),
        clock_(clock),
        metrics_(metrics),
        loop_(std::make_unique<TunnelLoop>(clock)) {}
  // The loop first: its connections call into what it leaves behind.
  ~TunnelsImpl() override { Drain(); }

  absl::Status Reload(const config::v1::AttestedTls& config) override {
    TWI_ASSIGN_OR_RETURN(const auto routes,
                         MakeRoutes(config, {attester_, attester_workers_, verifier_workers_, metrics_, clock_}));
    TWI_RETURN_IF_ERROR(MakeRoomForFiles(routes));
    std::vector<Served> served;
    for (const std::shared_ptr<const Route>& route : routes) {
      std::shared_ptr<const Listener> listener = Kept(*route);
      if (listener == nullptr) {
        absl::StatusOr<int> fd = Listen(route->address);
        if (!fd.ok()) return WithContext(fd.status(), absl::StrCat("tunnel ", route->name, " at ", route->listen));
        listener = std::make_shared<const Listener>(*fd);
      }
      served.push_back({route, std::move(listener)});
    }
    served_ = served;
    loop_->Serve(std::move(served));
    for (const Served& one : served_) {
      log::Info("attested_tls_listening", {{"tunnel", one.route->name},
                                           {log::fields::kListen, one.route->listen},
                                           {log::fields::kPort, absl::StrCat(PortOf(one.listener->fd()))}});
    }
    return absl::OkStatus();
  }

  void Drain() override {
    loop_.reset();
    served_.clear();
  }

 private:
  // The socket that listens at the route's address, whichever tunnel it was of: the address cannot be taken twice.
  // Where the kernel chose the port, the one of the tunnel's name.
  std::shared_ptr<const Listener> Kept(const Route& route) const {
    for (const Served& one : served_) {
      const bool same_text = one.route->listen == route.listen && one.route->name == route.name;
      if (same_text || SamePlace(one.route->address, route.address)) return one.listener;
    }
    return nullptr;
  }

  const std::shared_ptr<const atls::Attester> attester_;
  const std::shared_ptr<atls::Workers> attester_workers_, verifier_workers_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  std::vector<Served> served_;
  std::unique_ptr<TunnelLoop> loop_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tunnels>> Tunnels::Start(const config::v1::AttestedTls& config,
                                                        atls::MakeEvidence make_evidence, const Clock& clock,
                                                        crypto::Random& random, metrics::Metrics& metrics) {
  TWI_ASSIGN_OR_RETURN(std::shared_ptr<const atls::Attester> attester,
                       atls::MakeAttester(std::move(make_evidence), random));
  auto tunnels = std::make_unique<TunnelsImpl>(std::move(attester), clock, metrics);
  TWI_RETURN_IF_ERROR(tunnels->Reload(config));
  return std::unique_ptr<Tunnels>(std::move(tunnels));
}

}  // namespace twi::agent
