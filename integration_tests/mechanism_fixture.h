// What the tests of the four mechanisms share: one deployment with a software TPM per suite, each test once per kind of
// Evidence.
#ifndef TWI_INTEGRATION_TESTS_MECHANISM_FIXTURE_H_
#define TWI_INTEGRATION_TESTS_MECHANISM_FIXTURE_H_

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment.h"

namespace twi::integration {

class MechanismTest : public ::testing::TestWithParam<Tee> {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>(Deployment::Tpm::kSoftware);
    deployment_->StartAll();
  }
  static void TearDownTestSuite() { deployment_.reset(); }
  void SetUp() override {
    if (GetParam() == Tee::kTpm2 && !deployment_->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  }

  // The version of the reference value that this Evidence meets.
  std::string software_version() const { return GetParam() == Tee::kSevSnp ? "1.2.0" : "1.2.0-tpm"; }
  // The agent config of this mechanism and Evidence: "A-snp".
  std::string Agent(const std::string& mechanism) const {
    return mechanism + (GetParam() == Tee::kSevSnp ? "-snp" : "-tpm");
  }

  inline static std::unique_ptr<Deployment> deployment_;
};

inline auto BothTees() { return ::testing::Values(Tee::kSevSnp, Tee::kTpm2); }
inline std::string TeeOf(const ::testing::TestParamInfo<Tee>& info) { return TeeName(info.param); }

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_MECHANISM_FIXTURE_H_
