#include "common/challenge/challenge.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"

namespace twi {
namespace {

constexpr std::size_t kRandomSize = 16;
constexpr std::size_t kExpirySize = 8;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kHeadSize = kRandomSize + kExpirySize;
constexpr std::size_t kNonceSize = kHeadSize + 2 * kTagSize;

std::string EncodeMillis(std::int64_t millis) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(millis) >> shift) & 0xff));
  return out;
}

std::int64_t DecodeMillis(absl::string_view bytes) {
  std::uint64_t value = 0;
  for (char c : bytes) value = (value << 8) | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

std::string Tag(const SecretBytes& key, absl::string_view label, absl::string_view head, absl::string_view channel) {
  return crypto::HmacSha256(key, absl::StrCat(label, head, channel)).substr(0, kTagSize);
}

}  // namespace

struct Challenges::State {
  explicit State(SecretBytes k) : key(std::move(k)) {}
  const SecretBytes key;
  std::mutex mutex;
  absl::flat_hash_set<std::string> used;                    // the random parts
  std::multimap<std::int64_t, std::string> used_by_expiry;  // to forget them in order
  std::size_t evicted = 0;
};

Challenges::Challenges(const Options& options, crypto::Random& random)
    : options_(options), random_(random), state_(std::make_unique<State>(random.Secret(32))) {}

Challenges::~Challenges() = default;

std::string Challenges::Issue(absl::string_view channel_key_sha256, absl::Time now) {
  const std::string head =
      absl::StrCat(random_.Bytes(kRandomSize), EncodeMillis(absl::ToUnixMillis(now + options_.lifetime)));
  return absl::StrCat(head, Tag(state_->key, "issued", head, ""),
                      Tag(state_->key, "channel", head, channel_key_sha256));
}

Challenges::Stats Challenges::stats() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return {state_->used.size(), options_.max_used, state_->evicted};
}

absl::Status Challenges::Redeem(absl::string_view nonce, absl::string_view channel_key_sha256, absl::Time now) {
  if (nonce.empty()) return Deny(v1::DENY_REASON_CHALLENGE_MISSING, "no challenge in the request");
  if (nonce.size() != kNonceSize) {
    return Deny(v1::DENY_REASON_CHALLENGE_UNKNOWN,
                absl::StrCat("a challenge has ", kNonceSize, " bytes, this one ", nonce.size()));
  }
  const absl::string_view head = nonce.substr(0, kHeadSize);
  if (!ConstantTimeEqual(nonce.substr(kHeadSize, kTagSize), Tag(state_->key, "issued", head, ""))) {
    return Deny(v1::DENY_REASON_CHALLENGE_UNKNOWN, "not issued by this service since its start");
  }
  if (!ConstantTimeEqual(nonce.substr(kHeadSize + kTagSize), Tag(state_->key, "channel", head, channel_key_sha256))) {
    return Deny(v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL, "issued to another TLS key than the one of this connection");
  }
  const std::int64_t expiry = DecodeMillis(head.substr(kRandomSize));
  const std::int64_t now_millis = absl::ToUnixMillis(now);
  if (now_millis >= expiry) {
    return Deny(v1::DENY_REASON_CHALLENGE_EXPIRED, absl::StrCat("expired ", now_millis - expiry, " ms ago"));
  }
  const std::lock_guard<std::mutex> lock(state_->mutex);
  // What has expired is refused by its time, so it need not be remembered.
  while (!state_->used_by_expiry.empty() && state_->used_by_expiry.begin()->first <= now_millis) {
    state_->used.erase(state_->used_by_expiry.begin()->second);
    state_->used_by_expiry.erase(state_->used_by_expiry.begin());
    ++state_->evicted;
  }
  std::string random(head.substr(0, kRandomSize));
  if (state_->used.contains(random)) return Deny(v1::DENY_REASON_CHALLENGE_REPLAYED, "used before");
  if (state_->used.size() >= options_.max_used) {
    return Deny(v1::DENY_REASON_OVERLOADED,
                absl::StrCat(options_.max_used, " used challenges are remembered, no more fit"));
  }
  state_->used.insert(random);
  state_->used_by_expiry.emplace(expiry, std::move(random));
  return absl::OkStatus();
}

}  // namespace twi
