#include "common/log/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/log/check_level.h"
#include "common/log/fields.h"
#include "common/log/json_line.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/trace/trace.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace twi::log {
namespace {

// How a line leaves the process: info and debug lines wait in the sink's buffer, at most a second; warnings, errors and
// audit lines are written at once, so that a crash of the process loses no decision. (A write into the page cache, not
// an fsync: about a microsecond.)
struct State {
  std::shared_ptr<spdlog::logger> logger;
  std::string service;
};

std::shared_ptr<spdlog::logger> MakeLogger(spdlog::sink_ptr sink, spdlog::level::level_enum level) {
  auto logger = std::make_shared<spdlog::logger>("twi", std::move(sink));
  // The line is JSON already: the formatter only adds the line end.
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n"));
  logger->set_level(level);
  logger->flush_on(spdlog::level::warn);
  return logger;
}

std::shared_mutex& Mutex() {
  static std::shared_mutex* mutex = new std::shared_mutex;  // never destroyed: threads may log while the process exits
  return *mutex;
}

State& Current() {
  static State* state =
      new State{MakeLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::level::info), "twi"};
  return *state;
}

absl::StatusOr<spdlog::level::level_enum> ParseLevel(absl::string_view level) {
  if (level.empty() || level == "info") return spdlog::level::info;
  if (level == "debug") return spdlog::level::debug;
  if (level == "warn") return spdlog::level::warn;
  if (level == "error") return spdlog::level::err;
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("expected debug, info, warn or error, got \"", level, "\""));
}

absl::string_view LevelName(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

void Write(spdlog::level::level_enum level, bool audit, absl::string_view event, Fields fields) {
  std::shared_lock lock(Mutex());
  const State& state = Current();
  if (!audit && !state.logger->should_log(level)) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string line;
  line.reserve(512);
  line += "{\"time\":\"";
  AppendTimestamp(std::chrono::duration_cast<std::chrono::microseconds>(now).count(), line);
  line += '"';
  AppendJsonField("level", LevelName(level), line);
  AppendJsonField("service", state.service, line);
  if (audit) line += ",\"audit\":true";
  if (const trace::Trace* current = trace::Current(); current != nullptr)
    AppendJsonField(fields::kTraceId, current->id_view(), line);
  AppendJsonField("event", event, line);
  for (const Field& field : fields) AppendJsonField(field.name, field.value, line);
  line += '}';
  // An audit line is written whatever the level; "critical" passes every level of ours, and flush_on writes it out at
  // once.
  const auto sink_level = audit ? spdlog::level::critical : level;
  state.logger->log(sink_level, spdlog::string_view_t(line.data(), line.size()));
}

// A log names peers and identifiers: for its owner only. spdlog makes files as the umask says, which is the whole
// process's (other threads make files while this runs at SIGHUP): so the file is made here, and spdlog finds it there.
absl::Status MakeFile(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("log.file: ", path, ": ", std::strerror(errno)));
  close(fd);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLevel(absl::string_view level) { return ParseLevel(level).status(); }

absl::Status Init(const config::v1::Log& config, absl::string_view service) {
  absl::StatusOr<spdlog::level::level_enum> level = ParseLevel(config.level());
  if (!level.ok()) return WithContext(level.status(), "log.level");
  spdlog::sink_ptr sink;
  if (config.file().empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    TWI_RETURN_IF_ERROR(MakeFile(config.file()));
    // spdlog reports by exception that a file cannot be opened; it must not leave this room.
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.file(), /*truncate=*/false);
    } catch (const spdlog::spdlog_ex& e) {
      return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("log.file: ", e.what()));
    }
  }
  std::shared_ptr<spdlog::logger> logger = MakeLogger(std::move(sink), *level);
  // A line that cannot be written (disk full) is said on standard error, not thrown at the caller.
  logger->set_error_handler([](const std::string& message) { std::fprintf(stderr, "log: %s\n", message.c_str()); });
  {
    std::unique_lock lock(Mutex());
    Current().logger->flush();
    Current() = State{logger, std::string(service)};
  }
  spdlog::set_default_logger(logger);  // registers it, for flush_every
  spdlog::flush_every(std::chrono::seconds(1));
  return absl::OkStatus();
}

void Debug(absl::string_view event, Fields fields) { Write(spdlog::level::debug, false, event, fields); }
void Info(absl::string_view event, Fields fields) { Write(spdlog::level::info, false, event, fields); }
void Warn(absl::string_view event, Fields fields) { Write(spdlog::level::warn, false, event, fields); }
void Error(absl::string_view event, Fields fields) { Write(spdlog::level::err, false, event, fields); }
void Audit(absl::string_view event, Fields fields) { Write(spdlog::level::info, true, event, fields); }

}  // namespace twi::log
