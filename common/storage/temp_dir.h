// A folder for one test, removed with its content.
#ifndef TWI_COMMON_STORAGE_TEMP_DIR_H_
#define TWI_COMMON_STORAGE_TEMP_DIR_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"

namespace twi::storage {

class TempDir {
 public:
  TempDir() {
    std::string pattern = testing::TempDir() + "/storage.XXXXXX";
    path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
    EXPECT_FALSE(path_.empty());
  }
  ~TempDir() {
    std::error_code ignored;  // A folder that stays behind is under the test's own temporary folder.
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_TEMP_DIR_H_
