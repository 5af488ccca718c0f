// Starting and reloading: which listening sockets stay, and what of the process's limits is made use of.
#include "services/workload_agent/tunnel/tunnels.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "common/attested_tls/testing/fake_tee.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/workload_agent/tunnel/address.h"

namespace twi::agent {
namespace {

using config::v1::AttestedTls;
using ::twi::testing::IsOk;
using ::twi::testing::StatusIs;

class TunnelsTest : public ::testing::Test {
 protected:
  std::string Place(const std::string& name) const { return "unix:" + dir_.File(name); }
  void Add(AttestedTls& config, const std::string& name, const std::string& listen, std::uint32_t connections = 0) {
    config::v1::AttestedTlsIngress& ingress = *config.add_ingress();
    ingress.set_name(name);
    ingress.set_listen(listen);
    ingress.set_forward(Place("workload"));
    if (connections > 0) ingress.mutable_limits()->set_max_connections(connections);
  }
  absl::Status Start(const AttestedTls& config) {
    absl::StatusOr<std::unique_ptr<Tunnels>> tunnels =
        Tunnels::Start(config, atls::testing::FakeTee(), clock_, random_, metrics_);
    if (!tunnels.ok()) return tunnels.status();
    tunnels_ = *std::move(tunnels);
    return absl::OkStatus();
  }
  bool Answers(const std::string& name) const {
    const int fd = StartConnect(*ParseAddress(Place(name)));
    if (fd >= 0) close(fd);
    return fd >= 0;
  }

  const twi::testing::TempDir dir_;
  twi::testing::FakeClock clock_;
  twi::testing::FakeRandom random_;
  metrics::Metrics metrics_;
  std::unique_ptr<Tunnels> tunnels_;
};

TEST_F(TunnelsTest, AReloadMayRenameATunnelAndSwapAddresses) {
  AttestedTls config, renamed, swapped;
  Add(config, "one", Place("a"));
  Add(config, "two", Place("b"));
  ASSERT_THAT(Start(config), IsOk());
  Add(renamed, "uno", Place("a"));
  Add(renamed, "two", Place("b"));
  EXPECT_THAT(tunnels_->Reload(renamed), IsOk());
  Add(swapped, "two", Place("a"));
  Add(swapped, "uno", Place("b"));
  EXPECT_THAT(tunnels_->Reload(swapped), IsOk());
  EXPECT_TRUE(Answers("a"));
  EXPECT_TRUE(Answers("b"));
}

TEST_F(TunnelsTest, AReloadThatCannotListenChangesNothing) {
  AttestedTls config, wrong, other;
  Add(config, "one", Place("a"));
  ASSERT_THAT(Start(config), IsOk());
  Add(wrong, "one", Place("b"));
  Add(wrong, "two", "unix:" + dir_.File("no/such/folder"));
  EXPECT_THAT(tunnels_->Reload(wrong), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_TRUE(Answers("a"));
  EXPECT_FALSE(Answers("b"));
  Add(other, "one", Place("b"));
  EXPECT_THAT(tunnels_->Reload(other), IsOk());
  EXPECT_TRUE(Answers("b"));
  EXPECT_FALSE(Answers("a"));
}

TEST_F(TunnelsTest, NobodyListensAfterADrain) {
  AttestedTls config;
  Add(config, "one", Place("a"));
  ASSERT_THAT(Start(config), IsOk());
  EXPECT_TRUE(Answers("a"));
  tunnels_->Drain();
  EXPECT_FALSE(Answers("a"));
}

// Lowers what this process may open, for good: the other tests need a few files only.
TEST_F(TunnelsTest, RaisesTheLimitOfFilesAndRefusesWhatItCanNeverHold) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t allowed = std::min<rlim_t>(limit.rlim_max, 4096);
  limit = {256, allowed};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  AttestedTls config, too_many;
  Add(config, "one", Place("a"), 1000);
  Add(too_many, "one", Place("a"), 3000);
  Add(too_many, "two", Place("b"), 3000);
  EXPECT_THAT(Start(too_many), StatusIs(v1::DENY_REASON_CONFIG_INVALID, ::testing::HasSubstr("RLIMIT_NOFILE")));
  EXPECT_THAT(Start(config), IsOk());
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, allowed);
  EXPECT_THAT(tunnels_->Reload(too_many), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_TRUE(Answers("a"));
}

}  // namespace
}  // namespace twi::agent
