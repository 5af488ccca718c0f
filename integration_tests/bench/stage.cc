#include "integration_tests/bench/stage.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/x509.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

using integration::kDaemons;

// "PID (comm) S PPID ...": the parent, or -1. comm may hold anything, but not behind its last ')'.
pid_t ParentOf(const std::string& stat) {
  const std::size_t end = stat.rfind(')');
  return end == std::string::npos || end + 4 > stat.size() ? -1 : std::atoi(stat.c_str() + end + 4);
}

std::string ReadLine(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

Processes DaemonProcesses(const std::vector<std::string>& names) {
  Processes found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0 || ParentOf(ReadLine(entry.path() / "stat")) != ::getpid()) continue;
    std::error_code gone;
    const std::string program = std::filesystem::read_symlink(entry.path() / "exe", gone).filename();
    for (const std::string& name : names) {
      if (program == name) found[name] = pid;
    }
  }
  for (const std::string& name : names) {
    if (found.count(name) == 0) Fail(absl::StrCat("no process ", name));
  }
  return found;
}

Stage::Stage(int channels) {
  const SoftTpm soft_tpm = SoftTpm::Generate();
  EnrollSoftTpm(soft_tpm);
  tpm_ = MakeTpmEvidence(soft_tpm);
  snp_ = MakeSnpEvidence(deployment_.File("dev-snp"), deployment_.File("images/payroll-1.2.0"));
  deployment_.StartAll();
  processes_ = DaemonProcesses(kDaemons);

  services_.verifier = deployment_.Reach(integration::kVerifier);
  services_.credential_authority = deployment_.Reach(integration::kCredentialAuthority);
  services_.key_store = deployment_.Reach(integration::kKeyStore);
  services_.trust_bundle_file = deployment_.File("tls/ca.pem");
  services_.credential_authority_rp_id = integration::kAuthorityRpId;
  services_.key_store_rp_id = integration::kKeyStoreRpId;
  services_.target = integration::kTarget;
  Provision();

  for (int i = 0; i < channels; ++i) connections_.push_back(Connections::Open(services_, clock_));
  keys_ = FetchKeys(*connections_[0], /*key_store=*/true);
  FetchTrustBundle(*connections_[0], expected_);
  expected_.verifier_keys = keys_.verifier_keys;
  expected_.verifier_issuer = integration::kVerifierId;
  expected_.rp_id = integration::kAuthorityRpId;
  expected_.workload_identifier = integration::kIdentifier;
  for (const auto& [name, pid] : processes_) idle_rss_kib_[name] = OrFail(ResidentKib(pid), name);
}

void Stage::EnrollSoftTpm(const SoftTpm& tpm) {
  deployment_.Write("bench-ak.pem", tpm.ak.public_key().ToPem());
  deployment_.Edit("config/verifier.yaml", "  insecure_dev_snp_anchor_files:",
                   absl::StrCat("  endorsed_attestation_keys:\n    - {name: benchmark, public_key_file: ",
                                deployment_.File("bench-ak.pem"), "}\n  insecure_dev_snp_anchor_files:"));
  deployment_.Append(
      "config/reference_values.yaml",
      absl::StrCat("  - name: payroll-worker\n    version: 1.2.0-tpm\n    vendor: ", integration::kPayrollOwner,
                   "\n    valid_until: \"2099-01-01T00:00:00Z\"\n    tpm2_pcrs:\n      bank: sha256\n      pcrs:\n",
                   tpm.PcrsYaml()));
}

void Stage::Provision() {
  const std::string directory = deployment_.File("run/provisioned");
  const integration::Finished done = deployment_.Twictl(
      {"provision", "--anticipated", deployment_.File("config/anticipated_results.json"), "--release-policy",
       deployment_.File("config/release_policy.yaml"), "--target", services_.target, "--out", directory});
  if (done.exit_code != 0) Fail(absl::StrCat("twictl provision: ", done.out, done.err));
  services_.key_id = std::string(absl::StripAsciiWhitespace(deployment_.Read("run/provisioned/key-id")));
  const auto chain = OrFail(crypto::ParseCertificates(deployment_.Read("run/provisioned/chain.pem")), "chain.pem");
  expected_.provisioned_spki = chain.front().public_key.spki();
}

Expected Stage::expected() const {
  Expected expected = expected_;
  expected.now = clock_.Now();
  return expected;
}

}  // namespace twi::bench
