#include "common/server/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using testing::StatusIs;

// A service manager's end of the socket.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), offsetof(sockaddr_un, sun_path) + name.size()), 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() {
    close(fd_);
    unsetenv("NOTIFY_SOCKET");
  }
  std::string Received() const {
    char text[256];
    const ssize_t size = recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  const int fd_;
};

TEST(Notify, OneDatagramToTheSocketThatTheManagerNames) {
  const testing::TempDir dir;
  const Manager manager(dir.path() + "/notify");
  ASSERT_OK(NotifyServiceManager("READY=1"));
  EXPECT_EQ(manager.Received(), "READY=1");
}

TEST(Notify, AnAbstractName) {
  const Manager manager("@twi-notify-test-" + std::to_string(getpid()));
  ASSERT_OK(NotifyServiceManager("STOPPING=1"));
  EXPECT_EQ(manager.Received(), "STOPPING=1");
}

TEST(Notify, WithoutAManagerNothingIsSaid) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_OK(NotifyServiceManager("READY=1"));
}

TEST(Notify, RefusesASocketThatNobodyReadsAndNamesThatAreNone) {
  const std::string too_long = "/" + std::string(107, 'x');
  for (const std::string& name :
       {std::string("/nonexistent/notify"), std::string("relative"), std::string("@"), std::string(), too_long}) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    EXPECT_THAT(NotifyServiceManager("READY=1"), StatusIs(v1::DENY_REASON_CONFIG_INVALID)) << name;
  }
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace twi::server
