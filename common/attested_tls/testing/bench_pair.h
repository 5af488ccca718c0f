// Pairs of connected ends for the benchmark (integration_tests/bench, rows atls.*): attested TLS, and plain mutual TLS
// 1.3 of the same OpenSSL with the same kind of certificate, both over a socket pair, both ends driven by one thread.
#ifndef TWI_COMMON_ATTESTED_TLS_TESTING_BENCH_PAIR_H_
#define TWI_COMMON_ATTESTED_TLS_TESTING_BENCH_PAIR_H_

#include <memory>

#include "absl/status/status.h"
#include "common/attested_tls/code_points.h"

namespace twi::atls::testing {

class BenchPair {
 public:
  // The TEE is a stand-in that costs nothing (fake_tee.h); the Verifier's stand-in signs real Attestation Results, in
  // process: what is measured is the protocol, its signatures and the way through the workers.
  static std::unique_ptr<BenchPair> Attested(Profile profile, bool mutual);
  static std::unique_ptr<BenchPair> Plain();
  virtual ~BenchPair() = default;
  // A new connection, from nothing to open on both ends, then closed.
  virtual absl::Status Handshake() = 0;
  // A connection that stays, for Carry.
  virtual absl::Status Open() = 0;
  // Moves `bytes` from client to server, in records of 16 KiB.
  virtual absl::Status Carry(std::size_t bytes) = 0;
};

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_TESTING_BENCH_PAIR_H_
