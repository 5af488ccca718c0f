// The speed of light of one acquisition (performance.md sections 3 and 7), from the floors of the same run. Server
// side: CPU microseconds of all daemons together, channels open.
#ifndef TWI_INTEGRATION_TESTS_BENCH_SPEED_OF_LIGHT_H_
#define TWI_INTEGRATION_TESTS_BENCH_SPEED_OF_LIGHT_H_

#include <string>
#include <utility>
#include <vector>

#include "integration_tests/bench/crypto_floor.h"
#include "integration_tests/bench/rpc_floor.h"

namespace twi::bench {

struct Floors {
  CryptoFloor crypto;
  RpcFloor rpc;
};

// A sum that shows what it is the sum of.
struct Composition {
  std::vector<std::pair<std::string, double>> parts;  // what, microseconds
  double total() const;
  std::string Text() const;  // "P-384 verify 293 + sign EAR 16"
};

enum class Mechanism { kA, kB, kC, kD };
enum class EvidenceKind { kSnp, kTpm };

char Letter(Mechanism mechanism);

// Section 3's table, to the letter: the operations that no design can avoid.
Composition SolCrypto(Mechanism mechanism, EvidenceKind evidence, const CryptoFloor& floor);
// Section 3's RPC floor: nonce, the workload's requests, and a hop between daemons with both its ends.
Composition SolRpc(Mechanism mechanism, const RpcSetup& rpc);
// What our architecture asks for beyond section 3 (architecture.md sections 2 and 5): grants, Attestation Results that
// every relying party validates, the certificate read back. Crypto only; contains SolCrypto.
Composition ArchitectureCrypto(Mechanism mechanism, EvidenceKind evidence, const CryptoFloor& floor);

// One IssueForVerifier, of the X.509 form or of both: the crypto that it does, and the RPC that carries it.
Composition IssueFloor(bool wit, const Floors& floors);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_SPEED_OF_LIGHT_H_
