// The sessions of the REST API: bounded in number and life, each of the client that opened it, each good for one
// appraisal.
#ifndef TWI_SERVICES_VERIFIER_REST_SESSIONS_H_
#define TWI_SERVICES_VERIFIER_REST_SESSIONS_H_

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"

namespace twi::verifier {

// Who opens a session.
struct SessionOwner {
  std::string name;        // PeerIdentity::ToString(), or "anonymous": whose the session is
  std::string counted_as;  // the client of max_per_client. The name; but one and the same for all who can have as many
                           // names as they like (attested keys), who would else have as many shares
};

struct RestSession {
  enum class Status { kWaiting, kProcessing, kComplete, kFailed };
  std::string id;          // 128 random bits, base64url
  std::string nonce;       // 8..64 bytes
  std::string nonce_text;  // as the client is shown it
  SessionOwner owner;
  absl::Time expiry;
  Status status = Status::kWaiting;
  std::string result;  // the Attestation Results, when complete
};

// Thread-safe. Memory only: a restart forgets all sessions, as it does challenges.
class RestSessions {
 public:
  struct Options {
    absl::Duration lifetime = absl::Seconds(150);
    std::size_t max_sessions = 10'000;
    std::size_t max_per_client = 1'000;
  };
  RestSessions(const Options& options, crypto::Random& random) : options_(options), random_(random) {}

  // OVERLOADED: max_sessions live, or max_per_client of this client. A session that is complete or failed is of no
  // client's share: its answer was given, and a relying party with many connections must not run out of sessions for
  // them. Expired and finished ones are remembered (the former for another lifetime, so that a late client learns
  // SESSION_EXPIRED) unless room is needed.
  absl::StatusOr<RestSession> Open(const SessionOwner& owner, const std::string& nonce, const std::string& nonce_text,
                                   absl::Time now);
  // `owner`: the name. SESSION_UNKNOWN, SESSION_WRONG_PEER, SESSION_EXPIRED, in this order. So do Begin and End.
  absl::StatusOr<RestSession> Get(absl::string_view id, const std::string& owner, absl::Time now);
  // Uses the session up: kWaiting becomes kProcessing. SESSION_USED.
  absl::StatusOr<RestSession> Begin(absl::string_view id, const std::string& owner, absl::Time now);
  // After Begin: the results, or failed when empty. Nothing happens when the session has been ended meanwhile.
  void Finish(absl::string_view id, const std::string& result);
  absl::Status End(absl::string_view id, const std::string& owner, absl::Time now);
  std::size_t size() const;

 private:
  using Table = std::unordered_map<std::string, RestSession>;
  absl::StatusOr<Table::iterator> Find(absl::string_view id, const std::string& owner, absl::Time now);
  void Forget(absl::Time expired_before);
  void ForgetOneFinished();
  void Erase(Table::iterator session);
  void GiveBackShare(const RestSession& session);

  const Options options_;
  crypto::Random& random_;
  mutable std::mutex mutex_;  // guards all below
  Table sessions_;
  std::multimap<absl::Time, std::string> by_expiry_;
  std::set<std::pair<absl::Time, std::string>> finished_;    // expiry and id of the complete and the failed
  std::unordered_map<std::string, std::size_t> per_client_;  // by counted_as, not finished; no entry is 0
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_REST_SESSIONS_H_
