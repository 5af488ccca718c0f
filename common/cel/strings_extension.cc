// The strings extension. Indices are in code points, work is charged in bytes.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/cel/call.h"
#include "common/cel/utf8.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

// Arguments that must be strings (s), ints (i) or a list (l), in order; the checker has seen to their number.
bool ArgumentsAre(const Call& call, absl::string_view kinds) {
  for (size_t i = 0; i < call.count; ++i) {
    const Kind wanted = kinds[i] == 's' ? Kind::kString : (kinds[i] == 'i' ? Kind::kInt : Kind::kList);
    if (!call.Is(i, wanted)) return false;
  }
  return true;
}

absl::string_view KindsOf(Fn fn) {
  switch (fn) {
    case Fn::kCharAt:
      return "siii";
    case Fn::kSubstring:
      return "siii";
    case Fn::kIndexOf:
    case Fn::kLastIndexOf:
    case Fn::kSplit:
      return "ssii";
    case Fn::kReplace:
      return "sssi";
    case Fn::kJoin:
      return "lsss";
    default:
      return "ssss";
  }
}

bool OutOfRange(int64_t index, EvalState& state) { return state.Fail(absl::StrCat("index out of range: ", index)); }

bool CharAt(const Call& call, EvalState& state, Value* out) {
  const absl::string_view text = call[0].text();
  const size_t at = OffsetOfCodePoint(text, call[1].int_value());
  if (at == absl::string_view::npos) return OutOfRange(call[1].int_value(), state);
  absl::string_view rest = text.substr(at);
  uint32_t cp;
  if (!TakeCodePoint(&rest, &cp)) rest = rest.substr(rest.empty() ? 0 : 1);
  *out = Value::String(text.substr(at, text.size() - at - rest.size()));
  return true;
}

bool IndexOf(const Call& call, EvalState& state, Value* out) {
  const absl::string_view text = call[0].text();
  const bool last = call.fn == Fn::kLastIndexOf;
  size_t from = last ? text.size() : 0;
  if (call.count == 3) {
    from = OffsetOfCodePoint(text, call[2].int_value());
    if (from == absl::string_view::npos) return OutOfRange(call[2].int_value(), state);
  }
  if (!ChargeSearch(call, state)) return false;
  const size_t at = last ? text.rfind(call[1].text(), from) : text.find(call[1].text(), from);
  *out = Value::Int(at == absl::string_view::npos ? -1 : CountCodePoints(text.substr(0, at)));
  return true;
}

bool Substring(const Call& call, EvalState& state, Value* out) {
  const absl::string_view text = call[0].text();
  const size_t begin = OffsetOfCodePoint(text, call[1].int_value());
  if (begin == absl::string_view::npos) return OutOfRange(call[1].int_value(), state);
  size_t end = text.size();
  if (call.count == 3) {
    end = OffsetOfCodePoint(text, call[2].int_value());
    if (end == absl::string_view::npos || end < begin) return OutOfRange(call[2].int_value(), state);
  }
  *out = Value::String(text.substr(begin, end - begin));
  return true;
}

// Length in bytes of the first code point, 1 for a byte that starts none.
size_t FirstLength(absl::string_view text) {
  absl::string_view rest = text;
  uint32_t cp;
  return TakeCodePoint(&rest, &cp) ? text.size() - rest.size() : 1;
}

