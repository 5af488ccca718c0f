// The socket in the file system: whose it is, and who may take it away.
#include "common/server/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class UnixListenerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<UnixListener>> Start() {
    return UnixListener::Start(path_, {getuid()}, [](int fd) {
      send(fd, "!", 1, MSG_NOSIGNAL);
      close(fd);
    });
  }
  sockaddr_un Address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  // Another's socket at the path, which listens and never accepts; to be closed by the caller.
  int ListenAsAnother() const {
    const sockaddr_un address = Address();
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd, 1), 0);
    return fd;
  }
  // Does a listener of ours answer there?
  bool Answers() const {
    const sockaddr_un address = Address();
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte = 0;
    const bool answered = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                          read(fd, &byte, 1) == 1 && byte == '!';
    close(fd);
    return answered;
  }
  bool IsThere() const {
    struct stat st {};
    return lstat(path_.c_str(), &st) == 0;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.File("s");
};

TEST_F(UnixListenerTest, RemovesItsOwnSocketAtTheEnd) {
  {
    ASSERT_OK_AND_ASSIGN(const auto listener, Start());
    EXPECT_TRUE(Answers());
  }
  EXPECT_FALSE(IsThere());
}

TEST_F(UnixListenerTest, ReplacesASocketAtWhichNobodyListens) {
  close(ListenAsAnother());
  ASSERT_TRUE(IsThere());
  ASSERT_OK_AND_ASSIGN(const auto listener, Start());
  EXPECT_TRUE(Answers());
}

TEST_F(UnixListenerTest, RefusesASocketThatIsServed) {
  ASSERT_OK_AND_ASSIGN(const auto first, Start());
  EXPECT_THAT(Start(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("is in use")));
  EXPECT_TRUE(Answers()) << "the first is still there";
}

TEST_F(UnixListenerTest, RefusesASocketWhoseOwnerIsBusy) {
  const int other = ListenAsAnother();
  for (int i = 0; i < 4; ++i) {  // until nothing more fits into its queue, and then
    EXPECT_THAT(Start(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("is in use")));
  }
  EXPECT_TRUE(IsThere());
  close(other);
}

TEST_F(UnixListenerTest, LeavesAnothersSocketAtTheEnd) {
  ASSERT_OK_AND_ASSIGN(auto listener, Start());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  const int other = ListenAsAnother();
  listener.reset();
  EXPECT_TRUE(IsThere());
  close(other);
}

TEST_F(UnixListenerTest, RefusesAnotherFile) {
  dir_.Write("s", "a file");
  EXPECT_THAT(Start(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("is no socket")));
  EXPECT_EQ(dir_.Read("s"), "a file");
}

}  // namespace
}  // namespace twi::server
