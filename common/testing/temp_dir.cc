#include "common/testing/temp_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace twi::testing {

TempDir::TempDir() {
  char path[] = "/tmp/twi_XXXXXX";
  if (mkdtemp(path) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = path;
}

TempDir::~TempDir() {
  std::error_code ignored;  // a file that is left over in /tmp fails no test
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::File(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

std::string TempDir::Write(absl::string_view name, absl::string_view content, unsigned mode) const {
  const std::string path = File(name);
  const std::string fresh = absl::StrCat(path, ".new");
  {
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
  }
  chmod(fresh.c_str(), mode);
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    std::perror(path.c_str());
    std::abort();
  }
  return path;
}

std::string TempDir::Read(absl::string_view name) const {
  std::ifstream in(File(name), std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

}  // namespace twi::testing
