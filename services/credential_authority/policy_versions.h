// Which version of a Claims Mapper Policy is in force, asked of the Claims Mapper and remembered for a second.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_POLICY_VERSIONS_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_POLICY_VERSIONS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/client/claims_mapper_client.h"
#include "common/time/clock.h"

namespace twi::credential_authority {

class PolicyVersions {
 public:
  // A replaced policy may go on being accepted for so long, and no longer.
  static constexpr absl::Duration kMaxAge = absl::Seconds(1);

  PolicyVersions(client::ClaimsMapperClient& mapper, const Clock& clock) : mapper_(mapper), clock_(clock) {}

  // GRANT_POLICY_REPLACED when another version, another document, or none of that name is in force;
  // DEPENDENCY_UNAVAILABLE when nobody says. `sha256`: 32 bytes.
  absl::Status CheckInForce(const std::string& name, std::uint64_t version, absl::string_view sha256,
                            absl::Time deadline);

 private:
  struct Known {
    bool in_force = false;
    std::uint64_t version = 0;
    std::string sha256;  // hex
    absl::Time asked;
  };
  client::ClaimsMapperClient& mapper_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // bounded: forgotten whole at kMaxNames
  static constexpr std::size_t kMaxNames = 100'000;
};

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_POLICY_VERSIONS_H_
