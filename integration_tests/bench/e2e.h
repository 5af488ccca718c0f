// e2e.{A,B,C,D}.{snp,tpm}.open and e2e.idle: acquisitions through the daemons, channels open.
#ifndef TWI_INTEGRATION_TESTS_BENCH_E2E_H_
#define TWI_INTEGRATION_TESTS_BENCH_E2E_H_

#include "integration_tests/bench/speed_of_light.h"
#include "integration_tests/bench/stage.h"
#include "nlohmann/json.hpp"

namespace twi::bench {

constexpr int kTamperEvery = 1000;  // one request in so many is tampered with, and has to be refused

// At saturation: `in_flight` callers over the stage's connections, closed loop. Every credential is validated
// afterwards, every tampered request must be refused by a reason that says so; else the benchmark fails.
nlohmann::ordered_json RunE2e(Stage& stage, Mechanism mechanism, EvidenceKind evidence, int in_flight, double seconds,
                              const Floors& floors);

// One client, one acquisition after the other, mechanism A, SNP.
nlohmann::ordered_json RunIdle(Stage& stage, double seconds);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_E2E_H_
