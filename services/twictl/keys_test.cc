// keys list: what is shown, and what a bad command line or config is told. Paging is tested with the client.
#include "services/twictl/keys.h"

#include <sstream>

#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/twictl/check_config.h"

namespace twi::twictl {
namespace {

using ::testing::HasSubstr;

TEST(KeysTest, ShowsEveryKeyAndNothingSecret) {
  v1::ListKeysResponse keys;
  for (const char* id : {"00aa", "00bb"}) {
    v1::KeyInfo* key = keys.add_keys();
    key->set_key_id(id);
    key->set_key_type(v1::CREDENTIAL_KEY_TYPE_P384);
    key->set_public_key("spki");
    key->set_owner("spiffe://example.org/owner/payroll");
    key->set_target("https://db.example.org");
    key->set_release_policy("conditions: []");
    key->set_created_unix(1795262400);
    key->set_releases(3);
    key->set_refusals(1);
  }
  const Shown shown = ShowKeys(keys);
  ASSERT_EQ(shown.json["keys"].size(), 2u);
  EXPECT_EQ(shown.json["keys"][1]["key_id"], "00bb");
  EXPECT_EQ(shown.json["keys"][0]["key_type"], "p384");
  EXPECT_EQ(shown.json["keys"][0]["created"], "2026-11-21T12:00:00Z");
  EXPECT_EQ(shown.json["keys"][0]["releases"], 3);
  EXPECT_THAT(shown.text, HasSubstr("00aa  p384  for https://db.example.org"));
  EXPECT_THAT(shown.text, HasSubstr("00bb"));
  EXPECT_THAT(ShowKeys(v1::ListKeysResponse()).text, HasSubstr("no key"));
}

class KeysCommandTest : public ::testing::Test {
 protected:
  KeysCommandTest() : pki_(absl::Now()) {
    const config::v1::Tls tls = pki_.Issue("owner", "spiffe://example.org/owner/payroll");
    config_ = "tls:\n  certificate_file: " + tls.certificate_file() + "\n  key_file: " + tls.key_file() +
              "\n  trust_bundle_file: " + tls.trust_bundle_file() + "\n";
  }
  int Run(int (*command)(const Args&), const std::string& config, std::vector<std::string> words) {
    words.insert(words.end(), {"--config", pki_.dir().Write("twictl.yaml", config)});
    out_.str("");
    err_.str("");
    return command(Args{std::move(words), out_, err_});
  }
  testing::TestPki pki_;
  std::string config_;
  std::ostringstream out_, err_;
};

TEST_F(KeysCommandTest, ErrorsOfTheConfigStandAtTheirPlace) {
  EXPECT_EQ(Run(RunCheckConfig, config_, {}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("twictl.yaml: good"));
  EXPECT_EQ(Run(RunKeys, config_, {"list"}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("twictl.yaml:1:1: key_store: expected a section"));
  const std::string no_id = config_ + "key_store:\n  address: 127.0.0.1:1\n";
  EXPECT_EQ(Run(RunKeys, no_id, {"list"}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("twictl.yaml:6:3: key_store.spiffe_id: expected the SPIFFE ID"));
  EXPECT_EQ(Run(RunCheckConfig, no_id, {}), kExitUsage);
  EXPECT_EQ(Run(RunCheckConfig, "key_store: {}\n", {}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("tls: expected a section"));
}

TEST_F(KeysCommandTest, RefusesAnotherWordThanList) {
  EXPECT_EQ(Run(RunKeys, config_, {}), kExitUsage);
  EXPECT_EQ(Run(RunKeys, config_, {"delete"}), kExitUsage);
  EXPECT_EQ(Run(RunKeys, config_ + "key_store: {address: \"127.0.0.1:1\", spiffe_id: spiffe://example.org/twi/ks}\n",
                {"list", "--timeout", "2"}),
            kExitRefused)
      << "nobody listens";
  EXPECT_THAT(err_.str(), HasSubstr("DEPENDENCY_UNAVAILABLE"));
}

}  // namespace
}  // namespace twi::twictl
