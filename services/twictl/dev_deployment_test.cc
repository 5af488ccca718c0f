#include "services/twictl/dev_deployment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::twictl {
namespace {

namespace fs = std::filesystem;

constexpr char kPolicy[] = R"(name: worker
version: 1
owner: spiffe://example.org/owner/payroll
workload_identifier: spiffe://example.org/payroll/worker
accepts: [evidence]
match:
  - {name: software, expression: results.software.name == "worker"}
)";

class DevDeploymentTest : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--out", dir_.path()});
    out_.str("");
    err_.str("");
    return RunDevDeployment({words, out_, err_});
  }
  std::string WritePolicy(const std::string& text) {
    const std::string path = dir_.path() + "/policy.yaml";
    std::ofstream(path) << text;
    chmod(path.c_str(), 0644);
    return path;
  }
  // Names of the files below a folder.
  std::set<std::string> In(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path() + "/" + folder))
      if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), dir_.path() + "/" + folder));
    return names;
  }
  std::string Text(const std::string& file) {
    std::stringstream text;
    text << std::ifstream(dir_.path() + "/" + file).rdbuf();
    return text.str();
  }

  testing::TempDir dir_;
  std::ostringstream out_, err_;
};

TEST_F(DevDeploymentTest, EachServiceGetsItsOwnAndNothingElse) {
  ASSERT_EQ(Run({"--policy", WritePolicy(kPolicy), "--empty", "verifier-store"}), kExitDone) << err_.str();
  const std::set<std::string> service = {"ca.pem", "storage.root", "tls.key.pem", "tls.pem"};
  EXPECT_EQ(In("credential-authority"), service);
  EXPECT_EQ(In("key-store"), service);
  std::set<std::string> verifier = service, mapper = service;
  verifier.insert("dev-snp-ark.pem");
  mapper.insert({"ledger.pub.pem", "payroll.pub.pem", "worker.jws"});
  EXPECT_EQ(In("verifier"), verifier);
  EXPECT_EQ(In("claims-mapper"), mapper);
  EXPECT_EQ(In("agent"), (std::set<std::string>{"ca.pem", "dev-snp/ark.pem", "dev-snp/ask.pem", "dev-snp/vcek.key.pem",
                                                "dev-snp/vcek.pem"}));
  EXPECT_EQ(In("relying-party-payroll"), (std::set<std::string>{"ca.pem", "tls.key.pem", "tls.pem"}));
  EXPECT_EQ(In("relying-party-ledger"), In("relying-party-payroll"));
  EXPECT_EQ(In("owner"), (std::set<std::string>{"ca.pem", "payroll.key.pem", "payroll.pem"}));
  EXPECT_TRUE(In("verifier-store").empty());
  EXPECT_NE(Text("verifier/tls.key.pem"), Text("key-store/tls.key.pem"));
  EXPECT_EQ(Text("verifier/tls.key.pem"), Text("pki/made/tls/verifier.key.pem"));
}

TEST_F(DevDeploymentTest, SecretsAreReadByTheirUserOnly) {
  ASSERT_EQ(Run({"--empty", "store", "--empty-file", "store/public.pem"}), kExitDone) << err_.str();
  EXPECT_EQ(Text("store/public.pem"), "");
  for (const char* secret :
       {"verifier/tls.key.pem", "verifier/storage.root", "agent/dev-snp/vcek.key.pem", "owner/payroll.key.pem"}) {
    struct stat info {};
    ASSERT_EQ(stat((dir_.path() + "/" + secret).c_str(), &info), 0) << secret;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << secret;
  }
  for (const char* folder : {"verifier", "agent", "store"}) {
    struct stat info {};
    ASSERT_EQ(stat((dir_.path() + "/" + folder).c_str(), &info), 0) << folder;
    EXPECT_EQ(info.st_mode & 0777, 0700u) << folder;
  }
}

TEST_F(DevDeploymentTest, ASecondRunKeepsWhatTheFirstMade) {
  ASSERT_EQ(Run({}), kExitDone) << err_.str();
  const std::string key = Text("verifier/tls.key.pem");
  ASSERT_EQ(Run({}), kExitDone) << err_.str();
  EXPECT_NE(out_.str().find("nothing is changed"), std::string::npos);
  EXPECT_EQ(Text("verifier/tls.key.pem"), key);
}

TEST_F(DevDeploymentTest, TakesFoldersThatAreThereAndOverwritesNoFile) {
  fs::create_directory(dir_.path() + "/verifier");
  std::ofstream(dir_.path() + "/verifier/tls.pem") << "another";
  EXPECT_EQ(Run({}), kExitUsage);
  EXPECT_EQ(Text("verifier/tls.pem"), "another");
}

TEST_F(DevDeploymentTest, ARunThatFailedIsNotTakenForADoneOne) {
  const std::string policy = WritePolicy("name: no policy\n");
  ASSERT_NE(Run({"--policy", policy, "--empty", "verifier-store"}), kExitDone);
  EXPECT_FALSE(fs::exists(dir_.path() + "/verifier-store")) << "the first run stopped before it";
  WritePolicy(kPolicy);
  EXPECT_EQ(Run({"--policy", policy, "--empty", "verifier-store"}), kExitUsage);
  EXPECT_NE(err_.str().find("did not finish"), std::string::npos) << err_.str();
  EXPECT_FALSE(fs::exists(dir_.path() + "/verifier-store"));

  for (const auto& entry : fs::directory_iterator(dir_.path()))
    if (entry.is_directory()) fs::remove_all(entry.path());
  ASSERT_EQ(Run({"--policy", policy, "--empty", "verifier-store"}), kExitDone) << err_.str();
  EXPECT_TRUE(fs::exists(dir_.path() + "/claims-mapper/worker.jws"));
  EXPECT_TRUE(fs::exists(dir_.path() + "/verifier-store"));
}

TEST_F(DevDeploymentTest, RefusesAPolicyOfAnotherOwner) {
  std::string policy = kPolicy;
  policy.replace(policy.find("owner/payroll"), 13, "owner/unknown");
  EXPECT_NE(Run({"--policy", WritePolicy(policy)}), kExitDone);
  EXPECT_NE(err_.str().find("expected payroll or ledger"), std::string::npos) << err_.str();
}

TEST_F(DevDeploymentTest, RefusesNamesThatLeaveTheFolderAndUsersThatAreNoNumber) {
  EXPECT_EQ(Run({"--empty", "../outside"}), kExitUsage);
  EXPECT_EQ(Run({"--empty", "/outside"}), kExitUsage);
  EXPECT_EQ(Run({"--empty", "store", "--empty-file", "store/../../outside"}), kExitUsage);
  EXPECT_EQ(Run({"--user", "root"}), kExitUsage);
  EXPECT_FALSE(fs::exists(dir_.path() + "/pki"));
}

TEST_F(DevDeploymentTest, RefusesToGiveToAUserThatItMayNotGiveTo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may give files to anybody";
  EXPECT_EQ(Run({"--user", "1"}), kExitUsage);
}

}  // namespace
}  // namespace twi::twictl
