// atls.*: attested TLS beside plain mutual TLS 1.3 of the same OpenSSL (README.md).
#ifndef TWI_INTEGRATION_TESTS_BENCH_ATLS_H_
#define TWI_INTEGRATION_TESTS_BENCH_ATLS_H_

#include "nlohmann/json.hpp"

namespace twi::bench {

// All rows of one run, interleaved, so that a busy moment hits all alike: {"plain.mutual", "handshake.oneway", ...:
// {handshakes_per_s, p50_us, p99_us, cpu_us, vs_plain}}. And "throughput": {"of", "plain_mb_s", "session_mb_s",
// "vs_plain"}: of a connection over a socket pair, both ends in one thread, without an agent. And "tunnel": {"of",
// "tunnel_mb_s", "vs_plain"}: through two agents (tunnel.h).
nlohmann::ordered_json RunAtls(double seconds);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_ATLS_H_
