#include "common/cel/program.h"
#include "gtest/gtest.h"

namespace twi::cel {
namespace {

Program CompileOrDie(const std::string& source) {
  Declarations d;
  for (const char* name : {"a", "b", "c"}) d.variables[name] = Type::Dyn();
  return *Compile(source, d);
}

// "a.b=1|2; c=\"x\""
std::string Required(const std::string& source) {
  std::string out;
  for (const RequiredLiteral& r : CompileOrDie(source).RequiredEqualities()) {
    if (!out.empty()) out += "; ";
    for (size_t i = 0; i < r.path.size(); ++i) out += (i == 0 ? "" : ".") + r.path[i];
    for (size_t i = 0; i < r.alternatives.size(); ++i) out += (i == 0 ? "=" : "|") + r.alternatives[i].ToCelText();
  }
  return out;
}

TEST(RequiredEqualitiesTest, FindsTopLevelConjuncts) {
  EXPECT_EQ(Required("a.b.c == 'x' && (1 == a.b['d'] && b > 2) && c in ['y', 'z']"),
            "a.b.c=\"x\"; a.b.d=1; c=\"y\"|\"z\"");
  EXPECT_EQ(Required("a == true"), "a=true");
  EXPECT_EQ(Required("a.x in []"), "a.x");
}

TEST(RequiredEqualitiesTest, LeavesOutWhatNeedNotHold) {
  EXPECT_EQ(Required("a == 1 || b == 2"), "");
  EXPECT_EQ(Required("!(a == 1)"), "");
  EXPECT_EQ(Required("a != 1"), "");
  EXPECT_EQ(Required("a == b"), "");
  EXPECT_EQ(Required("a ? b == 1 : c == 1"), "");
  EXPECT_EQ(Required("[1].all(x, x == 1)"), "");
  EXPECT_EQ(Required("a[b] == 1 && a[0] == 1 && size(a) == 1"), "");
  EXPECT_EQ(Required("'x' in a && a in b && 1 == 1"), "");
}

// "a.b; c"
std::string Read(const std::string& source) {
  std::string out;
  for (const std::vector<std::string>& path : CompileOrDie(source).ReadPaths()) {
    if (!out.empty()) out += "; ";
    for (size_t i = 0; i < path.size(); ++i) out += (i == 0 ? "" : ".") + path[i];
  }
  return out;
}

TEST(ReadPathsTest, NamesEverythingThatIsLookedAt) {
  EXPECT_EQ(Read("'constant'"), "");
  EXPECT_EQ(Read("a.b['c'] + a.b.c"), "a.b.c");
  EXPECT_EQ(Read("a.x == 1 || b.y ? 'p' : c.z"), "a.x; b.y; c.z");
  EXPECT_EQ(Read("has(a.b.c) ? 1 : 2"), "a.b.c");
  EXPECT_EQ(Read("a.list.filter(i, i != b.other)"), "a.list; b.other");
  EXPECT_EQ(Read("a.b[c.d].e"), "a.b; c.d") << "which one is not known: all of it";
  EXPECT_EQ(Read("size(a) > 0"), "a");
  EXPECT_EQ(Read("[a.b, {'k': b}]"), "a.b; b");
}

TEST(FailedConjunctsTest, AreNoneWhenTrue) {
  Activation values;
  values.Set("a", Value::Int(1));
  EXPECT_TRUE(CompileOrDie("a == 1 && a < 2").FailedConjuncts(values).empty());
}

TEST(FailedConjunctsTest, NamesEveryFailure) {
  Activation values;
  values.Set("a", Value::Map({{"env", Value::String("dev")}, {"svn", Value::Int(3)}, {"g", Value::List({})}}));
  const auto failed = CompileOrDie(
                          "a.env == 'prod' && 5 <= a.svn && a.svn == 3 && a.env in ['x', 'y'] && 'q' in a.g"
                          " && !has(a.env) && a.none == 1 && a.env")
                          .FailedConjuncts(values);
  ASSERT_EQ(failed.size(), 7u);
  EXPECT_EQ(failed[0].source, "a.env == 'prod'");
  EXPECT_EQ(failed[0].seen, "\"dev\"");
  EXPECT_EQ(failed[0].expected, "== \"prod\"");
  EXPECT_EQ(failed[0].error, "");
  EXPECT_EQ(failed[1].seen, "3");
  EXPECT_EQ(failed[1].expected, ">= 5");
  EXPECT_EQ(failed[2].expected, "in [\"x\", \"y\"]");
  EXPECT_EQ(failed[3].seen, "[]");
  EXPECT_EQ(failed[3].expected, "contains \"q\"");
  EXPECT_EQ(failed[4].source, "!has(a.env)");
  EXPECT_EQ(failed[4].seen, "");
  EXPECT_EQ(failed[5].error, "no such field: a.none");
  EXPECT_EQ(failed[5].expected, "== 1");
  EXPECT_EQ(failed[6].error, "expected bool, found string");
}

TEST(FailedConjunctsTest, ReportsMissingVariablesAndLimits) {
  const Program program = CompileOrDie("a == 1 && [1, 2, 3].all(x, x > 0)");
  const auto unset = program.FailedConjuncts(Activation());
  ASSERT_EQ(unset.size(), 1u);
  EXPECT_EQ(unset[0].error, "variable 'a' has no value");
  Activation values;
  values.Set("a", Value::Int(1));
  const auto limited = program.FailedConjuncts(values, EvalLimits{6});
  ASSERT_EQ(limited.size(), 1u);
  EXPECT_EQ(limited[0].error, "evaluation cost limit exceeded");
}

}  // namespace
}  // namespace twi::cel
