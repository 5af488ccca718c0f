#include "integration_tests/attested_tls_deployment.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace twi::integration {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::string Peer(const Deployment& deployment, const std::string& daemon, const std::string& indent) {
  const config::v1::Peer peer = deployment.Reach(daemon);
  return absl::StrCat(indent, "address: ", peer.address(), "\n", indent, "spiffe_id: ", peer.spiffe_id(), "\n");
}

constexpr char kOwners[] = "spiffe://example.org/owner/payroll, spiffe://example.org/owner/ledger";

// The Verifier's REST front, which relying parties call.
constexpr int kRestPort = 8451;
std::string RestSection(const Deployment& deployment, const std::string& address) {
  std::string section = absl::StrCat("rest:\n  http:\n    listen: ", address,
                                     "\n    tls:\n      certificate_file: ", deployment.File("tls/verifier.pem"),
                                     "\n      key_file: ", deployment.File("tls/verifier.key.pem"),
                                     "\n      trust_bundle_file: ", deployment.File("tls/ca.pem"), "\n    allow:\n");
  for (const char* route : {"NewSession", "SubmitEvidence", "DeleteSession", "Discovery"})
    absl::StrAppend(&section, "      - {rpc: ", route, ", peers: [", kOwners, "]}\n");
  return section;
}

}  // namespace

AttestedTlsDeployment::AttestedTlsDeployment(Deployment::Tpm tpm)
    : deployment_(tpm), rest_address_(absl::StrCat(deployment_.host(), ":", kRestPort)) {
  deployment_.Append("config/verifier.yaml", RestSection(deployment_, rest_address_));
  deployment_.Edit("config/verifier.yaml", "relying_parties:\n",
                   absl::StrCat("relying_parties:\n  - {rp_id: \"", kClientRpId,
                                "\", spiffe_id: spiffe://example.org/owner/payroll}\n  - {rp_id: \"", kServerRpId,
                                "\", spiffe_id: spiffe://example.org/owner/ledger}\n"));
  deployment_.Edit("config/claims_mapper.yaml", "{rpc: MapClaims, peers: [",
                   absl::StrCat("{rpc: MapClaims, peers: [", kOwners, ", "));
  deployment_.Edit("config/claims_mapper.yaml", "{rpc: GetGrantKeys, peers: [",
                   absl::StrCat("{rpc: GetGrantKeys, peers: [", kOwners, ", "));
  deployment_.Edit("config/claims_mapper.yaml", "relying_parties: [",
                   absl::StrCat("relying_parties: [\"", kClientRpId, "\", \"", kServerRpId, "\", "));
  deployment_.Edit("config/claims_mapper.yaml", "credential_authorities: [",
                   absl::StrCat("credential_authorities: [", kOwners, ", "));
}

std::string AttestedTlsDeployment::DevSnp(const std::string& image) const {
  return absl::StrCat("attester:\n  insecure_dev_snp:\n    chain_directory: ", deployment_.File("dev-snp"),
                      "\n    image_file: ", deployment_.File("images/" + image), "\n");
}

std::string AttestedTlsDeployment::Tpm() const {
  return absl::StrCat("attester:\n  tpm2:\n    tcti: \"", deployment_.tcti(),
                      "\"\n    ak_handle: 0x81010002\n    pcrs: [0, 1, 2, 3, 4, 5, 7]\n");
}

// The Verifier's timeout is longer than a handshake may take: what ends a silent Verifier's is appraisal_timeout alone.
std::string AttestedTlsDeployment::RelyingParty(const std::string& owner, const std::string& indent,
                                                bool mapper) const {
  std::string section =
      absl::StrCat("relying_party:\n  tls:\n    certificate_file: ", deployment_.File("owners/" + owner + ".pem"),
                   "\n    key_file: ", deployment_.File("owners/" + owner + ".key.pem"),
                   "\n    trust_bundle_file: ", deployment_.File("tls/ca.pem"),
                   "\n  verifier:\n    address: ", rest_address_, "\n    spiffe_id: ", kVerifierId,
                   "\n    timeout: 30s\n  rp_id: ", owner == "payroll" ? kClientRpId : kServerRpId, "\n");
  if (mapper) absl::StrAppend(&section, "  claims_mapper:\n", Peer(deployment_, kClaimsMapper, "    "));
  section.pop_back();
  return absl::StrCat(indent, absl::StrReplaceAll(section, {{"\n", "\n" + indent}}), "\n");
}

std::string AttestedTlsDeployment::WriteTool(const std::string& name, const ToolConfig& config) const {
  std::string yaml = absl::StrCat("profiles: [", config.profile, "]\n", config.attester);
  if (!config.owner.empty()) absl::StrAppend(&yaml, RelyingParty(config.owner));
  if (!config.condition.empty())
    absl::StrAppend(&yaml, "peer:\n  allow:\n  - name: software\n    expression: ", config.condition, "\n");
  deployment_.Write(absl::StrCat("config/", name, ".yaml"), yaml);
  return deployment_.File(absl::StrCat("config/", name, ".yaml"));
}

