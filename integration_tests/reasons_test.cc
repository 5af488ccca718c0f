// Every reason of the closed list is sent by somebody, and held by a test: a new reason without a test fails here, and
// so does one that nobody sends (take it out of the proto; its number and name stay reserved). Reads the source tree
// that this test was built from.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "proto/twi/v1/deny_reason.pb.h"

namespace twi {
namespace {

namespace fs = std::filesystem;

constexpr char kAnchor[] = "common/crypto/test_vectors.h";  // a source file among our runfiles: a link into the tree

struct Sources {
  std::string tests, code;
};

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
        (test ? read->tests : read->code) += ReadAll(entry.path());
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

TEST_P(ReasonTest, HasATest) {
  ASSERT_GT(Tree().tests.size(), 100000u) << "the tests of the tree were not found from " << Workspace();
  // The constant, or its name at the beginning of a string.
  EXPECT_TRUE(Mentions(Tree().tests, "DENY_REASON_" + GetParam()) || Mentions(Tree().tests, "\"" + GetParam()))
      << "no *_test.cc mentions " << GetParam();
}

TEST_P(ReasonTest, IsSentBySomebody) {
  ASSERT_GT(Tree().code.size(), 100000u);
  EXPECT_TRUE(Mentions(Tree().code, "DENY_REASON_" + GetParam())) << "nobody sends " << GetParam();
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
