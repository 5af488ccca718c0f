// The command line that every daemon has.
#include "common/server/daemon_flags.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace twi::server {
namespace {

TEST(DaemonFlagsTest, RefusesWhatIsNotAFlag) {
  const auto parse = [](std::vector<const char*> args) {
    args.insert(args.begin(), "d");
    return ParseDaemonFlags(static_cast<int>(args.size()), args.data()).ok();
  };
  EXPECT_TRUE(parse({"--config", "x"}));
  EXPECT_TRUE(parse({"--config=x", "--check-config", "--port-file=p"}));
  EXPECT_TRUE(parse({"--help"}));
  EXPECT_FALSE(parse({}));
  EXPECT_FALSE(parse({"--config"}));
  EXPECT_FALSE(parse({"--config="}));
  EXPECT_FALSE(parse({"--config", "x", "--config", "y"}));
  EXPECT_FALSE(parse({"--config", "x", "stray"}));
  EXPECT_FALSE(parse({"--config", "x", "--check-config=false"}));
  EXPECT_FALSE(parse({"--config", "x", "--check-config", "--check-config"}));
  EXPECT_FALSE(parse({"--help", "--help"}));
  EXPECT_FALSE(parse({"--config", "x", "--check-config", "--probe", "live"}));
  EXPECT_TRUE(parse({"--config", "x", "--probe", "live"}));
}

}  // namespace
}  // namespace twi::server
