// bazel run -c opt //integration_tests/bench -- [--only NAME]... [--json FILE] [--seconds N] [--in-flight N]
// [--channels N] What is measured and how: README.md beside this.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/log/log.h"
#include "common/server/lock_checks.h"
#include "integration_tests/bench/atls.h"
#include "integration_tests/bench/ca_issue.h"
#include "integration_tests/bench/e2e.h"
#include "integration_tests/bench/echo_process.h"
#include "integration_tests/bench/map_eval.h"
#include "integration_tests/bench/measure.h"
#include "integration_tests/bench/report.h"

namespace twi::bench {
namespace {

using nlohmann::ordered_json;

constexpr char kUsage[] =
    "usage: bench [--only NAME]... [--json FILE] [--seconds N] [--in-flight N] [--channels N]\n"
    "  --only NAME    rows whose names begin so: floor, e2e, e2e.B, e2e.A.snp.open, e2e.idle, ca.issue, map.eval.1e3, "
    "atls ...\n"
    "                 (the floors are measured always)\n"
    "  --json FILE    writes everything there, too\n"
    "  --seconds N    of each measurement, 0.2 to 300; default 10, warm-up a quarter of it before\n"
    "  --in-flight N  acquisitions at a time, 1 to 128; default 16\n"
    "  --channels N   TLS identities, each with one connection per service, 1 to 64; default 4\n";

struct Flags {
  std::vector<std::string> only;
  std::string json_file;
  double seconds = 10;
  int in_flight = 16, channels = 4;
};

template <typename T, typename Parse>
bool InRange(const std::string& text, Parse parse, T low, T high, T* value) {
  return parse(text, value) && *value >= low && *value <= high;
}

bool ParseFlags(int argc, char** argv, Flags* flags) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) return false;
    const std::string name = argv[i], value = argv[i + 1];
    const auto number = [](const std::string& text, int* out) { return absl::SimpleAtoi(text, out); };
    const auto real = [](const std::string& text, double* out) { return absl::SimpleAtod(text, out); };
    bool good = true;
    if (name == "--only") {
      flags->only.push_back(value);
    } else if (name == "--json") {
      flags->json_file = value;
    } else if (name == "--seconds") {
      good = InRange(value, real, 0.2, 300.0, &flags->seconds);
    } else if (name == "--in-flight") {
      good = InRange(value, number, 1, 128, &flags->in_flight);
    } else if (name == "--channels") {
      good = InRange(value, number, 1, 64, &flags->channels);
    } else {
      good = false;
    }
    if (!good) return false;
  }
  return true;
}

struct Row {
  std::string name;
  std::function<ordered_json()> run;
};

class Bench {
 public:
  explicit Bench(const Flags& flags) : flags_(flags) {}

  int Run() {
    const std::vector<Row> rows = Rows();
    const bool any = std::any_of(rows.begin(), rows.end(), [this](const Row& row) { return Wanted(row.name); });
    if (!any && !WantsFloorOnly()) return Usage();
    report_["machine"] = DescribeMachine();
    report_["flags"] = {{"seconds", flags_.seconds}, {"in_flight", flags_.in_flight}, {"channels", flags_.channels}};
    Progress("floor.crypto");
    floors_.crypto = MeasureCryptoFloor();
    Progress("floor.rpc");
    floors_.rpc = MeasureRpcFloor(flags_.in_flight, flags_.channels, std::min(flags_.seconds, 3.0));
    report_["floor.crypto"] = ToJson(floors_.crypto);
    report_["floor.rpc"] = ToJson(floors_.rpc);
    report_["rows"] = ordered_json::object();
    for (const Row& row : rows) {
      if (!Wanted(row.name)) continue;
      Progress(row.name);
      report_["rows"][row.name] = row.run();
    }
    Progress("floor.crypto, again");
    AddFloorDrift(MeasureCryptoFloor());
    AddMapSlope();
    PrintReport(report_);
    return WriteJson();
  }

  static int Usage() {
    std::fputs(kUsage, stderr);
    return 2;
  }

 private:
  bool Wanted(const std::string& name) const {
    if (flags_.only.empty()) return true;
    for (const std::string& prefix : flags_.only) {
      if (absl::StartsWith(name, prefix)) return true;
    }
    return false;
  }
  bool WantsFloorOnly() const {
    for (const std::string& prefix : flags_.only) {
      if (absl::StartsWith("floor.", prefix) || absl::StartsWith(prefix, "floor.")) return true;
    }
    return false;
  }

