#include "common/client/key_source.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/status/deny.h"

namespace twi::client {
namespace {

constexpr std::size_t kMaxHeader = 1024;  // characters of base64url
constexpr absl::Duration kLongestWait = absl::Minutes(1);

bool Serves(const KeySource::Keyset& keys, absl::string_view kid) { return kid.empty() || keys->Find(kid) != nullptr; }

}  // namespace

KeySource::KeySource(Fetch fetch, absl::Duration refresh, const Clock& clock)
    : fetch_(std::move(fetch)), refresh_(refresh), clock_(clock) {}

absl::StatusOr<KeySource::Keyset> KeySource::Keys(absl::string_view kid_wanted, absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    const absl::Time now = clock_.Now();
    // A clock that was set back must not make keys fresh for as long as it takes to catch up.
    if (now < keys_from_ - kMinInterval) keys_from_ = absl::InfinitePast();
    if (now < last_attempt_) last_attempt_ = absl::InfinitePast();
    const absl::Duration age = now - keys_from_;
    const bool usable = keys_ != nullptr && age < 2 * refresh_;
    if (usable && age < refresh_ && Serves(keys_, kid_wanted)) return keys_;
    if (fetching_) {
      if (usable && Serves(keys_, kid_wanted)) return keys_;
      // A fetch is under way and may bring what is missing. The wait is in real time: the clock may be a test's.
      const auto limit = std::chrono::milliseconds(absl::ToInt64Milliseconds(std::min(deadline - now, kLongestWait)));
      if (!fetched_.wait_for(lock, limit, [this] { return !fetching_; })) {
        return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, "waiting for a fetch of the peer's keys");
      }
      if (keys_ != nullptr && clock_.Now() - keys_from_ < 2 * refresh_) return keys_;
      if (!last_error_.ok()) return last_error_;
      continue;
    }
    if (now - last_attempt_ >= kMinInterval) return FetchNow(lock, kid_wanted, deadline);
    if (usable) return keys_;  // asked a moment ago: the kid is not theirs, or they cannot be reached
    if (!last_error_.ok()) return last_error_;
    return FetchNow(lock, kid_wanted, deadline);  // fetched a moment ago, and `refresh` is shorter than kMinInterval
  }
}

absl::StatusOr<KeySource::Keyset> KeySource::FetchNow(std::unique_lock<std::mutex>& lock, absl::string_view kid_wanted,
                                                      absl::Time deadline) {
  const absl::Time began = clock_.Now();
  fetching_ = true;
  last_attempt_ = began;
  lock.unlock();
  absl::StatusOr<jose::JwkSet> fetched = fetch_(deadline);
  if (fetched.ok() && fetched->keys.empty()) {
    fetched = Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the peer published an empty key set");
  }
  lock.lock();
  fetching_ = false;
  last_error_ = fetched.status();
  if (fetched.ok()) {
    keys_ = std::make_shared<const jose::JwkSet>(*std::move(fetched));
    keys_from_ = began;
  }
  fetched_.notify_all();
  if (last_error_.ok()) return keys_;
  if (keys_ != nullptr && began - keys_from_ < 2 * refresh_ && Serves(keys_, kid_wanted)) return keys_;
  // A kid that is not in the old set may be a new key of theirs: the caller learns that they did not answer, not that
  // the key is unknown.
  return last_error_;
}

std::string UnverifiedKid(absl::string_view jws) {
  const std::size_t dot = jws.find('.');
  if (dot == absl::string_view::npos || dot > kMaxHeader) return "";
  const absl::StatusOr<std::string> header = FromBase64Url(jws.substr(0, dot));
  if (!header.ok()) return "";
  const absl::StatusOr<nlohmann::json> parsed = jose::ParseJson(*header, kMaxHeader, 4);
  if (!parsed.ok() || !parsed->is_object()) return "";
  const auto kid = parsed->find("kid");
  return kid != parsed->end() && kid->is_string() ? kid->get<std::string>() : "";
}

}  // namespace twi::client
