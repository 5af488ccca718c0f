// One SQLite connection: a SOCI session that keeps its prepared statements. The only way into SQL for the rooms that
// store something.
//
//   s.Change("INSERT INTO issued(serial, results) VALUES (?, CAST(? AS BLOB))", soci::use(serial), soci::use(results));
//   bool found = s.Row("SELECT results FROM issued WHERE serial = ?", soci::into(results), soci::use(serial));
//   s.Rows("SELECT serial FROM issued", [&] { serials.push_back(serial); }, soci::into(serial));
//
// Values are bound by position, never written into the SQL. Text and bytes are std::string (bytes with CAST(? AS BLOB),
// so that what is stored and what it is compared with have one type), integers are long long / std::int64_t; vectors
// and soci::row are not for kept statements. A column that may be NULL needs a soci::indicator. Include this header,
// never a SOCI header.
#ifndef TWI_COMMON_STORAGE_SESSION_H_
#define TWI_COMMON_STORAGE_SESSION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "soci/soci-config.h"
// Debian's SOCI says that Boost is there; in the headers that only adds templates for boost::fusion, which nobody here
// needs (no difference in the ABI).
#undef SOCI_HAVE_BOOST
#include "soci/soci.h"

namespace twi::storage {

// Used by one thread at a time. Every method may throw soci::soci_error, which Database turns into STORAGE_FAILED:
// nothing outside this room catches it.
class Session : public soci::session {
 public:
  // Opens `file`, an absolute path without '"' that exists.
  explicit Session(const std::string& file);
  ~Session();

  // Runs a statement that returns no rows; gives the number of rows that it changed (0 for an INSERT OR IGNORE that
  // ignored).
  template <typename... Binds>
  long long Change(absl::string_view sql, const Binds&... binds) {
    Use use(*this, sql);
    (use.statement().exchange(binds), ...);
    use.Execute();
    return use.statement().get_affected_rows();
  }

  // Fills the `into`s from the first row; false when there is none (they are then unchanged).
  template <typename... Binds>
  bool Row(absl::string_view sql, const Binds&... binds) {
    Use use(*this, sql);
    (use.statement().exchange(binds), ...);
    return use.Execute();
  }

  // Calls `row` once per row, after the `into`s were filled. `row` must not run the same `sql` again.
  template <typename... Binds>
  void Rows(absl::string_view sql, const std::function<void()>& row, const Binds&... binds) {
    Use use(*this, sql);
    (use.statement().exchange(binds), ...);
    for (bool got = use.Execute(); got; got = use.statement().fetch()) row();
  }

  // Runs each statement of `sql` once, without values: migrations and pragmas.
  void Script(const std::string& sql);
  bool InTransaction() const;
  // Rows changed inside this transaction break a DEFERRABLE foreign key: COMMIT would fail.
  bool HasDeferredViolation() const;

 private:
  struct Kept;

  // A kept statement while it runs: taken from the cache, its bindings dropped and its read lock freed at the end,
  // whatever happened.
  class Use {
   public:
    Use(Session& session, absl::string_view sql);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    soci::statement& statement();
    bool Execute();

   private:
    Session& session_;
    Kept& kept_;
  };

  Kept& Take(absl::string_view sql);

  absl::flat_hash_map<std::string, std::unique_ptr<Kept>> kept_;
  int running_ = 0;
};

// Calls `work` and turns what it throws into a Status: soci::soci_error STORAGE_FAILED, anything else INTERNAL. SOCI's
// own text about the values that were bound is left out: it would carry them into the log.
absl::Status Guarded(Session& session, const std::function<absl::Status(Session&)>& work);

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_SESSION_H_