  std::vector<Row> Rows() {
    std::vector<Row> rows;
    rows.push_back({"e2e.idle", [this] { return WithIdleMemory(RunIdle(stage(), flags_.seconds)); }});
    for (const Mechanism mechanism : {Mechanism::kA, Mechanism::kB, Mechanism::kC, Mechanism::kD}) {
      for (const EvidenceKind evidence : {EvidenceKind::kSnp, EvidenceKind::kTpm}) {
        rows.push_back({absl::StrCat("e2e.", std::string(1, Letter(mechanism)),
                                     evidence == EvidenceKind::kSnp ? ".snp" : ".tpm", ".open"),
                        [this, mechanism, evidence] {
                          return WithIdleMemory(
                              RunE2e(stage(), mechanism, evidence, flags_.in_flight, flags_.seconds, floors_));
                        }});
      }
    }
    const auto add_issue = [&](IssueOptions options) {
      options.seconds = flags_.seconds;
      rows.push_back({absl::StrCat("ca.issue.", options.wit ? "both" : "x509", ".b1.",
                                   options.durable ? "durable." : "not_durable.", options.in_flight),
                      [this, options] {
                        stage_.reset();  // the authority is measured alone
                        return RunCaIssue(options, floors_);
                      }});
    };
    for (const bool durable : {true, false}) {
      for (const int in_flight : {1, flags_.in_flight}) add_issue({/*wit=*/false, durable, in_flight});
    }
    add_issue({/*wit=*/true, /*durable=*/true, flags_.in_flight});
    rows.push_back({"map.eval.1e3", [this] { return RunMapEval(1000, flags_.seconds); }});
    rows.push_back({"map.eval.1e5", [this] { return RunMapEval(100000, flags_.seconds); }});
    rows.push_back({"atls", [this] { return RunAtls(flags_.seconds); }});
    return rows;
  }

  Stage& stage() {
    if (stage_ == nullptr) {
      Progress("starting the daemons");
      stage_ = std::make_unique<Stage>(flags_.channels);
    }
    return *stage_;
  }

  ordered_json WithIdleMemory(ordered_json row) {
    row["idle_rss_kib"] = stage().idle_rss_kib();
    return row;
  }

  // Performance.md section 7: a run whose floors moved by more than 3 % is repeated.
  void AddFloorDrift(const CryptoFloor& after) {
    const double p256 = after.p256_verify / floors_.crypto.p256_verify,
                 p384 = after.p384_verify / floors_.crypto.p384_verify;
    report_["floor.drift"] = {{"p256_verify", p256 - 1}, {"p384_verify", p384 - 1}};
  }

  void AddMapSlope() {
    ordered_json& rows = report_["rows"];
    if (!rows.contains("map.eval.1e3") || !rows.contains("map.eval.1e5")) return;
    const double few = rows["map.eval.1e3"]["ns_per_op"], many = rows["map.eval.1e5"]["ns_per_op"];
    rows["map.eval.1e5"]["slope_ns_per_policy"] = (many - few) / (100000 - 1000);
  }

  int WriteJson() const {
    if (flags_.json_file.empty()) return 0;
    std::filesystem::path path = flags_.json_file;  // `bazel run` starts us elsewhere than the user stands
    if (const char* directory = std::getenv("BUILD_WORKING_DIRECTORY"); directory != nullptr && path.is_relative())
      path = directory / path;
    std::ofstream file(path);
    file << report_.dump(2) << "\n";
    file.close();
    if (!file) Fail(absl::StrCat("cannot write ", path.string()));
    return 0;
  }

  const Flags flags_;
  Floors floors_;
  ordered_json report_;
  std::unique_ptr<Stage> stage_;
};

// Audit lines are written whatever the level; those of the echo server and the fake peers are nobody's.
void SilenceLog() {
  config::v1::Log log;
  log.set_file("/dev/null");
  OrFail(log::Init(log, "bench"), "log");
}

int Main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);  // gRPC's servers complain of each client that names no host
  server::DisableLockOrderChecks();  // as in every daemon: the floor of floor.rpc pays for no more than they do
  SilenceLog();
  if (argc == 5 && std::string(argv[1]) == "--serve-echo") {
    config::v1::Tls tls;
    tls.set_certificate_file(argv[2]);
    tls.set_key_file(argv[3]);
    tls.set_trust_bundle_file(argv[4]);
    return ServeEcho(tls);
  }
  Flags flags;
  if (!ParseFlags(argc, argv, &flags)) return Bench::Usage();
  return Bench(flags).Run();
}

}  // namespace
}  // namespace twi::bench

int main(int argc, char** argv) { return twi::bench::Main(argc, argv); }
