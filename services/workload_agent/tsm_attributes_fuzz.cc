// What configfs-tsm says: three lines (provider, generation before and after), 1184 bytes of outblob, the rest auxblob.
// Evidence is made of a report that is whole and ours, or not at all.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/tsm_reports.h"

namespace {

constexpr std::size_t kReportSize = 1184;

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Attributes {
  std::string provider, before, after, outblob, auxblob;
};

Attributes Split(absl::string_view input) {
  const auto line = [&input] {
    const std::size_t end = input.find('\n');
    const std::string first(input.substr(0, end));
    input.remove_prefix(end == absl::string_view::npos ? input.size() : end + 1);
    return first;
  };
  Attributes attributes;
  attributes.provider = line();
  attributes.before = line();
  attributes.after = line();
  attributes.outblob = std::string(input.substr(0, kReportSize));
  attributes.auxblob = std::string(input.substr(attributes.outblob.size()));
  return attributes;
}

class FuzzedTsm final : public twi::agent::TsmReports {
 public:
  explicit FuzzedTsm(const Attributes& attributes) : attributes_(attributes) {}
  absl::Status MakeReport(const std::string&) override {
    generations_read_ = 0;
    return absl::OkStatus();
  }
  absl::Status RemoveReport(const std::string&) override { return absl::OkStatus(); }
  absl::Status Write(const std::string&, absl::string_view, absl::string_view) override { return absl::OkStatus(); }
  absl::StatusOr<std::string> Read(const std::string&, absl::string_view attribute, std::size_t max_bytes) override {
    const std::string& bytes = attribute == "provider"    ? attributes_.provider
                               : attribute == "outblob"   ? attributes_.outblob
                               : attribute == "auxblob"   ? attributes_.auxblob
                               : generations_read_++ == 0 ? attributes_.before
                                                          : attributes_.after;
    if (bytes.size() > max_bytes) return absl::InternalError("EFBIG");
    return bytes;
  }
  void Pause() override {}

 private:
  const Attributes attributes_;
  int generations_read_ = 0;
};

twi::v1::Binding Binding() {
  twi::v1::Binding binding;
  binding.set_profile(twi::v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce("0123456789abcdef");
  binding.set_target("https://db.example");
  binding.set_rp_id("https://ca.example");
  binding.set_subject("subject");
  return binding;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Attributes said = Split(absl::string_view(reinterpret_cast<const char*>(data), size));
  const auto attester = twi::agent::MakeSevSnpAttester({}, std::make_unique<FuzzedTsm>(said));
  const auto evidence = (*attester)->Attest(Binding());
  if (!evidence.ok()) return 0;
  std::uint64_t before = 0, after = 0;
  Require(absl::StripAsciiWhitespace(said.provider) == "sev_guest");
  Require(absl::SimpleAtoi(said.before, &before) && absl::SimpleAtoi(said.after, &after) && after == before + 1);
  Require(said.outblob.size() == kReportSize && evidence->sev_snp().report() == said.outblob);
  for (const std::string& certificate : evidence->sev_snp().certificates())
    Require(said.auxblob.find(certificate) != std::string::npos);
  return 0;
}
