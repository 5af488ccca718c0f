// ca.issue.{x509,both}.b1: one CSR with its Attestation Results and grant per call (IssueForVerifier, A7..A8), against
// a Credential Authority that runs alone. The benchmark plays the Verifier and the Claims Mapper: it holds the keys
// that signed the requests, and serves them, so that requests are made before the measurement.
#ifndef TWI_INTEGRATION_TESTS_BENCH_CA_ISSUE_H_
#define TWI_INTEGRATION_TESTS_BENCH_CA_ISSUE_H_

#include "integration_tests/bench/speed_of_light.h"
#include "nlohmann/json.hpp"

namespace twi::bench {

struct IssueOptions {
  bool wit = false;     // ask for a WIT beside the certificate
  bool durable = true;  // false: config storage.insecure_not_durable, SQLite's synchronous OFF
  int in_flight = 1;    // calls, over one connection
  double seconds = 10;
};

// Every credential is validated afterwards; a tampered request per 1,000 must be refused, and a repeated one once.
nlohmann::ordered_json RunCaIssue(const IssueOptions& options, const Floors& floors);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_CA_ISSUE_H_
