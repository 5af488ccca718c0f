// The CEL conformance suite (google/cel-spec tests/simple), every file of it. The files are not part of the project:
// TWI_VECTORS names the folder that holds cel/, or it is ../shared/vectors beside the workspace.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "common/cel/conformance_case.h"
#include "common/crypto/test_vectors.h"
#include "gtest/gtest.h"

namespace twi::cel {
namespace {

namespace fs = std::filesystem;

struct Tally {
  int passed = 0, failed = 0, out_of_scope = 0;
  std::set<std::string> reasons;
};

struct Known {
  int passed;  // at least
  int cases;   // in the file as this was counted; another edition of it is held to "none failed" alone
};

const std::map<std::string, Known>& KnownFiles() {
  static const auto* const known = new std::map<std::string, Known>{
      {"basic", {29, 29}},   {"comparisons", {223, 271}}, {"conversions", {73, 73}}, {"fields", {40, 40}},
      {"fp_math", {20, 20}}, {"integer_math", {43, 43}},  {"lists", {26, 26}},       {"logic", {20, 20}},
      {"macros", {30, 30}},  {"namespace", {10, 10}},     {"parse", {129, 146}},     {"plumbing", {4, 4}},
      {"string", {34, 34}},  {"string_ext", {66, 144}},   {"timestamps", {52, 52}},  {"type_deduction", {10, 32}},
  };
  return *known;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void RunFile(const fs::path& path, std::map<std::string, Tally>* tallies, Tally* total) {
  const absl::StatusOr<TextField> file = ParseTextproto(ReadFile(path));
  ASSERT_TRUE(file.ok()) << path << ": " << file.status();
  const std::string name = path.stem().string();
  for (const TextField* section : file->All("section")) {
    Tally& tally = (*tallies)[name + "/" + section->Text("name")];
    for (const TextField* test : section->All("test")) {
      const std::string reason = OutOfScope(name, section->Text("name"), *test);
      if (!reason.empty()) {
        ++tally.out_of_scope;
        tally.reasons.insert(reason);
        continue;
      }
      const std::string wrong = RunCase(*test);
      ++(wrong.empty() ? tally.passed : tally.failed);
      EXPECT_EQ(wrong, "") << name << "/" << section->Text("name") << "/" << test->Text("name") << ": "
                           << test->Text("expr");
    }
    total->passed += tally.passed;
    total->failed += tally.failed;
    total->out_of_scope += tally.out_of_scope;
  }
}

void Print(const std::string& label, const Tally& t) {
  std::cout << label << std::string(label.size() < 52 ? 52 - label.size() : 1, ' ') << t.passed << "\t" << t.failed
            << "\t" << t.out_of_scope << "\t";
  const char* separator = "";
  for (const std::string& reason : t.reasons) {
    std::cout << separator << reason;
    separator = "; ";
  }
  std::cout << "\n";
}

TEST(ConformanceTest, EveryCaseInScopePasses) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  const fs::path folder = testing::VectorsDir() / "cel";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "the test vectors hold no CEL conformance files";
  std::cout << "file/section" << std::string(40, ' ') << "passed\tfailed\tout\twhy out of scope\n";
  Tally all;
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".textproto") continue;
    ++files;
    std::map<std::string, Tally> sections;
    Tally total;
    RunFile(entry.path(), &sections, &total);
    for (const auto& [label, tally] : sections) Print(label, tally);
    const std::string name = entry.path().stem().string();
    const auto known = KnownFiles().find(name);
    const int cases = total.passed + total.failed + total.out_of_scope;
    if (known != KnownFiles().end() && known->second.cases == cases) {
      EXPECT_GE(total.passed, known->second.passed) << name;
    }
    Print(name, total);
    all.passed += total.passed;
    all.failed += total.failed;
    all.out_of_scope += total.out_of_scope;
  }
  Print("all files", all);
  EXPECT_GT(files, 0);
  EXPECT_EQ(all.failed, 0);
}

}  // namespace
}  // namespace twi::cel
