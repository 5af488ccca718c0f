#include "services/workload_agent/tpm_address.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status/deny.h"

namespace twi::agent {
namespace {

bool IsPort(const std::string& text) {
  // SimpleAtoi takes a sign and white space as well.
  const bool digits = std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
  std::uint32_t port = 0;
  return digits && absl::SimpleAtoi(text, &port) && port >= 1 && port <= 65535;
}

// "host=127.0.0.1,port=2321", "path=/run/tpm/socket".
bool ReadSwtpm(absl::string_view settings, TpmAddress& address) {
  for (absl::string_view setting : absl::StrSplit(settings, ',')) {
    std::string* const value = absl::ConsumePrefix(&setting, "host=")   ? &address.host
                               : absl::ConsumePrefix(&setting, "port=") ? &address.port
                               : absl::ConsumePrefix(&setting, "path=") ? &address.path
                                                                        : nullptr;
    if (value == nullptr || !value->empty() || setting.empty()) return false;
    *value = std::string(setting);
  }
  return address.path.empty() ? !address.host.empty() && IsPort(address.port)
                              : address.host.empty() && address.port.empty();
}

}  // namespace

absl::StatusOr<TpmAddress> ParseTpmAddress(const std::string& tcti) {
  TpmAddress address;
  absl::string_view rest = tcti;
  if (absl::ConsumePrefix(&rest, "device:") && !rest.empty()) {
    address.device = std::string(rest);
    return address;
  }
  if (absl::ConsumePrefix(&rest, "swtpm:") && ReadSwtpm(rest, address)) return address;
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("tcti \"", tcti, "\": expected ", kTpmAddressForm));
}

}  // namespace twi::agent
