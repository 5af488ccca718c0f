// One running deployment per test suite.
#ifndef TWI_INTEGRATION_TESTS_DEPLOYMENT_FIXTURE_H_
#define TWI_INTEGRATION_TESTS_DEPLOYMENT_FIXTURE_H_

#include <memory>

#include "gtest/gtest.h"
#include "integration_tests/deployment.h"

namespace twi::integration {

class DeploymentTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>();
    deployment_->StartAll();
  }
  static void TearDownTestSuite() { deployment_.reset(); }

  inline static std::unique_ptr<Deployment> deployment_;
};

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_DEPLOYMENT_FIXTURE_H_
