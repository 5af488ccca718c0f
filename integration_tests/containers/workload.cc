// A workload as a user would write it, for deploy/compose and its fault test: it serves and calls over mutual TLS with
// the credential that its agent keeps in a directory, and says once per interval, as one line of JSON, what it holds
// and what came of the call. It knows nothing of attestation.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <map>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/log/log.h"
#include "common/server/server.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "integration_tests/containers/greeting.grpc.pb.h"
#include "integration_tests/containers/held_credential.h"
#include "integration_tests/containers/plain_greeting.h"
#include "nlohmann/json.hpp"

namespace twi::containers {
namespace {

constexpr char kUsage[] =
    "usage: demo-workload --credential DIR --listen ADDRESS:PORT --allow SPIFFE_ID... [--peer ADDRESS:PORT --peer-id "
    "SPIFFE_ID] [--interval-ms N]\n"
    "         [--anchors FILE]   the credential must end at one of these, too, which its agent has not written\n"
    "         [--plain-listen SOCKET] [--plain-peer SOCKET]   through the agent's attested TLS, of which it knows "
    "nothing\n"
    "       demo-workload --credential DIR --probe ADDRESS:PORT   asks the workload that runs with this credential; "
    "exit "
    "code 0 or 1\n";

struct Options {
  std::string credential, anchors, listen, peer, peer_id, probe, plain_listen, plain_peer;
  std::vector<std::string> allow;
  int interval_ms = 1000;
};

absl::StatusOr<Options> Read(int argc, char** argv) {
  Options options;
  std::map<std::string, std::string*> texts = {{"--credential", &options.credential},
                                               {"--anchors", &options.anchors},
                                               {"--listen", &options.listen},
                                               {"--peer", &options.peer},
                                               {"--peer-id", &options.peer_id},
                                               {"--probe", &options.probe},
                                               {"--plain-listen", &options.plain_listen},
                                               {"--plain-peer", &options.plain_peer}};
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
    if (name == "--allow") {
      options.allow.push_back(argv[i + 1]);
    } else if (name == "--interval-ms") {
      if (!absl::SimpleAtoi(argv[i + 1], &options.interval_ms) || options.interval_ms < 10)
        return absl::InvalidArgumentError("--interval-ms: at least 10");
    } else if (const auto text = texts.find(name); text != texts.end()) {
      *text->second = argv[i + 1];
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown argument ", name));
    }
  }
  if (options.credential.empty() || (options.probe.empty() && (options.listen.empty() || options.allow.empty())))
    return absl::InvalidArgumentError("--credential, and --listen with --allow, or --probe: required");
  if (options.peer.empty() != options.peer_id.empty())
    return absl::InvalidArgumentError("--peer and --peer-id go together");
  return options;
}

config::v1::Tls FilesOf(const std::string& directory) {
  config::v1::Tls tls;
  tls.set_certificate_file(directory + "/chain.pem");
  tls.set_key_file(directory + "/key.pem");
  tls.set_trust_bundle_file(directory + "/bundle.pem");
  return tls;
}

class GreetingService final : public Greeting::Service {
 public:
  explicit GreetingService(server::Gate& gate) : gate_(gate) {}
  grpc::Status Greet(grpc::ServerContext* context, const GreetRequest*, GreetResponse* response) override {
    return server::Handle(gate_, *context, "Greet", [&](const server::Call& call) {
      response->set_you_are(call.peer.spiffe_id);
      return absl::OkStatus();
    });
  }

 private:
  server::Gate& gate_;
};

absl::StatusOr<std::unique_ptr<server::Server>> Serve(const Options& options, const Clock& clock) {
  config::v1::Server config;
  config.set_listen(options.listen);
  *config.mutable_tls() = FilesOf(options.credential);
  config.mutable_certificate_expiry_warning()->set_seconds(1);  // its credential lives minutes: that is no news
  config::v1::Allow& rule = *config.add_allow();
  rule.set_rpc("Greet");
  for (const std::string& peer : options.allow) rule.add_peers(peer);
  return server::Server::Start(config, clock, [](server::Gate& gate) {
    std::vector<server::NamedService> services;
    services.push_back({std::make_unique<GreetingService>(gate), Greeting::service_full_name()});
    return services;
  });
}

// Key and certificate of one version, also when the agent installs the next one meanwhile.
absl::StatusOr<std::shared_ptr<client::Identity>> IdentityNow(const std::string& credential) {
  for (std::string version = VersionInForce(credential), next;; version = next) {
    absl::StatusOr<std::shared_ptr<client::Identity>> identity = client::Identity::FromFiles(FilesOf(version));
    next = VersionInForce(credential);
    if (identity.ok() || next == version) return identity;
  }
}

// A new connection with the credential of this moment, so that each call shows whether it is good.
absl::Status Call(const std::string& credential, const std::string& address, const std::string& id) {
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<client::Identity> identity, IdentityNow(credential));
  config::v1::Peer peer;
  peer.set_address(address);
  peer.set_spiffe_id(id);
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, client::MakeChannel(peer, *identity));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  GreetResponse response;
  return client::FromGrpc(Greeting::NewStub(channel)->Greet(&context, GreetRequest(), &response), "Greet");
}

