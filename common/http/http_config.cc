#include "common/http/http_config.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/load_yaml.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/status_macros.h"

namespace twi::http {
namespace {

constexpr std::uint32_t kDefaultConnections = 512, kDefaultConcurrent = 64, kMost = 10000;

// Errors of one section.
class Section {
 public:
  explicit Section(std::string name) : name_(std::move(name)) {}

  absl::Status Expect(bool holds, absl::string_view field, absl::string_view expected) const {
    if (holds) return absl::OkStatus();
    return config::ConfigError("", name_.empty() ? std::string(field) : absl::StrCat(name_, ".", field), expected);
  }
  // The field's value, or `fallback` when it is not set; from `least` to 10 minutes (a year for the warning).
  absl::StatusOr<absl::Duration> DurationOf(bool set, const google::protobuf::Duration& value, absl::string_view field,
                                            absl::Duration fallback, absl::Duration least, absl::Duration most) const {
    if (!set) return fallback;
    const absl::Duration duration = absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos());
    TWI_RETURN_IF_ERROR(Expect(duration >= least && duration <= most, field,
                               absl::StrCat(absl::FormatDuration(least), "..", absl::FormatDuration(most))));
    return duration;
  }

 private:
  const std::string name_;
};

// "192.0.2.1:8080", "[::1]:0".
bool SplitListen(const std::string& listen, HttpSettings& settings) {
  const std::size_t colon = listen.rfind(':');
  std::uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > 65535) return false;
  std::string host = listen.substr(0, colon);
  unsigned char address[16];
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), address) != 1) return false;
  } else if (inet_pton(AF_INET, host.c_str(), address) != 1) {
    return false;
  }
  settings.address = host;
  settings.port = static_cast<std::uint16_t>(port);
  return true;
}

absl::Status AddPeer(const Section& section, const std::string& peer, const std::string& field, AllowRule& rule) {
  bool fresh = true;
  if (peer == "attested_key") {
    fresh = !rule.attested_key;
    rule.attested_key = true;
  } else if (peer == "anonymous") {
    fresh = !rule.anonymous;
    rule.anonymous = true;
  } else {
    TWI_RETURN_IF_ERROR(
        section.Expect(ValidateWorkloadIdentifier(peer).ok(), field, "a SPIFFE ID, attested_key or anonymous"));
    fresh = rule.spiffe_ids.insert(peer).second;
  }
  return section.Expect(fresh, field, "each peer once");
}

absl::Status CheckAllow(const Section& section, const config::v1::Http& config, const std::vector<std::string>& routes,
                        HttpSettings& settings) {
  for (const std::string& route : routes) settings.allow[route];
  TWI_RETURN_IF_ERROR(section.Expect(!config.allow().empty(), "allow", "at least one route: nobody may call anything"));
  std::set<std::string> seen;
  for (int i = 0; i < config.allow_size(); ++i) {
    const config::v1::Allow& allow = config.allow(i);
    const std::string field = absl::StrCat("allow[", i, "]");
    const auto rule = settings.allow.find(allow.rpc());
    TWI_RETURN_IF_ERROR(section.Expect(rule != settings.allow.end(), field + ".rpc",
                                       absl::StrCat("one of ", absl::StrJoin(routes, ", "))));
    TWI_RETURN_IF_ERROR(section.Expect(seen.insert(allow.rpc()).second, field + ".rpc", "each route once"));
    TWI_RETURN_IF_ERROR(section.Expect(!allow.peers().empty(), field + ".peers", "at least one peer"));
    for (const std::string& peer : allow.peers())
      TWI_RETURN_IF_ERROR(AddPeer(section, peer, field + ".peers", rule->second));
    settings.any_attested_key |= rule->second.attested_key;
    settings.any_anonymous |= rule->second.anonymous;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Count(const Section& section, std::uint32_t value, absl::string_view field,
                          std::uint32_t fallback) {
  TWI_RETURN_IF_ERROR(section.Expect(value <= kMost, field, absl::StrCat("at most ", kMost)));
  return static_cast<int>(value == 0 ? fallback : value);
}

}  // namespace

absl::StatusOr<HttpSettings> CheckHttpConfig(const config::v1::Http& config, const std::string& section_name,
                                             const std::vector<std::string>& routes) {
  const Section section(section_name);
  HttpSettings settings;
  TWI_RETURN_IF_ERROR(section.Expect(SplitListen(config.listen(), settings), "listen", "ADDRESS:PORT"));
  TWI_RETURN_IF_ERROR(section.Expect(config.has_tls(), "tls", "a section"));
  TWI_RETURN_IF_ERROR(CheckAllow(section, config, routes, settings));
  TWI_ASSIGN_OR_RETURN(settings.max_connections,
                       Count(section, config.max_connections(), "max_connections", kDefaultConnections));
  TWI_ASSIGN_OR_RETURN(settings.max_concurrent_requests,
                       Count(section, config.max_concurrent_requests(), "max_concurrent_requests", kDefaultConcurrent));
  TWI_ASSIGN_OR_RETURN(settings.request_timeout,
                       section.DurationOf(config.has_request_timeout(), config.request_timeout(), "request_timeout",
                                          absl::Seconds(10), absl::Milliseconds(100), absl::Minutes(10)));
  TWI_ASSIGN_OR_RETURN(settings.drain_timeout,
                       section.DurationOf(config.has_drain_timeout(), config.drain_timeout(), "drain_timeout",
                                          absl::Seconds(10), absl::ZeroDuration(), absl::Minutes(10)));
  TWI_ASSIGN_OR_RETURN(
      settings.certificate_expiry_warning,
      section.DurationOf(config.has_certificate_expiry_warning(), config.certificate_expiry_warning(),
                         "certificate_expiry_warning", absl::Hours(24), absl::ZeroDuration(), absl::Hours(24 * 365)));
  return settings;
}

}  // namespace twi::http
