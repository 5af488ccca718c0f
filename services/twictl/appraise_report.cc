// How a report of AppraiseOffline is shown.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/deny.h"
#include "services/twictl/appraise_offline.h"
#include "services/twictl/printable.h"

namespace twi::twictl {
namespace {

std::string JsonText(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string VerdictName(verifier::Verdict verdict) {
  switch (verdict) {
    case verifier::Verdict::kAccept:
      return "accept";
    case verifier::Verdict::kDenyPolicy:
      return "deny-policy";
    case verifier::Verdict::kReject:
      break;
  }
  return "reject";
}

nlohmann::json ReportJson(const OfflineReport& report) {
  nlohmann::json reasons = nlohmann::json::array();
  for (const verifier::Finding& f : report.findings) {
    reasons.push_back({{"name", DenyReasonName(f.reason)},
                       {"claim", f.claim},
                       {"seen", f.seen},
                       {"expected", f.expected},
                       {"source", f.source}});
  }
  return {{"verdict", VerdictName(report.verdict)},
          {"reasons", reasons},
          {"evidence", report.evidence},
          {"format", report.format},
          {"fields", report.fields},
          {"checked", report.checked},
          {"not_checked", report.not_checked}};
}

std::string ReportText(const OfflineReport& report) {
  std::string text =
      absl::StrCat("verdict: ", VerdictName(report.verdict), "\nevidence: ", Printable(report.evidence),
                   report.format.empty() ? "" : " (", report.format, report.format.empty() ? "" : ")", "\n");
  if (!report.findings.empty()) text += "reasons:\n";
  for (const verifier::Finding& f : report.findings) {
    absl::StrAppend(&text, "  ", DenyReasonName(f.reason), "  ", Printable(f.claim),
                    "\n    seen:     ", f.seen.empty() ? "nothing" : Printable(f.seen),
                    "\n    expected: ", Printable(f.expected), "\n    says:     ", Printable(f.source), "\n");
  }
  if (!report.fields.empty()) text += "fields:\n";
  for (const auto& [name, value] : report.fields.items())
    absl::StrAppend(&text, absl::StrFormat("  %-20s %s\n", Printable(name), Printable(JsonText(value))));
  for (const std::string& line : report.checked) absl::StrAppend(&text, "checked:     ", Printable(line), "\n");
  for (const std::string& line : report.not_checked) absl::StrAppend(&text, "not checked: ", Printable(line), "\n");
  return text;
}

}  // namespace twi::twictl
