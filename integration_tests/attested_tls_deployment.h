// A deployment whose Verifier and Claims Mapper serve two relying parties of attested TLS: the payroll owner's client
// and the ledger owner's server; and the configs of `twictl attested-tls` and of agents with tunnels.
#ifndef TWI_INTEGRATION_TESTS_ATTESTED_TLS_DEPLOYMENT_H_
#define TWI_INTEGRATION_TESTS_ATTESTED_TLS_DEPLOYMENT_H_

#include <memory>
#include <string>
#include <vector>

#include "integration_tests/deployment.h"
#include "nlohmann/json.hpp"

namespace twi::integration {

constexpr char kClientRpId[] = "https://payroll-client.example.org";
constexpr char kServerRpId[] = "https://ledger-server.example.org";
constexpr char kPayrollWorker[] = "results.software.name == \"payroll-worker\"";

class AttestedTlsDeployment {
 public:
  explicit AttestedTlsDeployment(Deployment::Tpm tpm = Deployment::Tpm::kNone);
  Deployment& operator*() { return deployment_; }
  Deployment* operator->() { return &deployment_; }

  // YAML sections, to be joined.
  std::string DevSnp(const std::string& image) const;  // attester
  std::string Tpm() const;
  // `owner`: "payroll" (kClientRpId) or "ledger" (kServerRpId).
  std::string RelyingParty(const std::string& owner, const std::string& indent = "", bool mapper = false) const;

  // Writes config/NAME.yaml of twictl attested-tls.
  struct ToolConfig {
    std::string attester;             // section, or none
    std::string owner;                // of relying_party, or none
    std::string condition;            // of peer, or none
    std::string profile = "session";  // or "handshake", or "session, handshake"
  };
  std::string WriteTool(const std::string& name, const ToolConfig& config) const;

  // Agents with tunnels: `agent` is "A-snp" or "B-snp". The attested_tls sections of an ingress "api" to the workload
  // at that port, and of an egress "out" to an ingress; `limits`, `client` and `identifiers` are YAML of their own.
  std::string Ingress(int workload_port, const std::string& limits = "", const std::string& client = "") const;
  std::string Egress(int ingress_port, const std::string& condition = kPayrollWorker,
                     const std::string& identifiers = "", const std::string& profiles = "session") const;
  // Puts the section into the agent's config, in place of another.
  void WriteAgent(const std::string& agent, const std::string& section) const;
  // The ports that a tunnel has taken, each time that the agent said so.
  std::vector<int> Listening(const std::string& agent, const std::string& tunnel) const;
  // Starts the agent, and gives the port that its tunnel took (0: of a Unix socket); -1 when it does not listen.
  int StartAgent(const std::string& agent, const std::string& tunnel, Process& process);

 private:
  Deployment deployment_;
  const std::string rest_address_;  // of the Verifier
};

// `twictl attested-tls serve` as a process.
class Serving {
 public:
  // `input_file`: its standard input, instead of nothing.
  Serving(const Deployment& deployment, const std::string& config, std::vector<std::string> more = {},
          const std::string& input_file = "");
  int port() const { return port_; }
  std::string address() const;
  // When it has served what it was to: its output, as text (with --pipe what clients sent comes first) or as JSON.
  std::string Text();
  nlohmann::json Output();

 private:
  std::string out_, err_;
  int port_ = 0;
  Process process_;
};

// `twictl attested-tls connect --output json`.
Finished ConnectWith(const std::string& config, const std::string& address, std::vector<std::string> more = {});
// The reason of a refusal in that output.
std::string RefusedBy(const Finished& finished);

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_ATTESTED_TLS_DEPLOYMENT_H_
