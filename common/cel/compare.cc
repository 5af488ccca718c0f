#include "common/cel/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace twi::cel {

using Kind = Value::Kind;

namespace {

template <typename T>
Order OrderOf(T a, T b) {
  return a < b ? Order::kLess : (b < a ? Order::kGreater : Order::kEqual);
}

Order OrderDoubles(double a, double b) { return std::isnan(a) || std::isnan(b) ? Order::kUnordered : OrderOf(a, b); }

Order OrderText(absl::string_view a, absl::string_view b) { return OrderOf(a.compare(b), 0); }

bool IsNumber(const Value& v) { return v.Is(Kind::kInt) || v.Is(Kind::kUint) || v.Is(Kind::kDouble); }

double AsDouble(const Value& v) {
  if (v.Is(Kind::kInt)) return static_cast<double>(v.int_value());
  return v.Is(Kind::kUint) ? static_cast<double>(v.uint_value()) : v.double_value();
}

// int and uint exactly; against a double the integer is rounded to a double, as the conformance suite expects.
Order OrderNumbers(const Value& a, const Value& b) {
  if (a.Is(Kind::kDouble) || b.Is(Kind::kDouble)) return OrderDoubles(AsDouble(a), AsDouble(b));
  if (a.Is(Kind::kInt) && b.Is(Kind::kInt)) return OrderOf(a.int_value(), b.int_value());
  if (a.Is(Kind::kUint) && b.Is(Kind::kUint)) return OrderOf(a.uint_value(), b.uint_value());
  if (a.Is(Kind::kInt)) {
    if (a.int_value() < 0) return Order::kLess;
    return OrderOf(static_cast<uint64_t>(a.int_value()), b.uint_value());
  }
  if (b.int_value() < 0) return Order::kGreater;
  return OrderOf(a.uint_value(), static_cast<uint64_t>(b.int_value()));
}

int KeyRank(const Value& v) { return v.Is(Kind::kBool) ? 0 : (v.Is(Kind::kString) ? 2 : 1); }

bool ListsEqual(const std::vector<Value>& a, const std::vector<Value>& b, int64_t* budget) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equals(a[i], b[i], budget)) return false;
  }
  return true;
}

// Both are sorted in the same order, so equal maps are equal pair by pair.
bool MapsEqual(const std::vector<Value::Entry>& a, const std::vector<Value::Entry>& b, int64_t* budget) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equals(a[i].first, b[i].first, budget) || !Equals(a[i].second, b[i].second, budget)) return false;
  }
  return true;
}

}  // namespace

bool Equals(const Value& a, const Value& b, int64_t* budget) {
  if (--*budget < 0) return false;
  if (a.kind() != b.kind()) return IsNumber(a) && IsNumber(b) && OrderNumbers(a, b) == Order::kEqual;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kString:
    case Kind::kBytes:
      *budget -= static_cast<int64_t>(std::min(a.text().size(), b.text().size()) / 16);
      return *budget >= 0 && a.text() == b.text();
    case Kind::kList:
      return ListsEqual(a.list(), b.list(), budget);
    case Kind::kMap:
      return MapsEqual(a.entries(), b.entries(), budget);
    case Kind::kType:
      return a.type_value() == b.type_value();
    default:
      return Compare(a, b) == Order::kEqual;
  }
}

bool Equals(const Value& a, const Value& b) {
  int64_t budget = std::numeric_limits<int64_t>::max();
  return Equals(a, b, &budget);
}

Order Compare(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) return OrderNumbers(a, b);
  if (a.kind() != b.kind()) return Order::kNoOverload;
  switch (a.kind()) {
    case Kind::kBool:
      return OrderOf(a.bool_value(), b.bool_value());
    case Kind::kString:
    case Kind::kBytes:
      return OrderText(a.text(), b.text());
    case Kind::kTimestamp:
      return a.seconds() != b.seconds() ? OrderOf(a.seconds(), b.seconds()) : OrderOf(a.nanos(), b.nanos());
    case Kind::kDuration:
      return OrderOf(a.duration_nanos(), b.duration_nanos());
    default:
      return Order::kNoOverload;
  }
}

bool MapKeyLess(const Value& a, const Value& b) {
  const int ra = KeyRank(a), rb = KeyRank(b);
  if (ra != rb) return ra < rb;
  if (ra == 2) return a.text() < b.text();
  return ra == 0 ? a.bool_value() < b.bool_value() : OrderNumbers(a, b) == Order::kLess;
}

bool operator==(const Value& a, const Value& b) { return Equals(a, b); }

}  // namespace twi::cel
