#include "common/storage/rotation.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/status/status_macros.h"

namespace twi::storage {

RotationPolicy RotationOf(const config::v1::SigningKeys& config) {
  return {config::DurationOr(config.has_rotate_after(), config.rotate_after(), absl::Hours(720)),
          config::DurationOr(config.has_overlap(), config.overlap(), absl::Hours(24))};
}

absl::Status CheckSigningKeys(const config::v1::SigningKeys& config, absl::string_view field) {
  const RotationPolicy policy = RotationOf(config);
  const std::string overlap = absl::StrCat(field, ".overlap");
  TWI_RETURN_IF_ERROR(
      config::Expect(policy.rotate_after > absl::ZeroDuration(), absl::StrCat(field, ".rotate_after"), "more than 0s"));
  TWI_RETURN_IF_ERROR(config::Expect(policy.overlap > absl::ZeroDuration(), overlap, "more than 0s"));
  return config::Expect(policy.overlap <= 16 * policy.rotate_after, overlap,
                        "at most 16 times rotate_after: else too many keys would be published");
}

}  // namespace twi::storage
