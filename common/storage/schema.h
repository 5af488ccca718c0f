// The schema's version in the database itself (table `schema_version`), and the steps up to ours.
#ifndef TWI_COMMON_STORAGE_SCHEMA_H_
#define TWI_COMMON_STORAGE_SCHEMA_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/storage/session.h"

namespace twi::storage {

// SQL of schema version i+1 (one or more statements), applied once, each in its own transaction. Never edited after
// release; only appended to.
using Migrations = std::vector<std::string>;

// Brings the schema to version migrations.size(). STORAGE_FAILED, with the version that was reached left intact, when a
// step fails or ends its own transaction, and when the database is newer than `migrations`.
absl::Status Migrate(Session& session, const Migrations& migrations);

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_SCHEMA_H_
