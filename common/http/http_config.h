// A config::v1::Http, checked and with its defaults filled in.
#ifndef TWI_COMMON_HTTP_HTTP_CONFIG_H_
#define TWI_COMMON_HTTP_HTTP_CONFIG_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::http {

// Who may call one route. Empty: nobody.
struct AllowRule {
  std::set<std::string> spiffe_ids;
  bool attested_key = false;
  bool anonymous = false;
};

struct HttpSettings {
  std::string address;  // an IP address, without brackets
  std::uint16_t port = 0;
  std::map<std::string, AllowRule> allow;  // one entry per route, also for those that config does not name
  bool any_attested_key = false;
  bool any_anonymous = false;
  int max_connections = 0;
  int max_concurrent_requests = 0;
  absl::Duration request_timeout, drain_timeout, certificate_expiry_warning;
};

// Where a field of the message stands in the config: "rest.listen"; `section` may be empty.
std::string FieldOf(const std::string& section, absl::string_view field);

// `section`: where the message stands in the config ("rest"), for errors; `routes`: their names. CONFIG_INVALID with
// the place of the field.
absl::StatusOr<HttpSettings> CheckHttpConfig(const config::v1::Http& config, const std::string& section,
                                             const std::vector<std::string>& routes);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_HTTP_CONFIG_H_
