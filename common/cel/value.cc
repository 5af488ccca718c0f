#include "common/cel/value.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/cel/compare.h"
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
  std::vector<Entry> entries;  // sorted by MapKeyLess, no two equal
};

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
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return MapKeyLess(a.first, b.first); });
  for (size_t i = 1; i < entries.size(); ++i) {
    if (!MapKeyLess(entries[i - 1].first, entries[i].first)) {
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
  } else if (!key.Is(Kind::kBool) && !key.Is(Kind::kInt) && !key.Is(Kind::kUint)) {
    return nullptr;
  }
  const std::vector<Entry>& all = entries();
  const auto it = std::lower_bound(all.begin(), all.end(), wanted,
                                   [](const Entry& e, const Value& k) { return MapKeyLess(e.first, k); });
  return it != all.end() && !MapKeyLess(wanted, it->first) ? &it->second : nullptr;
}

absl::string_view KindName(Kind kind) {
  static constexpr const char* kNames[] = {"null_type",
                                           "bool",
                                           "int",
                                           "uint",
                                           "double",
                                           "string",
                                           "bytes",
                                           "list",
                                           "map",
                                           "google.protobuf.Timestamp",
                                           "google.protobuf.Duration",
                                           "type"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace twi::cel
