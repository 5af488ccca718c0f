#include "common/server/server_config.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/server/metrics_listener.h"
#include "common/server/unix_address.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/descriptor.h"

namespace twi::server {
namespace {

constexpr std::uint32_t kDefaultMessageBytes = 512 << 10;
constexpr std::uint32_t kMaxMessageBytes = 4 << 20;
constexpr std::uint64_t kDefaultReceiveMemory = 256 << 20;
constexpr std::uint64_t kMinReceiveMemory = 16 << 20;
constexpr std::uint32_t kDefaultConcurrent = 256;
constexpr std::uint32_t kMaxConcurrent = 10000;

// The section's place in the config.
struct Section {
  const std::string& field;
  std::string Field(absl::string_view name) const { return FieldBelow(field, name); }
  absl::Status Invalid(absl::string_view name, absl::string_view what) const {
    return config::AtField(Field(name), what);
  }
};

absl::Status CheckListen(const config::v1::Server& config, const Section& section, ServerSettings& settings) {
  const std::string& listen = config.listen();
  if (IsUnixAddress(listen)) {
    const std::optional<std::string> path = UnixPathOf(listen);
    if (!path.has_value()) return section.Invalid("listen", absl::StrCat("expected ", kUnixAddressForm));
    if (config.has_tls())
      return section.Invalid("tls", "expected nothing: a Unix socket has no TLS, the kernel says who connects");
    settings.unix_path = *path;
    return absl::OkStatus();
  }
  const std::size_t colon = listen.rfind(':');
  std::uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > 65535)
    return section.Invalid("listen", absl::StrCat("expected ADDRESS:PORT or unix:/path, got \"", listen, "\""));
  if (!config.has_tls()) return section.Invalid("tls", "required");
  settings.listen = listen;
  return absl::OkStatus();
}

// Answered by every server itself, not by a service of the daemon's.
bool IsBuiltIn(absl::string_view rpc) { return rpc == kHealthRpc || rpc == kReflectionRpc; }

// Over TLS.
absl::Status AddRemotePeer(const std::string& peer, bool built_in, ServerSettings& settings, AllowRule& rule) {
  const auto invalid = [](absl::string_view what) { return Deny(v1::DENY_REASON_CONFIG_INVALID, what); };
  if (peer == "attested_key" && built_in)
    return invalid("expected SPIFFE IDs: a probe or an operator has a certificate");
  if (peer == "attested_key") {
    if (rule.attested_key) return invalid("attested_key stands there twice");
    rule.attested_key = settings.any_attested_key = true;
    return absl::OkStatus();
  }
  const absl::Status id = ValidateWorkloadIdentifier(peer);
  if (!id.ok())
    return invalid(absl::StrCat("expected a SPIFFE ID or attested_key, got \"", peer, "\": ", id.message()));
  if (!rule.spiffe_ids.insert(peer).second) return invalid(absl::StrCat(peer, " stands there twice"));
  return absl::OkStatus();
}

// On a Unix socket.
absl::Status AddLocalPeer(const std::string& peer, ServerSettings& settings, AllowRule& rule) {
  const auto invalid = [](absl::string_view what) { return Deny(v1::DENY_REASON_CONFIG_INVALID, what); };
  const std::optional<std::uint32_t> uid = UidOf(peer);
  if (!uid.has_value()) return invalid(absl::StrCat("expected uid:N on a Unix socket, got \"", peer, "\""));
  rule.local_user = true;
  const bool first = std::none_of(settings.allow.begin(), settings.allow.end(),
                                  [&](const auto& entry) { return entry.second.local_user && &entry.second != &rule; });
  if (!first && *uid != settings.local_uid) return invalid("expected the same uid for every rpc of a Unix socket");
  settings.local_uid = *uid;
  return absl::OkStatus();
}

absl::Status CheckAllow(const config::v1::Server& config, const std::vector<std::string>& methods,
                        const Section& section, ServerSettings& settings) {
  for (const std::string& method : methods) settings.allow[method];
  std::set<std::string> seen;
  for (int i = 0; i < config.allow_size(); ++i) {
    const config::v1::Allow& allow = config.allow(i);
    const auto rule = settings.allow.find(allow.rpc());
    if (rule == settings.allow.end()) {
      return section.Invalid(
          absl::StrCat("allow[", i, "].rpc"),
          absl::StrCat("expected one of ", absl::StrJoin(methods, ", "), ", got \"", allow.rpc(), "\""));
    }
    if (!seen.insert(allow.rpc()).second)
      return section.Invalid(absl::StrCat("allow[", i, "].rpc"), absl::StrCat(allow.rpc(), " stands there twice"));
    const std::string field = absl::StrCat("allow[", i, "].peers");
    if (allow.peers().empty())
      return section.Invalid(field, "expected at least one peer; leave the rpc out to refuse it to everybody");
    if (!settings.unix_path.empty() && allow.peers_size() != 1)
      return section.Invalid(field, "expected exactly one uid:N on a Unix socket");
    for (int j = 0; j < allow.peers_size(); ++j) {
      TWI_RETURN_IF_ERROR(config::AtField(
          section.Field(absl::StrCat(field, "[", j, "]")),
          settings.unix_path.empty() ? AddRemotePeer(allow.peers(j), IsBuiltIn(allow.rpc()), settings, rule->second)
                                     : AddLocalPeer(allow.peers(j), settings, rule->second)));
    }
  }
  if (seen.empty()) return section.Invalid("allow", "expected at least one rpc: as it is nobody may call anything");
  return absl::OkStatus();
}

absl::Status CheckDurations(const config::v1::Server& config, const Section& section, ServerSettings& settings) {
  settings.max_deadline = config::DurationOr(config.has_max_deadline(), config.max_deadline(), absl::Seconds(10));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(settings.max_deadline, absl::Milliseconds(1), absl::Minutes(10),
                                           section.Field("max_deadline")));
  settings.drain_timeout = config::DurationOr(config.has_drain_timeout(), config.drain_timeout(), absl::Seconds(10));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(settings.drain_timeout, absl::ZeroDuration(), absl::Minutes(10),
                                           section.Field("drain_timeout")));
  settings.certificate_expiry_warning =
      config::DurationOr(config.has_certificate_expiry_warning(), config.certificate_expiry_warning(), absl::Hours(24));
  return config::ExpectWithin(settings.certificate_expiry_warning, absl::ZeroDuration(), absl::Hours(24 * 365),
                              section.Field("certificate_expiry_warning"));
}

}  // namespace