std::string AttestedTlsDeployment::Ingress(int workload_port, const std::string& limits,
                                           const std::string& client) const {
  return absl::StrCat("attested_tls:\n", client.empty() ? "" : RelyingParty("ledger", "  "),
                      "  ingress:\n  - name: api\n    listen: 127.0.0.1:0\n    forward: 127.0.0.1:", workload_port,
                      "\n", client, limits);
}

std::string AttestedTlsDeployment::Egress(int ingress_port, const std::string& condition,
                                          const std::string& identifiers, const std::string& profiles) const {
  return absl::StrCat("attested_tls:\n", RelyingParty("payroll", "  ", !identifiers.empty()),
                      "  egress:\n  - name: out\n    listen: 127.0.0.1:0\n    connect: localhost:", ingress_port,
                      "\n    profiles: [", profiles,
                      "]\n    server:\n      allow:\n      - name: software\n        expression: ", condition, "\n",
                      identifiers);
}

void AttestedTlsDeployment::WriteAgent(const std::string& agent, const std::string& section) const {
  const std::string file = absl::StrCat("config/agent-", agent, ".yaml"), base = deployment_.Read(file);
  deployment_.Write(file, base.substr(0, base.find("attested_tls:")) + section);
}

std::vector<int> AttestedTlsDeployment::Listening(const std::string& agent, const std::string& tunnel) const {
  std::vector<int> ports;
  if (!std::filesystem::exists(deployment_.File(absl::StrCat("log/agent-", agent, ".log")))) return ports;
  for (const nlohmann::json& line : deployment_.LogLines("agent-" + agent, "attested_tls_listening")) {
    int port = 0;
    if (line.value("tunnel", "") == tunnel && absl::SimpleAtoi(line.value("port", ""), &port)) ports.push_back(port);
  }
  return ports;
}

int AttestedTlsDeployment::StartAgent(const std::string& agent, const std::string& tunnel, Process& process) {
  const std::size_t before = Listening(agent, tunnel).size();
  process = deployment_.StartAgent(agent);
  return WaitUntil([&] { return Listening(agent, tunnel).size() > before; }) ? Listening(agent, tunnel).back() : -1;
}

Serving::Serving(const Deployment& deployment, const std::string& config, std::vector<std::string> more,
                 const std::string& input_file) {
  static int count = 0;
  out_ = deployment.File(absl::StrCat("log/serve-", ++count, ".out"));
  err_ = deployment.File(absl::StrCat("log/serve-", count, ".err"));
  std::vector<std::string> argv = {Runfile("services/twictl/twictl"),
                                   "attested-tls",
                                   "serve",
                                   "--config",
                                   config,
                                   "--listen",
                                   "127.0.0.1:0",
                                   "--output",
                                   "json"};
  argv.insert(argv.end(), more.begin(), more.end());
  if (!input_file.empty()) argv.insert(argv.begin(), {"/bin/sh", "-c", "exec \"$@\" < \"$0\"", input_file});
  process_ = Process::Start(argv, out_, err_);
  const bool listening = WaitUntil([this] {
    const std::string said = ReadFile(err_);
    const std::size_t at = said.find("port ");
    return at != std::string::npos && said.find('\n', at) != std::string::npos &&
           absl::SimpleAtoi(said.substr(at + 5, said.find('\n', at) - at - 5), &port_);
  });
  if (listening) return;
  std::fprintf(stderr, "twictl attested-tls serve: %s%s\n", ReadFile(out_).c_str(), ReadFile(err_).c_str());
  std::abort();
}

std::string Serving::address() const { return absl::StrCat("127.0.0.1:", port_); }

std::string Serving::Text() {
  int exit_code = 0;
  if (process_.running() && !process_.Ended(absl::Seconds(30), &exit_code)) process_.Kill();
  return ReadFile(out_);
}

nlohmann::json Serving::Output() { return nlohmann::json::parse(Text(), nullptr, false); }

Finished ConnectWith(const std::string& config, const std::string& address, std::vector<std::string> more) {
  std::vector<std::string> argv = {Runfile("services/twictl/twictl"),
                                   "attested-tls",
                                   "connect",
                                   "--config",
                                   config,
                                   "--to",
                                   address,
                                   "--output",
                                   "json"};
  argv.insert(argv.end(), more.begin(), more.end());
  return Run(argv);
}

std::string RefusedBy(const Finished& finished) {
  const nlohmann::json said = nlohmann::json::parse(finished.out, nullptr, false);
  const bool refused = finished.exit_code == 1 && said.is_object() && said.contains("refused");
  return refused ? said["refused"].value("reason", "") : finished.out + finished.err;
}

}  // namespace twi::integration
