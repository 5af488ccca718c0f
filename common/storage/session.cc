#include "common/storage/session.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "soci/sqlite3/soci-sqlite3.h"

namespace twi::storage {
namespace {

// Statements are constant texts in our code; more than this means that somebody builds SQL from values.
constexpr std::size_t kMaxKept = 256;

sqlite_api::sqlite3* Connection(const soci::session& session) {
  auto& mutable_session = const_cast<soci::session&>(session);  // SOCI's getter is not const.
  return static_cast<soci::sqlite3_session_backend*>(mutable_session.get_backend())->conn_;
}

}  // namespace

struct Session::Kept {
  explicit Kept(soci::session& session) : statement(session) {}
  soci::statement statement;
  bool running = false;
};

Session::Session(const std::string& file) : soci::session(soci::sqlite3, absl::StrCat("db=\"", file, "\"")) {}
Session::~Session() = default;

Session::Kept& Session::Take(absl::string_view sql) {
  const auto found = kept_.find(sql);
  if (found != kept_.end()) {
    if (found->second->running) throw soci::soci_error(absl::StrCat("statement is running already: ", sql));
    return *found->second;
  }
  if (kept_.size() >= kMaxKept && running_ == 0) kept_.clear();
  auto kept = std::make_unique<Kept>(*this);
  kept->statement.alloc();
  kept->statement.prepare(std::string(sql));
  return *kept_.emplace(std::string(sql), std::move(kept)).first->second;
}

Session::Use::Use(Session& session, absl::string_view sql) : session_(session), kept_(session.Take(sql)) {
  kept_.running = true;
  ++session_.running_;
}

Session::Use::~Use() {
  kept_.statement.bind_clean_up();
  // A SELECT that was not read to its end keeps its snapshot until it is reset. SOCI resets only before the next run
  // (and its reset() is not exported). What this returns is the error of the run itself, which was thrown already.
  sqlite_api::sqlite3_reset(static_cast<soci::sqlite3_statement_backend*>(kept_.statement.get_backend())->stmt_);
  kept_.running = false;
  --session_.running_;
}

soci::statement& Session::Use::statement() { return kept_.statement; }

bool Session::Use::Execute() {
  kept_.statement.define_and_bind();
  return kept_.statement.execute(/*withDataExchange=*/true);
}

void Session::Script(const std::string& sql) {
  // SOCI prepares only the first statement of a text, so this one call goes to SQLite itself.
  char* message = nullptr;
  const int result = sqlite_api::sqlite3_exec(Connection(*this), sql.c_str(), nullptr, nullptr, &message);
  const std::string text = message == nullptr ? "" : message;
  sqlite_api::sqlite3_free(message);
  if (result != SQLITE_OK) throw soci::sqlite3_soci_error(text, result);
}

bool Session::InTransaction() const { return sqlite_api::sqlite3_get_autocommit(Connection(*this)) == 0; }

bool Session::HasDeferredViolation() const {
  int current = 0, highest = 0;
  const int result = sqlite_api::sqlite3_db_status(Connection(*this), SQLITE_DBSTATUS_DEFERRED_FKS, &current, &highest,
                                                   /*resetFlg=*/0);
  return result != SQLITE_OK || current != 0;
}

absl::Status Guarded(Session& session, const std::function<absl::Status(Session&)>& work) {
  try {
    return work(session);
  } catch (const soci::soci_error& error) {
    return Deny(v1::DENY_REASON_STORAGE_FAILED, error.get_error_message());
  } catch (const std::exception& error) {
    return Deny(v1::DENY_REASON_INTERNAL, error.what());
  } catch (...) {
    return Deny(v1::DENY_REASON_INTERNAL, "an unknown exception inside a storage callback");
  }
}

}  // namespace twi::storage
