// `twictl policy` from the command line to a Claims Mapper that runs.
#include "services/twictl/policy.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "services/claims_mapper/mapper_fixture.h"

namespace twi::twictl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class PolicyCommandTest : public claims_mapper::MapperFixture {
 protected:
  int Run(const std::vector<std::string>& words) {
    out_.str("");
    err_.str("");
    return RunPolicy({words, out_, err_});
  }
  // Writes twictl.yaml for this identity; the Claims Mapper must run.
  std::string Config(const std::string& spiffe_id, const std::string& name) {
    const config::v1::Tls tls = pki_.Issue(name, spiffe_id);
    return pki_.dir().Write(name + ".yaml", absl::StrCat("tls:\n  certificate_file: ", tls.certificate_file(),
                                                         "\n  key_file: ", tls.key_file(),
                                                         "\n  trust_bundle_file: ", tls.trust_bundle_file(),
                                                         "\nclaims_mapper:\n  address: 127.0.0.1:", daemon_->port(),
                                                         "\n  spiffe_id: ", claims_mapper::kMapper, "\n"));
  }
  std::string Key() { return pki_.dir().Write("owner.key", payroll_key_.ToPem().reveal()); }
  std::string PolicyFile(const std::string& document) { return pki_.dir().Write("payroll.yaml", document); }

  std::ostringstream out_, err_;
};

TEST_F(PolicyCommandTest, ChecksSignsLoadsAndLists) {
  ASSERT_OK(Start());
  const std::string policy = PolicyFile(Document("payroll", 1, "payroll"));
  const std::string signed_file = pki_.dir().File("payroll.jws");
  EXPECT_EQ(Run({"check", "--policy", policy}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("payroll@1"));
  ASSERT_EQ(Run({"sign", "--policy", policy, "--key", Key(), "--out", signed_file}), kExitDone) << err_.str();
  const std::string config = Config(claims_mapper::kPayrollOwner, "owner");
  ASSERT_EQ(Run({"put", "--config", config, "--signed", signed_file}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("payroll@1 is in force"));
  ASSERT_EQ(Run({"list", "--config", config, "--output", "json"}), kExitDone) << err_.str();
  const nlohmann::json list = nlohmann::json::parse(out_.str());
  ASSERT_EQ(list["policies"].size(), 1u);
  EXPECT_EQ(list["policies"][0]["document"], Document("payroll", 1, "payroll"));
  EXPECT_OK(MapAndValidate(Sign(Results())));

  EXPECT_EQ(Run({"put", "--config", config, "--signed", signed_file}), kExitRefused);
  EXPECT_THAT(err_.str(), HasSubstr("POLICY_VERSION_NOT_HIGHER"));
  EXPECT_EQ(Run({"put", "--config", Config(claims_mapper::kLedgerOwner, "ledger-owner"), "--signed", signed_file,
                 "--output", "json"}),
            kExitRefused);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["refused"]["reason"], "PEER_NOT_ALLOWED");
}

TEST_F(PolicyCommandTest, ABadPolicyIsNamedAndNotSigned) {
  const std::string policy = PolicyFile(Document("payroll", 1, "payroll", "clams: []\n"));
  EXPECT_EQ(Run({"check", "--policy", policy}), kExitRefused);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("POLICY_MALFORMED"), HasSubstr("payroll.yaml:11:1")));
  const std::string out = pki_.dir().File("bad.jws");
  EXPECT_EQ(Run({"sign", "--policy", policy, "--key", Key(), "--out", out}), kExitRefused);
  EXPECT_FALSE(std::ifstream(out).good()) << "nothing was written";
}

TEST_F(PolicyCommandTest, WrongCommandLinesAreUsage) {
  const std::string policy = PolicyFile(Document("payroll", 1, "payroll"));
  EXPECT_EQ(Run({}), kExitUsage);
  EXPECT_EQ(Run({"remove"}), kExitUsage);
  EXPECT_EQ(Run({"check"}), kExitUsage);
  EXPECT_EQ(Run({"check", "--policy", pki_.dir().File("missing.yaml")}), kExitUsage);
  EXPECT_EQ(Run({"check", "--policy", policy, "--output", "xml"}), kExitUsage);
  EXPECT_EQ(Run({"sign", "--policy", policy, "--key", pki_.dir().Write("open.key", "x", 0644), "--out", "x"}),
            kExitUsage)
      << "a key that others may read";
  EXPECT_EQ(Run({"--help"}), kExitDone);
  EXPECT_EQ(Run({"sign", "--help"}), kExitDone);
}

}  // namespace
}  // namespace twi::twictl
