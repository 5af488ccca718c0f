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
