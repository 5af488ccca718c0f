#include "common/anticipated_results/anticipated_results.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/deny.h"

namespace twi {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxText = 2048;
constexpr std::size_t kMaxPolicyIds = 16;

const std::set<std::string>& Labels() {  // AR4SI section 2.3
  static const auto* const labels =
      new std::set<std::string>{"instance-identity", "configuration",  "executables",    "file-system",
                                "hardware",          "runtime-opaque", "storage-opaque", "sourced-data"};
  return *labels;
}

bool IsText(const json& value) { return value.is_string() && value.get_ref<const std::string&>().size() <= kMaxText; }

class Problems {
 public:
  void Need(bool good, absl::string_view path, absl::string_view expected) {
    if (!good) list_.push_back(absl::StrCat("results.", path, ": expected ", expected));
  }
  absl::Status status() const {
    return list_.empty() ? absl::OkStatus() : Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrJoin(list_, "; "));
  }

 private:
  std::vector<std::string> list_;
};

void CheckTrustworthiness(const json& vector, Problems& problems) {
  problems.Need(vector.is_object(), "trustworthiness", "an object");
  if (!vector.is_object()) return;
  for (const auto& [label, value] : vector.items()) {
    const bool good = Labels().count(label) == 1 && value.is_number_integer() && value >= -128 && value <= 127;
    problems.Need(good, absl::StrCat("trustworthiness.", label), "an AR4SI label with a number -128..127");
  }
}

void CheckSoftware(const json& software, Problems& problems) {
  problems.Need(software.is_object() || software.is_null(), "software", "an object or null");
  if (!software.is_object()) return;
  static const std::set<std::string> kMembers = {"name", "version", "vendor"};
  for (const auto& [name, value] : software.items()) {
    problems.Need(kMembers.count(name) == 1 && IsText(value), absl::StrCat("software.", name),
                  "one of the strings name, version, vendor");
  }
}

void CheckPolicyIds(const json& ids, Problems& problems) {
  bool good = ids.is_array() && ids.size() <= kMaxPolicyIds;
  if (good) {
    for (const json& id : ids) good = good && IsText(id);
  }
  problems.Need(good, "policy_ids", "a list of at most 16 strings");
}

}  // namespace

absl::Status ValidateAnticipatedResults(const json& results) {
  if (!results.is_object())
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "the anticipated results are no JSON object");
  Problems problems;
  static const std::set<std::string> kStatus = {"none", "affirming", "warning", "contraindicated"};
  const auto status = results.find("status");
  problems.Need(status != results.end() && status->is_string() && kStatus.count(status->get<std::string>()) == 1,
                "status", "none, affirming, warning or contraindicated");
  for (const auto& [name, value] : results.items()) {
    if (name == "status") continue;
    if (name == "trustworthiness") {
      CheckTrustworthiness(value, problems);
    } else if (name == "software") {
      CheckSoftware(value, problems);
    } else if (name == "policy_ids") {
      CheckPolicyIds(value, problems);
    } else if (name == "attester") {
      problems.Need(value.is_object(), name, "an object");
    } else if (name == "audience" || name == "target" || name == "issuer") {
      problems.Need(IsText(value), name, "a string");
    } else {
      problems.Need(false, name, "no such member: Attestation Results do not carry it");
    }
  }
  return problems.status();
}

}  // namespace twi
