#include "common/server/echo_server.h"

#include <cstdlib>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi::server {

void Latch::Enter() {
  std::unique_lock lock(mutex_);
  ++entered_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return released_; });
}
void Latch::AwaitEntered(int n) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this, n] { return entered_ >= n; });
}
void Latch::Release() {
  std::lock_guard lock(mutex_);
  released_ = true;
  changed_.notify_all();
}

absl::Status EchoService::Answer(const Call& call, const testing::SayRequest& request,
                                 testing::SayResponse& response) const {
  response.set_text(request.text());
  response.set_peer(call.peer.ToString());
  response.set_deadline_millis(absl::ToInt64Milliseconds(call.deadline - clock_.Now()));
  return absl::OkStatus();
}

grpc::Status EchoService::Say(grpc::ServerContext* context, const testing::SayRequest* request,
                              testing::SayResponse* response) {
  return Handle(gate_, *context, "Say", [&](const Call& call) { return Answer(call, *request, *response); });
}
grpc::Status EchoService::Hold(grpc::ServerContext* context, const testing::SayRequest* request,
                               testing::SayResponse* response) {
  return Handle(gate_, *context, "Hold", [&](const Call& call) {
    latch_.Enter();
    return Answer(call, *request, *response);
  });
}
grpc::Status EchoService::Refuse(grpc::ServerContext* context, const testing::RefuseRequest* request,
                                 testing::SayResponse*) {
  return Handle(gate_, *context, "Refuse", [&](const Call&) -> absl::Status {
    if (request->reason() == -1) throw std::runtime_error(request->detail());
    if (request->reason() == 0) return absl::NotFoundError(request->detail());
    return Deny(static_cast<DenyReason>(request->reason()), request->detail());
  });
}
grpc::Status EchoService::Open(grpc::ServerContext* context, const testing::SayRequest* request,
                               testing::SayResponse* response) {
  return Handle(gate_, *context, "Open", [&](const Call& call) { return Answer(call, *request, *response); });
}

config::v1::Server EchoConfig(testing::TestPki& pki) {
  config::v1::Server config;
  config.set_listen("127.0.0.1:0");
  *config.mutable_tls() = pki.Issue("server", kServerId);
  for (const char* rpc : {"Say", "Hold", "Refuse"}) {
    auto* allow = config.add_allow();
    allow->set_rpc(rpc);
    allow->add_peers(kClientId);
  }
  auto* open = config.add_allow();
  open->set_rpc("Open");
  open->add_peers("attested_key");
  return config;
}

absl::Status EchoServer::Start() {
  auto started = Server::Start(config, clock, OneService(testing::Echo::service_full_name(), [this](Gate& gate) {
                                 return std::make_unique<EchoService>(gate, clock, latch);
                               }));
  if (!started.ok()) return started.status();
  server = *std::move(started);
  return absl::OkStatus();
}

EchoServer::~EchoServer() { latch.Release(); }

config::v1::Peer EchoServer::AsPeer() const {
  config::v1::Peer peer;
  peer.set_address(absl::StrCat("127.0.0.1:", server->port()));
  peer.set_spiffe_id(kServerId);
  return peer;
}

std::unique_ptr<testing::Echo::Stub> EchoServer::Stub(const client::Identity& identity) const {
  auto channel = client::MakeChannel(AsPeer(), identity);
  if (!channel.ok()) std::abort();
  return testing::Echo::NewStub(*channel);
}

namespace {

void SetTestDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

}  // namespace

Reply Say(testing::Echo::Stub& stub, const std::string& text) {
  Reply reply;
  grpc::ClientContext context;
  SetTestDeadline(context);
  testing::SayRequest request;
  request.set_text(text);
  reply.status = stub.Say(&context, request, &reply.response);
  return reply;
}

Reply Open(testing::Echo::Stub& stub) {
  Reply reply;
  grpc::ClientContext context;
  SetTestDeadline(context);
  reply.status = stub.Open(&context, testing::SayRequest(), &reply.response);
  return reply;
}

}  // namespace twi::server
