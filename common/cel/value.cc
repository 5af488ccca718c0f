#include "common/cel/value.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/cel/time_text.h"

namespace twi::cel {

using Kind = Value::Kind;

struct Value::Rep {
  std::atomic<uint32_t> refs{1};
  uint32_t depth = 0;
};
struct Value::TextRep : Rep {
  std::string text;
};
struct Value::ListRep : Rep {
  std::vector<Value> items;
};
struct Value::MapRep : Rep {
  std::vector<Entry> entries;  // sorted by KeyLess, no two equal
};

namespace {

template <typename T>
Order OrderOf(T a, T b) {
  return a < b ? Order::kLess : (b < a ? Order::kGreater : Order::kEqual);
}

Order OrderDoubles(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? Order::kUnordered : OrderOf(a, b);
}

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

bool KeyLess(const Value& a, const Value& b) {
  const int ra = KeyRank(a), rb = KeyRank(b);
  if (ra != rb) return ra < rb;
  if (ra == 2) return a.text() < b.text();
  return ra == 0 ? a.bool_value() < b.bool_value() : OrderNumbers(a, b) == Order::kLess;
}

bool ListsEqual(const std::vector<Value>& a, const std::vector<Value>& b, int64_t* work) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equals(a[i], b[i], work)) return false;
  }
  return true;
}

// Both are sorted in the same order, so equal maps are equal pair by pair.
bool MapsEqual(const std::vector<Value::Entry>& a, const std::vector<Value::Entry>& b, int64_t* work) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equals(a[i].first, b[i].first, work) || !Equals(a[i].second, b[i].second, work)) return false;
  }
  return true;
}

}  // namespace

Value Value::Double(double v) {
  Value out(Kind::kDouble, int64_t{0});
  out.bits_.d = v;
  return out;
}

Value Value::String(absl::string_view v) {
  auto* rep = new TextRep;
  rep->text.assign(v.data(), v.size());
  return Value(Kind::kString, rep);
}

Value Value::Bytes(absl::string_view v) {
  Value out = String(v);
  out.kind_ = Kind::kBytes;
  return out;
}

Value Value::List(std::vector<Value> v) {
  auto* rep = new ListRep;
  rep->items = std::move(v);
  for (const Value& item : rep->items) rep->depth = std::max(rep->depth, item.depth());
  ++rep->depth;
  return Value(Kind::kList, rep);
}

Value Value::Map(std::map<std::string, Value> v) {
  auto* rep = new MapRep;
  rep->entries.reserve(v.size());
  for (auto& [key, value] : v) {
    rep->depth = std::max(rep->depth, value.depth());
    rep->entries.emplace_back(String(key), std::move(value));
  }
  ++rep->depth;
  return Value(Kind::kMap, rep);
}

absl::StatusOr<Value> Value::MakeMap(std::vector<Entry> entries) {
  uint32_t depth = 0;
  for (const Entry& e : entries) {
    const Kind k = e.first.kind();
    if (k != Kind::kBool && k != Kind::kInt && k != Kind::kUint && k != Kind::kString) {
      return absl::InvalidArgumentError(absl::StrCat("unsupported map key type ", KindName(k)));
    }
    depth = std::max(depth, e.second.depth());
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return KeyLess(a.first, b.first); });
  for (size_t i = 1; i < entries.size(); ++i) {
    if (!KeyLess(entries[i - 1].first, entries[i].first)) {
      return absl::InvalidArgumentError(absl::StrCat("repeated map key ", entries[i].first.ToCelText(64)));
    }
  }
  auto* rep = new MapRep;
  rep->entries = std::move(entries);
  rep->depth = depth + 1;
  return Value(Kind::kMap, rep);
}

absl::StatusOr<Value> Value::MakeTimestamp(int64_t seconds, int32_t nanos) {
  if (seconds < kMinTimestampSeconds || seconds > kMaxTimestampSeconds || nanos < 0 || nanos > 999999999) {
    return absl::InvalidArgumentError("timestamp out of range");
  }
  Value out(Kind::kTimestamp, seconds);
  out.nanos_ = nanos;
  return out;
}

void Value::AddRef(Rep* rep) { rep->refs.fetch_add(1, std::memory_order_relaxed); }

void Value::Release() {
  if (bits_.rep->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (kind_ == Kind::kList) {
    delete static_cast<ListRep*>(bits_.rep);
  } else if (kind_ == Kind::kMap) {
    delete static_cast<MapRep*>(bits_.rep);
  } else {
    delete static_cast<TextRep*>(bits_.rep);
  }
}

absl::string_view Value::text() const {
  if (kind_ != Kind::kString && kind_ != Kind::kBytes) return {};
  return static_cast<TextRep*>(bits_.rep)->text;
}

const std::vector<Value>& Value::list() const {
  static const auto* const empty = new std::vector<Value>;
  return kind_ == Kind::kList ? static_cast<ListRep*>(bits_.rep)->items : *empty;
}

const std::vector<Value::Entry>& Value::entries() const {
  static const auto* const empty = new std::vector<Entry>;
  return kind_ == Kind::kMap ? static_cast<MapRep*>(bits_.rep)->entries : *empty;
}

uint32_t Value::depth() const { return HasRep() ? bits_.rep->depth : 0; }

const Value* Value::Find(absl::string_view key) const {
  const std::vector<Entry>& all = entries();
  const auto it = std::lower_bound(all.begin(), all.end(), key, [](const Entry& e, absl::string_view k) {
    return !e.first.Is(Kind::kString) || e.first.text() < k;  // strings sort last
  });
  return it != all.end() && it->first.text() == key ? &it->second : nullptr;
}

const Value* Value::Find(const Value& key) const {
  if (key.Is(Kind::kString)) return Find(key.text());
  Value wanted = key;
  if (key.Is(Kind::kDouble)) {  // a double finds the integer it is exactly equal to
    const double d = key.double_value();
    if (!(d >= -9223372036854775808.0 && d < 18446744073709551616.0) || d != std::trunc(d)) return nullptr;
    wanted = d < 0 ? Int(static_cast<int64_t>(d)) : Uint(static_cast<uint64_t>(d));
  } else if (!key.Is(Kind::kBool) && !IsNumber(key)) {
    return nullptr;
  }
  const std::vector<Entry>& all = entries();
  const auto it = std::lower_bound(all.begin(), all.end(), wanted,
                                   [](const Entry& e, const Value& k) { return KeyLess(e.first, k); });
  return it != all.end() && !KeyLess(wanted, it->first) ? &it->second : nullptr;
}

absl::string_view KindName(Kind kind) {
  static constexpr const char* kNames[] = {"null_type", "bool",  "int",  "uint", "double",
                                           "string",    "bytes", "list", "map",  "google.protobuf.Timestamp",
                                           "google.protobuf.Duration",   "type"};
  return kNames[static_cast<int>(kind)];
}

bool Equals(const Value& a, const Value& b, int64_t* work) {
  if (work != nullptr) ++*work;
  if (a.kind() != b.kind()) return IsNumber(a) && IsNumber(b) && OrderNumbers(a, b) == Order::kEqual;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kString:
    case Kind::kBytes:
      if (work != nullptr) *work += static_cast<int64_t>(std::min(a.text().size(), b.text().size()) / 16);
      return a.text() == b.text();
    case Kind::kList:
      return ListsEqual(a.list(), b.list(), work);
    case Kind::kMap:
      return MapsEqual(a.entries(), b.entries(), work);
    case Kind::kType:
      return a.type_value() == b.type_value();
    default:
      return Compare(a, b) == Order::kEqual;
  }
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

}  // namespace twi::cel
