#include "services/workload_agent/hook.h"

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::agent {
namespace {

using twi::testing::StatusIs;

TEST(HookArguments, SplitsAtSpacesOnly) {
  EXPECT_EQ(HookArguments("  /bin/echo  a 'b c' $HOME ;x"),
            (std::vector<std::string>{"/bin/echo", "a", "'b", "c'", "$HOME", ";x"}));
  EXPECT_TRUE(HookArguments(" ").empty());
}

TEST(RunHook, GivesOutputAndDirectory) {
  const HookResult result =
      RunHook({"/bin/sh", "-c", "echo to $TWI_CREDENTIAL_DIRECTORY; echo bad >&2"}, "/run/creds", absl::Seconds(20));
  EXPECT_OK(result.status);
  EXPECT_EQ(result.output, "to /run/creds\nbad\n");
}

TEST(RunHook, BoundsTheOutput) {
  const HookResult result = RunHook({"/bin/sh", "-c", "head -c 100000 /dev/zero"}, "/d", absl::Seconds(20));
  EXPECT_OK(result.status);
  EXPECT_EQ(result.output.size(), 4096u);
}

TEST(RunHook, ReportsExitCodeSignalAndMissingProgram) {
  EXPECT_THAT(RunHook({"/bin/sh", "-c", "exit 3"}, "/d", absl::Seconds(20)).status,
              StatusIs(v1::DENY_REASON_AGENT_HOOK_FAILED, ::testing::HasSubstr("exit code 3")));
  EXPECT_THAT(RunHook({"/bin/sh", "-c", "kill -9 $$"}, "/d", absl::Seconds(20)).status,
              StatusIs(v1::DENY_REASON_AGENT_HOOK_FAILED, ::testing::HasSubstr("signal 9")));
  EXPECT_THAT(RunHook({"/nonexistent/hook"}, "/d", absl::Seconds(20)).status,
              StatusIs(v1::DENY_REASON_AGENT_HOOK_FAILED));
  EXPECT_THAT(RunHook({}, "/d", absl::Seconds(20)).status, StatusIs(v1::DENY_REASON_AGENT_HOOK_FAILED));
}

TEST(RunHook, KillsTheWholeGroupAtTheTimeout) {
  const twi::testing::TempDir dir;
  const std::string command = "(sleep 1000; echo late > " + dir.File("late") + ") & wait";
  const HookResult result = RunHook({"/bin/sh", "-c", command}, "/d", absl::Milliseconds(200));
  EXPECT_THAT(result.status, StatusIs(v1::DENY_REASON_AGENT_HOOK_FAILED, ::testing::HasSubstr("killed")));
}

TEST(RunHook, DoesNotWaitForAGrandchildThatKeepsTheOutputOpen) {
  EXPECT_OK(RunHook({"/bin/sh", "-c", "sleep 5 & exit 0"}, "/d", absl::Seconds(20)).status);
}

}  // namespace
}  // namespace twi::agent
