#include "integration_tests/bench/e2e.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

// What refuses a changed request: anything else (no answer, a broken invariant, the wrong peer) is not a refusal of it.
bool IsRefusalOfTampering(const absl::Status& status) {
  switch (DenyReasonOf(status)) {
    case v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID:
    case v1::DENY_REASON_EVIDENCE_MALFORMED:
    case v1::DENY_REASON_BINDING_MISMATCH:
    case v1::DENY_REASON_CSR_MALFORMED:
    case v1::DENY_REASON_CSR_SIGNATURE_INVALID:
      return true;
    default:
      return false;
  }
}

// One caller of the closed loop: its own workload, what it got, what it was refused.
struct Caller {
  Workload workload;
  std::vector<Acquired> acquired;
  int refused = 0;
};

class Callers {
 public:
  Callers(Stage& stage, Mechanism mechanism, EvidenceKind evidence, int count)
      : mechanism_(mechanism), first_tamper_(static_cast<int>(mechanism) + static_cast<int>(evidence)) {
    for (int i = 0; i < count; ++i) {
      callers_.push_back(
          {Workload(stage.services(), stage.connections(i), stage.keys(), stage.evidence(evidence), stage.clock()),
           {},
           0});
    }
  }

  // One operation, or, every kTamperEvery-th time and the first, a tampered one before it.
  void Operate(int i) {
    Caller& caller = callers_[i];
    const int n = count_.fetch_add(1);
    if (n % kTamperEvery == 0)
      AcquireTampered(caller, (n / kTamperEvery + first_tamper_) % 2 == 0 ? Tamper::kEvidence : Tamper::kCsr);
    auto acquired = caller.workload.Acquire(mechanism_, Tamper::kNone);
    OrFail(acquired.status(), absl::StrCat("e2e.", std::string(1, Letter(mechanism_))));
    caller.acquired.push_back(*std::move(acquired));
  }

  // Validates all; returns how many.
  std::size_t Validate(const Expected& expected) const {
    std::size_t count = 0;
    for (const Caller& caller : callers_) {
      for (const Acquired& acquired : caller.acquired)
        OrFail(ValidateAcquired(mechanism_, acquired, expected), "a credential that was returned does not validate");
      count += caller.acquired.size();
    }
    return count;
  }
  int refused() const {
    int sum = 0;
    for (const Caller& caller : callers_) sum += caller.refused;
    return sum;
  }
  double evidence_cpu_us() const {
    double sum = 0;
    for (const Caller& caller : callers_) sum += caller.workload.evidence_cpu_us();
    return sum;
  }
  int operations() const { return count_; }

 private:
  void AcquireTampered(Caller& caller, Tamper tamper) {
    const auto acquired = caller.workload.Acquire(mechanism_, tamper);
    if (acquired.ok()) Fail("a tampered request was answered");
    if (!IsRefusalOfTampering(acquired.status()))
      OrFail(acquired.status(), "a tampered request was refused for another reason");
    ++caller.refused;
  }

  const Mechanism mechanism_;
  const int first_tamper_;  // short runs have one each: so that they do not all change the same
  std::vector<Caller> callers_;
  std::atomic<int> count_{0};
};

nlohmann::ordered_json PartsJson(const Composition& composition) {
  nlohmann::ordered_json json;
  for (const auto& [what, us] : composition.parts) json[what] = us;
  return json;
}

void AddSpeedOfLight(nlohmann::ordered_json& row, Mechanism mechanism, EvidenceKind evidence, const Floors& floors,
                     double server_cpu_us) {
  const Composition crypto = SolCrypto(mechanism, evidence, floors.crypto);
  const Composition rpc = SolRpc(mechanism, floors.rpc.bare);
  const double full = crypto.total() + rpc.total();
  const Composition architecture = ArchitectureCrypto(mechanism, evidence, floors.crypto);
  row["sol_crypto_us"] = crypto.total();
  row["sol_full_us"] = full;
  row["fraction_of_sol_crypto"] = crypto.total() / server_cpu_us;
  row["fraction_of_sol_full"] = full / server_cpu_us;
  row["architecture_crypto_us"] = architecture.total();
  row["fraction_of_architecture"] = (architecture.total() + rpc.total()) / server_cpu_us;
  row["sol_crypto_parts"] = PartsJson(crypto);
  row["sol_rpc_parts"] = PartsJson(rpc);
  row["architecture_crypto_parts"] = PartsJson(architecture);
}

}  // namespace

nlohmann::ordered_json RunE2e(Stage& stage, Mechanism mechanism, EvidenceKind evidence, int in_flight, double seconds,
                              const Floors& floors) {
  Callers callers(stage, mechanism, evidence, in_flight);
  const LoopResult result = RunClosedLoop(in_flight, seconds / 4, seconds, stage.processes(), [&](int i) {
    callers.Operate(i);
    return true;
  });
  nlohmann::ordered_json row = ToJson(result);
  row["client_evidence_cpu_us"] = callers.evidence_cpu_us() / callers.operations();
  row["credentials_validated"] = callers.Validate(stage.expected());
  row["tampered_refused"] = callers.refused();
  AddSpeedOfLight(row, mechanism, evidence, floors, result.server_cpu_us());
  return row;
}

nlohmann::ordered_json RunIdle(Stage& stage, double seconds) {
  Callers callers(stage, Mechanism::kA, EvidenceKind::kSnp, 1);
  const LoopResult result = RunClosedLoop(1, seconds / 4, seconds, stage.processes(), [&](int i) {
    callers.Operate(i);
    return true;
  });
  nlohmann::ordered_json row = ToJson(result);
  row["client_evidence_cpu_us"] = callers.evidence_cpu_us() / callers.operations();
  row["credentials_validated"] = callers.Validate(stage.expected());
  row["tampered_refused"] = callers.refused();
  return row;
}

}  // namespace twi::bench
