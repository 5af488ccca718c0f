// What an insert of a row of about 600 bytes costs: CPU of the whole process per row, and rows per second. Arguments: a
// folder (default: the current one).
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "common/storage/database.h"

namespace twi::storage {
namespace {

// A rowid table: rows are appended, and only the small index of random serials is touched all over. WITHOUT ROWID costs
// half as much again.
const char kTable[] =
    "CREATE TABLE issued(serial TEXT PRIMARY KEY, mechanism INTEGER, issued_unix_ms INTEGER, identifier TEXT, results "
    "BLOB, record BLOB)";

double CpuSeconds() {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
         static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

absl::Status Insert(Session& s, long long id) {
  // Serials are random numbers: spread them over the index.
  const std::string serial = std::to_string(static_cast<unsigned long long>(id) * 0x9E3779B97F4A7C15ULL);
  const std::string identifier = "spiffe://example.org/shop/checkout", results(32, 'r'), record(500, 'x');
  const long long mechanism = 2, now = 1795000000000LL + id;
  s.Change("INSERT INTO issued VALUES (?, ?, ?, ?, CAST(? AS BLOB), CAST(? AS BLOB))", soci::use(serial),
           soci::use(mechanism), soci::use(now), soci::use(identifier), soci::use(results), soci::use(record));
  return absl::OkStatus();
}

template <typename Work>
void Measure(const char* name, long long rows, const Work& work) {
  const double cpu = CpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  work();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%-46s %8.1f us CPU per row %10.0f rows/s\n", name,
              (CpuSeconds() - cpu) / static_cast<double>(rows) * 1e6, static_cast<double>(rows) / wall);
}

bool Threads(Database& database, long long first, int threads, long long each) {
  std::vector<std::thread> running;
  bool ok[512] = {};
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      ok[t] = true;
      for (long long i = 0; i < each; ++i) {
        const long long id = first + t * each + i;
        ok[t] &= database.Write([id](Session& s) { return Insert(s, id); }).ok();
      }
    });
  }
  bool all = true;
  for (int t = 0; t < threads; ++t) {
    running[static_cast<std::size_t>(t)].join();
    all &= ok[t];
  }
  return all;
}

int Main(const std::string& folder) {
  const std::string file = folder + "/benchmark." + std::to_string(getpid()) + ".db";
  auto database = Database::Open(file, {kTable});
  if (!database.ok()) {
    std::printf("%s\n", std::string(database.status().message()).c_str());
    return 1;
  }
  bool ok = true;
  Measure("one write of 20000 rows", 20000, [&] {
    ok &= (*database)
              ->Write([](Session& s) {
                for (long long i = 1; i <= 20000; ++i) {
                  if (absl::Status inserted = Insert(s, i); !inserted.ok()) return inserted;
                }
                return absl::OkStatus();
              })
              .ok();
  });
  Measure("1 thread, a row per write", 1000, [&] { ok &= Threads(**database, 100000, 1, 1000); });
  Measure("16 threads, a row per write", 16 * 1000, [&] { ok &= Threads(**database, 200000, 16, 1000); });
  Measure("64 threads, a row per write", 64 * 500, [&] { ok &= Threads(**database, 300000, 64, 500); });
  Measure("256 threads, a row per write", 256 * 200, [&] { ok &= Threads(**database, 400000, 256, 200); });
  Measure("1 thread, a row per read", 20000, [&] {
    for (long long i = 1; i <= 20000; ++i) {
      const std::string serial = std::to_string(static_cast<unsigned long long>(i) * 0x9E3779B97F4A7C15ULL);
      ok &= (*database)
                ->Read([&](Session& s) {
                  std::string record;
                  return s.Row("SELECT record FROM issued WHERE serial = ?", soci::into(record), soci::use(serial))
                             ? absl::OkStatus()
                             : absl::NotFoundError(serial);
                })
                .ok();
    }
  });
  database->reset();
  unlink(file.c_str());
  std::printf("%s\n", ok ? "all stored" : "FAILED: a write or read was refused");
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace twi::storage

int main(int argc, char** argv) { return twi::storage::Main(argc > 1 ? argv[1] : "."); }
