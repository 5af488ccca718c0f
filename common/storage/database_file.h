// The database's file before SQLite opens it: where it may lie, whose it is, and that one process has it.
#ifndef TWI_COMMON_STORAGE_DATABASE_FILE_H_
#define TWI_COMMON_STORAGE_DATABASE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace twi::storage {

// Creates `file` (0600) when it is missing and gives its path, symbolic links resolved. STORAGE_FAILED as
// CheckDatabaseFile, and when it cannot be created.
absl::StatusOr<std::string> PrepareDatabaseFile(const std::string& file);

// What PrepareDatabaseFile would refuse, without making anything: no name, a '"' in the path, a folder that is missing
// or not writable, a file (or its -wal, -shm) that group or others may use or that is not this user's. STORAGE_FAILED.
absl::Status CheckDatabaseFile(const std::string& file);

// The right to a database. Two daemons on one file would each hold keys and counters that the other changes. A lock
// (flock) on the file `PATH-lock`, which stays: the kernel gives it back when the process ends, however it ends. Not on
// the database itself: closing a descriptor of that would drop SQLite's own locks.
class DatabaseLock {
 public:
  // STORAGE_FAILED when another one has it, with that process's id.
  static absl::StatusOr<DatabaseLock> Take(const std::string& path);
  DatabaseLock(DatabaseLock&& other) noexcept;
  DatabaseLock& operator=(DatabaseLock&& other) = delete;
  ~DatabaseLock();

 private:
  explicit DatabaseLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_DATABASE_FILE_H_
