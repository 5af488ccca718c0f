#include "common/cel/functions.h"

namespace twi::cel {
namespace {

// One letter a type: b bool, i int, u uint, d double, s string, y bytes, l list, S list of strings, m map, t timestamp,
// D duration, T type, * anything (result: Dyn).
struct Overload {
  absl::string_view name;
  bool member;
  absl::string_view args;
  char result;
  Fn fn;
};

constexpr Overload kOverloads[] = {
    {"-_", false, "i", 'i', Fn::kNegate},
    {"-_", false, "d", 'd', Fn::kNegate},
    {"_+_", false, "ii", 'i', Fn::kAdd},
    {"_+_", false, "uu", 'u', Fn::kAdd},
    {"_+_", false, "dd", 'd', Fn::kAdd},
    {"_+_", false, "ss", 's', Fn::kAdd},
    {"_+_", false, "yy", 'y', Fn::kAdd},
    {"_+_", false, "tD", 't', Fn::kAdd},
    {"_+_", false, "Dt", 't', Fn::kAdd},
    {"_+_", false, "DD", 'D', Fn::kAdd},
    {"_+_", false, "ll", 'l', Fn::kAdd},
    {"_-_", false, "ii", 'i', Fn::kSubtract},
    {"_-_", false, "uu", 'u', Fn::kSubtract},
    {"_-_", false, "dd", 'd', Fn::kSubtract},
    {"_-_", false, "tt", 'D', Fn::kSubtract},
    {"_-_", false, "tD", 't', Fn::kSubtract},
    {"_-_", false, "DD", 'D', Fn::kSubtract},
    {"_*_", false, "ii", 'i', Fn::kMultiply},
    {"_*_", false, "uu", 'u', Fn::kMultiply},
    {"_*_", false, "dd", 'd', Fn::kMultiply},
    {"_/_", false, "ii", 'i', Fn::kDivide},
    {"_/_", false, "uu", 'u', Fn::kDivide},
    {"_/_", false, "dd", 'd', Fn::kDivide},
    {"_%_", false, "ii", 'i', Fn::kModulo},
    {"_%_", false, "uu", 'u', Fn::kModulo},
    {"bool", false, "b", 'b', Fn::kBool},
    {"bool", false, "s", 'b', Fn::kBool},
    {"bytes", false, "y", 'y', Fn::kBytes},
    {"bytes", false, "s", 'y', Fn::kBytes},
    {"double", false, "d", 'd', Fn::kDouble},
    {"double", false, "i", 'd', Fn::kDouble},
    {"double", false, "u", 'd', Fn::kDouble},
    {"double", false, "s", 'd', Fn::kDouble},
    {"duration", false, "D", 'D', Fn::kDuration},
    {"duration", false, "s", 'D', Fn::kDuration},
    {"dyn", false, "*", '*', Fn::kDyn},
    {"int", false, "i", 'i', Fn::kInt},
    {"int", false, "u", 'i', Fn::kInt},
    {"int", false, "d", 'i', Fn::kInt},
    {"int", false, "s", 'i', Fn::kInt},
    {"int", false, "t", 'i', Fn::kInt},
    {"string", false, "s", 's', Fn::kString},
    {"string", false, "b", 's', Fn::kString},
    {"string", false, "i", 's', Fn::kString},
    {"string", false, "u", 's', Fn::kString},
    {"string", false, "d", 's', Fn::kString},
    {"string", false, "y", 's', Fn::kString},
    {"string", false, "t", 's', Fn::kString},
    {"string", false, "D", 's', Fn::kString},
    {"timestamp", false, "t", 't', Fn::kTimestamp},
    {"timestamp", false, "s", 't', Fn::kTimestamp},
    {"timestamp", false, "i", 't', Fn::kTimestamp},
    {"type", false, "*", 'T', Fn::kType},
    {"uint", false, "u", 'u', Fn::kUint},
    {"uint", false, "i", 'u', Fn::kUint},
    {"uint", false, "d", 'u', Fn::kUint},
    {"uint", false, "s", 'u', Fn::kUint},
    {"size", false, "s", 'i', Fn::kSize},
    {"size", false, "y", 'i', Fn::kSize},
    {"size", false, "l", 'i', Fn::kSize},
    {"size", false, "m", 'i', Fn::kSize},
    {"size", true, "s", 'i', Fn::kSize},
    {"size", true, "y", 'i', Fn::kSize},
    {"size", true, "l", 'i', Fn::kSize},
    {"size", true, "m", 'i', Fn::kSize},
    {"contains", true, "ss", 'b', Fn::kContains},
    {"endsWith", true, "ss", 'b', Fn::kEndsWith},
    {"startsWith", true, "ss", 'b', Fn::kStartsWith},
    {"matches", true, "ss", 'b', Fn::kMatches},
    {"matches", false, "ss", 'b', Fn::kMatches},
    {"charAt", true, "si", 's', Fn::kCharAt},
    {"indexOf", true, "ss", 'i', Fn::kIndexOf},
    {"indexOf", true, "ssi", 'i', Fn::kIndexOf},
    {"join", true, "S", 's', Fn::kJoin},
    {"join", true, "Ss", 's', Fn::kJoin},
    {"lastIndexOf", true, "ss", 'i', Fn::kLastIndexOf},
    {"lastIndexOf", true, "ssi", 'i', Fn::kLastIndexOf},
    {"lowerAscii", true, "s", 's', Fn::kLowerAscii},
    {"replace", true, "sss", 's', Fn::kReplace},
    {"replace", true, "sssi", 's', Fn::kReplace},
    {"reverse", true, "s", 's', Fn::kReverse},
    {"split", true, "ss", 'S', Fn::kSplit},
    {"split", true, "ssi", 'S', Fn::kSplit},
    {"substring", true, "si", 's', Fn::kSubstring},
    {"substring", true, "sii", 's', Fn::kSubstring},
    {"trim", true, "s", 's', Fn::kTrim},
    {"upperAscii", true, "s", 's', Fn::kUpperAscii},
    {"getDate", true, "t", 'i', Fn::kGetDate},
    {"getDate", true, "ts", 'i', Fn::kGetDate},
    {"getDayOfMonth", true, "t", 'i', Fn::kGetDayOfMonth},
    {"getDayOfMonth", true, "ts", 'i', Fn::kGetDayOfMonth},
    {"getDayOfWeek", true, "t", 'i', Fn::kGetDayOfWeek},
    {"getDayOfWeek", true, "ts", 'i', Fn::kGetDayOfWeek},
    {"getDayOfYear", true, "t", 'i', Fn::kGetDayOfYear},
    {"getDayOfYear", true, "ts", 'i', Fn::kGetDayOfYear},
    {"getFullYear", true, "t", 'i', Fn::kGetFullYear},
    {"getFullYear", true, "ts", 'i', Fn::kGetFullYear},
    {"getHours", true, "t", 'i', Fn::kGetHours},
    {"getHours", true, "ts", 'i', Fn::kGetHours},
    {"getHours", true, "D", 'i', Fn::kGetHours},
    {"getMilliseconds", true, "t", 'i', Fn::kGetMilliseconds},
    {"getMilliseconds", true, "ts", 'i', Fn::kGetMilliseconds},
    {"getMilliseconds", true, "D", 'i', Fn::kGetMilliseconds},
    {"getMinutes", true, "t", 'i', Fn::kGetMinutes},
    {"getMinutes", true, "ts", 'i', Fn::kGetMinutes},
    {"getMinutes", true, "D", 'i', Fn::kGetMinutes},
    {"getMonth", true, "t", 'i', Fn::kGetMonth},
    {"getMonth", true, "ts", 'i', Fn::kGetMonth},
    {"getSeconds", true, "t", 'i', Fn::kGetSeconds},
    {"getSeconds", true, "ts", 'i', Fn::kGetSeconds},
    {"getSeconds", true, "D", 'i', Fn::kGetSeconds},
};

// Ordering is a small matrix rather than a list: any two numbers, or two of the same ordered type.
struct Comparison {
  absl::string_view name;
  Fn fn;
};
constexpr Comparison kComparisons[] = {
    {"_<_", Fn::kLess}, {"_<=_", Fn::kLessEqual}, {"_>_", Fn::kGreater}, {"_>=_", Fn::kGreaterEqual}};

Type TypeOf(char letter) {
  switch (letter) {
    case 'b':
      return Type::Bool();
    case 'i':
      return Type::Int();
    case 'u':
      return Type::Uint();
    case 'd':
      return Type::Double();
    case 's':
      return Type::String();
    case 'y':
      return Type::Bytes();
    case 'l':
      return Type::List(Type::Dyn());
    case 'S':
      return Type::List(Type::String());
    case 'm':
      return Type::Map(Type::Dyn(), Type::Dyn());
    case 't':
      return Type::Timestamp();
    case 'D':
      return Type::Duration();
    case 'T':
      return Type::TypeType();
    default:
      return Type::Dyn();
  }
}

bool Accepts(char letter, const Type& arg) {
  if (letter == 'm') return arg.is_dyn() || arg.kind() == Type::Kind::kMap;
  if (arg.kind() == Type::Kind::kNull) return letter == '*';
  return Compatible(TypeOf(letter), arg);
}

bool Accepts(const Overload& overload, const std::vector<Type>& args) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (!Accepts(overload.args[i], args[i])) return false;
  }
  return true;
}

