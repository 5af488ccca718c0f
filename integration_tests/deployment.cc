#include "integration_tests/deployment.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/tpm_ak.h"

namespace twi::integration {
namespace {

// For what asks and ends: gRPC may still close a connection on a thread of its own then, and LeakSanitizer would take
// what it holds for a leak. What twictl itself leaks its own tests would show, where it runs in process.
constexpr char kNoLeakCheck[] = "ASAN_OPTIONS=detect_leaks=0";

constexpr std::uint32_t kAkHandle = 0x81010002;
constexpr int kPcrs[] = {0, 1, 2, 3, 4, 5, 7};  // as in the script's evidence policy

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "deployment: %s\n", what.c_str());
  std::abort();
}

// The whole of 127/8 is this machine's; the ports are fixed, so each deployment takes an address of its own.
std::string OwnLoopbackAddress() {
  std::random_device random;
  return absl::StrCat("127.", 10 + ::getpid() % 240, ".", random() % 256, ".", 1 + random() % 254);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// The TPM's PCR values as the reference value that the script writes.
std::string PcrsYaml(const std::string& tcti) {
  config::v1::Tpm2Attester config;
  config.set_tcti(tcti);
  config.set_ak_handle(kAkHandle);
  for (const int pcr : kPcrs) config.add_pcrs(pcr);
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce("only the PCRs are wanted");
  binding.set_target(kTarget);
  binding.set_rp_id(kAuthorityRpId);
  binding.set_subject("-");
  const v1::Evidence evidence = agent::MakeTpm2Attester(config).value()->Attest(binding).value();
  std::string yaml;
  for (const v1::PcrValue& pcr : evidence.tpm2().pcr_values()) {
    absl::StrAppend(&yaml, "        - {index: ", pcr.index(), ", value: \"", ToHex(pcr.value()), "\"}\n");
  }
  return yaml;
}

const char* ServiceOf(const std::string& daemon) {
  if (daemon == kVerifier) return "verifier";
  if (daemon == kClaimsMapper) return "claims-mapper";
  if (daemon == kCredentialAuthority) return "credential-authority";
  if (daemon == kKeyStore) return "key-store";
  Die("no daemon of name " + daemon);
}

int PortOf(const std::string& daemon) {
  if (daemon == kVerifier) return 8441;
  if (daemon == kClaimsMapper) return 8442;
  return daemon == kCredentialAuthority ? 8443 : 8444;
}

}  // namespace

const std::vector<std::string> kDaemons = {kVerifier, kClaimsMapper, kCredentialAuthority, kKeyStore};

std::string Runfile(const std::string& path) {
  return std::filesystem::absolute(path).string();
}  // bazel runs tests in their runfiles

Deployment::Deployment(Tpm tpm) : dir_(temp_.File("twi")), host_(OwnLoopbackAddress()) {
  std::vector<std::string> environment;
  if (tpm == Tpm::kSoftware) StartTpm(environment);
  const Finished made = Run(
      {"/bin/bash", Runfile("deploy/dev_deployment.sh"), Runfile("services/twictl/twictl"), dir_, host_}, environment);
  if (made.exit_code != 0) Die("dev_deployment.sh: " + made.out + made.err);
  chain_ = std::make_unique<DevSnpChain>(DevSnpChain::Read(File("dev-snp")).value());
}

Deployment::~Deployment() = default;

std::string Deployment::tcti() const { return tpm_->tcti(); }

void Deployment::StartTpm(std::vector<std::string>& environment) {
  tpm_ = agent::testing::SwtpmProcess::Start();
  if (tpm_ == nullptr) return;
  const agent::TpmAk ak = agent::CreateTpmAk(tpm_->tcti(), kAkHandle).value();
  environment = {
      // In every byte, not its key alone.
      absl::StrCat("TWI_EXTRA_AK=", temp_.Write("ak.tpmt_public", ak.tpmt_public)),
      absl::StrCat("TWI_TCTI=", tpm_->tcti()),
      absl::StrCat("TWI_AK_HANDLE=", kAkHandle),
      absl::StrCat("TWI_PCRS_YAML=", temp_.Write("pcrs.yaml", PcrsYaml(tpm_->tcti()))),
  };
}

void Deployment::Start(const std::string& daemon) {
  const std::string port_file = File(absl::StrCat("run/", daemon, ".port")),
                    output = File(absl::StrCat("log/", daemon, ".out"));
  std::filesystem::remove(port_file);
  daemons_[daemon] = Process::Start({Runfile(absl::StrCat("services/", daemon, "/", daemon)), "--config",
                                     File(absl::StrCat("config/", daemon, ".yaml")), "--port-file", port_file},
                                    output, output);
  WaitForPort(daemon);
}

