// map.eval.{1e3,1e5}: one mapping by the Claims Mapper's own code, in process, against the number of policies.
#ifndef TWI_INTEGRATION_TESTS_BENCH_MAP_EVAL_H_
#define TWI_INTEGRATION_TESTS_BENCH_MAP_EVAL_H_

#include "nlohmann/json.hpp"

namespace twi::bench {

// `policies` policies of three conditions and four claims, ten of which share each software name. ns_per_op is thread
// CPU; every answer must be the grant of the one policy that matches, and an input that none matches must be refused.
nlohmann::ordered_json RunMapEval(int policies, double seconds);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_MAP_EVAL_H_
