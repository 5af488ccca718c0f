#include "common/config/mounted_secret.h"

#include <unistd.h>

#include <algorithm>

namespace twi::config {

bool IsMountedSecret(const struct stat& file, uid_t user, const std::vector<gid_t>& groups) {
  return S_ISREG(file.st_mode) && user != 0 && file.st_uid == 0 &&
         (file.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0 &&
         std::find(groups.begin(), groups.end(), file.st_gid) != groups.end();
}

bool IsMountedSecret(const struct stat& file) {
  const int count = getgroups(0, nullptr);
  std::vector<gid_t> groups(count > 0 ? static_cast<std::size_t>(count) : 0);
  const int got = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  groups.push_back(getegid());
  return IsMountedSecret(file, geteuid(), groups);
}

}  // namespace twi::config
