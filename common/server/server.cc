#include "common/server/server.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/gate.h"
#include "common/server/health.h"
#include "common/server/metrics.h"
#include "common/server/peer_source.h"
#include "common/server/server_config.h"
#include "common/server/tls_files.h"
#include "common/server/unix_listener.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

// On a Unix socket only connections of one user reach gRPC (unix_listener.h).
class LocalPeerSource final : public PeerSource {
 public:
  explicit LocalPeerSource(std::uint32_t uid) : uid_(uid) {}
  absl::StatusOr<PeerIdentity> PeerOf(const grpc::ServerContext&) override {
    PeerIdentity peer;
    peer.kind = PeerIdentity::Kind::kLocalUser;
    peer.uid = uid_;
    return peer;
  }

 private:
  const std::uint32_t uid_;
};

constexpr std::chrono::milliseconds kLastAnswers(300);

// libgrpc++_reflection switches reflection on for every server of a process by being loaded (a static initializer), so
// it is not linked: it is loaded when config asks for it.
absl::Status LoadReflection() {
  if (dlopen("libgrpc++_reflection.so.1.51", RTLD_NOW | RTLD_GLOBAL) != nullptr) return absl::OkStatus();
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("server.reflection: ", dlerror()));
}

void SetLimits(const ServerSettings& settings, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(settings.max_message_bytes);
  builder.SetMaxSendMessageSize(settings.max_message_bytes);
  // A compressed message could unfold to a thousand times the limit above: only uncompressed ones are taken
  // (UNIMPLEMENTED otherwise).
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two daemons on one port is an error, not a lottery
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, std::min(settings.max_concurrent_requests, 128));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300000);  // a peer's channel reconnects by itself
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 20000);
  // Requests run on gRPC's own threads, one each while it runs; the gate bounds how many work at a time. A few of them
  // wait for the next request.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS,
                              static_cast<int>(std::max(2u, std::thread::hardware_concurrency())));
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const Clock& clock, HealthChecks health)
      : clock_(clock), gate_(clock), health_(gate_, std::move(health)) {}
  ~ServerImpl() override {
    Drain();
    if (files_ != nullptr)
      files_->Stop();  // gRPC may keep the credentials, and so the files, a moment longer than the clock lives
  }

  absl::Status Run(const config::v1::Server& config, const MakeServices& make_services) {
    services_ = make_services(gate_);
    std::vector<std::string> names;
    for (const NamedService& named : services_) names.push_back(named.full_name);
    TWI_ASSIGN_OR_RETURN(std::vector<std::string> methods, MethodsOf(names));
    methods.emplace_back(kHealthRpc);
    TWI_ASSIGN_OR_RETURN(settings_, CheckServerConfig(config, methods));
    TWI_ASSIGN_OR_RETURN(metrics_, Metrics::Start(config.metrics_listen()));

    grpc::ServerBuilder builder;
    SetLimits(settings_, builder);
    if (config.reflection()) TWI_RETURN_IF_ERROR(LoadReflection());
    for (const NamedService& named : services_) builder.RegisterService(named.service.get());
    builder.RegisterService(&health_);
    TWI_RETURN_IF_ERROR(settings_.unix_path.empty() ? ListenTls(config, builder) : ListenUnix(builder));
    log::Info("listening", {{log::fields::kListen, config.listen()},
                            {log::fields::kPort, absl::StrCat(port_)},
                            {"metrics_port", absl::StrCat(metrics_port())}});
    return absl::OkStatus();
  }

  int port() const override { return port_; }
  int metrics_port() const override { return metrics_->port(); }
  Gate& gate() override { return gate_; }

  void Drain() override {
    std::lock_guard lock(drain_mutex_);
    if (server_ == nullptr || drained_) return;
    drained_ = true;
    log::Info("draining");
    health_.Drain();
    // The gate waits for the requests, not gRPC: gRPC's graceful shutdown also waits, for seconds, for idle connections
    // whose owners are not reading.
    gate_.Close();
    const bool idle = gate_.AwaitIdle(settings_.drain_timeout);
    if (!idle) log::Warn("drain_timeout");
    unix_listener_.reset();
    // The last answers may still be on their way out; what is left after that is cut.
    server_->Shutdown(std::chrono::system_clock::now() + (idle ? kLastAnswers : std::chrono::milliseconds(0)));
    server_->Wait();
    log::Info("drained");
  }

 private:
  absl::Status ListenTls(const config::v1::Server& config, grpc::ServerBuilder& builder) {
    TlsFiles::Options options;
    options.expiry_warning = settings_.certificate_expiry_warning;
    options.on_certificate = [metrics = metrics_](absl::Time not_after) { metrics->SetCertificateExpiry(not_after); };
    TWI_ASSIGN_OR_RETURN(std::unique_ptr<TlsFiles> files, TlsFiles::Open(config.tls(), clock_, options));
    files_ = std::move(files);
    auto peers = std::make_shared<TlsPeerSource>(files_, clock_, settings_.any_attested_key);
    gate_.Open(settings_, peers, *metrics_);
    health_.Open(
        settings_.allow[kHealthRpc], peers, [files = files_] { return files->spiffe_id(); },
        [this] { return CertificateValid(); });
    builder.AddListeningPort(settings_.listen, MakeServerCredentials(*files_, peers), &port_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0)
      return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("server.listen: cannot listen on ", settings_.listen));
    return absl::OkStatus();
  }

  absl::Status ListenUnix(grpc::ServerBuilder& builder) {
    auto peers = std::make_shared<LocalPeerSource>(settings_.local_uid);
    gate_.Open(settings_, peers, *metrics_);
    health_.Open(settings_.allow[kHealthRpc], peers, nullptr, [] { return absl::OkStatus(); });
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return Deny(v1::DENY_REASON_INTERNAL, "gRPC did not start");
    TWI_ASSIGN_OR_RETURN(unix_listener_, UnixListener::Start(settings_.unix_path, settings_.local_uid, *server_));
    return absl::OkStatus();
  }

  // Existing connections outlive the certificate that they began with.
  absl::Status CertificateValid() const {
    const absl::Time end = files_->not_after();
    if (clock_.Now() <= end) return absl::OkStatus();
    return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED,
                absl::StrCat("this daemon's own certificate expired at ", absl::FormatTime(end, absl::UTCTimeZone())));
  }

  // In the order of their making: what is below uses what is above.
  const Clock& clock_;
  ServerSettings settings_;
  std::shared_ptr<Metrics> metrics_;
  GateImpl gate_;
  Health health_;
  std::shared_ptr<TlsFiles> files_;
  std::vector<NamedService> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<UnixListener> unix_listener_;
  int port_ = 0;
  std::mutex drain_mutex_;
  bool drained_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const config::v1::Server& config, const Clock& clock,
                                                      const MakeServices& make_services, HealthChecks health) {
  auto server = std::make_unique<ServerImpl>(clock, std::move(health));
  TWI_RETURN_IF_ERROR(server->Run(config, make_services));
  return server;
}

}  // namespace twi::server
