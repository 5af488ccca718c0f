#include "services/twictl/explain.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {
namespace {

using nlohmann::json;

void Add(DenyReason reason, Shown& shown) {
  const std::string name = DenyReasonName(reason), sentence = DenyReasonSentence(reason);
  shown.json["reasons"].push_back({{"reason", name},
                                   {"number", static_cast<int>(reason)},
                                   {"code", absl::StatusCodeToString(CodeFor(reason))},
                                   {"sentence", sentence}});
  absl::StrAppend(&shown.text, name, "\n  ", sentence, "\n");
}

// As logs and peers say it, or with the enum's prefix; in any case.
absl::StatusOr<DenyReason> ReasonNamed(const std::string& word) {
  const std::string upper = absl::AsciiStrToUpper(word);
  DenyReason reason = v1::DENY_REASON_UNSPECIFIED;
  if (!v1::DenyReason_Parse(absl::StrCat("DENY_REASON_", absl::StripPrefix(upper, "DENY_REASON_")), &reason) ||
      reason == v1::DENY_REASON_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat("no refusal is named \"", word, "\"; `twictl explain` lists them all"));
  }
  return reason;
}

absl::StatusOr<Shown> Explain(const Flags& flags) {
  Shown shown;
  shown.json["reasons"] = json::array();
  for (const std::string& word : flags.positional()) {
    TWI_ASSIGN_OR_RETURN(const DenyReason reason, ReasonNamed(word));
    Add(reason, shown);
  }
  if (!flags.positional().empty()) return shown;
  const auto* list = v1::DenyReason_descriptor();
  for (int i = 0; i < list->value_count(); ++i) {
    const auto reason = static_cast<DenyReason>(list->value(i)->number());
    if (reason != v1::DENY_REASON_UNSPECIFIED) Add(reason, shown);
  }
  return shown;
}

}  // namespace

int RunExplain(const Args& args) {
  return RunFramed({"explain",
                    "Says what refusals mean: explain [REASON]... Without a reason: the closed list.",
                    {OutputFlag(), HelpFlag()},
                    64,
                    Explain},
                   args);
}

}  // namespace twi::twictl
