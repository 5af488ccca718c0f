#include "common/storage/database_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/private_file.h"

namespace twi::storage {
namespace {

absl::Status Failed(const std::string& file, absl::string_view why) {
  return Deny(v1::DENY_REASON_STORAGE_FAILED, absl::StrCat(file, ": ", why));
}

std::string FolderOf(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
}

// Makes an empty file, and its name durable.
absl::Status Create(const std::string& file) {
  const int fd = open(file.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Failed(file, absl::StrCat("cannot be created: ", strerror(errno)));
  close(fd);
  const std::string folder = FolderOf(file);
  const int folder_fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return Failed(folder, absl::StrCat("cannot be opened: ", strerror(errno)));
  const bool synced = fsync(folder_fd) == 0;
  const std::string why = synced ? "" : strerror(errno);
  close(folder_fd);
  return synced ? absl::OkStatus() : Failed(folder, absl::StrCat("cannot be synced: ", why));
}

// SQLite gives -wal and -shm the mode of the database; an existing one is looked at too. Never opens the database:
// closing a descriptor of it would drop the locks (fcntl) that another session of this process holds.
absl::Status RequirePrivate(const std::string& file) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat info;
    const std::string name = file + suffix;
    if (stat(name.c_str(), &info) != 0) {
      if (errno == ENOENT && *suffix != '\0') continue;
      return Failed(name, strerror(errno));
    }
    const std::string why = WhyNotPrivate(info);
    if (!why.empty()) return Failed(name, why);
  }
  return absl::OkStatus();
}

// SQLite gets the name as part of a quoted connection string.
absl::StatusOr<std::string> Resolve(const std::string& file) {
  char resolved[PATH_MAX];
  if (realpath(file.c_str(), resolved) == nullptr) return Failed(file, strerror(errno));
  const std::string path = resolved;
  if (path.find('"') != std::string::npos) return Failed(path, "has a quote in its path");
  return path;
}

// Who holds the lock, as far as it can be told: the holder writes its process id into the file.
std::string Holder(int fd) {
  char text[32] = {};
  const ssize_t size = pread(fd, text, sizeof text - 1, 0);
  const std::string id(absl::StripAsciiWhitespace(absl::string_view(text, size > 0 ? static_cast<size_t>(size) : 0)));
  return id.empty() ? "" : absl::StrCat(" (process ", id, ")");
}

}  // namespace

absl::StatusOr<std::string> PrepareDatabaseFile(const std::string& file) {
  if (file.empty()) return Failed(file, "the database has no file name");
  struct stat info;
  if (stat(file.c_str(), &info) != 0) {
    if (errno != ENOENT) return Failed(file, strerror(errno));
    TWI_RETURN_IF_ERROR(Create(file));
  }
  TWI_ASSIGN_OR_RETURN(const std::string path, Resolve(file));
  TWI_RETURN_IF_ERROR(RequirePrivate(path));
  return path;
}

absl::Status CheckDatabaseFile(const std::string& file) {
  if (file.empty()) return Failed(file, "the database has no file name");
  const std::string folder = FolderOf(file);
  struct stat info;
  if (stat(folder.c_str(), &info) != 0) return Failed(folder, strerror(errno));
  if (!S_ISDIR(info.st_mode)) return Failed(folder, "is not a folder");
  if (access(folder.c_str(), W_OK | X_OK) != 0) return Failed(folder, strerror(errno));
  if (stat(file.c_str(), &info) != 0) {
    if (errno != ENOENT) return Failed(file, strerror(errno));
    return Resolve(folder).status();
  }
  TWI_ASSIGN_OR_RETURN(const std::string path, Resolve(file));
  return RequirePrivate(path);
}

absl::StatusOr<DatabaseLock> DatabaseLock::Take(const std::string& path) {
  const std::string file = path + "-lock";
  const int fd = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Failed(file, absl::StrCat("cannot be opened: ", strerror(errno)));
  DatabaseLock lock(fd);
  struct stat info;
  if (fstat(fd, &info) != 0) return Failed(file, strerror(errno));
  if (const std::string why = WhyNotPrivate(info); !why.empty()) return Failed(file, why);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed(file, strerror(errno));
    return Failed(path,
                  absl::StrCat("is in use by another daemon", Holder(fd), "; each daemon has a database of its own"));
  }
  // For the message above only.
  const std::string id = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()))
    return Failed(file, absl::StrCat("cannot be written: ", strerror(errno)));
  return lock;
}

DatabaseLock::DatabaseLock(DatabaseLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DatabaseLock::~DatabaseLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace twi::storage
