#include <cstdint>
#include <cstdlib>

#include "services/verifier/formats/snp_tsm_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& report : {twi::verifier::ParseTsmReportJson(bytes), twi::verifier::ParseTsmReportCbor(bytes)}) {
    if (report.ok() && (report->outblob.empty() || report->provider.empty())) std::abort();
  }
  return 0;
}
