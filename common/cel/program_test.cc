#include "common/cel/program.h"

#include <thread>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace twi::cel {
namespace {

Declarations PolicyDeclarations() {
  Declarations d;
  d.variables["claims"] = Type::Object({{"env", Type::Object({{"name", Type::String()}, {"debug", Type::Bool()}})},
                                        {"svn", Type::Int()},
                                        {"groups", Type::List(Type::String())},
                                        {"extra", Type::Dyn()}});
  d.variables["labels"] = Type::Map(Type::String(), Type::String());
  d.variables["now"] = Type::Timestamp();
  d.variables["x"] = Type::Dyn();
  return d;
}

Activation PolicyValues() {
  Activation a;
  a.Set("claims", Value::Map({{"env", Value::Map({{"name", Value::String("prod")}, {"debug", Value::Bool(false)}})},
                              {"svn", Value::Int(7)},
                              {"groups", Value::List({Value::String("a"), Value::String("b")})}}));
  a.Set("labels", Value::Map({{"team", Value::String("blue")}}));
  a.Set("now", *Value::MakeTimestamp(1234567890, 0));
  return a;
}

std::string CompileError(const std::string& source, const Declarations& d = PolicyDeclarations()) {
  const auto program = Compile(source, d);
  return program.ok() ? "compiled" : std::string(program.status().message());
}

absl::StatusOr<Value> RunPolicy(const std::string& source, EvalLimits limits = EvalLimits()) {
  const auto program = Compile(source, PolicyDeclarations());
  if (!program.ok()) return program.status();
  return program->Evaluate(PolicyValues(), limits);
}

class TrueTest : public testing::TestWithParam<const char*> {};
TEST_P(TrueTest, IsTrue) {
  const auto got = RunPolicy(GetParam());
  ASSERT_TRUE(got.ok()) << GetParam() << ": " << got.status();
  EXPECT_EQ(got->ToCelText(), "true") << GetParam();
}
INSTANTIATE_TEST_SUITE_P(
    Conditions, TrueTest,
    testing::Values("claims.env.name == 'prod' && claims.svn >= 7 && !claims.env.debug", "'a' in claims.groups",
                    "claims['env']['name'] == \"prod\"", "has(claims.env) && !has(claims.extra)",
                    "!has(claims.extra) || claims.extra.y == 1", "claims.groups.all(g, g.matches('^[a-z]$'))",
                    "claims.groups.map(g, g == 'a', g + '!') == ['a!']", "labels.exists(k, labels[k] == 'blue')",
                    "now - duration('1h') < now", "now.getFullYear('+02:00') == 2009", "size(claims.groups) == 2",
                    "duration('1.5s').getMilliseconds() == 500", "claims.extra == 1 || true",
                    "'aXa'.split('X').size() == 2", "'abc'.replace('', '-') == '-a-b-c-'",
                    "'abc'.replace('', '-', 2) == '-a-bc'", "''.split('') == []", "'abc'.split('', 2) == ['a', 'bc']",
                    "'é€'.reverse() == '€é'", "string(1.5) == '1.5'"));

class EvaluationRefusalTest : public testing::TestWithParam<const char*> {};
TEST_P(EvaluationRefusalTest, IsAnError) {
  ASSERT_EQ(CompileError(GetParam()), "compiled");
  const auto got = RunPolicy(GetParam());
  ASSERT_FALSE(got.ok()) << GetParam() << ": " << got->ToCelText();
  EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << GetParam();
}
INSTANTIATE_TEST_SUITE_P(Absent, EvaluationRefusalTest,
                         testing::Values("claims.extra == 1", "claims.extra != 1", "!claims.extra",
                                         "claims.extra || false", "claims.extra && true", "labels.none == 'a'",
                                         "labels['none'] == 'a'", "has(claims.extra.field)", "claims.groups[2] == 'a'",
                                         "claims.groups[-1] == 'a'", "x == 1", "claims.extra ? true : true",
                                         "claims.groups.exists(g, labels[g] == 'a')",
                                         "claims.groups.exists_one(g, labels[g] == 'a')"));
INSTANTIATE_TEST_SUITE_P(Arithmetic, EvaluationRefusalTest,
                         testing::Values("9223372036854775807 + claims.svn > 0", "1 / (claims.svn - 7) == 1",
                                         "1 % (claims.svn - 7) == 1", "uint(-claims.svn) == 1u",
                                         "0u - uint(claims.svn) == 1u", "int('7x') == 7", "int(' 7') == 7",
                                         "uint('-1') == 1u", "int(1e30) == 1", "double('0x10') == 16.0", "bool('yes')",
                                         "-(-9223372036854775807 - 1) == 0", "double('1e999') == 1.0",
                                         "string(b'\\xff') == ''", "timestamp(253402300800) == now",
                                         "duration('300y') == duration('1s')",
                                         "duration('9223372037s') == duration('1s')"));
INSTANTIATE_TEST_SUITE_P(Kinds, EvaluationRefusalTest,
                         testing::Values("dyn(1) + dyn('a') == dyn(2)", "dyn(1) && true", "dyn('a') < dyn(1)",
                                         "dyn(1).size() == 1", "dyn(1).field == 1", "1 in dyn(1)", "dyn(1)[0] == 1",
                                         "dyn(1).all(e, true)", "dyn('a').charAt(dyn('b')) == ''",
                                         "{dyn(1.5): 1}.size() == 1", "{1: 1, dyn(1u): 2}.size() == 2",
                                         "'a'.matches(dyn('(') + '')", "now.getHours('Europe/' + 'Paris') == 1",
                                         "now.getHours('25:00' + '') == 1", "'abc'.substring(2, 1) == ''",
                                         "'abc'.charAt(4) == ''", "['a', dyn(1)].join() == ''"));

class CompileRefusalTest : public testing::TestWithParam<std::pair<const char*, const char*>> {};
TEST_P(CompileRefusalTest, NamesTheReason) { EXPECT_EQ(CompileError(GetParam().first), GetParam().second); }
INSTANTIATE_TEST_SUITE_P(
    Names, CompileRefusalTest,
    testing::Values(std::pair("clams.env.name == 'x'", "1:1: undeclared variable 'clams'"),
                    std::pair("claims.enw.name == 'x'", "1:1: undeclared field 'enw'"),
                    std::pair("true &&\n has(claims.env.nam)", "2:6: undeclared field 'nam'"),
                    std::pair("claims['enw'] == 1", "1:1: undeclared field 'enw'"),
                    std::pair("claims.svn.low == 1", "1:1: type int has no fields"),
                    std::pair("nosuch(1)", "1:1: unknown function 'nosuch'"),
                    std::pair("'a'.nosuch()", "1:1: unknown function 'nosuch'"),
                    std::pair("contains('a', 'b')", "1:1: unknown function 'contains'"),
                    std::pair("'a'.contains()", "1:1: no overload of 'contains' takes 0 arguments"),
                    std::pair("[1].all(g, g2 == 1)", "1:12: undeclared variable 'g2'"),
                    std::pair("[1].all(g, true) && g == 1", "1:21: undeclared variable 'g'"),
                    std::pair("[1].all(a.b, true)", "1:9: the first argument must be a simple variable name"),
                    std::pair("has(claims)", "1:1: has() takes one field selection, as in has(a.b)"),
                    std::pair("pkg.Type{a: 1}", "1:1: message literals are not supported")));
INSTANTIATE_TEST_SUITE_P(Types, CompileRefusalTest,
                         testing::Values(std::pair("claims.svn == 'a'", "1:1: types int and string are never equal"),
                                         std::pair("claims.svn && true", "1:1: expected bool, found int"),
                                         std::pair("!claims.svn", "1:2: expected bool, found int"),
                                         std::pair("claims.svn + 'a'", "1:1: no overload of '_+_' for (int, string)"),
                                         std::pair("claims.svn < 'a'", "1:1: no overload of '_<_' for (int, string)"),
                                         std::pair("1 in claims.groups", "1:1: int is never in list(string)"),
                                         std::pair("1 in 2", "1:1: int is never in int"),
                                         std::pair("claims.svn.all(e, true)", "1:1: type int cannot be iterated over"),
                                         std::pair("claims.groups.all(e, e)", "1:22: expected bool, found string"),
                                         std::pair("claims.groups['a'] == ''",
                                                   "1:1: type list(string) has no index of type string"),
                                         std::pair("true ? 1 : 'a'", "1:1: branches of types int and string"),
                                         std::pair("{1: 1, 1u: 2}", "1:1: repeated map key 1u"),
                                         std::pair("{1.5: 1}", "1:2: unsupported map key type double"),
                                         std::pair("'a'.matches('(')", "1:1: bad regular expression: missing ): ("),
                                         std::pair("now.getHours('No/Where')", "1:1: unknown time zone"),
                                         std::pair("now.getHours('../../etc/passwd')", "1:1: unknown time zone")));

TEST(ProgramTest, RefusesAResultOfAnotherType) {
  Declarations d = PolicyDeclarations();
  d.result = Type::Bool();
  EXPECT_EQ(CompileError("claims.svn", d), "1:1: the expression is of type int, not bool");
  const auto program = Compile("claims.extra", d);  // Dyn: seen when evaluated
  ASSERT_TRUE(program.ok());
  Activation a;
  a.Set("claims", Value::Map({{"extra", Value::Int(1)}}));
  EXPECT_FALSE(program->Evaluate(a).ok());
  EXPECT_FALSE(program->EvaluateBool(a).ok());
  a.Set("claims", Value::Map({{"extra", Value::Bool(true)}}));
  EXPECT_TRUE(*program->EvaluateBool(a));
}

TEST(ProgramTest, EvaluateBoolRefusesOtherValues) {
  const auto program = Compile("x", PolicyDeclarations());
  Activation a;
  EXPECT_FALSE(program->EvaluateBool(a).ok());  // no value
  a.Set("x", Value::String("true"));
  EXPECT_FALSE(program->EvaluateBool(a).ok());
}

TEST(ProgramTest, RefusesRegexesThatAreTooLarge) {
  EXPECT_TRUE(absl::StrContains(CompileError("'a'.matches('((a{100}){100}){10}')"), "regular expression"));
  EXPECT_TRUE(absl::StrContains(CompileError("'a'.matches('" + std::string(2000, 'a') + "')"), "too long"));
}

TEST(ProgramTest, RefusesValuesNestedTooDeeply) {
  Value deep;
  for (int i = 0; i < 100; ++i) deep = Value::List({deep});
  const auto program = Compile("x == x", PolicyDeclarations());
  Activation a;
  a.Set("x", deep);
  EXPECT_FALSE(program->Evaluate(a).ok());
}

class CostRefusalTest : public testing::TestWithParam<const char*> {};
TEST_P(CostRefusalTest, StopsAtTheLimit) {
  const auto got = RunPolicy(GetParam());
  ASSERT_FALSE(got.ok()) << GetParam();
  EXPECT_EQ(got.status().code(), absl::StatusCode::kResourceExhausted) << GetParam() << got.status();
}
constexpr char kTen[] = "[0,1,2,3,4,5,6,7,8,9]";
std::string Nested(int levels) {
  std::string out = "true";
  for (int i = 0; i < levels; ++i) out = std::string(kTen) + ".all(v" + std::to_string(i) + ", " + out + ")";
  return out;
}
std::string Doubled(const std::string& start, int times) {
  std::string out = "[" + start + "]";
  for (int i = 0; i < times; ++i) out += ".map(x, x + x)";
  return "size(" + out + ") == 1";
}
const std::string& kNested = *new std::string(Nested(8));
const std::string& kAbsorbed = *new std::string(Nested(8) + " || true");
const std::string& kText = *new std::string(Doubled("'abcdefghijklmnopq'", 50));
const std::string& kList = *new std::string(Doubled("[1, 2, 3]", 50));
const std::string& kReplace = *new std::string(
    "['a'].map(x, x.replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'))"
    ".map(x, x.replace('', x)).map(x, x.replace('', x))"
    ".map(x, x.replace('', x)).size() == 1");
INSTANTIATE_TEST_SUITE_P(Expressions, CostRefusalTest,
                         testing::Values(kNested.c_str(), kAbsorbed.c_str(), kText.c_str(), kList.c_str(),
                                         kReplace.c_str()));

TEST(ProgramTest, CostIsDeterministic) {
  const std::string source = "claims.env.name == 'prod' && claims.groups.all(g, g != 'c')";
  int64_t least = 1;
  while (!RunPolicy(source, EvalLimits{least}).ok()) ++least;
  EXPECT_EQ(least, 20);
  EXPECT_FALSE(RunPolicy(source, EvalLimits{least - 1}).ok());
  EXPECT_FALSE(RunPolicy(source, EvalLimits{0}).ok());
}

TEST(ProgramTest, EvaluatesInManyThreads) {
  const auto program = Compile("claims.groups.exists(g, g == 'b' && 'abc'.matches('b+'))", PolicyDeclarations());
  const Activation values = PolicyValues();
  std::vector<std::thread> threads;
  std::vector<int> trues(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) trues[t] += *program->EvaluateBool(values) ? 1 : 0;
    });
  }
  for (std::thread& t : threads) t.join();
  for (const int n : trues) EXPECT_EQ(n, 500);
}

}  // namespace
}  // namespace twi::cel
