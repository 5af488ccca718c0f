// Runs a collection of test vectors of the shape of ../shared/vectors (one folder per kind, each with manifest.json)
// through the built `twictl appraise` and holds it to the manifests: verdict and parsed fields; and to
// vectors_reasons.h: why. Prints a table by kind and each deviation by name; any deviation fails.
//   bazel test //integration_tests:vectors_test --test_output=all [--test_env=TWI_VECTORS=DIR]
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/crypto/test_vectors.h"
#include "common/crypto/x509.h"
#include "gtest/gtest.h"
#include "integration_tests/vectors_reasons.h"
#include "nlohmann/json.hpp"

namespace twi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Kinds whose formats `twictl appraise` knows. All others are counted, never left out silently.
const std::set<std::string>& AppraisedKinds() {
  static const auto* const kinds = new std::set<std::string>{"snp", "tpm"};
  return *kinds;
}

constexpr char kTwictl[] = "services/twictl/twictl";
constexpr char kTimeWithoutRowTime[] = "2026-06-01T00:00:00Z";  // for rows without time and window: when the collection
                                                                // was made, so that the test does not age

struct Row {
  std::string kind, file, verdict, origin;
  std::optional<std::string> time;
  std::vector<std::string> aux;
  json fields;
};

struct Expectation {
  std::string verdict;  // of twictl; "not-accept", "any"
  bool test_root = false;
  std::vector<std::string> reasons;  // each must be among those of the report
};

struct Outcome {
  int exit_code = -1;
  std::string out;
  json report;
};

struct Tally {
  int files = 0, as_expected = 0, companions = 0, later = 0;
};

