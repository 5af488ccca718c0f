#include "common/storage/database.h"

#include <sys/stat.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/database_file.h"
#include "common/storage/write_queue.h"

namespace twi::storage {
namespace {

constexpr int kReaders = 4;

absl::Status Failed(const std::string& file, absl::string_view why) {
  return Deny(v1::DENY_REASON_STORAGE_FAILED, absl::StrCat(file, ": ", why));
}

// Settings that each connection has for itself. 5000 ms: another connection only ever holds a lock for the length of a
// checkpoint or recovery.
void Configure(Session& session, bool durable) {
  session.Script(
      "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;");
  session.Script(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF");
}

absl::StatusOr<std::unique_ptr<Session>> OpenWriter(const std::string& path, const Migrations& migrations,
                                                    bool durable) {
  auto session = std::make_unique<Session>(path);
  Configure(*session, durable);
  std::string mode;
  session->Row("PRAGMA journal_mode = WAL", soci::into(mode));
  if (mode != "wal") return Failed(path, absl::StrCat("cannot use a write-ahead log here (journal mode ", mode, ")"));
  // Records have random keys, so every insert touches other pages: a page cache of 32 MiB (default 2), and a checkpoint
  // only each 8000 pages (32 MiB; default 1000), so that a page that changed often is copied back once. A WAL that once
  // grew beyond 64 MiB does not stay so.
  session->Script(
      "PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864;");
  TWI_RETURN_IF_ERROR(WithContext(Migrate(*session, migrations), path));
  return session;
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(DatabaseLock lock, const std::string& path, const struct stat& file, std::unique_ptr<Session> writer,
                 std::vector<std::unique_ptr<Session>> readers)
      : lock_(std::move(lock)),
        path_(path),
        device_(file.st_dev),
        inode_(file.st_ino),
        readers_(std::move(readers)),
        queue_(std::move(writer), WriteQueue::Limits()) {
    for (const auto& reader : readers_) idle_.push_back(reader.get());
  }

  absl::Status Write(const std::function<absl::Status(Session&)>& write) override { return queue_.Run(write); }

  absl::Status Read(const std::function<absl::Status(Session&)>& read) override {
    Session& session = TakeReader();
    absl::Status result = Guarded(session, [&](Session& s) {
      s.Change("BEGIN");
      return read(s);
    });
    if (session.InTransaction()) {
      const absl::Status ended = Guarded(session, [](Session& s) {
        s.Change("ROLLBACK");
        return absl::OkStatus();
      });
      if (result.ok()) result = ended;
    }
    ReturnReader(session);
    return result;
  }

  void ObserveCommits(OnCommit on_commit) override { queue_.ObserveCommits(std::move(on_commit)); }

  absl::Status Ping() override {
    struct stat now;
    if (stat(path_.c_str(), &now) != 0) return Failed(path_, strerror(errno));
    if (now.st_dev != device_ || now.st_ino != inode_) return Failed(path_, "was replaced by another file");
    TWI_RETURN_IF_ERROR(Read([](Session& s) {
      long long version = 0;
      s.Row("SELECT count(*) FROM sqlite_master", soci::into(version));
      return absl::OkStatus();
    }));
    if (!queue_.last_failed()) return absl::OkStatus();
    return Write([](Session& s) {
      s.Script("PRAGMA user_version = 1");  // of no use to us; its page is written all the same
      return absl::OkStatus();
    });
  }

 private:
  Session& TakeReader() {
    std::unique_lock<std::mutex> lock(mutex_);
    returned_.wait(lock, [this] { return !idle_.empty(); });
    Session* session = idle_.back();
    idle_.pop_back();
    return *session;
  }
  void ReturnReader(Session& session) {
    std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(&session);
    returned_.notify_one();
  }

  const DatabaseLock lock_;  // given back last
  const std::string path_;
  const dev_t device_;
  const ino_t inode_;
  const std::vector<std::unique_ptr<Session>> readers_;
  std::mutex mutex_;  // Guards idle_.
  std::condition_variable returned_;
  std::vector<Session*> idle_;
  WriteQueue queue_;
};

absl::StatusOr<std::unique_ptr<Database>> OpenSessions(DatabaseLock lock, const std::string& path,
                                                       const Migrations& migrations, bool durable) {
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<Session> writer, OpenWriter(path, migrations, durable));
  std::vector<std::unique_ptr<Session>> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.push_back(std::make_unique<Session>(path));
    Configure(*readers.back(), durable);
    readers.back()->Script("PRAGMA query_only = ON");
  }
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return Failed(path, strerror(errno));
  return std::unique_ptr<Database>(
      std::make_unique<SqliteDatabase>(std::move(lock), path, file, std::move(writer), std::move(readers)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& file, const Migrations& migrations,
                                                         bool durable) {
  TWI_ASSIGN_OR_RETURN(const std::string path, PrepareDatabaseFile(file));
  TWI_ASSIGN_OR_RETURN(DatabaseLock lock, DatabaseLock::Take(path));
  if (!durable) log::Warn("database_not_durable", {{log::fields::kFile, path}});
  try {  // SOCI's constructors throw.
    return OpenSessions(std::move(lock), path, migrations, durable);
  } catch (const soci::soci_error& error) {
    return Failed(path, error.get_error_message());
  } catch (const std::exception& error) {
    return Failed(path, error.what());
  }
}

}  // namespace twi::storage
