// The report: a table for people, and JSON with everything for whoever compares runs.
#ifndef TWI_INTEGRATION_TESTS_BENCH_REPORT_H_
#define TWI_INTEGRATION_TESTS_BENCH_REPORT_H_

#include <string>

#include "nlohmann/json.hpp"

namespace twi::bench {

// The host, as far as it matters: CPU model, its count, kernel, load when the run began.
nlohmann::ordered_json DescribeMachine();

// `report`: {"machine", "floor.crypto", "floor.rpc", "floor.drift", "rows": {NAME: row}}. To standard output.
void PrintReport(const nlohmann::ordered_json& report);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_REPORT_H_
