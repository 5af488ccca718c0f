#include "common/server/server_config.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/server/metrics_listener.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/descriptor.h"

namespace twi::server {
namespace {

constexpr std::uint32_t kDefaultMessageBytes = 512 << 10;
constexpr std::uint32_t kMaxMessageBytes = 4 << 20;
constexpr std::uint32_t kDefaultConcurrent = 256;
constexpr std::uint32_t kMaxConcurrent = 10000;
constexpr absl::string_view kUnix = "unix:";
constexpr absl::string_view kUid = "uid:";

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return config::AtField(absl::StrCat("server.", field), what);
}

// The field's value, or `fallback` when it is not set; from `least` to `most`.
absl::StatusOr<absl::Duration> DurationOf(bool set, const google::protobuf::Duration& value, absl::string_view field,
                                          absl::Duration fallback, absl::Duration least, absl::Duration most) {
  if (!set) return fallback;
  const absl::Duration duration = config::ToDuration(value);
  if (duration < least || duration > most) {
    return Invalid(field, absl::StrCat("expected ", absl::FormatDuration(least), " to ", absl::FormatDuration(most),
                                       ", got ", absl::FormatDuration(duration)));
  }
  return duration;
}

absl::Status CheckListen(const config::v1::Server& config, ServerSettings& settings) {
  const std::string& listen = config.listen();
  if (absl::StartsWith(listen, kUnix)) {
    settings.unix_path = listen.substr(kUnix.size());
    if (settings.unix_path.empty() || settings.unix_path[0] != '/' || settings.unix_path.size() > 107) {
      return Invalid("listen", "expected unix: and an absolute path of at most 107 bytes");
    }
    if (config.has_tls())
      return Invalid("tls", "expected nothing: a Unix socket has no TLS, the kernel says who connects");
    return absl::OkStatus();
  }
  const std::size_t colon = listen.rfind(':');
  std::uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > 65535) {
    return Invalid("listen", absl::StrCat("expected ADDRESS:PORT or unix:/path, got \"", listen, "\""));
  }
  if (!config.has_tls()) return Invalid("tls", "required");
  settings.listen = listen;
  return absl::OkStatus();
}

absl::Status AddPeer(const std::string& peer, absl::string_view field, bool health, ServerSettings& settings,
                     AllowRule& rule) {
  if (settings.unix_path.empty()) {
    if (peer == "attested_key" && health) return Invalid(field, "expected SPIFFE IDs: a probe has a certificate");
    if (peer == "attested_key") {
      if (rule.attested_key) return Invalid(field, "attested_key stands there twice");
      rule.attested_key = settings.any_attested_key = true;
      return absl::OkStatus();
    }
    const absl::Status id = ValidateWorkloadIdentifier(peer);
    if (!id.ok())
      return Invalid(field, absl::StrCat("expected a SPIFFE ID or attested_key, got \"", peer, "\": ", id.message()));
    if (!rule.spiffe_ids.insert(peer).second) return Invalid(field, absl::StrCat(peer, " stands there twice"));
    return absl::OkStatus();
  }
  std::uint32_t uid = 0;
  if (!absl::StartsWith(peer, kUid) || !absl::SimpleAtoi(absl::string_view(peer).substr(kUid.size()), &uid)) {
    return Invalid(field, absl::StrCat("expected uid:N on a Unix socket, got \"", peer, "\""));
  }
  rule.local_user = true;
  const bool first = std::none_of(settings.allow.begin(), settings.allow.end(),
                                  [&](const auto& entry) { return entry.second.local_user && &entry.second != &rule; });
  if (!first && uid != settings.local_uid)
    return Invalid(field, "expected the same uid for every rpc of a Unix socket");
  settings.local_uid = uid;
  return absl::OkStatus();
}

