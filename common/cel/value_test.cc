#include "common/cel/value.h"

#include <limits>

#include "common/cel/compare.h"
#include "gtest/gtest.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

TEST(ValueTest, NumbersOfDifferentTypesAreEqualAsNumbers) {
  EXPECT_EQ(Value::Int(1), Value::Uint(1));
  EXPECT_EQ(Value::Int(1), Value::Double(1.0));
  EXPECT_EQ(Value::List({Value::Int(2)}), Value::List({Value::Double(2)}));
  EXPECT_EQ(Compare(Value::Int(-1), Value::Uint(0)), Order::kLess);
}

TEST(ValueTest, ValuesOfOtherDifferentTypesAreUnequal) {
  EXPECT_NE(Value::Int(1), Value::String("1"));
  EXPECT_NE(Value::Int(1), Value::Bool(true));
  EXPECT_NE(Value::Null(), Value::Bool(false));
  EXPECT_NE(Value::String("a"), Value::Bytes("a"));
  EXPECT_NE(Value::Int(-1), Value::Uint(std::numeric_limits<uint64_t>::max()));
}

TEST(ValueTest, NaNEqualsNothing) {
  const Value nan = Value::Double(std::numeric_limits<double>::quiet_NaN());
  EXPECT_NE(nan, nan);
  EXPECT_EQ(Compare(nan, Value::Int(1)), Order::kUnordered);
}

TEST(ValueTest, HasNoOrderAcrossTypes) {
  EXPECT_EQ(Compare(Value::Int(1), Value::String("1")), Order::kNoOverload);
  EXPECT_EQ(Compare(Value::Null(), Value::Null()), Order::kNoOverload);
  EXPECT_EQ(Compare(Value::List({}), Value::List({})), Order::kNoOverload);
}

TEST(ValueTest, FindsKeysByEqualNumbers) {
  const Value map = *Value::MakeMap({{Value::Int(2), Value::String("two")},
                                     {Value::Bool(true), Value::String("yes")},
                                     {Value::String("a"), Value::String("A")}});
  EXPECT_EQ(*map.Find(Value::Uint(2)), Value::String("two"));
  EXPECT_EQ(*map.Find(Value::Double(2.0)), Value::String("two"));
  EXPECT_EQ(*map.Find("a"), Value::String("A"));
  EXPECT_EQ(*map.Find(Value::Bool(true)), Value::String("yes"));
}

TEST(ValueTest, DoesNotFindAbsentKeys) {
  const Value map = *Value::MakeMap({{Value::Int(2), Value::Null()}});
  EXPECT_EQ(map.Find(Value::Double(2.5)), nullptr);
  EXPECT_EQ(map.Find(Value::Double(1e300)), nullptr);
  EXPECT_EQ(map.Find(Value::Bytes("2")), nullptr);
  EXPECT_EQ(map.Find(Value::Null()), nullptr);
  EXPECT_EQ(map.Find("2"), nullptr);
  EXPECT_EQ(Value::Int(1).Find("a"), nullptr);
}

TEST(ValueTest, RefusesRepeatedKeys) {
  EXPECT_FALSE(Value::MakeMap({{Value::Int(1), Value::Null()}, {Value::Uint(1), Value::Null()}}).ok());
  EXPECT_FALSE(Value::MakeMap({{Value::String("a"), Value::Null()}, {Value::String("a"), Value::Null()}}).ok());
}

TEST(ValueTest, RefusesKeysOfOtherTypes) {
  EXPECT_FALSE(Value::MakeMap({{Value::Double(1), Value::Null()}}).ok());
  EXPECT_FALSE(Value::MakeMap({{Value::Null(), Value::Null()}}).ok());
  EXPECT_FALSE(Value::MakeMap({{Value::List({}), Value::Null()}}).ok());
}

TEST(ValueTest, RefusesTimestampsOutOfRange) {
  EXPECT_TRUE(Value::MakeTimestamp(-62135596800, 0).ok());
  EXPECT_FALSE(Value::MakeTimestamp(-62135596801, 0).ok());
  EXPECT_FALSE(Value::MakeTimestamp(253402300800, 0).ok());
  EXPECT_FALSE(Value::MakeTimestamp(0, -1).ok());
  EXPECT_FALSE(Value::MakeTimestamp(0, 1000000000).ok());
}

TEST(ValueTest, SharesNestedValuesByReference) {
  Value inner = Value::String("a text that is long enough to be allocated");
  Value outer = Value::Map({{"list", Value::List({inner, inner})}});
  inner = Value::Null();
  const Value copy = outer;
  outer = Value::Int(1);
  EXPECT_EQ(copy.Find("list")->list()[1].text(), "a text that is long enough to be allocated");
  EXPECT_EQ(copy.depth(), 2u);
}

TEST(ValueTest, RendersShortCelText) {
  EXPECT_EQ(Value::Map({{"a", Value::List({Value::Int(-1), Value::Uint(2), Value::Double(3)})}}).ToCelText(),
            "{\"a\": [-1, 2u, 3.0]}");
  EXPECT_EQ(Value::String("a\"\n").ToCelText(), "\"a\\\"\\n\"");
  EXPECT_EQ(Value::Bytes("\xff").ToCelText(), "b\"\\xff\"");
  EXPECT_EQ(Value::MakeTimestamp(0, 500000000)->ToCelText(), "timestamp(\"1970-01-01T00:00:00.5Z\")");
  EXPECT_EQ(Value::Duration(-1500000000).ToCelText(), "duration(\"-1.5s\")");
}

// Each pair costs one unit: the list, then its elements.
TEST(ValueTest, EqualsStopsWhenItsBudgetIsSpent) {
  const Value list = Value::List({Value::Int(1), Value::String(std::string(160, 'x')), Value::Int(3)});
  int64_t budget = 14;
  EXPECT_TRUE(Equals(list, list, &budget));
  EXPECT_EQ(budget, 0);
  for (int64_t too_little : {0, 1, 2, 3, 12, 13}) {
    EXPECT_FALSE(Equals(list, list, &too_little));
    EXPECT_LT(too_little, 0);
  }
}

TEST(ValueTest, EqualsOfASharedTreeStops) {
  Value tree;
  for (int i = 0; i < 1000; ++i) tree = Value::List({tree, tree});
  const Value other = Value::Map({{"a", tree}});
  int64_t budget = 100000;
  EXPECT_FALSE(Equals(tree, tree, &budget));
  EXPECT_LT(budget, 0);
  budget = 100000;
  EXPECT_FALSE(Equals(other, other, &budget));
  EXPECT_LT(budget, 0);
}

TEST(ValueTest, CutsTextBetweenCodePoints) {
  std::string text(9, 'x');
  for (int i = 0; i < 1000; ++i) text += "\xe2\x82\xac";
  EXPECT_EQ(Value::String(text + "\xff").ToCelText(16), "\"xxxxxxxxx\xe2\x82\xac\xe2\x82\xac...\"");
  EXPECT_EQ(Value::Bytes(std::string(100, '\x80')).ToCelText(8), "b\"\\x80\\x80\\x80\\x80...\"");
}

TEST(ValueTest, CutsLongText) {
  EXPECT_LT(Value::String(std::string(10000, 'x')).ToCelText(64).size(), 80u);
  EXPECT_LT(Value::List(std::vector<Value>(10000, Value::Int(1))).ToCelText(64).size(), 80u);
  Value deep;
  for (int i = 0; i < 100; ++i) deep = Value::List({deep});
  EXPECT_LT(deep.ToCelText().size(), 40u);
}

}  // namespace
}  // namespace twi::cel
