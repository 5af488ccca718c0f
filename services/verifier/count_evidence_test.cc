#include "services/verifier/count_evidence.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::verifier {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Appraisal Accepted(const std::string& format, const std::string& product) {
  Appraisal appraisal;
  appraisal.verdict = Verdict::kAccept;
  appraisal.claims.format = format;
  appraisal.claims.claims = {{"product", product}};
  return appraisal;
}

TEST(EvidenceCounterTest, CountsByFormatFamilyAndFirstFinding) {
  metrics::Metrics metrics;
  EvidenceCounter counter(metrics);
  for (int i = 0; i < 3; ++i) counter.Count(Accepted("sev-snp", "Milan"));
  counter.Count(Accepted("tpm2", ""));
  Appraisal refused = Accepted("sev-snp", "Genoa");
  refused.verdict = Verdict::kReject;
  counter.Count(refused);
  const std::string text = metrics.Text();
  for (const char* line : {"{chip_family=\"Milan\",format=\"sev-snp\",outcome=\"OK\"} 3\n",
                           "{chip_family=\"tpm\",format=\"tpm2\",outcome=\"OK\"} 1\n",
                           "{chip_family=\"Genoa\",format=\"sev-snp\",outcome=\"INTERNAL\"} 1\n"}) {
    EXPECT_THAT(text, HasSubstr(std::string("twi_evidence_appraised_total") + line));
  }
}

TEST(EvidenceCounterTest, NoLabelIsWhatTheEvidenceSays) {
  metrics::Metrics metrics;
  EvidenceCounter counter(metrics);
  counter.Count(Accepted("hostile", "Milan"));
  counter.Count(Accepted("sev-snp", "hostile"));
  const std::string text = metrics.Text();
  EXPECT_THAT(text, Not(HasSubstr("hostile")));
  EXPECT_THAT(text, HasSubstr("{chip_family=\"unknown\",format=\"unknown\",outcome=\"OK\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{chip_family=\"unknown\",format=\"sev-snp\",outcome=\"OK\"} 1\n"));
}

TEST(EvidenceCounterTest, CountsFromManyThreads) {
  metrics::Metrics metrics;
  EvidenceCounter counter(metrics);
  const Appraisal appraisal = Accepted("sev-snp", "Turin");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) counter.Count(appraisal);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics.Text(), HasSubstr("{chip_family=\"Turin\",format=\"sev-snp\",outcome=\"OK\"} 4000\n"));
}

}  // namespace
}  // namespace twi::verifier