absl::Status CheckAllow(const config::v1::Server& config, const std::vector<std::string>& methods,
                        ServerSettings& settings) {
  for (const std::string& method : methods) settings.allow[method];
  std::set<std::string> seen;
  for (int i = 0; i < config.allow_size(); ++i) {
    const config::v1::Allow& allow = config.allow(i);
    const auto rule = settings.allow.find(allow.rpc());
    if (rule == settings.allow.end()) {
      return Invalid(absl::StrCat("allow[", i, "].rpc"),
                     absl::StrCat("expected one of ", absl::StrJoin(methods, ", "), ", got \"", allow.rpc(), "\""));
    }
    if (!seen.insert(allow.rpc()).second)
      return Invalid(absl::StrCat("allow[", i, "].rpc"), absl::StrCat(allow.rpc(), " stands there twice"));
    const std::string field = absl::StrCat("allow[", i, "].peers");
    if (allow.peers().empty())
      return Invalid(field, "expected at least one peer; leave the rpc out to refuse it to everybody");
    if (!settings.unix_path.empty() && allow.peers_size() != 1)
      return Invalid(field, "expected exactly one uid:N on a Unix socket");
    const bool health = allow.rpc() == kHealthRpc;
    for (int j = 0; j < allow.peers_size(); ++j)
      TWI_RETURN_IF_ERROR(AddPeer(allow.peers(j), absl::StrCat(field, "[", j, "]"), health, settings, rule->second));
  }
  if (seen.empty()) return Invalid("allow", "expected at least one rpc: as it is nobody may call anything");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ServerSettings> CheckServerConfig(const config::v1::Server& config,
                                                 const std::vector<std::string>& methods) {
  ServerSettings settings;
  TWI_RETURN_IF_ERROR(CheckListen(config, settings));
  TWI_RETURN_IF_ERROR(CheckAllow(config, methods, settings));
  if (config.has_metrics()) TWI_RETURN_IF_ERROR(CheckMetricsConfig(config.metrics(), "server.metrics"));
  if (config.max_message_bytes() > kMaxMessageBytes)
    return Invalid("max_message_bytes", absl::StrCat("expected at most ", kMaxMessageBytes));
  settings.max_message_bytes =
      static_cast<int>(config.max_message_bytes() == 0 ? kDefaultMessageBytes : config.max_message_bytes());
  if (config.max_concurrent_requests() > kMaxConcurrent)
    return Invalid("max_concurrent_requests", absl::StrCat("expected at most ", kMaxConcurrent));
  settings.max_concurrent_requests =
      static_cast<int>(config.max_concurrent_requests() == 0 ? kDefaultConcurrent : config.max_concurrent_requests());
  TWI_ASSIGN_OR_RETURN(settings.max_deadline,
                       DurationOf(config.has_max_deadline(), config.max_deadline(), "max_deadline", absl::Seconds(10),
                                  absl::Milliseconds(1), absl::Minutes(10)));
  TWI_ASSIGN_OR_RETURN(settings.drain_timeout,
                       DurationOf(config.has_drain_timeout(), config.drain_timeout(), "drain_timeout",
                                  absl::Seconds(10), absl::ZeroDuration(), absl::Minutes(10)));
  TWI_ASSIGN_OR_RETURN(
      settings.certificate_expiry_warning,
      DurationOf(config.has_certificate_expiry_warning(), config.certificate_expiry_warning(),
                 "certificate_expiry_warning", absl::Hours(24), absl::ZeroDuration(), absl::Hours(24 * 365)));
  return settings;
}

absl::StatusOr<std::vector<std::string>> MethodsOf(const std::vector<std::string>& service_full_names) {
  std::vector<std::string> methods;
  for (const std::string& full_name : service_full_names) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(full_name);
    if (service == nullptr) return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("no such service: ", full_name));
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string& name = service->method(i)->name();
      if (std::find(methods.begin(), methods.end(), name) != methods.end()) {
        return Deny(v1::DENY_REASON_INTERNAL,
                    absl::StrCat("two services have a method ", name));  // an allow rule would mean both
      }
      methods.push_back(name);
    }
  }
  return methods;
}

}  // namespace twi::server
