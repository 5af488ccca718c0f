// floor.rpc (performance.md section 7): an echo over the same gRPC build, the same mTLS credentials, the payload sizes
// of section 4.
#ifndef TWI_INTEGRATION_TESTS_BENCH_RPC_FLOOR_H_
#define TWI_INTEGRATION_TESTS_BENCH_RPC_FLOOR_H_

#include "nlohmann/json.hpp"

namespace twi::bench {

// CPU microseconds per RPC on an open channel.
struct RpcCost {
  double server_us = 0;  // of the echo process
  double client_us = 0;  // of this process: a synchronous call through common/client, as daemons call each other
  double p50_us = 0, p99_us = 0, ops_per_s = 0;
};

struct RpcSetup {
  RpcCost nonce;     // 64 B / 64 B
  RpcCost request;   // 4 KB / 2 KB
  RpcCost hop_like;  // 4 KB / 2 KB over one channel, as between two daemons
};

struct RpcFloor {
  RpcSetup alone;  // common/server, one call at a time: for information
  RpcSetup busy;   // common/server, as many calls and channels as the e2e rows have: for information
  RpcSetup bare;   // busy, against a gRPC callback server and nothing of ours: what SOL_full uses
};

RpcFloor MeasureRpcFloor(int in_flight, int channels, double seconds);
nlohmann::ordered_json ToJson(const RpcFloor& floor);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_RPC_FLOOR_H_
