// A folder of one's own under /tmp (short, so that Unix socket paths in it fit into 107 bytes), removed at the end.
#ifndef TWI_COMMON_TESTING_TEMP_DIR_H_
#define TWI_COMMON_TESTING_TEMP_DIR_H_

#include <string>

#include "absl/strings/string_view.h"

namespace twi::testing {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const;
  // Writes (by rename, so that a reader sees the old or the new content) with mode `mode`; returns the path.
  std::string Write(absl::string_view name, absl::string_view content, unsigned mode = 0600) const;
  std::string Read(absl::string_view name) const;

 private:
  std::string path_;
};

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_TEMP_DIR_H_
