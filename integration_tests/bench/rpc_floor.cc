#include "integration_tests/bench/rpc_floor.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/client/channel.h"
#include "common/testing/test_pki.h"
#include "integration_tests/bench/bench_echo.grpc.pb.h"
#include "integration_tests/bench/closed_loop.h"
#include "integration_tests/bench/echo_process.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

struct Load {
  int port = 0;
  int in_flight = 1;
  int channels = 1;
  double seconds = 1;
};

class Echoes {
 public:
  Echoes(testing::TestPki& pki, pid_t server) : pki_(pki), server_(server) {}

  RpcCost Measure(const Load& load, std::size_t request_size, std::uint32_t response_size) {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", load.port));
    peer.set_spiffe_id(kEchoServerId);
    std::vector<std::unique_ptr<BenchEcho::Stub>> stubs;
    std::vector<std::shared_ptr<client::Identity>> identities;
    for (int i = 0; i < load.channels; ++i) {  // an identity each: channels of one identity would share a connection
      identities.push_back(
          OrFail(client::Identity::FromFiles(pki_.Issue(absl::StrCat("client", i), kEchoClientId)), "client identity"));
      stubs.push_back(BenchEcho::NewStub(OrFail(client::MakeChannel(peer, *identities.back()), "channel")));
    }
    EchoRequest request;
    request.set_payload(std::string(request_size, 'r'));
    request.set_response_size(response_size);
    const LoopResult r =
        RunClosedLoop(load.in_flight, 0.3 * load.seconds, load.seconds, {{"echo", server_}}, [&](int caller) {
          grpc::ClientContext context;
          const absl::Time now = absl::Now();
          client::SetDeadline(context, peer, now + absl::Seconds(10), now);
          EchoResponse response;
          const grpc::Status status = stubs[caller % stubs.size()]->Echo(&context, request, &response);
          if (!status.ok()) Fail(absl::StrCat("floor.rpc: ", status.error_message()));
          return true;
        });
    return {r.server_cpu_us(), r.self_cpu_us, r.p50_us, r.p99_us, r.ops_per_s()};
  }

  // Of three runs, a third of the time each, the one whose server CPU is the median.
  RpcCost Median(Load load, std::size_t request_size, std::uint32_t response_size) {
    load.seconds /= 3;
    std::vector<RpcCost> runs;
    for (int i = 0; i < 3; ++i) runs.push_back(Measure(load, request_size, response_size));
    std::sort(runs.begin(), runs.end(), [](const RpcCost& a, const RpcCost& b) { return a.server_us < b.server_us; });
    return runs[1];
  }

  RpcSetup MeasureSetup(const Load& load) {
    Load hop = load;
    hop.channels = 1;
    return {Median(load, 64, 64), Median(load, 4096, 2048), Median(hop, 4096, 2048)};
  }

 private:
  testing::TestPki& pki_;
  const pid_t server_;
};

nlohmann::ordered_json CostJson(const RpcCost& c) {
  return {{"server_us", c.server_us},
          {"client_us", c.client_us},
          {"p50_us", c.p50_us},
          {"p99_us", c.p99_us},
          {"ops_per_s", c.ops_per_s}};
}

nlohmann::ordered_json SetupJson(const RpcSetup& s) {
  return {
      {"64B/64B", CostJson(s.nonce)}, {"4KB/2KB", CostJson(s.request)}, {"4KB/2KB, 1 channel", CostJson(s.hop_like)}};
}

}  // namespace

RpcFloor MeasureRpcFloor(int in_flight, int channels, double seconds) {
  testing::TestPki pki(absl::Now());
  const EchoProcess process = OrFail(EchoProcess::Start(pki.Issue("echo", kEchoServerId)), "echo process");
  Echoes echoes(pki, process.pid());
  RpcFloor floor;
  floor.alone = echoes.MeasureSetup({process.gate_port(), 1, 1, seconds});
  floor.busy = echoes.MeasureSetup({process.gate_port(), in_flight, channels, seconds});
  floor.bare = echoes.MeasureSetup({process.bare_port(), in_flight, channels, seconds});
  return floor;
}

nlohmann::ordered_json ToJson(const RpcFloor& f) {
  return {{"alone", SetupJson(f.alone)}, {"busy", SetupJson(f.busy)}, {"bare", SetupJson(f.bare)}};
}

}  // namespace twi::bench
