// The command line of `twictl appraise`: flags, files, exit codes, both outputs. What is genuine is tested with the
// formats and in //integration_tests:vectors_test.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/encoding/encoding.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/twictl/commands.h"
#include "services/twictl/flags.h"
#include "services/verifier/formats/tpm_builder.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::twictl {
namespace {

using nlohmann::json;
using verifier::testing::SnpChain;

const SnpChain& Chain() {
  static const SnpChain* const chain = new SnpChain();
  return *chain;
}

std::string Write(const std::string& name, const std::string& bytes) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

struct Ran {
  int exit_code;
  std::string out, err;
  json report() const { return json::parse(out, nullptr, false); }
};

Ran RunWords(std::vector<std::string> words) {
  std::ostringstream out, err;
  const int code = Run(words, out, err);
  return {code, out.str(), err.str()};
}

// Files of one appraisal, and the flags for them.
std::vector<std::string> Base(const std::string& report) {
  return {"appraise",
          "--evidence",
          Write("report.bin", report),
          "--collateral",
          Write("c/vcek.der", Chain().leaf().der),
          "--endorsement=" + Write("c/ask.der", Chain().ask().der),
          "--trust-anchor",
          Write("ark.der", Chain().ark().der),
          "--time",
          "2026-06-01T00:00:00Z"};
}

Ran Appraise(const std::string& report, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = Base(report);
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {"--output", "json"});
  return RunWords(words);
}

std::vector<std::string> Names(const Ran& ran) {
  std::vector<std::string> names;
  const json report = ran.report();
  for (const json& reason : report["reasons"]) names.push_back(reason["name"]);
  return names;
}

TEST(Appraise, AcceptsAndShowsFields) {
  const Ran ran = Appraise(Chain().Report());
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  const json report = ran.report();
  EXPECT_EQ(report["verdict"], "accept");
  EXPECT_TRUE(report["reasons"].empty());
  EXPECT_EQ(report["fields"]["policy"], "0x30000");
  EXPECT_FALSE(report["checked"].empty());
  EXPECT_NE(report["not_checked"].dump().find("software: not compared"), std::string::npos);
}

TEST(Appraise, TextShowsVerdictAndReasons) {
  std::vector<std::string> words = Base(Chain().With(Chain().Report(), 0x0a, "\x0b"));
  const Ran ran = RunWords(words);
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.out.rfind("verdict: deny-policy\n", 0), 0u);
  EXPECT_NE(ran.out.find("DEBUG_ENABLED  debug"), std::string::npos);
  EXPECT_NE(ran.out.find("expected: false"), std::string::npos);
}

TEST(Appraise, RefusesForgedReport) {
  std::string report = Chain().Report();
  report[0x90] ^= 1;
  const Ran ran = Appraise(report);
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.report()["verdict"], "reject");
  EXPECT_EQ(Names(ran), std::vector<std::string>{"EVIDENCE_SIGNATURE_INVALID"});
}