bool Ordered(const Type& a, const Type& b) {
  const auto number = [](const Type& t) {
    return t.kind() == Type::Kind::kInt || t.kind() == Type::Kind::kUint || t.kind() == Type::Kind::kDouble;
  };
  const auto orderable = [&number](const Type& t) {
    return t.is_dyn() || number(t) || t.kind() == Type::Kind::kBool || t.kind() == Type::Kind::kString ||
           t.kind() == Type::Kind::kBytes || t.kind() == Type::Kind::kTimestamp || t.kind() == Type::Kind::kDuration;
  };
  if (!orderable(a) || !orderable(b)) return false;
  return a.is_dyn() || b.is_dyn() || a.kind() == b.kind() || (number(a) && number(b));
}

}  // namespace

Resolution Resolve(absl::string_view name, bool member, const std::vector<Type>& args) {
  using Outcome = Resolution::Outcome;
  for (const Comparison& c : kComparisons) {
    if (name != c.name) continue;
    const bool ok = args.size() == 2 && Ordered(args[0], args[1]);
    return {ok ? Outcome::kFound : Outcome::kNoOverload, c.fn, Type::Bool()};
  }
  Resolution out;
  for (const Overload& overload : kOverloads) {
    if (overload.member != member || overload.name != name) continue;
    out.fn = overload.fn;
    if (out.outcome == Outcome::kUnknownFunction) out.outcome = Outcome::kWrongArity;
    if (overload.args.size() != args.size()) continue;
    if (out.outcome == Outcome::kWrongArity) out.outcome = Outcome::kNoOverload;
    if (!Accepts(overload, args)) continue;
    const Type result = overload.result == 'l' ? Join(args[0], args[1]) : TypeOf(overload.result);
    out.result = out.outcome == Outcome::kFound ? Join(out.result, result) : result;
    out.outcome = Outcome::kFound;
  }
  return out;
}

}  // namespace twi::cel
