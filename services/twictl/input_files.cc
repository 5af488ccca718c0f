#include "services/twictl/input_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace twi::twictl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSize = 4 * 1024 * 1024;
constexpr std::size_t kMaxFiles = 1000;

absl::Status CannotRead(const std::string& path, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", cause));
}

}  // namespace

absl::StatusOr<verifier::EvidenceFile> ReadInputFile(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return CannotRead(path, "is a directory");
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return CannotRead(path, std::strerror(errno));
  verifier::EvidenceFile file;
  file.name = fs::path(path).filename().string();
  char buffer[64 * 1024];
  while (stream.read(buffer, sizeof(buffer)) || stream.gcount() > 0) {
    file.bytes.append(buffer, static_cast<std::size_t>(stream.gcount()));
    if (file.bytes.size() > kMaxSize) return CannotRead(path, "larger than 4 MiB");
  }
  if (stream.bad()) return CannotRead(path, "read error");
  return file;
}

absl::StatusOr<std::vector<verifier::EvidenceFile>> ReadInputFiles(const std::string& path) {
  std::error_code error;
  std::vector<std::string> paths;
  if (!fs::is_directory(path, error)) {
    paths.push_back(path);
  } else {
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code ignored;
      if (entry->is_regular_file(ignored)) paths.push_back(entry->path().string());
      if (paths.size() > kMaxFiles) return CannotRead(path, absl::StrCat("more than ", kMaxFiles, " files"));
    }
    if (error) return CannotRead(path, error.message());
    std::sort(paths.begin(), paths.end());
  }
  std::vector<verifier::EvidenceFile> files;
  for (const std::string& one : paths) {
    TWI_ASSIGN_OR_RETURN(verifier::EvidenceFile file, ReadInputFile(one));
    file.found = one != path;
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace twi::twictl