std::string Text(const json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<Row> ReadManifest(const std::string& kind) {
  std::vector<Row> rows;
  const json manifest = json::parse(testing::ReadVector(kind + "/manifest.json"), nullptr, false);
  EXPECT_TRUE(manifest.is_array()) << kind << "/manifest.json";
  if (!manifest.is_array()) return rows;
  for (const json& entry : manifest) {
    Row row{kind,
            Text(entry, "file"),
            Text(entry, "verdict"),
            Text(entry, "origin"),
            std::nullopt,
            {},
            entry.value("fields", json::object())};
    if (const std::string time = Text(entry, "verify_time"); !time.empty()) row.time = time;
    const auto window = entry.find("valid_window");
    if (!row.time && window != entry.end() && window->is_array() && !window->empty() && (*window)[0].is_string())
      row.time = (*window)[0].get<std::string>();
    for (const json& aux : entry.value("aux", json::array())) row.aux.push_back(aux.get<std::string>());
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string Path(const Row& row, const std::string& file) {
  return (testing::VectorsDir() / row.kind / file).lexically_normal().string();
}
std::string Bytes(const Row& row, const std::string& file) { return testing::ReadVector(row.kind + "/" + file); }

bool IsPublicKey(const Row& row, const std::string& file) {
  return absl::EndsWith(file, ".pub") || absl::EndsWith(file, ".tpmt_public") ||
         absl::StrContains(Bytes(row, file), "-----BEGIN PUBLIC KEY-----");
}

bool HoldsRoot(const Row& row, const std::string& file) {
  const auto certificates = crypto::ParseCertificates(Bytes(row, file));
  return certificates.ok() && std::any_of(certificates->begin(), certificates->end(),
                                          [](const crypto::Certificate& c) { return c.issuer_der == c.subject_der; });
}

std::string Basic(const std::string& verdict) {  // INDEX.md, "How to read the verdicts"
  if (absl::StartsWith(verdict, "accept-authentic-deny-policy")) return "deny-policy";
  if (absl::StartsWith(verdict, "accept")) return "accept";
  if (absl::StartsWith(verdict, "reject") || absl::StartsWith(verdict, "parse-reject")) return "reject";
  if (absl::StartsWith(verdict, "parse-only")) return "not-accept";
  if (absl::StartsWith(verdict, "either")) return "any";
  return "";
}

std::vector<std::string> NamedReasons(const Row& row) {
  const auto found = ReasonsByVector().find(row.kind + "/" + row.file);
  return found == ReasonsByVector().end() ? std::vector<std::string>() : found->second;
}

// A row of synthetic/ that brings its own root runs twice: the vendors' pins must refuse that root by name, then the
// row's root decides.
std::vector<Expectation> ExpectationsOf(const Row& row) {
  const bool brings_root =
      std::any_of(row.aux.begin(), row.aux.end(), [&row](const std::string& aux) { return HoldsRoot(row, aux); });
  if (absl::StrContains(row.verdict, "(with the test root)") || (row.origin == "synthetic" && brings_root)) {
    return {{"reject", false, {"TRUST_ANCHOR_UNKNOWN"}}, {Basic(row.verdict), true, NamedReasons(row)}};
  }
  return {{Basic(row.verdict), false, NamedReasons(row)}};
}

std::vector<std::string> Arguments(const Row& row, const std::vector<std::string>& aux,
                                   const Expectation& expectation) {
  std::vector<std::string> arguments = {"appraise",
                                        "--evidence",
                                        Path(row, row.file),
                                        "--output",
                                        "json",
                                        "--time",
                                        row.time.value_or(kTimeWithoutRowTime)};
  for (const std::string& file : aux) {
    arguments.insert(arguments.end(), {"--endorsement", Path(row, file)});
    if (expectation.test_root && HoldsRoot(row, file))
      arguments.insert(arguments.end(), {"--trust-anchor", Path(row, file)});
    // The key that a row brings along is one that its operator vouches for, whatever the row's verdict: what is asked
    // must not depend on the answer.
    if (IsPublicKey(row, file)) arguments.insert(arguments.end(), {"--attestation-key", Path(row, file)});
  }
  return arguments;
}

Outcome RunTwictl(const std::vector<std::string>& arguments) {
  std::string command = absl::StrCat("timeout -s KILL 60 ", kTwictl);
  for (const std::string& argument : arguments)
    absl::StrAppend(&command, " '", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
  Outcome outcome;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 65536> buffer;
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.out.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  outcome.report = json::parse(outcome.out, nullptr, false);
  return outcome;
}

// Every expected value must be in `seen`, under the same name; `seen` may say more.
void CompareFields(const json& expected, const json& seen, const std::string& name,
                   std::vector<std::string>& differences) {
  if (expected.is_object() && seen.is_object()) {
    for (const auto& [key, value] : expected.items()) {
      if (key == "left") continue;  // bytes that the collection's own parser did not read: no fact of the evidence
      const auto found = seen.find(key);
      if (found == seen.end()) {
        differences.push_back(absl::StrCat(name, ".", key, ": absent"));
      } else if (key == "issuer" && value.is_string() && !absl::StrContains(value.get<std::string>(), "=")) {
        CompareFields(value, seen.value("issuer_common_name", json()), name + ".issuer",
                      differences);  // a name without types is the common name
      } else {
        CompareFields(value, *found, absl::StrCat(name, ".", key), differences);
      }
    }
  } else if (expected.is_array() && seen.is_array() && expected.size() == seen.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i)
      CompareFields(expected[i], seen[i], absl::StrCat(name, "[", i, "]"), differences);
  } else if (expected != seen) {
    differences.push_back(absl::StrCat(name, ": ", seen.dump(-1, ' ', false, json::error_handler_t::replace),
                                       ", expected ", expected.dump()));
  }
}

std::vector<std::string> ReasonsOf(const json& report) {
  std::vector<std::string> names;
  for (const json& reason : report.value("reasons", json::array())) names.push_back(Text(reason, "name"));
  return names;
}

// What is not as expected; empty when all is.
std::vector<std::string> Deviations(const Row& row, const Expectation& expectation, const Outcome& outcome) {
  if (outcome.exit_code < 0 || outcome.exit_code > 1 || !outcome.report.is_object()) {
    return {absl::StrCat("no clean answer: exit code ", outcome.exit_code, ": ", outcome.out.substr(0, 300))};
  }
  std::vector<std::string> deviations;
  const std::string verdict = Text(outcome.report, "verdict");
  const std::vector<std::string> reasons = ReasonsOf(outcome.report);
  const bool as_wanted = expectation.verdict == "any" ||
                         (expectation.verdict == "not-accept" ? verdict != "accept" : verdict == expectation.verdict);
  if (!as_wanted) {
    const json why = outcome.report.value("reasons", json::array());
    deviations.push_back(absl::StrCat("verdict ", verdict, ", expected ", expectation.verdict, "; ",
                                      why.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 600)));
  }
  if ((verdict == "accept") != (outcome.exit_code == 0))
    deviations.push_back(absl::StrCat("exit code ", outcome.exit_code, " with verdict ", verdict));
  if ((verdict == "accept") != reasons.empty())
    deviations.push_back(absl::StrCat(reasons.size(), " reasons with verdict ", verdict));
  for (const std::string& reason : expectation.reasons) {
    if (std::count(reasons.begin(), reasons.end(), reason) == 0)
      deviations.push_back(absl::StrCat(reason, " is not among the reasons: ", absl::StrJoin(reasons, ", ")));
  }
  CompareFields(row.fields, outcome.report.value("fields", json::object()), "fields", deviations);
  return deviations;
}

// A row without aux may have its companion beside it, named after it ("basic.token", "basic.pub.pem").
std::vector<std::string> AuxOf(const Row& row, const std::vector<Row>& manifest) {
  if (!row.aux.empty()) return row.aux;
  std::vector<std::string> aux;
  const std::string stem = row.file.substr(0, row.file.rfind('.'));
  for (const Row& other : manifest) {
    if (other.verdict == "support" && absl::StartsWith(other.file, stem + ".") && IsPublicKey(other, other.file))
      aux.push_back(other.file);
  }
  return aux;
}

TEST(Vectors, TwictlAppraiseGivesTheExpectedVerdicts) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  std::map<std::string, Tally> table;
  std::vector<std::string> deviations;
  int appraised = 0;
  for (const fs::directory_entry& folder : fs::directory_iterator(testing::VectorsDir())) {
    const std::string kind = folder.path().filename().string();
    if (!fs::exists(folder.path() / "manifest.json")) continue;
    Tally& tally = table[kind];
    const std::vector<Row> manifest = ReadManifest(kind);
    for (const Row& row : manifest) {
      if (row.verdict == "support") {
        ++tally.companions;
        continue;
      }
      ++tally.files;
      if (AppraisedKinds().count(kind) == 0) {
        ++tally.later;
        continue;
      }
      bool as_expected = true;
      for (const Expectation& expectation : ExpectationsOf(row)) {
        if (expectation.verdict.empty())
          ADD_FAILURE() << kind << "/" << row.file << ": verdict \"" << row.verdict << "\" is not one of INDEX.md";
        const Outcome outcome = RunTwictl(Arguments(row, AuxOf(row, manifest), expectation));
        ++appraised;
        for (const std::string& deviation : Deviations(row, expectation, outcome)) {
          as_expected = false;
          deviations.push_back(
              absl::StrCat(kind, "/", row.file, expectation.test_root ? " (test root)" : "", ": ", deviation));
        }
      }
      tally.as_expected += as_expected ? 1 : 0;
    }
  }
  std::cout << absl::StrFormat("%-14s %6s %12s %10s  %s\n", "kind", "files", "as expected", "deviating", "");
  for (const auto& [kind, tally] : table) {
    const std::string note = tally.later > 0 ? absl::StrCat(tally.later, " not appraised: format comes later")
                                             : absl::StrCat("and ", tally.companions, " companions");
    std::cout << absl::StrFormat("%-14s %6d %12d %10d  %s\n", kind, tally.files, tally.as_expected,
                                 tally.files - tally.later - tally.as_expected, note);
  }
  std::cout << appraised << " runs of twictl appraise, " << deviations.size() << " deviations\n";
  for (const std::string& deviation : deviations) std::cout << "DEVIATION " << deviation << "\n";
  EXPECT_GT(appraised, 0) << "no row of a kind that we appraise in " << testing::VectorsDir();
  EXPECT_TRUE(deviations.empty()) << absl::StrJoin(deviations, "\n");
}

}  // namespace
}  // namespace twi