void Deployment::WaitForPort(const std::string& daemon) {
  const std::string port_file = File(absl::StrCat("run/", daemon, ".port"));
  int exit_code = 0;
  const bool listening = WaitUntil(
      [&] {
        if (daemons_[daemon].Ended(absl::ZeroDuration(), &exit_code)) {
          Die(absl::StrCat(daemon, " ended with ", exit_code, ": ", Read(absl::StrCat("log/", daemon, ".out")),
                           Read(absl::StrCat("log/", daemon, ".log"))));
        }
        return std::filesystem::exists(port_file);
      },
      absl::Seconds(60));
  if (!listening) Die(daemon + " does not listen");
}

void Deployment::StartAll() {
  for (const std::string& daemon : kDaemons) Start(daemon);
}

void Deployment::Kill(const std::string& daemon) { daemons_[daemon].Kill(); }

void Deployment::Signal(const std::string& daemon, int signal) { daemons_[daemon].Signal(signal); }

int Deployment::Stop(const std::string& daemon) {
  int exit_code = 0;
  daemons_[daemon].Signal(SIGTERM);
  if (!daemons_[daemon].Ended(absl::Seconds(30), &exit_code)) Die(daemon + " does not stop");
  return exit_code;
}

bool Deployment::Reload(const std::string& daemon) {
  const std::size_t good = LogLines(daemon, "reloaded").size(), bad = LogLines(daemon, "reload_refused").size();
  daemons_[daemon].Signal(SIGHUP);
  const auto answered = [&] {
    return LogLines(daemon, "reloaded").size() + LogLines(daemon, "reload_refused").size() > good + bad;
  };
  if (!WaitUntil(answered)) Die(daemon + " does not answer SIGHUP");
  return LogLines(daemon, "reloaded").size() > good;
}

std::string Deployment::Read(const std::string& name) const { return ReadAll(File(name)); }

void Deployment::Write(const std::string& name, const std::string& content) const {
  temp_.Write(absl::StrCat("twi/", name), content);  // by rename, 0600
}

void Deployment::Edit(const std::string& name, const std::string& from, const std::string& to) const {
  std::string content = Read(name);
  const std::size_t at = content.find(from);
  if (at == std::string::npos || content.find(from, at + 1) != std::string::npos)
    Die(absl::StrCat(name, " does not have \"", from, "\" exactly once"));
  Write(name, content.replace(at, from.size(), to));
}

std::vector<nlohmann::json> Deployment::LogLines(const std::string& daemon, const std::string& event) const {
  std::vector<nlohmann::json> lines;
  const std::string log = Read(absl::StrCat("log/", daemon, ".log"));
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    nlohmann::json parsed = nlohmann::json::parse(std::string(line), nullptr, false);
    if (parsed.is_object() && parsed.value("event", "") == event) lines.push_back(std::move(parsed));
  }
  return lines;
}

config::v1::Peer Deployment::Reach(const std::string& daemon) const {
  config::v1::Peer peer;
  peer.set_address(absl::StrCat(host_, ":", PortOf(daemon)));
  peer.set_spiffe_id(absl::StrCat("spiffe://example.org/twi/", ServiceOf(daemon)));
  return peer;
}

std::string Deployment::Measurement(const std::string& image) const { return crypto::Sha384(Read("images/" + image)); }

Finished Deployment::Twictl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), Runfile("services/twictl/twictl"));
  arguments.insert(arguments.end(), {"--config", File("config/twictl.yaml")});
  return Run(arguments, {kNoLeakCheck});
}

Finished Deployment::Probe(const std::string& daemon, const std::string& question) const {
  return Run({Runfile(absl::StrCat("services/", daemon, "/", daemon)), "--config",
              File(absl::StrCat("config/", daemon, ".yaml")), "--probe", question},
             {kNoLeakCheck});
}

void Deployment::FetchCredentialBundles() {
  if (std::filesystem::exists(File("run/credential-bundle.pem"))) return;
  const std::string x509 = File("run/credential-bundle.pem"), wit = File("run/credential-wit-bundle.json");
  const Finished fetched = Twictl({"trust-bundle", "--out", x509, "--jwks", wit});
  if (fetched.exit_code != 0) Die("twictl trust-bundle: " + fetched.err);
  for (const std::string& path : {x509, wit}) ::chmod(path.c_str(), 0600);
}

Process Deployment::StartAgent(const std::string& name) {
  FetchCredentialBundles();
  const std::string output = File(absl::StrCat("log/agent-", name, ".out"));
  return Process::Start({Runfile("services/workload_agent/workload_agent"), "--config",
                         File(absl::StrCat("config/agent-", name, ".yaml"))},
                        output, output);
}

Finished Deployment::RunAgent(const std::string& name) {
  FetchCredentialBundles();
  return Run({Runfile("services/workload_agent/workload_agent"), "--config",
              File(absl::StrCat("config/agent-", name, ".yaml")), "--once"});
}

}  // namespace twi::integration
