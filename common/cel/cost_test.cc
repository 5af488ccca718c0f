// What the cost limit bounds: expressions that are short and would run for ever, and that ordinary ones cost little.
#include "absl/strings/str_cat.h"
#include "common/cel/program.h"
#include "gtest/gtest.h"

namespace twi::cel {
namespace {

Declarations PolicyDeclarations() {
  Declarations d;
  d.variables["results"] = Type::Dyn();
  d.variables["text"] = Type::String();
  d.variables["few"] = Type::List(Type::Int());
  return d;
}

// `text`: 78000 letters a and b in no order.
Activation PolicyValues() {
  std::string text;
  uint32_t random = 1;
  while (text.size() < 78000) {
    random = random * 1103515245 + 12345;
    text.push_back((random >> 16) % 2 == 0 ? 'a' : 'b');
  }
  Activation a;
  a.Set("text", Value::String(text));
  a.Set("few", Value::List({Value::Int(1), Value::Int(2)}));
  a.Set("results",
        Value::Map(
            {{"status", Value::String("affirming")},
             {"software", Value::Map({{"name", Value::String("payroll-worker")}, {"version", Value::String("1.0")}})},
             {"trustworthiness", Value::Map({{"hardware", Value::Int(2)}})},
             {"image", Value::String(absl::StrCat("sha256:", std::string(64, 'a')))}}));
  return a;
}

struct Outcome {
  absl::StatusOr<Value> value;
  int64_t cost;
};

Outcome Evaluated(const std::string& source, int64_t limit = 100000) {
  static const auto* const values = new Activation(PolicyValues());
  const auto program = Compile(source, PolicyDeclarations());
  if (!program.ok()) return {program.status(), 0};
  int64_t left = limit;
  EvalLimits limits;
  limits.max_cost = limit;
  limits.shared_cost = &left;
  absl::StatusOr<Value> value = program->Evaluate(*values, limits);
  return {std::move(value), limit - left};
}

int64_t CostOf(const std::string& source) {
  const Outcome outcome = Evaluated(source, int64_t{1} << 40);
  EXPECT_TRUE(outcome.value.ok()) << source << ": " << outcome.value.status();
  return outcome.cost;
}

// A value of a few hundred bytes whose tree has 2^steps leaves.
std::string Doubled(int steps) {
  std::string out = "[0]";
  for (int i = 0; i < steps; ++i) out += ".map(x,[x,x])";
  return out;
}

std::string TextOf(const std::string& piece, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += piece;
  return out;
}

class OverTheLimitTest : public testing::TestWithParam<std::string> {};
TEST_P(OverTheLimitTest, IsRefused) {
  for (const int64_t limit : {20000, 100000}) {
    const Outcome outcome = Evaluated(GetParam(), limit);
    ASSERT_FALSE(outcome.value.ok());
    EXPECT_EQ(outcome.value.status().code(), absl::StatusCode::kResourceExhausted) << outcome.value.status();
    EXPECT_EQ(outcome.value.status().message(), "evaluation cost limit exceeded");
  }
}
INSTANTIATE_TEST_SUITE_P(SharedTrees, OverTheLimitTest,
                         testing::Values(Doubled(24) + "==" + Doubled(24), Doubled(58) + "==" + Doubled(58),
                                         Doubled(58) + "!=" + Doubled(58), Doubled(58) + " in [" + Doubled(58) + "]",
                                         "{1:" + Doubled(56) + "}=={1:" + Doubled(56) + "}",
                                         "[{'a':" + Doubled(50) + "}].exists(m,m=={'a':" + Doubled(50) + "})",
                                         Doubled(58) + "==" + Doubled(58) + " || true",
                                         "true && " + Doubled(56) + "!=" + Doubled(56)));
INSTANTIATE_TEST_SUITE_P(RegularExpressions, OverTheLimitTest,
                         testing::Values("text.matches('a[ab]{0,1000}[ab]{0,900}c')",
                                         "text.split('').all(t, !text.matches('(a|b)*a[ab]{100}c'))",
                                         "text.substring(0, 8000).matches('a[ab]{0,1000}[ab]{0,900}c')",
                                         "text.split('').all(t, !(t + 'ababbab').matches('a[ab]{0,1000}[ab]{0,900}c'))",
                                         "text.split('').all(t, !''.matches('((a?){30}){30}c'))",
                                         "text.split('').all(t, !''.matches('\\\\pL{1000}' + t) || true)"));
INSTANTIATE_TEST_SUITE_P(
    Texts, OverTheLimitTest,
    testing::Values("text.split('').size() > 0 && text.split('a').size() > 0 && text.split('').size() > 0",
                    "few.map(i, text.replace('a', '').replace('b', 'c')).map(t, t.replace('c', '')).size() == 2 && "
                    "text.replace('a', '') == text.replace('b', '')",
                    // Looked for in a map, and sorted into one: keys that differ at their end alone.
                    "[{text + 'a': 1, text + 'b': 1, text + 'c': 1}].all(m, text.split('').all(t, !(text in m)))",
                    "text.split('').all(t, {text + 'a': t, text + 'b': t}.size() == 2)",
                    "text.split('').all(t, duration(text) == duration(t))", "text.split('').all(t, int(text) == 1)"));

TEST(CostTest, ComparingCostsWhatItLooksAt) {
  // The trees' pairs are 1 + (2^11 - 1) and 1 + (2^12 - 1); a step more is a few nodes of the expression more.
  const int64_t ten = CostOf(Doubled(10) + "==" + Doubled(10)), eleven = CostOf(Doubled(11) + "==" + Doubled(11));
  EXPECT_GT(ten, 2048);
  EXPECT_LT(ten, 2048 + 150);
  EXPECT_GT(eleven - ten, 2048);
  EXPECT_LT(eleven - ten, 2048 + 50);
  // What is not looked at is not charged.
  EXPECT_LT(CostOf(Doubled(58) + "==[dyn(1)]"), 600);
  EXPECT_LT(CostOf("dyn(" + Doubled(58) + ") in [dyn(1),[2,3],'a']"), 600);
}

TEST(CostTest, MakingATreeOfSharedValuesIsCheapAndShowingItIsCut) {
  EXPECT_LT(CostOf("size(" + Doubled(58) + ") == 1"), 600);
  const Outcome made = Evaluated(Doubled(58));
  ASSERT_TRUE(made.value.ok());
  EXPECT_LT(made.value->ToCelText().size(), 1000u);  // what a refusal shows of it
}

TEST(CostTest, AMatchCostsItsTextTimesItsProgram) {
  const int64_t plain = CostOf("text.substring(0, 160).matches('^[ab]+$')");
  const int64_t twice = CostOf("text.substring(0, 320).matches('^[ab]+$')");
  const int64_t large = CostOf("text.substring(0, 160).matches('a[ab]{0,1000}[ab]{0,900}c')");
  EXPECT_LT(twice - plain, 11 * 8);
  EXPECT_GT(large - plain, 11 * 1800);
  EXPECT_GT(CostOf("''.matches('a[ab]{0,1000}[ab]{0,900}c')"), 1800);  // the program is looked at for no text too
  EXPECT_GT(CostOf("''.matches('a' + 'b')"), 5000);                    // compiled at every evaluation
}

TEST(CostTest, EveryPieceOfATextIsCharged) {
  EXPECT_GT(CostOf("text.split('').size()"), 78000);
  EXPECT_GT(CostOf("text.replace('', '').size()"), 78000);
  EXPECT_GT(CostOf("text.split('a').size()"), 30000);
  EXPECT_LT(CostOf("text.split('a', 3).size()"), 6000);
}

// The samples of config/policies, the benchmark's policy, and what policies are likely to hold.
TEST(CostTest, OrdinaryConditionsCostLittle) {
  for (const std::string source :
       {"results.software.name == \"payroll-worker\"", "results.trustworthiness[\"hardware\"] == 2",
        "results.software.version", "results.status == \"affirming\"",
        "results.software.name == \"w1\" && results.software.version == \"7\"",
        "results.software.name in ['ledger', 'payroll', 'payroll-worker'] && has(results.image)",
        "results.image.startsWith('sha256:') && results.image.size() == 71"}) {
    EXPECT_LT(CostOf(source), 50) << source;
  }
  EXPECT_LT(CostOf("results.image.matches('^sha256:[0-9a-f]{64}$')"), 400);
  EXPECT_LT(CostOf("results.software.name.matches('^[a-z0-9-]{1,63}$') && "
                   "results.software.version.matches('^[0-9]+[.][0-9]+$')"),
            200);
}

TEST(CostTest, RefusesTooManyAndTooLargePatterns) {
  const auto compiles = [](const std::string& source) { return Compile(source, PolicyDeclarations()).status(); };
  EXPECT_TRUE(compiles("text.matches('a')" + TextOf(" || text.matches('b')", 63)).ok());
  EXPECT_EQ(compiles("text.matches('a')" + TextOf(" || text.matches('b')", 64)).message(),
            "1:1345: too many regular expressions");
  EXPECT_TRUE(compiles("text.matches('a{1000}b{1000}c{1000}')").ok());
  EXPECT_EQ(compiles("text.matches('a{1000}b{1000}c{1000}d{1000}e{1000}')").message(),
            "1:1: regular expression is too large");
}

class SharedCostTest : public testing::Test {
 protected:
  SharedCostTest() : values_(PolicyValues()) { limits_.shared_cost = &left_; }
  bool Holds(const std::string& source) {
    const auto held = Compile(source, PolicyDeclarations())->EvaluateBool(values_, limits_);
    EXPECT_TRUE(held.ok() || held.status().code() == absl::StatusCode::kResourceExhausted) << held.status();
    return held.ok() && *held;
  }
  Activation values_;
  int64_t left_ = 20;
  EvalLimits limits_;
};

TEST_F(SharedCostTest, EvaluationsTakeFromIt) {
  const std::string source = "few[0] == 1";  // five nodes and a comparison
  EXPECT_TRUE(Holds(source));
  EXPECT_EQ(left_, 14);
  EXPECT_TRUE(Holds(source));
  EXPECT_TRUE(Holds(source));
  EXPECT_EQ(left_, 2);
  EXPECT_FALSE(Holds(source));
  EXPECT_EQ(left_, 0);
  EXPECT_FALSE(Holds("true"));
  EXPECT_EQ(left_, 0);
}

TEST_F(SharedCostTest, EachIsStillBoundedByItsOwn) {
  left_ = 1000000;
  limits_.max_cost = 20000;
  EXPECT_FALSE(Holds(Doubled(58) + "==" + Doubled(58)));
  EXPECT_LE(left_, 980000);
  EXPECT_GT(left_, 979000);
  EXPECT_TRUE(Holds("few[0] == 1"));
}

TEST_F(SharedCostTest, ExplainingTakesFromItAndEndsWithIt) {
  left_ = 30000;
  const auto program =
      Compile(Doubled(40) + "==" + Doubled(40) + " && few[0] == 2 && few[1] == 2", PolicyDeclarations());
  const std::vector<FailedConjunct> failed = program->FailedConjuncts(values_, limits_);
  ASSERT_EQ(failed.size(), 3u);
  for (const FailedConjunct& conjunct : failed) EXPECT_EQ(conjunct.error, "evaluation cost limit exceeded");
  EXPECT_EQ(left_, 0);
}

// Both ways of asking stop at the same unit.
TEST_F(SharedCostTest, ExplainingAgreesWithEvaluatingAtEveryLimit) {
  const auto program = Compile("few[0] == 1 && few[1] == 2 && text != 'a'", PolicyDeclarations());
  int trues = 0;
  for (int64_t limit = 0; limit < 40; ++limit) {
    EvalLimits limits;
    limits.max_cost = limit;
    const auto held = program->EvaluateBool(values_, limits);
    EXPECT_EQ(held.ok() && *held, program->FailedConjuncts(values_, limits).empty()) << limit;
    trues += held.ok() && *held;
  }
  EXPECT_GT(trues, 0);
  EXPECT_LT(trues, 40);
}

}  // namespace
}  // namespace twi::cel
