#include "common/server/server.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/gate.h"
#include "common/server/health.h"
#include "common/server/listen_error.h"
#include "common/server/metrics_listener.h"
#include "common/server/name_status.h"
#include "common/server/peer_source.h"
#include "common/server/reflection.h"
#include "common/server/server_config.h"
#include "common/server/tls_files.h"
#include "common/server/unix_listener.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_posix.h"

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
constexpr int kMaxIdleThreads = 64;

void SetLimits(const ServerSettings& settings, grpc::ServerBuilder& builder) {
  // gRPC cancels what is over its limit without a word of ours, and looks only when all of it has arrived: up to twice
  // our limit we refuse it ourselves, by name (name_status.h).
  builder.SetMaxReceiveMessageSize(2 * settings.max_message_bytes);
  builder.SetMaxSendMessageSize(settings.max_message_bytes);
  // A compressed message could unfold to a thousand times the limit above: only uncompressed ones are taken
  // (UNIMPLEMENTED otherwise).
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  // Messages are assembled before anybody is asked who sent them, whatever length they announce: this is what bounds
  // them.
  grpc::ResourceQuota quota("twi");
  quota.Resize(settings.max_receive_memory_bytes);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);  // statistics of each call that nobody can ask for here
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two daemons on one port is an error, not a lottery
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, std::min(settings.max_concurrent_requests, 128));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 << 10);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300000);  // a peer's channel reconnects by itself
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 20000);
  // Requests run on gRPC's own threads, one each while it runs; the gate bounds how many work at a time. A thread that
  // is done waits for the next request: with fewer pollers it would end, and another be started, around nearly every
  // one.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS,
                              std::min(settings.max_concurrent_requests, kMaxIdleThreads));
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const Clock& clock, HealthChecks health, metrics::Metrics* metrics, std::string field)
      : clock_(clock),
        field_(std::move(field)),
        own_metrics_(metrics == nullptr ? std::make_unique<metrics::Metrics>() : nullptr),
        metrics_(metrics == nullptr ? *own_metrics_ : *metrics),
        gate_(clock),
        health_(gate_, std::move(health)) {}
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
    TWI_ASSIGN_OR_RETURN(settings_, CheckServerConfig(config, methods, field_));

    grpc::ServerBuilder builder;
    SetLimits(settings_, builder);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
    interceptors.push_back(NameStatuses(gate_, static_cast<std::size_t>(settings_.max_message_bytes)));
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
    for (const NamedService& named : services_) builder.RegisterService(named.service.get());
    builder.RegisterService(&health_);
    if (settings_.allow[kReflectionRpc].nobody()) {
      settings_.allow.erase(kReflectionRpc);
    } else {
      names.push_back(grpc::health::v1::Health::service_full_name());
      names.push_back(grpc::reflection::v1alpha::ServerReflection::service_full_name());
      reflection_ = std::make_unique<Reflection>(gate_, clock_, settings_.max_message_bytes, names);
      builder.RegisterService(reflection_.get());
    }
    TWI_RETURN_IF_ERROR(settings_.unix_path.empty() ? ListenTls(config, builder) : ListenUnix(builder));
    TWI_RETURN_IF_ERROR(ServeMetrics(config));
    log::Info("listening", {{log::fields::kListen, config.listen()}, {log::fields::kPort, absl::StrCat(port_)}});
    return absl::OkStatus();
  }

  int port() const override { return port_; }
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
    options.field = FieldBelow(field_, "tls");
    options.expiry_warning = settings_.certificate_expiry_warning;
    options.on_certificate =
        [expiry = metrics_.GaugeOf("twi_certificate_expiry_timestamp_seconds")](absl::Time not_after) mutable {
          expiry.Set(static_cast<double>(absl::ToUnixSeconds(not_after)));
        };
    TWI_ASSIGN_OR_RETURN(std::unique_ptr<TlsFiles> files, TlsFiles::Open(config.tls(), clock_, options));
    files_ = std::move(files);
    auto peers = std::make_shared<TlsPeerSource>(files_, clock_, settings_.any_attested_key);
    gate_.Open(settings_, peers, metrics_);
    health_.Open(
        settings_.allow[kHealthRpc], peers, [files = files_] { return files->spiffe_id(); },
        [this] { return CertificateValid(); });
    builder.AddListeningPort(settings_.listen,
                             MakeServerCredentials(*files_, peers, metrics_.CounterOf("twi_handshakes_refused_total")),
                             &port_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0)
      return config::AtField(FieldBelow(field_, "listen"), absl::StrCat("cannot listen on ", settings_.listen, ": ",
                                                                        WhyNotListening(settings_.listen)));
    return absl::OkStatus();
  }

  absl::Status ListenUnix(grpc::ServerBuilder& builder) {
    auto peers = std::make_shared<LocalPeerSource>(settings_.local_uid);
    gate_.Open(settings_, peers, metrics_);
    health_.Open(settings_.allow[kHealthRpc], peers, nullptr, [] { return absl::OkStatus(); });
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return Deny(v1::DENY_REASON_INTERNAL, "gRPC did not start");
    auto listener = UnixListener::Start(settings_.unix_path, {settings_.local_uid}, [server = server_.get()](int fd) {
      grpc::AddInsecureChannelFromFd(server, fd);  // takes the descriptor
    });
    if (!listener.ok()) return config::AtField(FieldBelow(field_, "listen"), listener.status());
    unix_listener_ = *std::move(listener);
    return absl::OkStatus();
  }

  // Existing connections outlive the certificate that they began with.
  absl::Status CertificateValid() const {
    const absl::Time end = files_->not_after();
    if (clock_.Now() <= end) return absl::OkStatus();
    return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED,
                absl::StrCat("this daemon's own certificate expired at ", absl::FormatTime(end, absl::UTCTimeZone())));
  }

  absl::Status ServeMetrics(const config::v1::Server& config) {
    samples_.push_back(
        metrics_.Sample("twi_ready", {}, [this] { return health_.Answer(HealthQuestion::kReady).ok() ? 1 : 0; }));
    samples_.push_back(metrics_.Sample("twi_rpc_in_flight", {}, [this] { return gate_.in_flight(); }));
    if (!config.has_metrics()) return absl::OkStatus();
    TWI_ASSIGN_OR_RETURN(metrics_listener_,
                         MetricsListener::Start(config.metrics(), FieldBelow(field_, "metrics"), metrics_, clock_));
    return absl::OkStatus();
  }

  // In the order of their making: what is below uses what is above.
  const Clock& clock_;
  const std::string field_;  // where the config stands
  const std::unique_ptr<metrics::Metrics> own_metrics_;
  metrics::Metrics& metrics_;
  ServerSettings settings_;
  GateImpl gate_;
  Health health_;
  std::unique_ptr<Reflection> reflection_;  // null: not served
  std::shared_ptr<TlsFiles> files_;
  std::vector<NamedService> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<UnixListener> unix_listener_;
  std::vector<metrics::Metrics::Token> samples_;
  std::unique_ptr<MetricsListener> metrics_listener_;
  int port_ = 0;
  std::mutex drain_mutex_;
  bool drained_ = false;
};

}  // namespace

Server::MakeServices OneService(std::string full_name, MakeService make) {
  return [full_name = std::move(full_name), make = std::move(make)](Gate& gate) {
    std::vector<NamedService> services;
    services.push_back({make(gate), full_name});
    return services;
  };
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const config::v1::Server& config, const Clock& clock,
                                                      const MakeServices& make_services, HealthChecks health,
                                                      metrics::Metrics* metrics, const std::string& field) {
  auto server = std::make_unique<ServerImpl>(clock, std::move(health), metrics, field);
  TWI_RETURN_IF_ERROR(server->Run(config, make_services));
  return server;
}

}  // namespace twi::server
