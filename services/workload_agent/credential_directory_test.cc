#include "services/workload_agent/credential_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::agent {
namespace {

using twi::testing::StatusIs;
using twi::testing::TempDir;

std::vector<CredentialFile> Files(const std::string& content, bool with_wit = true) {
  std::vector<CredentialFile> files;
  files.push_back({"key.pem", SecretBytes::CopyOf("key " + content)});
  files.push_back({"chain.pem", SecretBytes::CopyOf("chain " + content)});
  if (with_wit) files.push_back({"wit.jwt", SecretBytes::CopyOf("wit " + content)});
  return files;
}

mode_t Mode(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

bool Exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

class CredentialDirectoryTest : public ::testing::Test {
 protected:
  std::unique_ptr<CredentialDirectory> Open() { return CredentialDirectory::Open(path_).value(); }
  std::string Read(const std::string& name) { return dir_.Read("out/" + name); }
  TempDir dir_;
  const std::string path_ = dir_.File("out");
};

TEST_F(CredentialDirectoryTest, InstallsWithTightModes) {
  ASSERT_OK(Open()->Replace(Files("1")));
  EXPECT_EQ(Read("key.pem"), "key 1");
  EXPECT_EQ(Read("chain.pem"), "chain 1");
  EXPECT_EQ(Mode(path_), 0700u);
  EXPECT_EQ(Mode(path_ + "/..data"), 0700u);
  for (const char* name : {"key.pem", "chain.pem", "wit.jwt"}) EXPECT_EQ(Mode(path_ + "/" + name), 0600u);
}

TEST_F(CredentialDirectoryTest, ReplacesAllAndRemovesTheOldVersion) {
  const auto directory = Open();
  ASSERT_OK(directory->Replace(Files("1")));
  ASSERT_OK(directory->Replace(Files("2")));
  EXPECT_EQ(Read("key.pem"), "key 2");
  EXPECT_EQ(Read("wit.jwt"), "wit 2");
  EXPECT_FALSE(Exists(path_ + "/..v1"));
  ASSERT_OK(directory->Replace(Files("3", /*with_wit=*/false)));
  EXPECT_FALSE(Exists(path_ + "/wit.jwt"));  // no dangling link
}

TEST_F(CredentialDirectoryTest, WithdrawLeavesNothingToRead) {
  const auto directory = Open();
  ASSERT_OK(directory->Withdraw());  // nothing there: nothing to do
  ASSERT_OK(directory->Replace(Files("1")));
  ASSERT_OK(directory->Withdraw());
  for (const char* name : {"key.pem", "chain.pem", "wit.jwt"})
    EXPECT_NE(::access((path_ + "/" + name).c_str(), F_OK), 0) << name;
  EXPECT_FALSE(Exists(path_ + "/..data"));
  EXPECT_FALSE(Exists(path_ + "/..v1"));
  ASSERT_OK(directory->Replace(Files("2")));
  EXPECT_EQ(Read("key.pem"), "key 2");
}

TEST_F(CredentialDirectoryTest, GoesOnAfterARestart) {
  ASSERT_OK(Open()->Replace(Files("1")));
  ASSERT_OK(Open()->Replace(Files("2")));
  EXPECT_EQ(Read("key.pem"), "key 2");
}

TEST_F(CredentialDirectoryTest, AKillAtAnyMomentLeavesOneWholeVersion) {
  ASSERT_OK(Open()->Replace(Files("0")));
  for (int round = 0; round < 25; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {  // replaces without end, telling the parent of each
      auto directory = CredentialDirectory::Open(path_);
      for (int i = 1; directory.ok(); ++i) {
        if (::write(pipe_ends[1], "x", 1) != 1 ||
            !(*directory)->Replace(Files(std::to_string(round * 1000000 + i))).ok())
          break;
      }
      ::_exit(1);
    }
    ::close(pipe_ends[1]);
    char heard;
    for (int i = 0; i <= round % 5; ++i) ASSERT_EQ(::read(pipe_ends[0], &heard, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ::close(pipe_ends[0]);
    const std::string key = Read("key.pem"), chain = Read("chain.pem");
    ASSERT_EQ(key.substr(0, 4), "key ");
    EXPECT_EQ(key.substr(4), chain.substr(6));
  }
  ASSERT_OK(Open()->Replace(Files("end")));
  EXPECT_EQ(Read("key.pem"), "key end");
}

TEST_F(CredentialDirectoryTest, CleansUpWhatAKilledAgentLeft) {
  ASSERT_OK(Open()->Replace(Files("1")));
  ASSERT_EQ(::mkdir((path_ + "/..v2").c_str(), 0700), 0);
  dir_.Write("out/..v2/key.pem", "half wri");
  ASSERT_EQ(::symlink("..v2", (path_ + "/..new").c_str()), 0);
  const auto directory = Open();
  EXPECT_EQ(Read("key.pem"), "key 1");
  EXPECT_FALSE(Exists(path_ + "/..v2"));
  EXPECT_FALSE(Exists(path_ + "/..new"));
  ASSERT_OK(directory->Replace(Files("2")));
  EXPECT_EQ(Read("key.pem"), "key 2");
}

TEST_F(CredentialDirectoryTest, AFailedReplaceLeavesTheOldVersion) {
  const auto directory = Open();
  ASSERT_OK(directory->Replace(Files("1")));
  std::vector<CredentialFile> twice = Files("2");
  twice.push_back({"key.pem", SecretBytes::CopyOf("again")});
  EXPECT_THAT(directory->Replace(twice), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  EXPECT_EQ(Read("key.pem"), "key 1");
  EXPECT_FALSE(Exists(path_ + "/..v2"));
}

TEST_F(CredentialDirectoryTest, RefusesADirectoryThatOthersMayWriteTo) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0770), 0);
  EXPECT_THAT(CredentialDirectory::Open(path_), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  ASSERT_EQ(::chmod(path_.c_str(), 0702), 0);
  EXPECT_THAT(CredentialDirectory::Open(path_), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(CredentialDirectoryTest, RefusesASymlinkAFileAMissingParentAndASecondAgent) {
  ASSERT_EQ(::symlink(dir_.path().c_str(), path_.c_str()), 0);
  EXPECT_THAT(CredentialDirectory::Open(path_), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_THAT(CredentialDirectory::Open(dir_.Write("file", "x")), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_THAT(CredentialDirectory::Open(dir_.File("no/parent")), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  ASSERT_OK_AND_ASSIGN(const auto first, CredentialDirectory::Open(dir_.File("other")));
  EXPECT_THAT(CredentialDirectory::Open(dir_.File("other")), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(CredentialDirectoryTest, RefusesNamesThatAreNotPlain) {
  const auto directory = Open();
  for (const char* name : {"", "../key.pem", ".hidden", "a/b", "a b"}) {
    std::vector<CredentialFile> files;
    files.push_back({name, SecretBytes::CopyOf("x")});
    EXPECT_THAT(directory->Replace(files), StatusIs(v1::DENY_REASON_INTERNAL)) << name;
  }
}

}  // namespace
}  // namespace twi::agent
