#include "services/twictl/attested_tls.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/attestation_results/attestation_results.h"
#include "common/attested_tls/attester.h"
#include "common/attested_tls/code_points.h"
#include "common/attested_tls/endpoint.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/crypto/random.h"
#include "common/encoding/encoding.h"
#include "common/server/check_config.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/attested_tls_tool.pb.h"
#include "services/twictl/attested_tls_stream.h"
#include "services/twictl/flags.h"
#include "services/twictl/run_command.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/tunnel/address.h"
#include "services/workload_agent/tunnel/route.h"
#include "services/workload_agent/tunnel/trust.h"

namespace twi::twictl {
namespace {

using config::v1::AttestedTlsToolConfig;
using nlohmann::json;

constexpr absl::Duration kConnectLimit = absl::Seconds(10);  // for all addresses of the server together

// All that a connection needs, from --config.
struct Tool {
  AttestedTlsToolConfig config;
  SystemClock clock;
  crypto::SystemRandom random;
  std::unique_ptr<agent::Attester> tee;
  std::unique_ptr<atls::Endpoint> endpoint;
};

absl::Status Validate(const AttestedTlsToolConfig& c, atls::Role role, absl::Time now) {
  using config::Expect;
  const bool server = role == atls::Role::kServer;
  TWI_RETURN_IF_ERROR(Expect(!server || c.has_attester(), "attester", "one: a server attests"));
  TWI_RETURN_IF_ERROR(Expect(server || c.has_peer(), "peer", "a policy on whom to accept"));
  TWI_RETURN_IF_ERROR(
      Expect(!c.has_peer() || c.has_relying_party(), "relying_party", "a section: peers are appraised"));
  TWI_RETURN_IF_ERROR(Expect(c.has_peer() || !c.has_relying_party(), "relying_party",
                             "nothing without peer, a policy on whom to accept: nobody would be appraised"));
  TWI_RETURN_IF_ERROR(agent::ParseProfiles(c.profiles(), "profiles").status());
  if (!c.has_peer()) return absl::OkStatus();
  TWI_RETURN_IF_ERROR(agent::ValidateRelyingParty(c.relying_party(), "relying_party"));
  TWI_RETURN_IF_ERROR(agent::ValidatePeerPolicy(c.peer(), c.relying_party().has_claims_mapper(), "peer"));
  return server::CheckCommonSections(c, {}, now);
}

absl::StatusOr<std::unique_ptr<Tool>> MakeTool(const Flags& flags, atls::Role role) {
  auto tool = std::make_unique<Tool>();
  AttestedTlsToolConfig& c = tool->config;
  TWI_RETURN_IF_ERROR(config::LoadConfigFile(flags.Get("--config"), c));
  TWI_RETURN_IF_ERROR(Validate(c, role, tool->clock.Now()));
  if (flags.Has("--check-config")) return tool;
  atls::Settings settings;
  settings.role = role;
  TWI_ASSIGN_OR_RETURN(settings.profiles, agent::ParseProfiles(c.profiles(), "profiles"));
  settings.attester_workers = std::make_shared<atls::Workers>(1, 16);
  settings.verifier_workers = std::make_shared<atls::Workers>(1, 16);
  if (c.has_attester()) {
    TWI_ASSIGN_OR_RETURN(tool->tee, agent::MakeAttester(c.attester()));
    TWI_ASSIGN_OR_RETURN(
        settings.attester,
        atls::MakeAttester([tee = tool->tee.get()](const v1::Binding& binding) { return tee->Attest(binding); },
                           tool->random));
  }
  if (c.has_peer()) {
    TWI_ASSIGN_OR_RETURN(const auto trust, agent::Trust::Make(c.relying_party(), tool->clock));
    TWI_ASSIGN_OR_RETURN(settings.relying_party, trust->RelyingPartyFor(c.peer()));
  }
  TWI_ASSIGN_OR_RETURN(tool->endpoint, atls::Endpoint::Make(std::move(settings), tool->clock));
  return tool;
}

// --check-config: no port, no call, no TEE.
absl::StatusOr<Shown> Checked(const Flags& flags) {
  const std::string& path = flags.Get("--config");
  return Shown{{{"config", path}, {"good", true}}, absl::StrCat(path, ": good\n")};
}

// The first three the endpoint makes of every peer that it demands Evidence of, before it asks the Verifier (leaf.h,
// ReadLeaf; AppraisePeer).
std::vector<std::string> ChecksMade(const atls::Connection& connection) {
  std::vector<std::string> checks = {
      absl::StrCat("TLS 1.3; profile ", ProfileName(connection.profile()), ", which `profiles` names"),
      "leaf: one certificate, P-256, self-issued and self-signed, valid now, for digitalSignature, no CA",
      absl::StrCat("Evidence: ", atls::kEvidenceMediaType, ", a media type that the Verifier takes"),
  };
  const std::vector<std::string>& of_results = connection.peer()->checks;
  checks.insert(checks.end(), of_results.begin(), of_results.end());
  return checks;
}

// Who the peer is proven to be, and every check.
json PeerJson(const atls::Connection& connection) {
  json shown = {{"profile", ProfileName(connection.profile())}};
  const atls::AttestedPeer* peer = connection.peer();
  shown["attested"] = peer != nullptr;
  if (peer == nullptr) return shown;
  shown["key_sha256"] = ToHex(peer->key_sha256);
  shown["results"] = ResultsForPolicy(peer->results);
  shown["results_id"] = peer->results.jti;
  shown["workload_identifier"] = peer->workload_identifier;
  shown["checks"] = ChecksMade(connection);
  return shown;
}

std::string PeerText(const atls::Connection& connection) {
  std::string text = absl::StrCat("attested TLS, profile ", ProfileName(connection.profile()), "\n");
  const atls::AttestedPeer* peer = connection.peer();
  if (peer == nullptr) return text + "  the peer was not asked to attest: it may be anybody\n";
  const json& software = peer->results.software;
  absl::StrAppend(&text, "  the peer is   ",
                  software.is_object() ? absl::StrCat(software.value("name", ""), " ", software.value("version", ""),
                                                      " of ", software.value("vendor", ""))
                                       : "software that no reference value names",
                  "\n");
  if (!peer->workload_identifier.empty()) absl::StrAppend(&text, "  identity      ", peer->workload_identifier, "\n");
  absl::StrAppend(&text, "  attested by   ", peer->results.attester_claims.value("format", "?"),
                  peer->results.attester_claims.value("insecure", false) ? " (INSECURE: development)" : "",
                  ", appraised by ", peer->results.issuer, "\n");
  absl::StrAppend(&text, "  leaf key      SHA-256 ", ToHex(peer->key_sha256), "\n  checks made\n");
  for (const std::string& check : ChecksMade(connection)) absl::StrAppend(&text, "    - ", check, "\n");
  return text;
}

absl::Status Carry(AttestedTlsStream& stream, const std::string& text) {
  std::fputs(text.c_str(), stderr);
  return stream.Carry(STDIN_FILENO, STDOUT_FILENO);
}

absl::StatusOr<Shown> ConnectTo(const Flags& flags) {
  TWI_RETURN_IF_ERROR(agent::ValidateHostPort(flags.Get("--to")));
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<Tool> tool, MakeTool(flags, atls::Role::kClient));
  if (flags.Has("--check-config")) return Checked(flags);
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<agent::OwnedSocket> socket,
                       agent::ConnectHostPort(flags.Get("--to"), kConnectLimit));
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<AttestedTlsStream> stream,
                       AttestedTlsStream::Open(*tool->endpoint, socket->Release(), tool->clock));
  Shown shown{PeerJson(stream->connection()), PeerText(stream->connection())};
  if (flags.Has("--pipe")) {
    TWI_RETURN_IF_ERROR(Carry(*stream, shown.text));
    shown.text.clear();
  } else {
    stream->Close();
  }
  return shown;
}

