#include "services/workload_agent/agent_config.h"

#include <functional>

#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/server/check_config.h"
#include "common/status/status_macros.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/workload_agent/testing/fake_issuer.h"

namespace twi::agent {
namespace {

using config::v1::WorkloadAgentConfig;
using ::testing::HasSubstr;
using twi::testing::StatusIs;

class AgentConfigTest : public ::testing::Test {
 protected:
  WorkloadAgentConfig Valid(const std::string& mechanism) {
    const testing::FakeIssuer issuer(absl::FromUnixSeconds(1795262400));
    const std::string anchors = dir_.Write("anchors.pem", crypto::CertificateToPem(issuer.anchors()[0].der), 0644);
    std::string yaml = "mechanism: " + mechanism +
                       "\nattester: {insecure_dev_snp: {chain_directory: /c, image_file: /i}}\n"
                       "trust_bundle_file: " +
                       anchors + "\ncredential_trust_bundle_file: " + anchors +
                       "\nverifier: {address: \"127.0.0.1:1\", spiffe_id: spiffe://example.org/twi/verifier}\n"
                       "credential_authority: {address: \"127.0.0.1:2\", spiffe_id: spiffe://example.org/twi/ca}\n"
                       "key_store: {address: \"127.0.0.1:3\", spiffe_id: spiffe://example.org/twi/key-store}\n"
                       "rp_id: https://ca.example\ntarget: https://db.example\n"
                       "output: {directory: /run/creds, hook: /bin/true x, hook_timeout: 5s}\n";
    if (mechanism == "D") yaml += "provisioned: {key_id: k1, credential_file: /p/chain.pem}\n";
    WorkloadAgentConfig config;
    EXPECT_OK(config::ParseYaml(yaml, "agent.yaml", config));
    return config;
  }
  static absl::Status Check(const WorkloadAgentConfig& config) {
    TWI_RETURN_IF_ERROR(server::CheckCommonSections(config, {}, absl::FromUnixSeconds(1795262400)));
    return ValidateAgentConfig(config);
  }
  void Refuses(const std::string& mechanism, const std::function<void(WorkloadAgentConfig&)>& change) {
    WorkloadAgentConfig config = Valid(mechanism);
    change(config);
    EXPECT_THAT(Check(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID)) << config.ShortDebugString();
  }
  twi::testing::TempDir dir_;
};

TEST_F(AgentConfigTest, AcceptsEachMechanism) {
  for (const char* mechanism : {"A", "B", "C", "D"}) {
    const WorkloadAgentConfig config = Valid(mechanism);
    EXPECT_OK(Check(config));
    EXPECT_EQ(MechanismName(config), mechanism);
  }
}

// The sample that a newcomer copies: only the files that it names are missing here (they are there in
// //integration_tests:config_samples_test).
TEST_F(AgentConfigTest, TheSampleLoads) {
  const auto text = config::ReadFile("config/workload_agent.yaml", {1 << 20, 0});
  ASSERT_OK(text);
  WorkloadAgentConfig config = Valid("B");
  const std::string anchors = config.trust_bundle_file();
  ASSERT_OK(config::ParseYaml(*text, "workload_agent.yaml", config));
  config.set_trust_bundle_file(anchors);
  config.set_credential_trust_bundle_file(anchors);
  EXPECT_OK(ValidateAgentConfig(config));
  EXPECT_THAT(Check(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID,
                                      HasSubstr("attested_tls.relying_party.tls.certificate_file: /etc/twi/tls/")));
  config.mutable_attested_tls()->mutable_relying_party()->clear_tls();
  EXPECT_OK(server::CheckCommonSections(config, {}, absl::FromUnixSeconds(1795262400)));
}

TEST_F(AgentConfigTest, HasTheDocumentedDefaults) {
  const WorkloadAgentConfig config = Valid("A");
  EXPECT_EQ(CredentialKeyType(config), crypto::KeyType::kP256);
  EXPECT_EQ(RenewalOf(config).at_fraction, 0.5);
  EXPECT_EQ(RenewalOf(config).jitter, 0.1);
  EXPECT_EQ(RenewalOf(config).retry_min, absl::Seconds(1));
  EXPECT_EQ(RenewalOf(config).retry_max, absl::Minutes(5));
  EXPECT_EQ(HookTimeout(config), absl::Seconds(5));
}

TEST_F(AgentConfigTest, AJitterOfNoneIsTakenAsWritten) {
  WorkloadAgentConfig config = Valid("A");
  config.mutable_renewal()->set_jitter(0);
  EXPECT_OK(Check(config));
  EXPECT_EQ(RenewalOf(config).jitter, 0);
  config.mutable_renewal()->set_at_fraction(0.1);
  EXPECT_OK(Check(config));
}

TEST_F(AgentConfigTest, RefusesWhatIsMissing) {
  Refuses("A", [](auto& c) { c.clear_mechanism(); });
  Refuses("A", [](auto& c) { c.clear_attester(); });
  Refuses("A", [](auto& c) { c.clear_verifier(); });
  Refuses("A", [](auto& c) { c.mutable_verifier()->clear_spiffe_id(); });
  Refuses("B", [](auto& c) { c.clear_credential_authority(); });
  Refuses("C", [](auto& c) { c.mutable_credential_authority()->clear_address(); });
  Refuses("D", [](auto& c) { c.clear_key_store(); });
  Refuses("D", [](auto& c) { c.clear_provisioned(); });
  Refuses("D", [](auto& c) { c.mutable_provisioned()->clear_key_id(); });
  Refuses("A", [](auto& c) { c.clear_rp_id(); });
  Refuses("A", [](auto& c) { c.clear_target(); });
  Refuses("A", [](auto& c) { c.clear_output(); });
  Refuses("A", [](auto& c) { c.clear_trust_bundle_file(); });
  Refuses("A", [](auto& c) { c.clear_credential_trust_bundle_file(); });
  Refuses("A", [](auto& c) { c.set_credential_trust_bundle_file("/nonexistent.pem"); });
}

TEST_F(AgentConfigTest, TheKeyIdMayStandInAFile) {
  config::v1::ProvisionedKey provisioned;
  provisioned.set_key_id_file(dir_.Write("key-id", "k-42\n", 0644));
  EXPECT_EQ(ReadKeyId(provisioned).value(), "k-42");
  for (const char* bad : {"", "\n", "two words\n", "two\nlines\n"}) {
    provisioned.set_key_id_file(dir_.Write("key-id", bad, 0644));
    EXPECT_THAT(ReadKeyId(provisioned), StatusIs(v1::DENY_REASON_CONFIG_INVALID)) << bad;
  }
  provisioned.set_key_id_file("/nonexistent");
  EXPECT_THAT(ReadKeyId(provisioned), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  Refuses("D", [](auto& c) { c.mutable_provisioned()->set_key_id_file("/key-id"); });  // and key_id besides
}

TEST_F(AgentConfigTest, RefusesWhatContradicts) {
  Refuses("A", [](auto& c) { c.mutable_provisioned()->set_key_id("k"); });
  Refuses("D", [](auto& c) { c.set_key_type(config::v1::P384); });
  Refuses("D", [](auto& c) { c.mutable_provisioned()->set_wit_file("/wit"); });
  Refuses("A", [](auto& c) { c.mutable_platform_certificate()->set_certificate_file("/c"); });
  Refuses("A", [](auto& c) { c.set_listen("127.0.0.1:80"); });
  Refuses("A", [](auto& c) { c.set_listen("unix:relative"); });
  Refuses("A", [](auto& c) { c.set_listen("unix:/" + std::string(107, 'x')); });
  Refuses("A", [](auto& c) { c.mutable_metrics()->set_listen("unix:/run/m.sock"); });  // for nobody
  Refuses("A", [](auto& c) {
    c.mutable_metrics()->set_listen("127.0.0.1:80");
    c.mutable_metrics()->add_peers("uid:1");
  });
  Refuses("A",
          [](auto& c) { c.mutable_attested_tls()->mutable_relying_party()->mutable_verifier()->set_address("v"); });
  Refuses("A", [](auto& c) { c.mutable_output()->set_hook("reload nginx"); });
  Refuses("A", [](auto& c) { c.mutable_output()->mutable_hook_timeout()->set_seconds(301); });
  Refuses("A", [](auto& c) { c.set_workload_identifier("payroll"); });
}

TEST_F(AgentConfigTest, TheBundleOfWitsIsAFileWithWitKeys) {
  const testing::FakeIssuer issuer(absl::FromUnixSeconds(1795262400));
  for (const char* mechanism : {"A", "B", "C"}) {
    WorkloadAgentConfig config = Valid(mechanism);
    EXPECT_EQ(ReadWitBundle(config).value(), "");
    config.set_credential_wit_bundle_file(dir_.Write("wit.json", issuer.wit_bundle(), 0644));
    EXPECT_OK(Check(config));
    EXPECT_EQ(ReadWitBundle(config).value(), issuer.wit_bundle());
  }
  for (const char* bad : {"", "{", R"({"keys": []})", R"({"keys": [{"use": "wit-svid", "kty": "EC"}]})"}) {
    Refuses("A", [&](auto& c) { c.set_credential_wit_bundle_file(dir_.Write("bad.json", bad, 0644)); });
  }
  Refuses("B", [&](auto& c) { c.set_credential_wit_bundle_file(dir_.Write("open.json", issuer.wit_bundle(), 0666)); });
  Refuses("C", [](auto& c) { c.set_credential_wit_bundle_file("/nonexistent.json"); });
  Refuses("D", [&](auto& c) { c.set_credential_wit_bundle_file(dir_.File("wit.json")); });  // it has its own
}

TEST_F(AgentConfigTest, ATpmIsReachedAsADeviceOrASimulator) {
  WorkloadAgentConfig config = Valid("A");
  config.mutable_attester()->mutable_tpm2()->add_pcrs(7);
  for (const char* good :
       {"device:/dev/tpmrm0", "swtpm:path=/run/tpm", "swtpm:host=::1,port=2321", "swtpm:port=2321,host=tpm.example"}) {
    config.mutable_attester()->mutable_tpm2()->set_tcti(good);
    EXPECT_OK(ValidateAgentConfig(config)) << good;
  }
  for (const char* bad :
       {"", "device", "device:", "mssim:host=localhost,port=2321", "swtpm:", "swtpm:path=", "swtpm:host=tpm",
        "swtpm:port=2321", "swtpm:host=tpm,port=0", "swtpm:host=tpm,port=+1", "swtpm:host=tpm,port= 1",
        "swtpm:host=tpm,port=65536", "swtpm:path=/run/tpm,port=1", "swtpm:path=/a,path=/b", "swtpm:path=/a,x=y"}) {
    config.mutable_attester()->mutable_tpm2()->set_tcti(bad);
    EXPECT_THAT(ValidateAgentConfig(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("attester.tpm2.tcti")))
        << bad;
  }
}

TEST_F(AgentConfigTest, RefusesRenewalOutsideItsRanges) {
  Refuses("A", [](auto& c) { c.mutable_renewal()->set_at_fraction(0.95); });
  Refuses("A",
          [](auto& c) { c.mutable_renewal()->set_at_fraction(0.1); });  // with the default jitter it could be at once
  Refuses("A", [](auto& c) { c.mutable_renewal()->set_jitter(0.3); });
  Refuses("A", [](auto& c) { c.mutable_renewal()->set_jitter(-0.1); });
  Refuses("A", [](auto& c) { c.mutable_renewal()->mutable_retry_min()->set_nanos(1000); });
  Refuses("A", [](auto& c) { c.mutable_renewal()->mutable_retry_max()->set_nanos(500000000); });
}

}  // namespace
}  // namespace twi::agent
