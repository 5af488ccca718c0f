// SQLite through SOCI: WAL, synchronous FULL, versioned schema, group commit. Each daemon owns its file; nobody reads
// another's.
#ifndef TWI_COMMON_STORAGE_DATABASE_H_
#define TWI_COMMON_STORAGE_DATABASE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/storage/schema.h"
#include "common/storage/session.h"

namespace twi::storage {

class Database {
 public:
  // Opens or creates (0600) `file` and brings it to the schema of `migrations` (schema.h). STORAGE_FAILED for a file
  // (or its -wal, -shm) that group or others may use or that is not this user's, a path with a '"', a schema newer than
  // `migrations`, a failing migration, a file that is not a database or a file system without WAL. `durable` false
  // (benchmarks only, logged at WARN) switches synchronous to OFF.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& file, const Migrations& migrations,
                                                        bool durable = true);
  // Finishes the writes that are queued. Nobody may be inside Write or Read any more.
  virtual ~Database() = default;

  // Runs `write`, on this thread or on that of another writer, inside a transaction shared with other writers (group
  // commit) and returns when that transaction is on disk. `write` returning an error (or throwing soci::soci_error,
  // which becomes STORAGE_FAILED) undoes its own work only (savepoint) and is returned; the others go on. A COMMIT that
  // fails is STORAGE_FAILED for the whole group, and none of it is stored. OVERLOADED beyond 4096 waiting writes.
  // `write` sees what the writes before it did, committed or of the same group; it must be quick, must not call Write
  // (INTERNAL), and must leave BEGIN, COMMIT and ROLLBACK alone. It may run although it is then not stored: its effects
  // outside the database count only after OK.
  virtual absl::Status Write(const std::function<absl::Status(Session&)>& write) = 0;

  // Runs `read` in the calling thread on a pooled session that cannot write. All of `read` sees one snapshot, which
  // includes every Write that has returned OK. Waits while all sessions (4) are taken, so `read` must not call Read.
  // Exceptions and errors as for Write.
  virtual absl::Status Read(const std::function<absl::Status(Session&)>& read) = 0;

  // Called after each transaction that stored something, or that failed as a whole (`stored` is 0 then), in the thread
  // of the Write that carried it out, one at a time: how long it took, and how many writes it stored. Not called when
  // all of its writes were refused by themselves. For metrics; to be set before the first Write, and then no more.
  using OnCommit = std::function<void(absl::Duration took, std::size_t stored)>;
  virtual void ObserveCommits(OnCommit on_commit) = 0;

  // Can it still do its work? Reads; and when the last transaction failed, writes for trial (nothing that anybody
  // reads). STORAGE_FAILED also when the file that is open is no longer the one under its name: what is written then is
  // lost at the next start. Takes as long as the disk does.
  virtual absl::Status Ping() = 0;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_DATABASE_H_
