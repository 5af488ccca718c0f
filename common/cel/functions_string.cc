// size(), matches() and the standard string tests. Work is charged in bytes.
#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "common/cel/call.h"
#include "common/cel/regex.h"
#include "common/cel/utf8.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

// Compiling may expand a class like \pL many times before it is refused (kMaxRegexProgram).
constexpr int64_t kRegexCompileCost = 5000;
constexpr int64_t kRegexCompileCostPerByte = 48;

// Every byte may visit every instruction of the program, if the pattern was made for that: "a[ab]{0,900}c".
bool ChargeMatch(absl::string_view text, const RE2& regex, EvalState& state) {
  return state.Charge((1 + static_cast<int64_t>(text.size() / 16)) * (4 + regex.ProgramSize() / 2));
}

bool Size(const Call& call, EvalState& state, Value* out) {
  const Value& v = call[0];
  if (v.Is(Kind::kString)) {
    if (!state.ChargeSize(v.text().size())) return false;
    *out = Value::Int(CountCodePoints(v.text()));
  } else if (v.Is(Kind::kBytes)) {
    *out = Value::Int(static_cast<int64_t>(v.text().size()));
  } else if (v.Is(Kind::kList)) {
    *out = Value::Int(static_cast<int64_t>(v.list().size()));
  } else if (v.Is(Kind::kMap)) {
    *out = Value::Int(static_cast<int64_t>(v.entries().size()));
  } else {
    return NoOverload(call, state);
  }
  return true;
}

bool Matches(const Call& call, EvalState& state, Value* out) {
  const absl::string_view text = call[0].text();
  const re2::StringPiece piece(text.data(), text.size());
  if (call.regex != nullptr) {
    if (!ChargeMatch(text, *call.regex, state)) return false;
    *out = Value::Bool(RE2::PartialMatch(piece, *call.regex));
    return true;
  }
  const absl::string_view pattern = call[1].text();
  const size_t compiled = std::min(pattern.size(), kMaxPatternBytes);  // a longer one is refused unread
  if (!state.Charge(kRegexCompileCost + kRegexCompileCostPerByte * static_cast<int64_t>(compiled))) return false;
  const absl::StatusOr<std::unique_ptr<RE2>> regex = CompileRegex(pattern);
  if (!regex.ok()) return state.Fail(regex.status().message());
  if (!ChargeMatch(text, **regex, state)) return false;
  *out = Value::Bool(RE2::PartialMatch(piece, **regex));
  return true;
}

bool Test(const Call& call, EvalState& state, Value* out) {
  if (call.fn == Fn::kContains) {
    if (!ChargeSearch(call, state)) return false;
    *out = Value::Bool(absl::StrContains(call[0].text(), call[1].text()));
    return true;
  }
  if (!state.ChargeSize(call[1].text().size())) return false;
  *out = Value::Bool(call.fn == Fn::kStartsWith ? absl::StartsWith(call[0].text(), call[1].text())
                                                : absl::EndsWith(call[0].text(), call[1].text()));
  return true;
}

}  // namespace

bool ChargeSearch(const Call& call, EvalState& state) {
  const size_t size = call[0].text().size();
  return state.ChargeSize(size + size * std::min<size_t>(call[1].text().size(), 4096) / 16);
}

bool StringFunction(const Call& call, EvalState& state, Value* out) {
  if (call.fn == Fn::kSize) return Size(call, state, out);
  if (!call.Is(0, Kind::kString) || !call.Is(1, Kind::kString)) return NoOverload(call, state);
  return call.fn == Fn::kMatches ? Matches(call, state, out) : Test(call, state, out);
}

}  // namespace twi::cel
