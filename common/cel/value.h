#ifndef TWI_COMMON_CEL_VALUE_H_
#define TWI_COMMON_CEL_VALUE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::cel {

// An immutable CEL value (langdef "Values"): 16 bytes, copied by counting references, safe to share between threads.
// Units: a timestamp is seconds since the Unix epoch plus nanoseconds, between the years 1 and 9999; a duration is
// nanoseconds in an int64 (about 292 years). Strings are meant to be UTF-8; bytes are any octets.
class Value {
 public:
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kList,
    kMap,
    kTimestamp,
    kDuration,
    kType
  };
  using Entry = std::pair<Value, Value>;

  Value() = default;  // null
  static Value Null() { return Value(); }
  static Value Bool(bool v) { return Value(Kind::kBool, v ? 1 : 0); }
  static Value Int(int64_t v) { return Value(Kind::kInt, v); }
  static Value Uint(uint64_t v) { return Value(Kind::kUint, static_cast<int64_t>(v)); }
  static Value Double(double v);
  static Value String(absl::string_view v);
  static Value Bytes(absl::string_view v);
  static Value List(std::vector<Value> v);
  static Value Map(std::map<std::string, Value> v);  // JSON-like: the key type makes duplicates impossible
  static Value Duration(int64_t nanoseconds) { return Value(Kind::kDuration, nanoseconds); }
  static Value Type(Kind of) { return Value(Kind::kType, static_cast<int64_t>(of)); }
  // Refuses a key that is not bool, int, uint or string, and two equal keys (1 and 1u are equal).
  static absl::StatusOr<Value> MakeMap(std::vector<Entry> entries);
  // Refuses nanos outside [0, 999999999] and times outside the years 1 to 9999.
  static absl::StatusOr<Value> MakeTimestamp(int64_t seconds, int32_t nanos);

  Value(const Value& o) : kind_(o.kind_), nanos_(o.nanos_), bits_(o.bits_) { Ref(); }
  Value(Value&& o) noexcept : kind_(o.kind_), nanos_(o.nanos_), bits_(o.bits_) { o.kind_ = Kind::kNull; }
  Value& operator=(const Value& o) { return *this = Value(o); }
  Value& operator=(Value&& o) noexcept {
    std::swap(kind_, o.kind_);
    std::swap(nanos_, o.nanos_);
    std::swap(bits_, o.bits_);
    return *this;
  }
  ~Value() { Unref(); }

  Kind kind() const { return kind_; }
  bool Is(Kind k) const { return kind_ == k; }
  // Accessors: the caller has looked at kind(); on another kind they answer zero, empty, or null.
  bool bool_value() const { return kind_ == Kind::kBool && bits_.i != 0; }
  int64_t int_value() const { return kind_ == Kind::kInt ? bits_.i : 0; }
  uint64_t uint_value() const { return kind_ == Kind::kUint ? static_cast<uint64_t>(bits_.i) : 0; }
  double double_value() const { return kind_ == Kind::kDouble ? bits_.d : 0; }
  absl::string_view text() const;  // of a string or bytes
  const std::vector<Value>& list() const;
  const std::vector<Entry>& entries() const;  // of a map, sorted by key: deterministic
  int64_t seconds() const { return kind_ == Kind::kTimestamp ? bits_.i : 0; }
  int32_t nanos() const { return kind_ == Kind::kTimestamp ? nanos_ : 0; }
  int64_t duration_nanos() const { return kind_ == Kind::kDuration ? bits_.i : 0; }
  Kind type_value() const { return static_cast<Kind>(bits_.i); }
  uint32_t depth() const;  // 0 for scalars, 1 + the deepest element for lists and maps
  // Value of a map's key, or nullptr. Number keys are found by any equal number (2, 2u, 2.0).
  const Value* Find(absl::string_view key) const;
  const Value* Find(const Value& key) const;
  // Short CEL text, cut with "..." near max_bytes; nothing deeper than 8 levels is written out.
  std::string ToCelText(size_t max_bytes = 256) const;

 private:
  struct Rep;
  struct TextRep;
  struct ListRep;
  struct MapRep;
  Value(Kind kind, int64_t i) : kind_(kind) { bits_.i = i; }
  Value(Kind kind, Rep* rep) : kind_(kind) { bits_.rep = rep; }
  bool HasRep() const { return kind_ >= Kind::kString && kind_ <= Kind::kMap; }
  void Ref() const {
    if (HasRep()) AddRef(bits_.rep);
  }
  void Unref() {
    if (HasRep()) Release();
  }
  static void AddRef(Rep* rep);
  void Release();

  union Bits {
    int64_t i = 0;
    double d;
    Rep* rep;
  };
  Kind kind_ = Kind::kNull;
  int32_t nanos_ = 0;
  Bits bits_;
};

// Name of a type as CEL's type() prints it: "int", "null_type", "google.protobuf.Timestamp".
absl::string_view KindName(Value::Kind kind);

// CEL equality: see Equals in compare.h.
bool operator==(const Value& a, const Value& b);
inline bool operator!=(const Value& a, const Value& b) { return !(a == b); }

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_VALUE_H_