void Say(const Options& options, const Clock& clock) {
  const HeldCredential held = LookAtCredential(options.credential, options.anchors, clock.Now());
  nlohmann::json line = {{"time", absl::FormatTime(absl::RFC3339_full, clock.Now(), absl::UTCTimeZone())},
                         {"credential", held.state}};
  if (!held.serial.empty()) {
    line["serial"] = held.serial;
    line["spiffe_id"] = held.spiffe_id;
    line["not_after"] = absl::FormatTime(absl::RFC3339_sec, held.not_after, absl::UTCTimeZone());
  }
  if (held.wit_not_after.has_value())
    line["wit_not_after"] = absl::FormatTime(absl::RFC3339_sec, *held.wit_not_after, absl::UTCTimeZone());
  if (!held.detail.empty()) line["detail"] = held.detail;
  if (!options.peer.empty()) {
    const absl::Status called = Call(options.credential, options.peer, options.peer_id);
    line["call"] = called.ok() ? "OK" : DenyReasonName(DenyReasonOf(called));
    if (!called.ok()) line["call_detail"] = std::string(called.message());
  }
  if (!options.plain_peer.empty()) {
    const absl::Status greeted = GreetPlainly(options.plain_peer, "ledger");
    line["attested_call"] = greeted.ok() ? "OK" : std::string(greeted.message());
  }
  std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

int Run(const Options& options) {
  const SystemClock clock;
  if (!options.probe.empty()) {
    const HeldCredential held = LookAtCredential(options.credential, options.anchors, clock.Now());
    const absl::Status status = held.state == "valid"
                                    ? Call(options.credential, options.probe, held.spiffe_id)
                                    : absl::FailedPreconditionError(absl::StrCat("credential: ", held.state));
    std::cout << (status.ok() ? "serving" : std::string(status.message())) << "\n";
    return status.ok() ? 0 : 1;
  }
  sigset_t stop;
  sigemptyset(&stop);
  for (int signal : {SIGTERM, SIGINT}) sigaddset(&stop, signal);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  std::unique_ptr<PlainGreetings> greetings;
  if (!options.plain_listen.empty()) {
    absl::StatusOr<std::unique_ptr<PlainGreetings>> started = PlainGreetings::Start(options.plain_listen);
    if (!started.ok()) {
      std::cerr << "demo-workload: " << started.status().message() << "\n";
      return 1;
    }
    greetings = *std::move(started);
  }
  std::unique_ptr<server::Server> server;
  const timespec interval = {options.interval_ms / 1000, options.interval_ms % 1000 * 1000000};
  do {
    if (server == nullptr) {  // until the agent has acquired the first credential
      absl::StatusOr<std::unique_ptr<server::Server>> started = Serve(options, clock);
      if (started.ok()) server = *std::move(started);
    }
    Say(options, clock);
  } while (sigtimedwait(&stop, nullptr, &interval) < 0);
  if (server != nullptr) server->Drain();
  return 0;
}

}  // namespace
}  // namespace twi::containers

int main(int argc, char** argv) {
  twi::config::v1::Log log;
  log.set_level("error");
  const absl::StatusOr<twi::containers::Options> options = twi::containers::Read(argc, argv);
  if (!options.ok()) {
    std::cerr << "demo-workload: " << options.status().message() << "\n" << twi::containers::kUsage;
    return 2;
  }
  if (const absl::Status status = twi::log::Init(log, "demo-workload"); !status.ok()) {
    std::cerr << "demo-workload: " << status.message() << "\n";
    return 2;
  }
  return twi::containers::Run(*options);
}