TEST(Appraise, BuiltInPinsRefuseOurRoot) {
  const Ran ran = RunWords(
      {"appraise", "--evidence", Write("report.bin", Chain().Report()), "--collateral",
       Write("d/vcek.der", Chain().leaf().der), "--collateral", Write("d/ask.der", Chain().ask().der), "--collateral",
       Write("d/ark.der", Chain().ark().der), "--output", "json", "--time", "2026-06-01T00:00:00Z"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(Names(ran), std::vector<std::string>{"TRUST_ANCHOR_UNKNOWN"});
}

TEST(Appraise, PinsByHashAndReadsDirectories) {
  Write("e/vcek.der", Chain().leaf().der);
  Write("e/ask.der", Chain().ask().der);
  const std::string directory = std::filesystem::path(Write("e/ark.der", Chain().ark().der)).parent_path().string();
  const std::vector<std::string> words = {"appraise",
                                          "--evidence",
                                          Write("report.bin", Chain().Report()),
                                          "--collateral",
                                          directory,
                                          "--time",
                                          "2026-06-01T00:00:00Z",
                                          "--trust-anchor"};
  std::vector<std::string> right = words, wrong = words;
  right.push_back("sha256:" + ToHex(Chain().ark().sha256()));
  wrong.push_back("sha256:" + std::string(64, '0'));
  EXPECT_EQ(RunWords(right).exit_code, 0) << RunWords(right).out;
  EXPECT_EQ(RunWords(wrong).exit_code, 1);
}

TEST(Appraise, DevelopmentChainIsInsecure) {
  const std::string report = Write("report.bin", Chain().Report());
  const Ran ran = RunWords({"appraise", "--evidence", report, "--collateral", Write("f/vcek.der", Chain().leaf().der),
                            "--collateral", Write("f/ask.der", Chain().ask().der), "--insecure-trust-anchor",
                            Write("ark.der", Chain().ark().der), "--time", "2026-06-01T00:00:00Z", "--output", "json"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out;
  EXPECT_EQ(ran.report()["fields"]["insecure"], true);
}

TEST(Appraise, ComparesTheBinding) {
  EXPECT_EQ(Appraise(Chain().Report(), {"--expect-binding", ToHex(std::string(64, 'd'))}).exit_code, 0);
  for (const std::string& wrong : {std::string(64, 'e'), std::string(32, 'd')}) {
    const Ran ran = Appraise(Chain().Report(), {"--expect-binding", ToHex(wrong)});
    EXPECT_EQ(ran.exit_code, 1);
    EXPECT_EQ(ran.report()["verdict"], "reject");
    EXPECT_EQ(Names(ran), std::vector<std::string>{"BINDING_MISMATCH"});
  }
}

TEST(Appraise, JudgesByPolicyAndReferenceValues) {
  const std::string policy = Write("policy.yaml", "id: strict\nsev_snp:\n  allowed_vmpl: [0]\n");
  const auto references = [](const std::string& measurement) {
    return Write("reference.yaml",
                 "reference_values:\n- name: payroll\n  version: 1.2.0\n  vendor: example\n  valid_until: "
                 "2030-01-01T00:00:00Z\n  sev_snp_measurement: " +
                     ToHex(measurement) + "\n");
  };
  EXPECT_EQ(Names(Appraise(Chain().Report(), {"--policy", policy})), std::vector<std::string>{"MEASUREMENT_UNKNOWN"});
  EXPECT_EQ(Appraise(Chain().Report(), {"--policy", policy, "--reference-values", references(std::string(48, 'm'))})
                .exit_code,
            0);
  EXPECT_EQ(Names(Appraise(Chain().Report(), {"--reference-values", references(std::string(48, 'n'))})),
            std::vector<std::string>{"MEASUREMENT_UNKNOWN"});
  const Ran vmpl = Appraise(Chain().With(Chain().Report(), 0x30, "\x01"),
                            {"--policy", policy, "--reference-values", references(std::string(48, 'm'))});
  EXPECT_EQ(vmpl.report()["verdict"], "deny-policy");
  EXPECT_EQ(Names(vmpl), std::vector<std::string>{"VMPL_NOT_ALLOWED"});
}

TEST(Appraise, RefusesMalformedCompanion) {
  const Ran ran = Appraise(Chain().Report(), {"--collateral", Write("bad.der", Chain().leaf().der.substr(0, 400))});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(Names(ran), std::vector<std::string>{"ENDORSEMENT_MALFORMED"});
}

TEST(Appraise, RefusesUnknownBytes) {
  const Ran ran = Appraise("this is no Evidence");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(Names(ran), std::vector<std::string>{"EVIDENCE_FORMAT_UNSUPPORTED"});
}

// A quote as tpm2-tools writes it; the key only as the operator has it.
TEST(Appraise, TheAttestationKeyIsTheKeyOfEvidenceWithoutOne) {
  const crypto::PrivateKey ak = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const auto evidence = *verifier::BuildTpmEvidence(ak, "nonce", {{7, std::string(32, 'p')}});
  const std::vector<std::string> words = {"appraise",
                                          "--evidence",
                                          Write("q/quote", evidence.quote()),
                                          "--endorsement",
                                          Write("q/sig", evidence.signature()),
                                          "--output",
                                          "json"};
  EXPECT_EQ(Names(RunWords(words)), std::vector<std::string>{"ENDORSEMENT_MISSING"});
  for (const std::string& key : {ak.public_key().ToPem(), evidence.ak_public()}) {
    std::vector<std::string> with = words;
    with.insert(with.end(), {"--attestation-key", Write("key", key)});
    const Ran ran = RunWords(with);
    EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  }
  std::vector<std::string> other = words;
  other.insert(other.end(), {"--attestation-key",
                             Write("key", crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().ToPem())});
  EXPECT_EQ(Names(RunWords(other)), std::vector<std::string>{"EVIDENCE_SIGNATURE_INVALID"});
}

TEST(Appraise, IgnoresAndNamesUnrelatedFilesOfAFolder) {
  const crypto::PrivateKey ak = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const auto evidence = *verifier::BuildTpmEvidence(ak, "nonce", {{7, std::string(32, 'p')}});
  const std::string quote = Write("folder/quote", evidence.quote());
  Write("folder/sig", evidence.signature());
  Write("folder/ak.pub", evidence.ak_public());
  Write("folder/README", "nothing of the kind");
  Write("folder/cut.der", Chain().leaf().der.substr(0, 400));
  const std::string folder = std::filesystem::path(quote).parent_path().string();
  const std::vector<std::string> words = {"appraise",          "--evidence",       quote,      "--collateral", folder,
                                          "--attestation-key", folder + "/ak.pub", "--output", "json"};
  const Ran ran = RunWords(words);
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  const std::string notes = ran.report()["not_checked"].dump();
  EXPECT_NE(notes.find("file README: not used"), std::string::npos) << notes;
  EXPECT_NE(notes.find("file cut.der: not used"), std::string::npos) << notes;
  EXPECT_EQ(notes.find("file sig"), std::string::npos) << notes;
  Write("folder/sig2", verifier::BuildTpmEvidence(ak, "other", {{7, std::string(32, 'p')}})->signature());
  const Ran two = RunWords(words);
  EXPECT_EQ(two.exit_code, 1);
  EXPECT_EQ(Names(two), std::vector<std::string>{"EVIDENCE_MALFORMED"});
  EXPECT_NE(two.out.find("sig and sig2"), std::string::npos) << two.out;
}

TEST(Appraise, UsageErrors) {
  const std::string report = Write("report.bin", Chain().Report());
  const std::vector<std::vector<std::string>> bad = {{},
                                                     {"--evidence"},
                                                     {"--evidence", report, "--no-such-flag"},
                                                     {"--evidence", report, "--evidence", report},
                                                     {"--evidence", report, "word"},
                                                     {"--evidence", report, "--output", "xml"},
                                                     {"--evidence", report, "--format", "tdx"},
                                                     {"--evidence", report, "--time", "yesterday"},
                                                     {"--evidence", report, "--expect-binding", "xyz"},
                                                     {"--evidence", report, "--trust-anchor", "sha256:00"},
                                                     {"--evidence", report, "--trust-anchor", report},
                                                     {"--evidence", report, "--attestation-key", report},
                                                     {"--evidence", report, "--policy", report},
                                                     {"--evidence", report, "--endorsement", "/no/such/file"},
                                                     {"--evidence", "/no/such/file"}};
  for (std::vector<std::string> words : bad) {
    words.insert(words.begin(), "appraise");
    const Ran ran = RunWords(words);
    EXPECT_EQ(ran.exit_code, 2) << ::testing::PrintToString(words);
    EXPECT_TRUE(ran.out.empty());
    EXPECT_NE(ran.err.find("twictl appraise: "), std::string::npos);
  }
}

TEST(Twictl, ListsCommandsAndRefusesUnknownOnes) {
  EXPECT_EQ(RunWords({}).exit_code, 2);
  EXPECT_EQ(RunWords({"no-such-command"}).exit_code, 2);
  EXPECT_EQ(RunWords({"--help"}).exit_code, 0);
  EXPECT_NE(RunWords({"--help"}).out.find("appraise"), std::string::npos);
  EXPECT_EQ(RunWords({"appraise", "--help"}).exit_code, 0);
}

TEST(Flags, ParsesStrictly) {
  const std::vector<FlagSpec> specs = {{"--name", "X", "", true}, {"--one", "X", ""}, {"--switch", "", ""}};
  const auto flags = Flags::Parse(specs, {"--name", "a", "--name=b", "--switch", "--", "--word"}, 1);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->All("--name"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(flags->Has("--switch"));
  EXPECT_EQ(flags->positional(), std::vector<std::string>{"--word"});
  EXPECT_EQ(flags->Get("--one", "otherwise"), "otherwise");
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{{"--one", "a", "--one", "b"},
                                                                                   {"--one"},
                                                                                   {"--one", "--switch"},
                                                                                   {"--one="},
                                                                                   {"--switch=x"},
                                                                                   {"-x"},
                                                                                   {"a", "b"}}) {
    EXPECT_FALSE(Flags::Parse(specs, bad, 1).ok()) << ::testing::PrintToString(bad);
  }
}

}  // namespace
}  // namespace twi::twictl
