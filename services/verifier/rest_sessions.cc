#include "services/verifier/rest_sessions.h"

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {

absl::StatusOr<RestSession> RestSessions::Open(const SessionOwner& owner, const std::string& nonce,
                                               const std::string& nonce_text, absl::Time now) {
  RestSession session;
  session.id = ToBase64Url(random_.Bytes(16));
  session.nonce = nonce;
  session.nonce_text = nonce_text;
  session.owner = owner;
  session.expiry = now + options_.lifetime;
  const std::lock_guard<std::mutex> lock(mutex_);
  Forget(now - options_.lifetime);
  const auto own = [&] {
    const auto found = per_client_.find(owner.counted_as);
    return found == per_client_.end() ? 0 : found->second;
  };
  const auto full = [&] { return sessions_.size() >= options_.max_sessions || own() >= options_.max_per_client; };
  if (full()) Forget(now);
  if (full() && own() < options_.max_per_client) ForgetOneFinished();
  if (full()) {
    return Deny(v1::DENY_REASON_OVERLOADED,
                absl::StrCat(sessions_.size(), " sessions live, ", own(), " of ", owner.counted_as));
  }
  if (!sessions_.emplace(session.id, session).second)
    return Deny(v1::DENY_REASON_INTERNAL, "the random source has repeated itself");
  by_expiry_.emplace(session.expiry, session.id);
  ++per_client_[owner.counted_as];
  return session;
}

absl::StatusOr<RestSession> RestSessions::Get(absl::string_view id, const std::string& owner, absl::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  TWI_ASSIGN_OR_RETURN(const Table::iterator found, Find(id, owner, now));
  return found->second;
}

absl::StatusOr<RestSession> RestSessions::Begin(absl::string_view id, const std::string& owner, absl::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  TWI_ASSIGN_OR_RETURN(const Table::iterator found, Find(id, owner, now));
  if (found->second.status != RestSession::Status::kWaiting)
    return Deny(v1::DENY_REASON_SESSION_USED, absl::StrCat("session ", id));
  found->second.status = RestSession::Status::kProcessing;
  return found->second;
}

void RestSessions::Finish(absl::string_view id, const std::string& result) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(std::string(id));
  if (found == sessions_.end()) return;
  found->second.status = result.empty() ? RestSession::Status::kFailed : RestSession::Status::kComplete;
  found->second.result = result;
  if (finished_.emplace(found->second.expiry, found->first).second) GiveBackShare(found->second);
}

absl::Status RestSessions::End(absl::string_view id, const std::string& owner, absl::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  TWI_ASSIGN_OR_RETURN(const Table::iterator found, Find(id, owner, now));
  Erase(found);
  return absl::OkStatus();
}

std::size_t RestSessions::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sessions_.size();
}

absl::StatusOr<RestSessions::Table::iterator> RestSessions::Find(absl::string_view id, const std::string& owner,
                                                                 absl::Time now) {
  const auto found = sessions_.find(std::string(id));
  if (found == sessions_.end()) return Deny(v1::DENY_REASON_SESSION_UNKNOWN, absl::StrCat("session ", id));
  const RestSession& session = found->second;
  if (session.owner.name != owner) {
    return Deny(v1::DENY_REASON_SESSION_WRONG_PEER,
                absl::StrCat("session ", id, " is of ", session.owner.name, ", not of ", owner));
  }
  if (now >= session.expiry) {
    return Deny(v1::DENY_REASON_SESSION_EXPIRED,
                absl::StrCat("session ", id, " ended at ", absl::FormatTime(session.expiry)));
  }
  return found;
}

void RestSessions::Forget(absl::Time expired_before) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= expired_before) {
    const auto found = sessions_.find(by_expiry_.begin()->second);
    Erase(found);
  }
}

void RestSessions::ForgetOneFinished() {
  if (!finished_.empty()) Erase(sessions_.find(finished_.begin()->second));
}

void RestSessions::GiveBackShare(const RestSession& session) {
  const auto own = per_client_.find(session.owner.counted_as);
  if (--own->second == 0) per_client_.erase(own);
}

void RestSessions::Erase(Table::iterator session) {
  auto [at, end] = by_expiry_.equal_range(session->second.expiry);
  while (at != end && at->second != session->first) ++at;
  if (at != end) by_expiry_.erase(at);
  if (finished_.erase({session->second.expiry, session->first}) == 0) GiveBackShare(session->second);
  sessions_.erase(session);
}

}  // namespace twi::verifier