absl::StatusOr<Shown> Serve(const Flags& flags) {
  int count = 1;
  if (flags.Has("--count") && (!absl::SimpleAtoi(flags.Get("--count"), &count) || count < 1))
    return absl::InvalidArgumentError("--count: expected 1 or more");
  TWI_ASSIGN_OR_RETURN(const agent::Address address, agent::ParseAddress(flags.Get("--listen")));
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<Tool> tool, MakeTool(flags, atls::Role::kServer));
  if (flags.Has("--check-config")) return Checked(flags);
  TWI_ASSIGN_OR_RETURN(const int listener, agent::Listen(address));
  std::fprintf(stderr, "listening on port %d\n", agent::PortOf(listener));
  Shown shown{json::array(), ""};
  for (int i = 0; i < count; ++i) {
    pollfd wait{listener, POLLIN, 0};
    poll(&wait, 1, -1);
    const int socket = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      --i;
      continue;
    }
    auto stream = AttestedTlsStream::Open(*tool->endpoint, socket, tool->clock);
    if (!stream.ok()) {
      const std::string reason = DenyReasonName(DenyReasonOf(stream.status()));
      shown.json.push_back({{"refused", reason}, {"detail", std::string(stream.status().message())}});
      absl::StrAppend(&shown.text, "refused: ", reason, ": ", std::string(stream.status().message()), "\n");
      shown.exit_code = kExitRefused;
      continue;
    }
    shown.json.push_back(PeerJson((*stream)->connection()));
    const std::string text = PeerText((*stream)->connection());
    absl::StrAppend(&shown.text, text);
    if (flags.Has("--pipe")) {
      const absl::Status carried = Carry(**stream, text);
      if (!carried.ok()) std::fprintf(stderr, "%s\n", std::string(carried.message()).c_str());
    } else {
      (*stream)->Close();
    }
  }
  close(listener);
  if (flags.Has("--pipe")) shown.text.clear();
  return shown;
}

