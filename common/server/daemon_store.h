// A daemon's store: root key, database and the keys that sign, opened, counted and probed alike in every daemon.
#ifndef TWI_COMMON_SERVER_DAEMON_STORE_H_
#define TWI_COMMON_SERVER_DAEMON_STORE_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"
#include "common/metrics/metrics.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "common/storage/signing_keys.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

struct DaemonStore {
  // Opens all three. `migrations`: the daemon's own tables, which come after that of the signing keys. `purpose` and
  // `signing_keys`: as storage::SigningKeys::Load. `random` and `metrics`, where the commits are counted, must outlive
  // the result. Errors: those of Sealer::FromConfig, Database::Open and SigningKeys::Load.
  static absl::StatusOr<std::unique_ptr<DaemonStore>> Open(
      const config::v1::Storage& config, const storage::Migrations& migrations, absl::string_view purpose,
      const config::v1::SigningKeys& signing_keys, crypto::Random& random, metrics::Metrics& metrics, absl::Time now);

  // For health probes: the database does its work, and holds the key that signs.
  absl::Status Ready(absl::Time now) const;

  // Never null. In order of construction.
  std::unique_ptr<storage::Sealer> sealer;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<storage::SigningKeys> keys;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_DAEMON_STORE_H_
