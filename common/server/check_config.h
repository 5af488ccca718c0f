// The sections that the daemons' configs are made of, checked wherever they stand in a config: found by their type
// (proto/twi/config/v1/common.proto), so that no daemon can forget one.
#ifndef TWI_COMMON_SERVER_CHECK_CONFIG_H_
#define TWI_COMMON_SERVER_CHECK_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

namespace twi::server {

// Opens no port, makes no file, calls nobody. Each error stands at its field's place (common/config/load_yaml.h) and
// says what was expected:
//   Log           the level, and that the file can be appended to or made in its folder;
//   Server        must be set; listen address, allow-list (rpcs of `services`, each once; SPIFFE IDs), limits, its
//                 Metrics and its Tls, whose certificate carries the SPIFFE ID of `own_id_field`, when there is such a
//                 field;
//   Metrics       as CheckMetricsConfig: a Unix socket, and who may scrape;
//   Tls           certificate (valid at `now`, one SPIFFE ID), its key, trust bundle, and the files' modes;
//   Storage       must be set; as storage::CheckStorage;
//   SigningKeys   as storage::CheckSigningKeys;
//   Peer          address, SPIFFE ID, timeout;
//   KeySource     has a peer; refresh 5s..24h.
struct CheckOptions {
  std::vector<std::string> services;  // full names of the gRPC services that the daemon serves with its Server
  // Field of the config under whose value the daemon's statements are trusted ("issuer"); empty: none.
  std::string own_id_field;
};
absl::Status CheckCommonSections(const google::protobuf::Message& config, const CheckOptions& options, absl::Time now);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_CHECK_CONFIG_H_
