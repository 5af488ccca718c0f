#include "common/storage/storage_config.h"

#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/status/status_macros.h"
#include "common/storage/database_file.h"
#include "common/storage/sealed.h"

namespace twi::storage {

absl::Status CheckStorage(const config::v1::Storage& config, absl::string_view field) {
  const std::string database = absl::StrCat(field, ".database_file"), root_key = absl::StrCat(field, ".root_key_file");
  TWI_RETURN_IF_ERROR(config::Expect(!config.database_file().empty(), database, "a file"));
  TWI_RETURN_IF_ERROR(
      config::Expect(!config.root_key_file().empty(), root_key, "a file with 32 bytes: keys are sealed under it"));
  TWI_RETURN_IF_ERROR(config::AtField(database, CheckDatabaseFile(config.database_file())));
  return config::AtField(root_key, Sealer::FromConfig(config).status());
}

}  // namespace twi::storage
