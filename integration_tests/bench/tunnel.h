// atls.tunnel: what two agents carry for two workloads that know nothing of it (README.md).
#ifndef TWI_INTEGRATION_TESTS_BENCH_TUNNEL_H_
#define TWI_INTEGRATION_TESTS_BENCH_TUNNEL_H_

#include <cstddef>

namespace twi::bench {

// MB/s of `bytes` over TCP on loopback, plaintext client -> egress -> ingress -> plaintext server, profile session; the
// median of `rounds` over one open connection. Starts the daemons and two agents. Use it from the main thread, as
// Stage.
double TunnelThroughput(std::size_t bytes, int rounds);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_TUNNEL_H_
