#include "services/twictl/flags.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace twi::twictl {
namespace {

const FlagSpec* FindSpec(const std::vector<FlagSpec>& specs, const std::string& name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [&name](const FlagSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

absl::Status UsageError(const std::string& what) { return absl::InvalidArgumentError(what); }

}  // namespace

absl::StatusOr<Flags> Flags::Parse(const std::vector<FlagSpec>& specs, const std::vector<std::string>& words,
                                   std::size_t max_positional) {
  Flags flags;
  bool flags_ended = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (flags_ended || !absl::StartsWith(words[i], "-") || words[i] == "-") {
      if (flags.positional_.size() == max_positional)
        return UsageError(absl::StrCat("unexpected word \"", words[i], "\""));
      flags.positional_.push_back(words[i]);
      continue;
    }
    if (words[i] == "--") {
      flags_ended = true;
      continue;
    }
    const std::size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    const FlagSpec* spec = FindSpec(specs, name);
    if (spec == nullptr) return UsageError(absl::StrCat("unknown flag ", name));
    std::vector<std::string>& values = flags.values_[name];
    if (!values.empty() && !spec->repeated) return UsageError(absl::StrCat(name, " is given twice"));
    if (spec->value.empty()) {
      if (equals != std::string::npos) return UsageError(absl::StrCat(name, " takes no value"));
      values.push_back("");
    } else if (equals != std::string::npos) {
      values.push_back(words[i].substr(equals + 1));
    } else if (i + 1 < words.size() && !absl::StartsWith(words[i + 1], "--")) {
      values.push_back(words[++i]);
    } else {
      return UsageError(absl::StrCat(name, " needs a value: ", spec->value));
    }
    if (!spec->value.empty() && values.back().empty())
      return UsageError(absl::StrCat(name, " needs a value: ", spec->value));
  }
  for (const FlagSpec& spec : specs) {
    if (spec.required && !flags.Has(spec.name))
      return UsageError(absl::StrCat(spec.name, " ", spec.value, " is required"));
  }
  return flags;
}

std::string Flags::Get(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second.front();
}

std::vector<std::string> Flags::All(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::string Usage(const std::string& command, const std::string& summary, const std::vector<FlagSpec>& specs) {
  std::string text = absl::StrCat("usage: twictl ", command);
  for (const FlagSpec& spec : specs) {
    const std::string one = absl::StrCat(spec.name, spec.value.empty() ? "" : " ", spec.value);
    absl::StrAppend(&text, " ", spec.required ? one : absl::StrCat("[", one, "]"), spec.repeated ? "..." : "");
  }
  absl::StrAppend(&text, "\n", summary, "\n\n");
  for (const FlagSpec& spec : specs)
    absl::StrAppend(&text, absl::StrFormat("  %-34s %s\n", absl::StrCat(spec.name, " ", spec.value), spec.help));
  return text;
}

}  // namespace twi::twictl
