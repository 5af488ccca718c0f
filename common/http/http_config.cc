#include "common/http/http_config.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/checks.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/status_macros.h"

namespace twi::http {
namespace {

constexpr std::uint32_t kDefaultConnections = 512, kDefaultConcurrent = 64, kMost = 10000;

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

absl::Status AddPeer(const std::string& peer, const std::string& field, AllowRule& rule) {
  bool fresh = true;
  if (peer == "attested_key") {
    fresh = !rule.attested_key;
    rule.attested_key = true;
  } else if (peer == "anonymous") {
    fresh = !rule.anonymous;
    rule.anonymous = true;
  } else {
    TWI_RETURN_IF_ERROR(
        config::Expect(ValidateWorkloadIdentifier(peer).ok(), field, "a SPIFFE ID, attested_key or anonymous"));
    fresh = rule.spiffe_ids.insert(peer).second;
  }
  return config::Expect(fresh, field, "each peer once");
}

absl::Status CheckAllow(const config::v1::Http& config, const std::string& section,
                        const std::vector<std::string>& routes, HttpSettings& settings) {
  for (const std::string& route : routes) settings.allow[route];
  TWI_RETURN_IF_ERROR(config::Expect(!config.allow().empty(), FieldOf(section, "allow"),
                                     "at least one route: nobody may call anything"));
  std::set<std::string> seen;
  for (int i = 0; i < config.allow_size(); ++i) {
    const config::v1::Allow& allow = config.allow(i);
    const std::string field = FieldOf(section, absl::StrCat("allow[", i, "]"));
    const auto rule = settings.allow.find(allow.rpc());
    TWI_RETURN_IF_ERROR(config::Expect(rule != settings.allow.end(), field + ".rpc",
                                       absl::StrCat("one of ", absl::StrJoin(routes, ", "))));
    TWI_RETURN_IF_ERROR(config::Expect(seen.insert(allow.rpc()).second, field + ".rpc", "each route once"));
    TWI_RETURN_IF_ERROR(config::Expect(!allow.peers().empty(), field + ".peers", "at least one peer"));
    for (const std::string& peer : allow.peers()) TWI_RETURN_IF_ERROR(AddPeer(peer, field + ".peers", rule->second));
    settings.any_attested_key |= rule->second.attested_key;
    settings.any_anonymous |= rule->second.anonymous;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Count(std::uint32_t value, const std::string& field, std::uint32_t fallback) {
  TWI_RETURN_IF_ERROR(config::Expect(value <= kMost, field, absl::StrCat("at most ", kMost)));
  return static_cast<int>(value == 0 ? fallback : value);
}

}  // namespace

std::string FieldOf(const std::string& section, absl::string_view field) {
  return section.empty() ? std::string(field) : absl::StrCat(section, ".", field);
}

absl::StatusOr<HttpSettings> CheckHttpConfig(const config::v1::Http& config, const std::string& section,
                                             const std::vector<std::string>& routes) {
  const auto at = [&](const char* field) { return FieldOf(section, field); };
  HttpSettings s;
  TWI_RETURN_IF_ERROR(config::Expect(SplitListen(config.listen(), s), at("listen"), "ADDRESS:PORT"));
  TWI_RETURN_IF_ERROR(config::Expect(config.has_tls(), at("tls"), "a section"));
  TWI_RETURN_IF_ERROR(CheckAllow(config, section, routes, s));
  TWI_ASSIGN_OR_RETURN(s.max_connections, Count(config.max_connections(), at("max_connections"), kDefaultConnections));
  TWI_ASSIGN_OR_RETURN(s.max_concurrent_requests,
                       Count(config.max_concurrent_requests(), at("max_concurrent_requests"), kDefaultConcurrent));
  s.request_timeout = config::DurationOr(config.has_request_timeout(), config.request_timeout(), absl::Seconds(10));
  TWI_RETURN_IF_ERROR(
      config::ExpectWithin(s.request_timeout, absl::Milliseconds(100), absl::Minutes(10), at("request_timeout")));
  s.drain_timeout = config::DurationOr(config.has_drain_timeout(), config.drain_timeout(), absl::Seconds(10));
  TWI_RETURN_IF_ERROR(
      config::ExpectWithin(s.drain_timeout, absl::ZeroDuration(), absl::Minutes(10), at("drain_timeout")));
  s.certificate_expiry_warning =
      config::DurationOr(config.has_certificate_expiry_warning(), config.certificate_expiry_warning(), absl::Hours(24));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(s.certificate_expiry_warning, absl::ZeroDuration(), absl::Hours(24 * 365),
                                           at("certificate_expiry_warning")));
  return s;
}

}  // namespace twi::http
