#include "common/attested_tls/workers.h"

#include <atomic>
#include <future>
#include <thread>

#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"

namespace twi::atls {
namespace {

using ::twi::testing::StatusIs;

class WorkersTest : public ::testing::Test {
 protected:
  // Keeps the one thread of `workers` busy until Open().
  void Block(Workers& workers) {
    std::promise<void> entered;
    ASSERT_TRUE(workers.Run([&entered, gate = gate_.get_future().share()] {
      entered.set_value();
      gate.wait();
    }));
    entered.get_future().wait();
  }
  void Open() { gate_.set_value(); }
  Deadline In(absl::Duration time) const {
    return {clock_, clock_.Now() + time, Deny(v1::DENY_REASON_OVERLOADED, "late")};
  }
  // Returns when everything that was queued before is done.
  static void Finish(Workers& workers) {
    std::promise<void> done;
    while (!workers.Run([&done] { done.set_value(); })) std::this_thread::yield();  // the queue may still be full
    done.get_future().wait();
  }
  std::function<absl::StatusOr<int>()> Count() {
    return [this]() -> absl::StatusOr<int> { return ++ran_; };
  }

  twi::testing::FakeClock clock_;
  std::promise<void> gate_;
  std::atomic<int> ran_{0}, woken_{0};
  const std::function<void()> wake_ = [this] { ++woken_; };
};

TEST_F(WorkersTest, GiveAResultAndWake) {
  Workers workers(1, 10);
  const auto pending = RunPending<int>(workers, In(absl::Seconds(1)), Count(), wake_);
  Finish(workers);
  ASSERT_TRUE(pending->ready());
  EXPECT_EQ(*pending->Take(), 1);
  EXPECT_EQ(woken_, 1);
}

TEST_F(WorkersTest, DoNotBeginAJobThatIsLate) {
  Workers workers(1, 10);
  Block(workers);
  const auto pending = RunPending<int>(workers, In(absl::Seconds(1)), Count(), wake_);
  clock_.Advance(absl::Seconds(1));
  Open();
  Finish(workers);
  EXPECT_THAT(pending->Take(), StatusIs(v1::DENY_REASON_OVERLOADED));
  EXPECT_EQ(ran_, 0);
  EXPECT_EQ(woken_, 1);
}

TEST_F(WorkersTest, DoNothingForWhoIsGone) {
  Workers workers(1, 10);
  Block(workers);
  auto pending = RunPending<int>(workers, In(absl::Seconds(1)), Count(), wake_);
  pending.reset();
  Open();
  Finish(workers);
  EXPECT_EQ(ran_, 0);
  EXPECT_EQ(woken_, 0);
}

TEST_F(WorkersTest, TakeNoMoreThanTheQueueHolds) {
  Workers workers(1, 1);
  Block(workers);
  const auto queued = RunPending<int>(workers, In(absl::Seconds(1)), Count(), wake_);
  EXPECT_NE(queued, nullptr);
  EXPECT_EQ(RunPending<int>(workers, In(absl::Seconds(1)), Count(), wake_), nullptr);
  Open();
}

// getaddrinfo that does not return must not hold up the end of the process.
TEST_F(WorkersTest, AbandonWhatRunsWhenToldSo) {
  auto workers = std::make_unique<Workers>(1, 10, Workers::AtEnd::kAbandon);
  auto pending = RunPending<int>(
      *workers, In(absl::Seconds(1)),
      [gate = gate_.get_future().share()]() -> absl::StatusOr<int> {
        gate.wait();
        return 1;
      },
      [] {});
  workers.reset();  // returns though the job does not
  EXPECT_FALSE(pending->ready());
  Open();
}

}  // namespace
}  // namespace twi::atls
