#include "common/anticipated_results/anticipated_results.h"

#include "common/attestation_results/attestation_results.h"
#include "common/cel/program.h"
#include "common/conditions/conditions.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

AttestationResults Example() {
  AttestationResults results;
  results.issuer = "spiffe://example.org/twi/verifier";
  results.audience = "https://ca.example.org";
  results.target = "spiffe://example.org/payroll/worker";
  results.status = EarStatus::kAffirming;
  results.trustworthiness = {{"hardware", 2}, {"instance-identity", 2}, {"executables", 3}};
  results.appraisal_policy_ids = {"default@sha256:00"};
  results.software = {{"name", "payroll"}, {"version", "1.2"}, {"vendor", "Example"}};
  results.attester_claims = {{"sev_snp", {{"vmpl", 0}, {"debug", false}}}};
  return results;
}

absl::StatusOr<bool> Evaluate(absl::string_view source, const nlohmann::json& results) {
  cel::Declarations declarations;
  declarations.variables = {{"results", ResultsType()}};
  declarations.result = cel::Type::Bool();
  const auto program = cel::Compile(source, declarations);
  if (!program.ok()) return program.status();
  cel::Activation activation;
  activation.Set("results", JsonToCel(results));
  return program->EvaluateBool(activation);
}

TEST(AnticipatedResultsTest, WhatTheLibraryMakesIsWithinTheSchema) {
  EXPECT_TRUE(ValidateAnticipatedResults(ResultsForPolicy(Example())).ok())
      << ValidateAnticipatedResults(ResultsForPolicy(Example()));
  AttestationResults unknown = Example();
  unknown.software = nullptr;
  EXPECT_TRUE(ValidateAnticipatedResults(ResultsForPolicy(unknown)).ok());
}

TEST(AnticipatedResultsTest, EveryFieldIsReadableByAPolicy) {
  const nlohmann::json results = ResultsForPolicy(Example());
  for (const char* source :
       {R"(results.status == "affirming")", R"(results.trustworthiness["instance-identity"] == 2)",
        R"(results.software.name == "payroll" && results.software.version.startsWith("1."))",
        R"(results.policy_ids.exists(p, p.startsWith("default@")))", R"(results.audience == "https://ca.example.org")",
        R"(results.attester.sev_snp.vmpl == 0 && !results.attester.sev_snp.debug)"}) {
    const auto value = Evaluate(source, results);
    ASSERT_TRUE(value.ok()) << source << ": " << value.status();
    EXPECT_TRUE(*value) << source;
  }
}

TEST(AnticipatedResultsTest, AFieldThatNoResultsCarryDoesNotCompile) {
  const nlohmann::json results = ResultsForPolicy(Example());
  for (const char* source : {"results.statuss == \"affirming\"", "results.software.licence == \"x\"",
                             "result.status == \"affirming\"", "results.status == 1"}) {
    EXPECT_FALSE(Evaluate(source, results).ok()) << source;
  }
}

TEST(AnticipatedResultsTest, AnAbsentFieldIsAnErrorNotFalse) {
  AttestationResults unknown = Example();
  unknown.software = nullptr;
  EXPECT_FALSE(Evaluate(R"(results.software.name == "payroll")", ResultsForPolicy(unknown)).ok());
  EXPECT_FALSE(Evaluate(R"(results.attester.tpm2.pcrs == "x")", ResultsForPolicy(Example())).ok());
}

TEST(AnticipatedResultsTest, RefusesAnticipatedResultsOutsideTheSchema) {
  const nlohmann::json good = ResultsForPolicy(Example());
  const auto refused = [&good](const char* path, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[nlohmann::json::json_pointer(path)] = value;
    return DenyReasonOf(ValidateAnticipatedResults(bad)) == v1::DENY_REASON_REQUEST_MALFORMED;
  };
  EXPECT_TRUE(refused("/status", "trusted"));
  EXPECT_TRUE(refused("/statuss", "affirming"));
  EXPECT_TRUE(refused("/trustworthiness/hardware", 128));
  EXPECT_TRUE(refused("/trustworthiness/hardware", "2"));
  EXPECT_TRUE(refused("/trustworthiness/virtue", 2));
  EXPECT_TRUE(refused("/software/licence", "x"));
  EXPECT_TRUE(refused("/software/name", 1));
  EXPECT_TRUE(refused("/software", "payroll"));
  EXPECT_TRUE(refused("/policy_ids", "default"));
  EXPECT_TRUE(refused("/policy_ids/0", 1));
  EXPECT_TRUE(refused("/attester", nlohmann::json::array()));
  EXPECT_TRUE(refused("/audience", 1));
  EXPECT_FALSE(ValidateAnticipatedResults(nlohmann::json::array()).ok());
  EXPECT_FALSE(ValidateAnticipatedResults(nlohmann::json::object()).ok()) << "status is required";
}

}  // namespace
}  // namespace twi
