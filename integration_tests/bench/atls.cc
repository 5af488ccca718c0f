#include "integration_tests/bench/atls.h"

#include <memory>
#include <string>
#include <vector>

#include "common/attested_tls/testing/bench_pair.h"
#include "integration_tests/bench/measure.h"
#include "integration_tests/bench/tunnel.h"

namespace twi::bench {
namespace {

using atls::Profile;
using atls::testing::BenchPair;
using nlohmann::ordered_json;

constexpr std::size_t kCarried = 64 << 20;
constexpr int kRounds = 5;

struct Kind {
  std::string name;
  std::unique_ptr<BenchPair> pair;
  std::vector<double> micros;  // of each handshake
  double wall = 0, cpu = 0;
};

void MeasureFor(Kind& kind, double seconds) {
  const double cpu = SelfCpuMicros(), begin = WallMicros();
  double now = begin;
  while (now - begin < seconds * 1e6) {
    OrFail(kind.pair->Handshake(), kind.name);
    const double after = WallMicros();
    kind.micros.push_back(after - now);
    now = after;
  }
  kind.wall += now - begin;
  kind.cpu += SelfCpuMicros() - cpu;
}

// MB/s of `kCarried` bytes over a socket pair, the median of kRounds.
double ConnectionThroughput(BenchPair& pair) {
  std::vector<double> rates;
  for (int i = 0; i < kRounds; ++i) {
    const double begin = WallMicros();
    OrFail(pair.Carry(kCarried), "atls throughput");
    rates.push_back(static_cast<double>(kCarried) / (WallMicros() - begin));
  }
  return Percentile(rates, 50);
}

}  // namespace

ordered_json RunAtls(double seconds) {
  std::vector<Kind> kinds;
  kinds.push_back({"plain.mutual", BenchPair::Plain()});
  kinds.push_back({"handshake.oneway", BenchPair::Attested(Profile::kHandshake, false)});
  kinds.push_back({"handshake.mutual", BenchPair::Attested(Profile::kHandshake, true)});
  kinds.push_back({"session.oneway", BenchPair::Attested(Profile::kSession, false)});
  kinds.push_back({"session.mutual", BenchPair::Attested(Profile::kSession, true)});
  for (Kind& kind : kinds) MeasureFor(kind, seconds / kRounds / 4);  // warm-up
  for (Kind& kind : kinds) {
    kind.micros.clear();
    kind.wall = kind.cpu = 0;
  }
  for (int round = 0; round < kRounds; ++round) {
    for (Kind& kind : kinds) MeasureFor(kind, seconds / kRounds);
  }
  ordered_json rows;
  double plain = 0;
  for (Kind& kind : kinds) {
    const double count = static_cast<double>(kind.micros.size()), rate = count / (kind.wall / 1e6);
    if (plain == 0) plain = rate;
    rows[kind.name] = {{"handshakes_per_s", rate},
                       {"p50_us", Percentile(kind.micros, 50)},
                       {"p99_us", Percentile(kind.micros, 99)},
                       {"cpu_us", kind.cpu / count},
                       {"vs_plain", rate / plain}};
  }
  OrFail(kinds[0].pair->Open(), "plain");
  OrFail(kinds[3].pair->Open(), "session");
  const double plain_rate = ConnectionThroughput(*kinds[0].pair), session_rate = ConnectionThroughput(*kinds[3].pair);
  rows["throughput"] = {{"of", "a connection over a socket pair, without the agent"},
                        {"plain_mb_s", plain_rate},
                        {"session_mb_s", session_rate},
                        {"vs_plain", session_rate / plain_rate}};
  const double tunnel_rate = TunnelThroughput(kCarried, kRounds);
  rows["tunnel"] = {{"of", "two agents on loopback, plaintext to plaintext"},
                    {"tunnel_mb_s", tunnel_rate},
                    {"vs_plain", tunnel_rate / plain_rate}};
  return rows;
}

}  // namespace twi::bench