// The pieces of `text` between separators, at most `limit` of them (negative: all), each charged before the next is
// looked for. An empty separator stands between any two code points.
bool Pieces(absl::string_view text, absl::string_view separator, int64_t limit, EvalState& state,
            std::vector<absl::string_view>* pieces) {
  std::vector<absl::string_view>& out = *pieces;
  if (limit == 0) return true;
  while (limit < 0 || static_cast<int64_t>(out.size()) + 1 < limit) {
    if (!state.Charge(1)) return false;
    const bool empty = separator.empty();
    const size_t at = empty ? (text.empty() ? 0 : FirstLength(text)) : text.find(separator);
    if (at == absl::string_view::npos || (empty && at >= text.size())) break;
    out.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  if (!separator.empty() || !text.empty()) out.push_back(text);
  return true;
}

bool Split(const Call& call, EvalState& state, Value* out) {
  if (!ChargeSearch(call, state)) return false;
  const int64_t limit = call.count == 3 ? call[2].int_value() : -1;
  std::vector<absl::string_view> pieces;
  if (!Pieces(call[0].text(), call[1].text(), limit, state, &pieces)) return false;
  std::vector<Value> items;
  items.reserve(pieces.size());
  for (const absl::string_view piece : pieces) items.push_back(Value::String(piece));
  *out = Value::List(std::move(items));
  return true;
}

bool JoinPieces(const std::vector<absl::string_view>& pieces, absl::string_view separator, EvalState& state,
                Value* out) {
  size_t size = 0;
  for (const absl::string_view piece : pieces) size += piece.size() + separator.size();
  if (!state.ChargeSize(size + pieces.size())) return false;
  std::string text;
  text.reserve(size);
  for (size_t i = 0; i < pieces.size(); ++i) absl::StrAppend(&text, i == 0 ? "" : separator, pieces[i]);
  *out = Value::String(text);
  return true;
}

bool Join(const Call& call, EvalState& state, Value* out) {
  std::vector<absl::string_view> pieces;
  if (!state.ChargeSize(call[0].list().size() * 16)) return false;
  for (const Value& item : call[0].list()) {
    if (!item.Is(Kind::kString)) return state.Fail("join() of a list with an element that is no string");
    pieces.push_back(item.text());
  }
  return JoinPieces(pieces, call.count == 2 ? call[1].text() : "", state, out);
}

// The pieces between the first n places of what is replaced, joined by the replacement.
bool Replace(const Call& call, EvalState& state, Value* out) {
  const int64_t n = call.count == 4 ? call[3].int_value() : -1;
  const absl::string_view text = call[0].text(), old = call[1].text();
  if (n == 0) {
    *out = call[0];
    return true;
  }
  if (!ChargeSearch(call, state)) return false;
  const int64_t limit = n < 0 || n == INT64_MAX ? -1 : n + 1;
  std::vector<absl::string_view> pieces;
  // An empty one is replaced before every code point and at the end.
  if (!Pieces(text, old, old.empty() && limit >= 0 ? limit - 1 : limit, state, &pieces)) return false;
  if (old.empty()) {
    pieces.insert(pieces.begin(), text.substr(0, 0));
    if (limit < 0 || static_cast<int64_t>(pieces.size()) < limit) pieces.push_back(text.substr(text.size()));
  }
  return JoinPieces(pieces, call[2].text(), state, out);
}

bool IsSpace(uint32_t c) {  // Unicode White_Space
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool Trim(const Call& call, Value* out) {
  absl::string_view text = call[0].text();
  uint32_t cp;
  for (absl::string_view rest = text; TakeCodePoint(&rest, &cp) && IsSpace(cp);) text = rest;
  size_t keep = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = FirstLength(text.substr(at));
    absl::string_view one = text.substr(at, length);
    at += length;
    if (!TakeCodePoint(&one, &cp) || !IsSpace(cp)) keep = at;
  }
  *out = Value::String(text.substr(0, keep));
  return true;
}

bool Reverse(const Call& call, Value* out) {
  const absl::string_view text = call[0].text();
  std::string reversed(text.size(), '\0');
  size_t end = text.size();
  for (size_t at = 0; at < text.size();) {
    const size_t length = FirstLength(text.substr(at));
    end -= length;
    std::copy_n(text.data() + at, length, &reversed[end]);
    at += length;
  }
  *out = Value::String(reversed);
  return true;
}

bool Transform(const Call& call, EvalState& state, Value* out) {
  if (!state.ChargeSize(2 * call[0].text().size())) return false;
  const std::string text(call[0].text());
  switch (call.fn) {
    case Fn::kLowerAscii:
      *out = Value::String(absl::AsciiStrToLower(text));
      return true;
    case Fn::kUpperAscii:
      *out = Value::String(absl::AsciiStrToUpper(text));
      return true;
    case Fn::kTrim:
      return Trim(call, out);
    default:
      return Reverse(call, out);
  }
}

}  // namespace

bool StringsExtension(const Call& call, EvalState& state, Value* out) {
  if (!ArgumentsAre(call, KindsOf(call.fn))) return NoOverload(call, state);
  switch (call.fn) {
    case Fn::kJoin:
      return Join(call, state, out);
    case Fn::kReplace:
      return Replace(call, state, out);
    case Fn::kSplit:
      return Split(call, state, out);
    case Fn::kLowerAscii:
    case Fn::kReverse:
    case Fn::kTrim:
    case Fn::kUpperAscii:
      return Transform(call, state, out);
    default:
      break;
  }
  if (!state.ChargeSize(2 * call[0].text().size())) return false;
  if (call.fn == Fn::kCharAt) return CharAt(call, state, out);
  return call.fn == Fn::kSubstring ? Substring(call, state, out) : IndexOf(call, state, out);
}

}  // namespace twi::cel
