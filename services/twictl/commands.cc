#include "services/twictl/commands.h"

#include "absl/strings/str_format.h"
#include "services/twictl/appraise.h"
#include "services/twictl/attested_tls.h"
#include "services/twictl/check_config.h"
#include "services/twictl/dev_deployment.h"
#include "services/twictl/dev_pki.h"
#include "services/twictl/explain.h"
#include "services/twictl/inspect.h"
#include "services/twictl/issuance.h"
#include "services/twictl/keys.h"
#include "services/twictl/policy.h"
#include "services/twictl/provision.h"
#include "services/twictl/trust_bundle.h"

namespace twi::twictl {
namespace {

void List(std::ostream& stream) {
  stream << "usage: twictl COMMAND [FLAGS]; twictl COMMAND --help\n\n";
  for (const Command& command : Commands()) stream << absl::StrFormat("  %-14s %s\n", command.name, command.summary);
  stream << "\nexit code: 0 done, 1 refused (the reason is printed), 2 usage\n";
}

}  // namespace

const std::vector<Command>& Commands() {
  static const std::vector<Command>* const commands = new std::vector<Command>{
      {"appraise", "appraise Evidence in files, offline, with the Verifier's code", RunAppraise},
      {"attested-tls", "connect to, or serve, attested TLS, and show who the peer is proven to be", RunAttestedTls},
      {"check-config", "check a config of twictl", RunCheckConfig},
      {"dev-deployment", "distribute a development PKI into one folder per service (DEVELOPMENT)", RunDevDeployment},
      {"dev-pki", "make keys, certificates and a development SEV-SNP chain (DEVELOPMENT)", RunDevPki},
      {"explain", "what refusals mean, and where to look", RunExplain},
      {"inspect", "what Evidence, Attestation Results, grants and credentials in files say", RunInspect},
      {"issuance", "why a credential exists: its issuance record", RunIssuance},
      {"keys", "list the Workload Owner's keys in the Key Store", RunKeys},
      {"policy", "check, sign, load and list Claims Mapper Policies", RunPolicy},
      {"provision", "mechanism D: have a key made in the Key Store, and get its credential", RunProvision},
      {"trust-bundle", "fetch the Credential Authority's trust bundle", RunTrustBundle},
  };
  return *commands;
}

int Run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  if (words.empty()) {
    List(err);
    return kExitUsage;
  }
  if (words[0] == "--help" || words[0] == "help") {
    List(out);
    return kExitDone;
  }
  for (const Command& command : Commands()) {
    if (words[0] == command.name) return command.run(Args{{words.begin() + 1, words.end()}, out, err});
  }
  err << "twictl: unknown command \"" << words[0] << "\"\n\n";
  List(err);
  return kExitUsage;
}

}  // namespace twi::twictl
