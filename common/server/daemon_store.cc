#include "common/server/daemon_store.h"

#include "common/metrics/watch_store.h"
#include "common/status/status_macros.h"

namespace twi::server {

absl::StatusOr<std::unique_ptr<DaemonStore>> DaemonStore::Open(
    const config::v1::Storage& config, const storage::Migrations& migrations, absl::string_view purpose,
    const config::v1::SigningKeys& signing_keys, crypto::Random& random, metrics::Metrics& metrics, absl::Time now) {
  auto store = std::make_unique<DaemonStore>();
  TWI_ASSIGN_OR_RETURN(store->sealer, storage::Sealer::FromConfig(config));
  storage::Migrations all = {storage::kSigningKeysSchema};
  all.insert(all.end(), migrations.begin(), migrations.end());
  TWI_ASSIGN_OR_RETURN(store->database, storage::Database::Open(config.database_file(), all,
                                                                /*durable=*/!config.insecure_not_durable()));
  metrics::WatchStore(metrics, *store->database);  // before the first write, which the keys may be
  TWI_ASSIGN_OR_RETURN(
      store->keys, storage::SigningKeys::Load(*store->database, *store->sealer, random, purpose, signing_keys, now));
  return store;
}

absl::Status DaemonStore::Ready(absl::Time now) const {
  TWI_RETURN_IF_ERROR(database->Ping());
  return keys->StillStored(now);
}

}  // namespace twi::server
