// ParseYaml over hostile bytes: Workload Owners' policies come over the network.
#include <cstdint>
#include <cstdlib>

#include "common/config/config_test.pb.h"
#include "common/config/load_yaml.h"
#include "common/status/deny.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  twi::config::test::Sample sample;
  const absl::Status status =
      twi::config::ParseYaml(absl::string_view(reinterpret_cast<const char*>(data), size), "fuzz", sample);
  // Either all of it, or nothing and the one reason.
  if (!status.ok() && (sample.ByteSizeLong() != 0 || twi::DenyReasonOf(status) != twi::v1::DENY_REASON_CONFIG_INVALID))
    std::abort();
  return 0;
}
