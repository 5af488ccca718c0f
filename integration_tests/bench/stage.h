// The deployment that is measured: integration_tests/deployment.h, plus an endorsed AK of a TPM in software, and what
// the benchmark's clients need to know of it.
#ifndef TWI_INTEGRATION_TESTS_BENCH_STAGE_H_
#define TWI_INTEGRATION_TESTS_BENCH_STAGE_H_

#include <map>
#include <memory>
#include <string>

#include "integration_tests/bench/closed_loop.h"
#include "integration_tests/bench/evidence_maker.h"
#include "integration_tests/bench/validate_acquired.h"
#include "integration_tests/bench/workload.h"
#include "integration_tests/deployment.h"

namespace twi::bench {

// The daemons of this process, by the names in deployment.h. Ends the benchmark when one of `names` is not there.
Processes DaemonProcesses(const std::vector<std::string>& names);

// Use it from the main thread: the kernel kills the daemons when the thread that started them ends.
class Stage {
 public:
  // Writes the deployment, starts all daemons, provisions a key (D), fetches keys and bundles over `channels` TLS
  // identities. Ends the benchmark when anything of it fails.
  explicit Stage(int channels);

  const Services& services() const { return services_; }
  const FetchedKeys& keys() const { return keys_; }
  const EvidenceMaker& evidence(EvidenceKind kind) const { return kind == EvidenceKind::kSnp ? *snp_ : *tpm_; }
  Connections& connections(int i) { return *connections_[i % connections_.size()]; }
  Expected expected() const;  // with now = now
  const Processes& processes() const { return processes_; }
  const Clock& clock() const { return clock_; }
  // VmRSS of the daemons before the first acquisition.
  const std::map<std::string, double>& idle_rss_kib() const { return idle_rss_kib_; }

 private:
  void EnrollSoftTpm(const SoftTpm& tpm);
  void Provision();

  SystemClock clock_;
  integration::Deployment deployment_;
  Services services_;
  Processes processes_;
  std::map<std::string, double> idle_rss_kib_;
  std::unique_ptr<EvidenceMaker> snp_, tpm_;
  std::vector<std::unique_ptr<Connections>> connections_;
  FetchedKeys keys_;
  Expected expected_;
};

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_STAGE_H_
