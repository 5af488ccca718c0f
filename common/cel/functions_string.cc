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

// A regular expression costs its text times this, since every byte may visit many states.
constexpr int64_t kRegexFactor = 4;
constexpr int64_t kRegexCompileCost = 1000;

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
  if (!state.Charge(1 + kRegexFactor * static_cast<int64_t>(text.size() / 16))) return false;
  const re2::StringPiece piece(text.data(), text.size());
  if (call.regex != nullptr) {
    *out = Value::Bool(RE2::PartialMatch(piece, *call.regex));
    return true;
  }
  if (!state.Charge(kRegexCompileCost)) return false;
  const absl::StatusOr<std::unique_ptr<RE2>> regex = CompileRegex(call[1].text());
  if (!regex.ok()) return state.Fail(regex.status().message());
  if (!state.Charge((*regex)->ProgramSize())) return false;
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
