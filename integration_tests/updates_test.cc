// Stability: which versions are authorized is the owner's decision. A new reference value in, the identifier unchanged,
// the old one withdrawn. By the real agent.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/expect_credential.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;

class UpdatesTest : public DeploymentTest {};

TEST_F(UpdatesTest, AnAuthorizedUpdateKeepsTheIdentifierAndTheOldVersionIsWithdrawn) {
  // Before: 1.2.0 is authorized, 1.3.0 is not.
  const Finished before = deployment_->RunAgent("B-snp");
  ASSERT_EQ(before.exit_code, 0) << before.err;
  EXPECT_EQ(before.out, std::string(kIdentifier) + "\n");
  const Finished early = deployment_->RunAgent("B-snp-1.3.0");
  EXPECT_EQ(early.exit_code, 1);
  EXPECT_THAT(early.err, HasSubstr("MEASUREMENT_UNKNOWN"));

  // The Reference Value Provider vouches for 1.3.0.
  deployment_->Append("config/reference_values.yaml",
                      absl::StrCat("  - name: payroll-worker\n    version: 1.3.0\n"
                                   "    vendor: spiffe://example.org/owner/payroll\n"
                                   "    valid_until: \"2099-01-01T00:00:00Z\"\n    sev_snp_measurement: \"",
                                   ToHex(deployment_->Measurement("payroll-1.3.0")), "\"\n"));
  ASSERT_TRUE(deployment_->Reload(kVerifier));
  for (const char* mechanism : {"A", "B", "C"}) {
    const std::string agent = absl::StrCat(mechanism, "-snp-1.3.0");
    const Finished updated = deployment_->RunAgent(agent);
    ASSERT_EQ(updated.exit_code, 0) << updated.err;
    EXPECT_EQ(updated.out, before.out) << "the same identifier";
    std::string spki;
    const v1::WorkloadCredential credential = ReadInstalled(*deployment_, agent, &spki);
    ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
    Caller anyone = Caller::Workload(*deployment_);
    ExpectGoodCredential(anyone, credential, key, "1.3.0");
  }
  EXPECT_EQ(deployment_->RunAgent("B-snp").exit_code, 0) << "both are authorized";

  // 1.2.0 is withdrawn.
  deployment_->Write("config/reference_values.yaml",
                     absl::StrReplaceAll(deployment_->Read("config/reference_values.yaml"),
                                         {{"version: 1.2.0\n", "version: 1.2.0\n    withdrawn: true\n"}}));
  ASSERT_TRUE(deployment_->Reload(kVerifier));
  for (const char* agent : {"A-snp", "B-snp", "C-snp"}) {
    const Finished withdrawn = deployment_->RunAgent(agent);
    EXPECT_EQ(withdrawn.exit_code, 1);
    EXPECT_THAT(withdrawn.err, HasSubstr("REFERENCE_VALUE_EXPIRED"));
  }
  EXPECT_EQ(deployment_->RunAgent("B-snp-1.3.0").exit_code, 0);
  std::string spki;
  EXPECT_EQ(ReadInstalled(*deployment_, "B-snp", &spki).x509_chain_size(), 1)
      << "what was acquired before stays where it is";
}

}  // namespace
}  // namespace twi::integration
