#ifndef TWI_COMMON_CEL_TYPE_H_
#define TWI_COMMON_CEL_TYPE_H_

#include <map>
#include <memory>
#include <string>

namespace twi::cel {

// A static type for the checker. Gradual: Dyn is compatible with everything and is looked at during evaluation.
class Type {
 public:
  enum class Kind {
    kFree,  // of an empty list's elements: becomes whatever it meets
    kDyn,
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

  Type() : kind_(Kind::kDyn) {}
  static Type Dyn() { return Type(Kind::kDyn); }
  static Type Free() { return Type(Kind::kFree); }
  static Type Null() { return Type(Kind::kNull); }
  static Type Bool() { return Type(Kind::kBool); }
  static Type Int() { return Type(Kind::kInt); }
  static Type Uint() { return Type(Kind::kUint); }
  static Type Double() { return Type(Kind::kDouble); }
  static Type String() { return Type(Kind::kString); }
  static Type Bytes() { return Type(Kind::kBytes); }
  static Type Timestamp() { return Type(Kind::kTimestamp); }
  static Type Duration() { return Type(Kind::kDuration); }
  static Type TypeType() { return Type(Kind::kType); }
  static Type List(Type element);
  static Type Map(Type key, Type value);
  // A map whose fields are known by name. Closed: any other field is refused at compile time. Open: others are Dyn.
  static Type Object(std::map<std::string, Type> fields);
  static Type OpenObject(std::map<std::string, Type> fields);

  Kind kind() const { return kind_; }
  bool is_dyn() const { return kind_ == Kind::kDyn || kind_ == Kind::kFree; }
  Type element() const;  // of a list, else Dyn
  Type key() const;      // of a map, else Dyn
  Type value() const;    // of a map, else Dyn
  // Null unless made by Object or OpenObject.
  const std::map<std::string, Type>* fields() const;
  bool closed() const;
  std::string ToString() const;  // "list(map(string, dyn))"

 private:
  struct Params;
  explicit Type(Kind kind) : kind_(kind) {}
  Kind kind_;
  std::shared_ptr<const Params> params_;
};

// Could a value of one type be used where the other is wanted? Dyn and Free: always.
bool Compatible(const Type& a, const Type& b);

// The most exact type that covers both: Dyn when they differ. Free gives way.
Type Join(const Type& a, const Type& b);

// Free, at any depth, becomes Dyn: the deduced type of a whole expression.
Type Settle(const Type& type);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_TYPE_H_
