#include "common/config/mounted_secret.h"

#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "common/config/read_file.h"
#include "gtest/gtest.h"

namespace twi::config {
namespace {

constexpr uid_t kUser = 65532;
constexpr gid_t kGroup = 65532;

// As the kubelet makes it: root's, group fsGroup, mode 0440.
struct stat Mounted() {
  struct stat file {};
  file.st_mode = S_IFREG | 0440;
  file.st_gid = kGroup;
  return file;
}

TEST(MountedSecretTest, IsRootsAndOnlyOurGroupReadsIt) {
  EXPECT_TRUE(IsMountedSecret(Mounted(), kUser, {1000, kGroup}));
  struct stat writable_by_root = Mounted();
  writable_by_root.st_mode = S_IFREG | 0640;
  EXPECT_TRUE(IsMountedSecret(writable_by_root, kUser, {kGroup}));
}

TEST(MountedSecretTest, RefusesAnythingWider) {
  for (const mode_t mode : {0441, 0442, 0444, 0450, 0460, 0640 | 0020}) {
    struct stat file = Mounted();
    file.st_mode = S_IFREG | mode;
    EXPECT_FALSE(IsMountedSecret(file, kUser, {kGroup})) << std::oct << mode;
  }
  struct stat directory = Mounted();
  directory.st_mode = S_IFDIR | 0440;
  EXPECT_FALSE(IsMountedSecret(directory, kUser, {kGroup}));
}

TEST(MountedSecretTest, RefusesOtherOwnersAndGroups) {
  struct stat own = Mounted();
  own.st_uid = kUser;  // its owner could have said 0600
  EXPECT_FALSE(IsMountedSecret(own, kUser, {kGroup}));
  EXPECT_FALSE(IsMountedSecret(Mounted(), kUser, {1000}));
  EXPECT_FALSE(IsMountedSecret(Mounted(), kUser, {}));
  EXPECT_FALSE(IsMountedSecret(Mounted(), 0, {kGroup})) << "root's own files are 0600";
}

// A process of kUser with `group` reads `path` as a key: 0 yes, 1 refused.
int ReadAs(gid_t group, const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    if (setgroups(1, &group) != 0 || setgid(group) != 0 || setuid(kUser) != 0) _exit(2);
    _exit(ReadFile(path, {1 << 16, kPrivateFile}).ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

TEST(MountedSecretTest, AKeyIsReadFromASecretByItsGroupOnly) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a file of root's";
  std::string folder = "/tmp/twi-secret.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
  const std::string path = folder + "/tls.key";
  std::ofstream(path) << "key";
  ASSERT_EQ(chown(path.c_str(), 0, kGroup), 0);
  ASSERT_EQ(chmod(path.c_str(), 0440), 0);
  EXPECT_EQ(ReadAs(kGroup, path), 0);
  EXPECT_EQ(ReadAs(kGroup + 1, path), 1);
  ASSERT_EQ(chmod(path.c_str(), 0444), 0);
  EXPECT_EQ(ReadAs(kGroup, path), 1);
  unlink(path.c_str());
  rmdir(folder.c_str());
}

}  // namespace
}  // namespace twi::config
