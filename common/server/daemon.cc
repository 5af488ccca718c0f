#include "common/server/daemon.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/daemon_flags.h"
#include "common/server/insecure_fields.h"
#include "common/server/lock_checks.h"
#include "common/server/notify.h"
#include "common/server/probe.h"
#include "common/server/tls13.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "grpc/support/log.h"

namespace twi::server {
namespace {

constexpr int kStopped = 0, kCouldNotStart = 1, kUsageOrConfig = 2;

// Keys live in this process's memory: no core dump may carry them to a disk, and no process of the same user may attach
// to read them (prctl(2): not dumpable means not traceable either).
void KeepMemoryPrivate() {
  const rlimit none{0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // LeakSanitizer traces its own process
  (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

// Before any thread exists, so that all threads inherit it: these signals are only ever taken by sigwait below, and
// nothing runs inside a signal handler.
sigset_t BlockSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

absl::StatusOr<const config::v1::Log*> LogConfigOf(const google::protobuf::Message& config) {
  const auto* field = config.GetDescriptor()->FindFieldByName("log");
  if (field == nullptr || field->is_repeated() || field->message_type() != config::v1::Log::descriptor()) {
    return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat(config.GetTypeName(), " has no field log of twi.config.v1.Log"));
  }
  return static_cast<const config::v1::Log*>(&config.GetReflection()->GetMessage(config, field));
}

absl::Status LoadConfig(const DaemonSpec& spec, const std::string& path, google::protobuf::Message& config) {
  TWI_RETURN_IF_ERROR(config::LoadConfigFile(path, config));
  TWI_RETURN_IF_ERROR(LogConfigOf(config).status());
  return CheckConfig(spec, config, absl::Now());
}

// A reader sees no file or the whole number: written beside it, then renamed.
absl::Status WritePort(const std::string& path, int port) {
  const std::string fresh = absl::StrCat(path, ".", getpid());
  const std::string text = absl::StrCat(port, "\n");
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  if (written && std::rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("--port-file ", path, ": ", std::strerror(errno)));
}

void WarnOfInsecureFields(const google::protobuf::Message& config) {
  for (const std::string& path : InsecureFieldsSet(config))
    log::Warn("insecure_setting", {{log::fields::kField, path}});
}

// Opens the log as `config` says, its file anew. When that fails, the lines go on where they went.
void OpenLog(const DaemonSpec& spec, const google::protobuf::Message& config) {
  const absl::Status opened = log::Init(**LogConfigOf(config), spec.name);
  if (opened.ok()) return;
  log::Error("log_not_opened",
             {{log::fields::kReason, DenyReasonName(DenyReasonOf(opened))},
              {log::fields::kDetail, absl::StrCat(opened.message(), "; lines are written where they were before")}});
}

// `plan`: what the file differs in, also when it is refused; without its config, which is in force then.
absl::Status ReloadFrom(const DaemonSpec& spec, const std::string& path, Running& running,
                        std::unique_ptr<google::protobuf::Message>& in_force, ReloadPlan& plan) {
  const std::unique_ptr<google::protobuf::Message> from_file(spec.config->New());
  TWI_RETURN_IF_ERROR(LoadConfig(spec, path, *from_file));
  plan = PlanReload(spec, *in_force, *from_file);
  // The file is good as a whole; what comes into force is not the file, and must be good as a whole too.
  if (!plan.need_restart.empty()) {
    TWI_RETURN_IF_ERROR(
        WithContext(CheckConfig(spec, *plan.config, absl::Now()), "together with what is in force until a restart"));
  }
  TWI_RETURN_IF_ERROR(running.Reload(*plan.config));
  in_force = std::move(plan.config);
  return absl::OkStatus();
}

void Reload(const DaemonSpec& spec, const std::string& path, Running& running,
            std::unique_ptr<google::protobuf::Message>& in_force) {
  namespace f = log::fields;
  OpenLog(spec, *in_force);  // first, and whatever follows: for who rotates the file
  ReloadPlan plan;
  const absl::Status status = ReloadFrom(spec, path, running, in_force, plan);
  if (status.ok()) {
    if (std::find(plan.changed.begin(), plan.changed.end(), "log") != plan.changed.end()) OpenLog(spec, *in_force);
    log::Info("reloaded", {{f::kConfig, path}, {"changed", absl::StrJoin(plan.changed, ",")}});
    WarnOfInsecureFields(*in_force);
  } else {
    log::Error("reload_refused", {{f::kConfig, path},
                                  {f::kReason, DenyReasonName(DenyReasonOf(status))},
                                  {f::kDetail, absl::StrCat(status.message(), "; what was in force stays")}});
  }
  if (!plan.need_restart.empty()) {
    log::Warn("restart_needed", {{f::kConfig, path},
                                 {"changed", absl::StrJoin(plan.need_restart, ",")},
                                 {f::kDetail, "these are not in force: they take effect at the next start"}});
  }
}

void ServeUntilStopped(const DaemonSpec& spec, const std::string& path, const sigset_t& signals, Running& running) {
  std::unique_ptr<google::protobuf::Message> in_force(spec.config->New());
  in_force->CopyFrom(*spec.config);
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    log::Info("signal", {{log::fields::kSignal, strsignal(signal)}});
    if (signal != SIGHUP) return;
    Reload(spec, path, running, in_force);
  }
}

// gRPC's own errors (a failed handshake, a port that is taken) belong into the same log, in the same form.
void LogForGrpc(gpr_log_func_args* args) {
  if (args->severity < GPR_LOG_SEVERITY_ERROR) return;
  const absl::string_view message(args->message);
  // Said at every handshake: our certificates name a SPIFFE ID, no host.
  if (absl::StartsWith(message, "No match found for server name"))
    return log::Debug("grpc", {{log::fields::kDetail, std::string(message)}});
  // No client certificate, no TLS, no TLS 1.3: turned away before our own judgement of the peer (peer_source.cc), and
  // said under the same name.
  if (absl::StartsWith(message, "Handshake failed")) {
    const std::string reason = DenyReasonName(v1::DENY_REASON_PEER_UNAUTHENTICATED);
    return log::Warn("handshake_refused",
                     {{log::fields::kReason, reason}, {log::fields::kDetail, std::string(message)}});
  }
  log::Warn("grpc", {{log::fields::kDetail, std::string(message)}});
}

// Before logging is set up, and what --check-config says: for the person at the terminal.
int Fail(const DaemonSpec& spec, int code, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s: %s\n", spec.name.c_str(), DenyReasonName(DenyReasonOf(status)).c_str(),
               std::string(status.message()).c_str());
  return code;
}

// The port that the daemon wrote when it began to listen; 0 when that file does not say.
int PortOf(const std::string& port_file) {
  if (port_file.empty()) return 0;
  const absl::StatusOr<std::string> text = config::ReadFile(port_file, {16});
  int port = 0;
  return text.ok() && absl::SimpleAtoi(*text, &port) && port > 0 && port <= 65535 ? port : 0;
}

ProbeResult AskRunning(const DaemonSpec& spec, const DaemonFlags& flags) {
  absl::Status status = config::LoadYamlFile(flags.config, *spec.config);  // form only: nothing else is loaded
  if (!status.ok()) return {false, absl::StrCat("not ", flags.probe, ": ", status.message())};
  const auto at = spec.probe_at ? spec.probe_at(*spec.config) : ServerSectionOf(*spec.config);
  if (!at.ok()) return {false, absl::StrCat("not ", flags.probe, ": ", at.status().message())};
  return Probe(*at, PortOf(flags.port_file), flags.probe);
}

// One line is all that it says: what the libraries below would log goes nowhere.
int RunProbe(const DaemonSpec& spec, const DaemonFlags& flags) {
  config::v1::Log nowhere;
  nowhere.set_file("/dev/null");
  log::Init(nowhere, spec.name).IgnoreError();  // then it says more than one line
  gpr_set_log_function(LogForGrpc);
  const ProbeResult result = AskRunning(spec, flags);
  std::printf("%s: %s\n", spec.name.c_str(), result.line.c_str());
  return result.good ? kStopped : kCouldNotStart;
}

// What `from` says about `field`, and nothing else.
std::unique_ptr<google::protobuf::Message> Only(const google::protobuf::FieldDescriptor* field,
                                                const google::protobuf::Message& from) {
  std::unique_ptr<google::protobuf::Message> only(from.New());
  only->CopyFrom(from);
  for (int i = 0; i < from.GetDescriptor()->field_count(); ++i) {
    const auto* other = from.GetDescriptor()->field(i);
    if (other != field) only->GetReflection()->ClearField(only.get(), other);
  }
  return only;
}

}  // namespace

void SetBuildInfo(metrics::Metrics& metrics, const std::string& service) {
  metrics.GaugeOf("twi_build_info", {{"service", service}, {"version", kTwiVersion}}).Set(1);
}

absl::Status CheckConfig(const DaemonSpec& spec, const google::protobuf::Message& config, absl::Time now) {
  TWI_RETURN_IF_ERROR(CheckCommonSections(config, spec.common, now));
  return spec.validate ? spec.validate(config) : absl::OkStatus();
}

ReloadPlan PlanReload(const DaemonSpec& spec, const google::protobuf::Message& in_force,
                      const google::protobuf::Message& from_file) {
  ReloadPlan plan;
  plan.config.reset(in_force.New());
  plan.config->CopyFrom(in_force);
  for (int i = 0; i < in_force.GetDescriptor()->field_count(); ++i) {
    const auto* field = in_force.GetDescriptor()->field(i);
    const bool reloadable = field->name() == "log" || std::find(spec.reloadable.begin(), spec.reloadable.end(),
                                                                field->name()) != spec.reloadable.end();
    const std::unique_ptr<google::protobuf::Message> now = Only(field, in_force), wanted = Only(field, from_file);
    if (reloadable) {
      plan.config->GetReflection()->ClearField(plan.config.get(), field);
      plan.config->MergeFrom(*wanted);
    }
    if (!google::protobuf::util::MessageDifferencer::Equals(*now, *wanted))
      (reloadable ? plan.changed : plan.need_restart).push_back(field->name());
  }
  return plan;
}

int RunDaemon(int argc, char** argv, DaemonSpec spec) {
  const sigset_t signals = BlockSignals();
  KeepMemoryPrivate();
  DisableLockOrderChecks();
  RequireTls13();
  const absl::StatusOr<DaemonFlags> flags = ParseDaemonFlags(argc, argv);
  if (!flags.ok()) {
    std::fprintf(stderr, "%s: %s\n%s", spec.name.c_str(), std::string(flags.status().message()).c_str(),
                 DaemonHelp(spec.name, spec.summary).c_str());
    return kUsageOrConfig;
  }
  if (flags->help)
    return std::fputs(DaemonHelp(spec.name, spec.summary).c_str(), stdout) >= 0 ? kStopped : kCouldNotStart;
  if (flags->version) return std::printf("%s %s\n", spec.name.c_str(), kTwiVersion) >= 0 ? kStopped : kCouldNotStart;

  if (!flags->probe.empty()) return RunProbe(spec, *flags);
  absl::Status status = LoadConfig(spec, flags->config, *spec.config);
  if (!status.ok()) return Fail(spec, kUsageOrConfig, status);
  if (flags->check_config) {
    for (const std::string& path : InsecureFieldsSet(*spec.config))
      std::printf("%s: insecure setting: %s\n", flags->config.c_str(), path.c_str());
    std::printf("%s: good\n", flags->config.c_str());
    return kStopped;
  }
  status = log::Init(**LogConfigOf(*spec.config), spec.name);
  if (!status.ok()) return Fail(spec, kUsageOrConfig, status);
  gpr_set_log_function(LogForGrpc);
  log::Info("starting", {{log::fields::kVersion, kTwiVersion}, {log::fields::kConfig, flags->config}});
  WarnOfInsecureFields(*spec.config);

  if (spec.run_once) return spec.run_once(*spec.config);
  absl::StatusOr<std::unique_ptr<Running>> running = spec.start(*spec.config);
  status = running.status();
  if (status.ok() && !flags->port_file.empty()) status = WritePort(flags->port_file, (*running)->port());
  if (status.ok() && !(*running)->TellsReady()) status = NotifyServiceManager("READY=1");
  if (!status.ok()) {
    const DenyReason reason = DenyReasonOf(status);
    // Also where the operator who starts it by hand looks, when the log goes to a file.
    if (!(*LogConfigOf(*spec.config))->file().empty()) {
      std::fprintf(stderr, "%s: %s: %s\n", spec.name.c_str(), DenyReasonName(reason).c_str(),
                   std::string(status.message()).c_str());
    }
    log::Error("could_not_start",
               {{log::fields::kReason, DenyReasonName(reason)}, {log::fields::kDetail, std::string(status.message())}});
    return reason == v1::DENY_REASON_CONFIG_INVALID ? kUsageOrConfig : kCouldNotStart;
  }
  ServeUntilStopped(spec, flags->config, signals, **running);
  if (const absl::Status told = NotifyServiceManager("STOPPING=1"); !told.ok())
    log::Warn("service_manager", {{log::fields::kDetail, std::string(told.message())}});
  (*running)->Drain();
  running->reset();
  log::Info("stopped");
  return kStopped;
}

}  // namespace twi::server
