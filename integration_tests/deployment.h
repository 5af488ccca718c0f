// A whole development deployment for a test: written by deploy/dev_deployment.sh, as the demo's is, with the daemons as
// real processes on a loopback address of its own and, when asked for, a software TPM whose attestation key the
// Verifier endorses.
#ifndef TWI_INTEGRATION_TESTS_DEPLOYMENT_H_
#define TWI_INTEGRATION_TESTS_DEPLOYMENT_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/dev_snp/dev_snp.h"
#include "common/testing/temp_dir.h"
#include "integration_tests/process.h"
#include "nlohmann/json.hpp"
#include "proto/twi/config/v1/common.pb.h"
#include "services/workload_agent/testing/swtpm_process.h"

namespace twi::integration {

// The names of the daemons, as of their binaries, configs and logs.
constexpr char kVerifier[] = "verifier";
constexpr char kClaimsMapper[] = "claims_mapper";
constexpr char kCredentialAuthority[] = "credential_authority";
constexpr char kKeyStore[] = "key_store";
extern const std::vector<std::string> kDaemons;

// What the script writes into the configs.
constexpr char kAuthorityRpId[] = "https://credential-authority.example.org";
constexpr char kKeyStoreRpId[] = "https://key-store.example.org";
constexpr char kTarget[] = "https://db.example.org";
constexpr char kIdentifier[] = "spiffe://example.org/payroll/worker";
constexpr char kVerifierId[] = "spiffe://example.org/twi/verifier";
constexpr char kClaimsMapperId[] = "spiffe://example.org/twi/claims-mapper";
constexpr char kKeyStoreId[] = "spiffe://example.org/twi/key-store";
constexpr char kPayrollOwner[] = "spiffe://example.org/owner/payroll";

// A step that fails here ends the test program: a test without its deployment tests nothing. Use it from one thread.
class Deployment {
 public:
  enum class Tpm { kNone, kSoftware };
  // Writes it. Nothing is started but the TPM.
  explicit Deployment(Tpm tpm = Tpm::kNone);
  ~Deployment();
  Deployment(const Deployment&) = delete;

  bool has_tpm() const {
    return tpm_ != nullptr;
  }  // false also when kSoftware was asked for and swtpm is not installed
  std::string tcti() const;
  agent::testing::SwtpmProcess& tpm() const { return *tpm_; }  // where has_tpm()

  // Daemons. Start returns when it listens.
  void Start(const std::string& daemon);
  void StartAll();
  void Kill(const std::string& daemon);  // SIGKILL
  int Stop(const std::string& daemon);   // SIGTERM; its exit code
  void Signal(const std::string& daemon, int signal);
  [[nodiscard]] bool Reload(const std::string& daemon);  // SIGHUP; true when the daemon says that the new config is in
                                                         // force, false when it refused it

  // Files of the deployment, by their path in it: "config/verifier.yaml".
  std::string File(const std::string& name) const { return dir_ + "/" + name; }
  std::string Read(const std::string& name) const;
  void Write(const std::string& name, const std::string& content) const;
  // Replaces `from`, which must stand in the file exactly once.
  void Edit(const std::string& name, const std::string& from, const std::string& to) const;
  void Append(const std::string& name, const std::string& text) const { Write(name, Read(name) + text); }

  // The lines of a daemon's (or "agent-NAME"'s) log with this event.
  std::vector<nlohmann::json> LogLines(const std::string& daemon, const std::string& event) const;
  // How a client reaches the daemon.
  config::v1::Peer Reach(const std::string& daemon) const;
  const std::string& host() const { return host_; }  // the loopback address that all listen on
  std::string address(const std::string& daemon) const { return Reach(daemon).address(); }
  const DevSnpChain& snp_chain() const { return *chain_; }
  // SHA-384 of images/NAME, 48 bytes: its measurement.
  std::string Measurement(const std::string& image) const;

  // The daemon's own binary as a health probe: --probe QUESTION.
  Finished Probe(const std::string& daemon, const std::string& question) const;
  // twictl ARGS with the payroll owner's config appended (--config).
  Finished Twictl(std::vector<std::string> arguments) const;
  // `workload_agent --once` with config/agent-NAME.yaml. Writes the trust bundles of credentials first when they are
  // not there.
  Finished RunAgent(const std::string& name);
  // The same without --once: it stays.
  Process StartAgent(const std::string& name);

 private:
  void FetchCredentialBundles();
  void StartTpm(std::vector<std::string>& environment);
  void WaitForPort(const std::string& daemon);

  twi::testing::TempDir temp_;
  const std::string dir_;
  const std::string host_;
  std::unique_ptr<agent::testing::SwtpmProcess> tpm_;
  std::unique_ptr<DevSnpChain> chain_;
  std::map<std::string, Process> daemons_;
};

// The path of a file that the test's BUILD target names in `data`.
std::string Runfile(const std::string& path);

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_DEPLOYMENT_H_