FlagSpec CheckConfigFlag() {
  return {"--check-config", "", "checks the config and its certificates; opens no TEE, calls nobody"};
}

const std::vector<CommandFrame>& Frames() {
  static const auto* const frames = new std::vector<CommandFrame>{
      {"attested-tls connect",
       "Connects, and shows who the server is proven to be and every check that was made.",
       {{"--config", "FILE", "YAML AttestedTlsToolConfig", false, true},
        {"--to", "HOST:PORT", "the server", false, true},
        {"--pipe", "", "then carries standard input and output; what is proven goes to standard error"},
        CheckConfigFlag(),
        OutputFlag(),
        HelpFlag()},
       0,
       ConnectTo},
      {"attested-tls serve",
       "Serves, and shows of each client who it is proven to be.",
       {{"--config", "FILE", "YAML AttestedTlsToolConfig", false, true},
        {"--listen", "ADDRESS:PORT", "port 0 takes a free one, and says which", false, true},
        {"--count", "N", "ends after so many clients, one after the other; default 1"},
        {"--pipe", "", "carries standard input and output for each client"},
        CheckConfigFlag(),
        OutputFlag(),
        HelpFlag()},
       0,
       Serve},
  };
  return *frames;
}

}  // namespace

int RunAttestedTls(const Args& args) {
  ::setenv("TSS2_LOG", "all+none", 0);  // tpm2-tss would write lines of its own
  const std::string word = args.words.empty() ? "" : args.words[0];
  for (const CommandFrame& frame : Frames()) {
    if (absl::StrCat("attested-tls ", word) == frame.name)
      return RunFramed(frame, Args{{args.words.begin() + 1, args.words.end()}, args.out, args.err});
  }
  std::ostream& stream = word == "--help" ? args.out : args.err;
  stream << "usage: twictl attested-tls connect|serve [FLAGS]; twictl attested-tls connect --help\n";
  return word == "--help" ? kExitDone : kExitUsage;
}

}  // namespace twi::twictl
