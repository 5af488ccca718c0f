// A running server with the Echo service, and clients for it: what the tests of this room and of common/client share.
#ifndef TWI_COMMON_SERVER_ECHO_SERVER_H_
#define TWI_COMMON_SERVER_ECHO_SERVER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "absl/time/clock.h"
#include "common/client/channel.h"
#include "common/server/server.h"
#include "common/testing/echo.grpc.pb.h"
#include "common/testing/test_pki.h"

namespace twi::server {

constexpr char kServerId[] = "spiffe://test.example/twi/echo";
constexpr char kClientId[] = "spiffe://test.example/twi/client";

// What Hold waits for.
class Latch {
 public:
  void Enter();  // called by Hold: counts, then waits for Release
  void AwaitEntered(int n);
  void Release();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int entered_ = 0;
  bool released_ = false;
};

class EchoService final : public testing::Echo::Service {
 public:
  EchoService(Gate& gate, const Clock& clock, Latch& latch) : gate_(gate), clock_(clock), latch_(latch) {}
  grpc::Status Say(grpc::ServerContext* context, const testing::SayRequest* request,
                   testing::SayResponse* response) override;
  grpc::Status Hold(grpc::ServerContext* context, const testing::SayRequest* request,
                    testing::SayResponse* response) override;
  grpc::Status Refuse(grpc::ServerContext* context, const testing::RefuseRequest* request,
                      testing::SayResponse* response) override;
  grpc::Status Open(grpc::ServerContext* context, const testing::SayRequest* request,
                    testing::SayResponse* response) override;

 private:
  absl::Status Answer(const Call& call, const testing::SayRequest& request, testing::SayResponse& response) const;
  Gate& gate_;
  const Clock& clock_;
  Latch& latch_;
};

// Say, Hold and Refuse for kClientId; Open for attested_key; port 0; certificate of kServerId by `pki`.
config::v1::Server EchoConfig(testing::TestPki& pki);

struct EchoServer {
  // The config may be changed before Start.
  explicit EchoServer(testing::TestPki& pki) : config(EchoConfig(pki)) {}
  absl::Status Start();
  ~EchoServer();

  config::v1::Peer AsPeer() const;
  // A stub over a fresh channel. Aborts when the channel cannot be made (not: when the server refuses it).
  std::unique_ptr<testing::Echo::Stub> Stub(const client::Identity& identity) const;

  SystemClock clock;
  Latch latch;
  config::v1::Server config;
  std::unique_ptr<Server> server;
};

// One call of Say or Open, with a deadline of 10 s.
struct Reply {
  grpc::Status status;
  testing::SayResponse response;
};
Reply Say(testing::Echo::Stub& stub, const std::string& text = "hello");
Reply Open(testing::Echo::Stub& stub);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_ECHO_SERVER_H_
