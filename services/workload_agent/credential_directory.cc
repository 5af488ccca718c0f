#include "services/workload_agent/credential_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

constexpr char kData[] = "..data";
constexpr char kLock[] = "..lock";
constexpr char kNewLink[] = "..new";  // a symlink on its way to its name
constexpr char kVersionPrefix[] = "..v";

absl::Status StorageFailed(absl::string_view what, absl::string_view name) {
  return Deny(v1::DENY_REASON_STORAGE_FAILED,
              absl::StrCat("credential directory: ", what, " ", name, ": ", std::strerror(errno)));
}

absl::Status ConfigInvalid(absl::string_view path, absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("output.directory ", path, ": ", what));
}

bool IsPlainName(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '-'; });
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// Where the symlink `name` points; empty when there is none.
std::string LinkTarget(int directory, const std::string& name) {
  char target[256];
  const ssize_t size = ::readlinkat(directory, name.c_str(), target, sizeof target);
  return size > 0 && size < static_cast<ssize_t>(sizeof target) ? std::string(target, static_cast<std::size_t>(size))
                                                                : std::string();
}

absl::StatusOr<std::vector<std::string>> List(int directory) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = copy < 0 ? nullptr : ::fdopendir(copy);
  if (dir == nullptr) {
    const absl::Status failed = StorageFailed("list", ".");
    if (copy >= 0) ::close(copy);
    return failed;
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  return names;
}

absl::Status RemoveVersion(int directory, const std::string& version) {
  const Fd fd(::openat(directory, version.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) return StorageFailed("open", version);
  TWI_ASSIGN_OR_RETURN(const std::vector<std::string> names, List(fd.get()));
  for (const std::string& name : names) {
    if (::unlinkat(fd.get(), name.c_str(), 0) != 0) return StorageFailed("remove", name);
  }
  return ::unlinkat(directory, version.c_str(), AT_REMOVEDIR) == 0 ? absl::OkStatus()
                                                                   : StorageFailed("remove", version);
}

absl::Status WriteFile(int directory, const CredentialFile& file) {
  const Fd fd(::openat(directory, file.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) return StorageFailed("create", file.name);
  absl::string_view rest = file.content.reveal();
  while (!rest.empty()) {
    const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return StorageFailed("write", file.name);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::fsync(fd.get()) == 0 ? absl::OkStatus() : StorageFailed("fsync", file.name);
}

}  // namespace

absl::StatusOr<std::unique_ptr<CredentialDirectory>> CredentialDirectory::Open(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return ConfigInvalid(path, std::strerror(errno));
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0)
    return ConfigInvalid(path, errno == ELOOP || errno == ENOTDIR ? "is not a directory (a symlink is refused too)"
                                                                  : std::strerror(errno));
  const int lock = ::openat(directory, kLock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  std::unique_ptr<CredentialDirectory> opened(new CredentialDirectory(path, directory, lock));
  struct stat info {};
  if (::fstat(directory, &info) != 0) return ConfigInvalid(path, std::strerror(errno));
  if (info.st_uid != ::geteuid()) return ConfigInvalid(path, "belongs to another user");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return ConfigInvalid(path, "may be written by group or others");
  if (lock < 0) return ConfigInvalid(path, absl::StrCat("cannot create ..lock: ", std::strerror(errno)));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) return ConfigInvalid(path, "is held by another agent");
  TWI_RETURN_IF_ERROR(opened->RemoveLeftovers());
  return opened;
}

CredentialDirectory::~CredentialDirectory() {
  if (lock_ >= 0) ::close(lock_);  // gives the flock up
  ::close(directory_);
}

absl::Status CredentialDirectory::Replace(const std::vector<CredentialFile>& files) {
  for (const CredentialFile& file : files) {
    if (!IsPlainName(file.name))
      return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("credential directory: file name \"", file.name, "\""));
  }
  const std::string old = LinkTarget(directory_, kData);
  std::uint64_t number = 0;
  if (absl::StartsWith(old, kVersionPrefix) && !absl::SimpleAtoi(old.substr(std::strlen(kVersionPrefix)), &number))
    number = 0;
  const std::string version = absl::StrCat(kVersionPrefix, number + 1);
  const absl::Status written = WriteVersion(version, files);
  if (!written.ok()) {
    RemoveLeftovers().IgnoreError();  // the failure that matters is `written`; the next Open or Replace cleans up
    return written;
  }
  TWI_RETURN_IF_ERROR(Swap(kData, version));  // from here on the new version is in force
  TWI_RETURN_IF_ERROR(LinkNames(files));
  return RemoveLeftovers();
}

absl::Status CredentialDirectory::Withdraw() {
  if (::unlinkat(directory_, kData, 0) != 0 && errno != ENOENT) return StorageFailed("remove", kData);
  if (::fsync(directory_) != 0) return StorageFailed("fsync", path_);
  return RemoveLeftovers();
}

absl::Status CredentialDirectory::WriteVersion(const std::string& version, const std::vector<CredentialFile>& files) {
  if (::mkdirat(directory_, version.c_str(), 0700) != 0) return StorageFailed("create", version);
  const Fd fd(::openat(directory_, version.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) return StorageFailed("open", version);
  for (const CredentialFile& file : files) TWI_RETURN_IF_ERROR(WriteFile(fd.get(), file));
  return ::fsync(fd.get()) == 0 ? absl::OkStatus() : StorageFailed("fsync", version);
}

absl::Status CredentialDirectory::Swap(const std::string& link, const std::string& target) {
  if (::unlinkat(directory_, kNewLink, 0) != 0 && errno != ENOENT) return StorageFailed("remove", kNewLink);
  if (::symlinkat(target.c_str(), directory_, kNewLink) != 0) return StorageFailed("link", kNewLink);
  if (::renameat(directory_, kNewLink, directory_, link.c_str()) != 0) return StorageFailed("rename to", link);
  return ::fsync(directory_) == 0 ? absl::OkStatus() : StorageFailed("fsync", path_);
}

// The names that the workload reads: stable links through ..data, made once.
absl::Status CredentialDirectory::LinkNames(const std::vector<CredentialFile>& files) {
  for (const CredentialFile& file : files) {
    const std::string target = absl::StrCat(kData, "/", file.name);
    if (LinkTarget(directory_, file.name) != target) TWI_RETURN_IF_ERROR(Swap(file.name, target));
  }
  TWI_ASSIGN_OR_RETURN(const std::vector<std::string> names, List(directory_));
  for (const std::string& name : names) {
    const bool ours = LinkTarget(directory_, name) == absl::StrCat(kData, "/", name);
    const bool wanted =
        std::any_of(files.begin(), files.end(), [&](const CredentialFile& file) { return file.name == name; });
    if (ours && !wanted && ::unlinkat(directory_, name.c_str(), 0) != 0) return StorageFailed("remove", name);
  }
  return absl::OkStatus();
}

// Versions that ..data does not point to, and a symlink that never got to its name.
absl::Status CredentialDirectory::RemoveLeftovers() {
  const std::string current = LinkTarget(directory_, kData);
  TWI_ASSIGN_OR_RETURN(const std::vector<std::string> names, List(directory_));
  for (const std::string& name : names) {
    if (name == kNewLink && ::unlinkat(directory_, kNewLink, 0) != 0) return StorageFailed("remove", name);
    if (absl::StartsWith(name, kVersionPrefix) && name != current) TWI_RETURN_IF_ERROR(RemoveVersion(directory_, name));
  }
  return absl::OkStatus();
}

}  // namespace twi::agent