std::string FieldBelow(absl::string_view field, absl::string_view name) {
  return field.empty() ? std::string(name) : absl::StrCat(field, ".", name);
}

absl::StatusOr<ServerSettings> CheckServerConfig(const config::v1::Server& config,
                                                 const std::vector<std::string>& methods, const std::string& field) {
  const Section section{field};
  ServerSettings settings;
  TWI_RETURN_IF_ERROR(CheckListen(config, section, settings));
  TWI_RETURN_IF_ERROR(CheckAllow(config, methods, section, settings));
  if (config.has_metrics()) TWI_RETURN_IF_ERROR(CheckMetricsConfig(config.metrics(), section.Field("metrics")));
  if (config.max_message_bytes() > kMaxMessageBytes)
    return section.Invalid("max_message_bytes", absl::StrCat("expected at most ", kMaxMessageBytes));
  settings.max_message_bytes =
      static_cast<int>(config.max_message_bytes() == 0 ? kDefaultMessageBytes : config.max_message_bytes());
  if (config.max_concurrent_requests() > kMaxConcurrent)
    return section.Invalid("max_concurrent_requests", absl::StrCat("expected at most ", kMaxConcurrent));
  settings.max_concurrent_requests =
      static_cast<int>(config.max_concurrent_requests() == 0 ? kDefaultConcurrent : config.max_concurrent_requests());
  settings.max_receive_memory_bytes =
      config.max_receive_memory_bytes() == 0 ? kDefaultReceiveMemory : config.max_receive_memory_bytes();
  if (settings.max_receive_memory_bytes < kMinReceiveMemory)
    return section.Invalid("max_receive_memory_bytes", absl::StrCat("expected at least ", kMinReceiveMemory));
  TWI_RETURN_IF_ERROR(CheckDurations(config, section, settings));
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
  for (const char* own : {kHealthRpc, kReflectionRpc}) {
    if (std::find(methods.begin(), methods.end(), own) != methods.end())
      return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat(own, " is every server's own"));
    methods.emplace_back(own);
  }
  return methods;
}

}  // namespace twi::server
