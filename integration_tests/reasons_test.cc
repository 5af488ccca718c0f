// Every reason of the closed list is sent by somebody, and asserted by a test: a new reason without a test fails here,
// and so does one that nobody sends (take it out of the proto; its number and name stay reserved). Reads the source
// tree that this test was built from: that an assertion names the reason, not that it is the right one.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "proto/twi/v1/deny_reason.pb.h"

namespace twi {
namespace {

namespace fs = std::filesystem;

constexpr char kAnchor[] = "common/crypto/test_vectors.h";  // a source file among our runfiles: a link into the tree

struct Sources {
  std::string code;                     // without comments
  std::vector<std::string> assertions;  // statements of tests
};

std::size_t EndOfQuoted(const std::string& text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size() && text[at] != quote && text[at] != '\n'; ++at) at += text[at] == '\\' ? 1 : 0;
  return std::min(at + 1, text.size());
}

std::size_t EndOfRawString(const std::string& text, std::size_t at) {  // at: R"delimiter(
  const std::size_t open = text.find('(', at);
  if (open == std::string::npos) return text.size();
  const std::string close = ")" + text.substr(at + 2, open - at - 2) + "\"";
  const std::size_t end = text.find(close, open);
  return end == std::string::npos ? text.size() : end + close.size();
}

// `text` without comments, cut into statements at each ';' that stands in no literal.
std::vector<std::string> Statements(const std::string& text) {
  std::vector<std::string> statements(1);
  for (std::size_t at = 0, end; at < text.size(); at = end) {
    end = at + 1;
    if (text.compare(at, 2, "//") == 0) {
      end = std::min(text.find('\n', at), text.size());
    } else if (text.compare(at, 2, "R\"") == 0) {
      end = EndOfRawString(text, at);
      statements.back() += text.substr(at, end - at);
    } else if (text[at] == '"' || (text[at] == '\'' && (at == 0 || !absl::ascii_isdigit(text[at - 1])))) {
      end = EndOfQuoted(text, at);
      statements.back() += text.substr(at, end - at);
    } else if (text[at] == ';') {
      statements.emplace_back();
    } else {
      statements.back() += text[at];
    }
  }
  return statements;
}

// Says that something is so, not that it is not; and what a fake is told to answer, Deny(...), says nothing.
bool Asserts(const std::string& statement) {
  static constexpr const char* kAssertions[] = {"StatusIs(",    "Refused(",     "Expect",     "EXPECT_EQ(",
                                                "EXPECT_THAT(", "EXPECT_TRUE(", "ASSERT_EQ(", "ASSERT_THAT("};
  return !absl::StrContains(statement, "EXPECT_NE(") &&
         std::any_of(std::begin(kAssertions), std::end(kAssertions),
                     [&statement](const char* word) { return absl::StrContains(statement, word); });
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

fs::path Workspace() {
  const fs::path anchor = fs::canonical(kAnchor);
  return anchor.parent_path().parent_path().parent_path();
}

const Sources& Tree() {
  static const Sources* const sources = [] {
    auto* read = new Sources;
    for (const char* top : {"common", "services", "integration_tests"}) {
      for (const fs::directory_entry& entry : fs::recursive_directory_iterator(Workspace() / top)) {
        const std::string path = entry.path().string(), name = entry.path().filename().string();
        if (!absl::EndsWith(name, ".cc") && !absl::EndsWith(name, ".h")) continue;
        if (absl::StrContains(path, "/testing/")) continue;
        if (name == "reasons_test.cc" || name == "deny.cc") continue;  // both speak of all reasons at once
        const bool test = absl::EndsWith(name, "_test.cc");
        if (top == std::string("integration_tests") && !test) continue;
        for (const std::string& statement : Statements(ReadAll(entry.path()))) {
          if (!test) read->code += statement + ";";
          if (test && Asserts(statement))
            read->assertions.push_back(absl::StrReplaceAll(statement, {{"Deny(v1::DENY_REASON_", "Deny("}}));
        }
      }
    }
    return read;
  }();
  return *sources;
}

class ReasonTest : public ::testing::TestWithParam<std::string> {};

std::vector<std::string> AllReasons() {
  std::vector<std::string> names;
  const auto* descriptor = v1::DenyReason_descriptor();
  for (int i = 0; i < descriptor->value_count(); ++i) {
    if (descriptor->value(i)->number() != 0)
      names.push_back(descriptor->value(i)->name().substr(std::string("DENY_REASON_").size()));
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(, ReasonTest, ::testing::ValuesIn(AllReasons()), [](const auto& info) { return info.param; });

// `word` stands in `text`, and is not the beginning of a longer name.
bool Mentions(const std::string& text, const std::string& word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const char next = at + word.size() < text.size() ? text[at + word.size()] : ' ';
    if (next != '_' && !absl::ascii_isalnum(static_cast<unsigned char>(next))) return true;
  }
  return false;
}

TEST_P(ReasonTest, IsAssertedByATest) {
  ASSERT_GT(Tree().assertions.size(), 1000u) << "the tests of the tree were not found from " << Workspace();
  // The constant, or its name at the beginning of a string.
  EXPECT_TRUE(std::any_of(Tree().assertions.begin(), Tree().assertions.end(),
                          [](const std::string& statement) {
                            return Mentions(statement, "DENY_REASON_" + GetParam()) ||
                                   Mentions(statement, "\"" + GetParam());
                          }))
      << "no assertion of a *_test.cc names " << GetParam();
}

TEST_P(ReasonTest, IsSentBySomebody) {
  ASSERT_GT(Tree().code.size(), 100000u);
  EXPECT_TRUE(Mentions(Tree().code, "DENY_REASON_" + GetParam())) << "nobody sends " << GetParam();
}

TEST(StatementsTest, AreReadAsTheCompilerDoes) {
  EXPECT_EQ(Statements("a(\"//;\"); // KEY_UNKNOWN;\nb('\\'', ';', R\"x(\";)x\");c1'000"),
            (std::vector<std::string>{"a(\"//;\")", " \nb('\\'', ';', R\"x(\";)x\")", "c1'000"}));
  EXPECT_FALSE(Asserts("return Deny(v1::DENY_REASON_KEY_UNKNOWN, \"\")"));
  EXPECT_FALSE(Asserts("EXPECT_NE(reason, v1::DENY_REASON_KEY_UNKNOWN)"));
  EXPECT_TRUE(Asserts("EXPECT_THAT(x, StatusIs(v1::DENY_REASON_KEY_UNKNOWN))"));
}

TEST(ReasonListTest, EveryReasonHasASentence) {
  const auto* descriptor = v1::DenyReason_descriptor();
  for (int i = 0; i < descriptor->value_count(); ++i) {
    if (descriptor->value(i)->number() == 0) continue;
    EXPECT_GT(descriptor->value(i)->options().GetExtension(v1::sentence).size(), 20u) << descriptor->value(i)->name();
  }
}

}  // namespace
}  // namespace twi
