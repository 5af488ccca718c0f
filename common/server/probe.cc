#include "common/server/probe.h"

#include <atomic>
#include <chrono>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/server/health.h"
#include "common/server/tls13.h"
#include "common/server/unix_address.h"
#include "common/server/verify_peer.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace twi::server {
namespace {

namespace ge = grpc::experimental;
namespace hv1 = grpc::health::v1;

// One line, whatever a peer or a file says.
std::string OneLine(absl::string_view text) {
  std::string line(text.substr(0, 600));
  for (char& c : line) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return line;
}

ProbeResult Bad(absl::string_view question, absl::string_view why) {
  return {false, OneLine(absl::StrCat("not ", question, ": ", why))};
}

absl::StatusOr<std::string> AddressOf(const std::string& listen, int port) {
  const std::size_t colon = listen.rfind(':');
  int configured = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(listen.substr(colon + 1), &configured))
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("server.listen: expected ADDRESS:PORT, got ", listen));
  if (configured == 0) configured = port;
  if (configured == 0)
    return Deny(v1::DENY_REASON_CONFIG_INVALID, "server.listen has port 0: name the file of --port-file");
  std::string host = listen.substr(0, colon);
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return absl::StrCat(host, ":", configured);
}

absl::StatusOr<std::string> OwnSpiffeId(const config::v1::Tls& tls) {
  TWI_ASSIGN_OR_RETURN(const std::string pem, config::ReadFile(tls.certificate_file(), {}));
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> chain, crypto::ParseCertificates(pem));
  if (chain.empty()) return Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED, "server.tls.certificate_file is empty");
  return SpiffeIdOf(chain.front());
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const config::v1::Server& server, const std::string& address) {
  if (IsUnixAddress(server.listen())) return grpc::CreateChannel(server.listen(), grpc::InsecureChannelCredentials());
  config::v1::Peer self;
  self.set_address(address);
  TWI_ASSIGN_OR_RETURN(*self.mutable_spiffe_id(), OwnSpiffeId(server.tls()));
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<client::Identity> identity, client::Identity::FromFiles(server.tls()));
  return client::MakeChannel(self, *identity);
}

struct Asked {
  grpc::Status status;
  bool serving = false;
  std::string reason;
};

Asked Ask(const std::shared_ptr<grpc::Channel>& channel, absl::string_view question, absl::Duration timeout) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
  hv1::HealthCheckRequest request;
  request.set_service(std::string(question));
  hv1::HealthCheckResponse response;
  Asked asked;
  asked.status = hv1::Health::NewStub(channel)->Check(&context, request, &response);
  asked.serving = asked.status.ok() && response.status() == hv1::HealthCheckResponse::SERVING;
  const auto& trailers = context.GetServerTrailingMetadata();
  if (const auto reason = trailers.find(kHealthReasonKey); reason != trailers.end())
    asked.reason = std::string(reason->second.data(), reason->second.size());
  return asked;
}

// Never lets a handshake succeed: notes that the other side has got as far as proving possession of its key.
class Witness final : public ge::ExternalCertificateVerifier {
 public:
  explicit Witness(std::shared_ptr<std::atomic<bool>> answered) : answered_(std::move(answered)) {}
  bool Verify(ge::TlsCustomVerificationCheckRequest*, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    *answered_ = true;
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "only asked whether it answers");
    return true;
  }
  void Cancel(ge::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::shared_ptr<std::atomic<bool>> answered_;
};

bool AnswersTls(const std::string& address, absl::Duration timeout) {
  RequireTls13();
  const auto answered = std::make_shared<std::atomic<bool>>(false);
  ge::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(ge::ExternalCertificateVerifier::Create<Witness>(answered));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  (void)Ask(grpc::CreateCustomChannel(address, ge::TlsCredentials(options), arguments), "live", timeout);
  return *answered;
}

ProbeResult Unasked(absl::string_view question, const std::string& address, absl::string_view why,
                    absl::Duration timeout) {
  if (question != "live" || address.empty() || !AnswersTls(address, timeout)) return Bad(question, why);
  return {true, OneLine(absl::StrCat("live: it answers TLS, but its health cannot be asked: ", why))};
}

}  // namespace

ProbeResult Probe(const config::v1::Server& server, int port, absl::string_view question, absl::Duration timeout) {
  if (server.listen().empty()) return Bad(question, "the config names no address to listen on: nothing to ask");
  std::string address;  // empty: a Unix socket
  if (!IsUnixAddress(server.listen())) {
    absl::StatusOr<std::string> resolved = AddressOf(server.listen(), port);
    if (!resolved.ok()) return Bad(question, resolved.status().message());
    address = *std::move(resolved);
  }
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = Connect(server, address);
  if (!channel.ok()) return Unasked(question, address, channel.status().message(), timeout / 2);
  const Asked asked = Ask(*channel, question, address.empty() || question != "live" ? timeout : timeout / 2);
  if (asked.serving) return {true, std::string(question)};
  if (asked.status.ok()) return Bad(question, asked.reason);
  if (asked.status.error_code() == grpc::StatusCode::UNAVAILABLE && asked.status.error_details().empty())
    return Unasked(question, address, asked.status.error_message(), timeout / 2);
  return Bad(question, client::FromGrpc(asked.status, "health").message());
}

absl::StatusOr<config::v1::Server> ServerSectionOf(const google::protobuf::Message& config) {
  const auto* field = config.GetDescriptor()->FindFieldByName("server");
  if (field == nullptr || field->is_repeated() || field->message_type() != config::v1::Server::descriptor() ||
      !config.GetReflection()->HasField(config, field)) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID, "server: expected a section");
  }
  return static_cast<const config::v1::Server&>(config.GetReflection()->GetMessage(config, field));
}

}  // namespace twi::server
