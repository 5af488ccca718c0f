// What the attested_tls section of the agent's config must be, field by field.
#include "services/workload_agent/tunnel/route.h"

#include <functional>

#include "common/attested_tls/testing/fake_tee.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"

namespace twi::agent {
namespace {

using config::v1::AttestedTls;
using ::testing::HasSubstr;
using ::twi::testing::IsOk;
using ::twi::testing::StatusIs;

class RouteTest : public ::testing::Test {
 protected:
  static AttestedTls Valid() {
    AttestedTls config;
    config::v1::AttestedTlsRelyingParty& party = *config.mutable_relying_party();
    party.mutable_tls()->set_certificate_file("/tls/agent.pem");
    party.mutable_tls()->set_key_file("/tls/agent.key.pem");
    party.mutable_tls()->set_trust_bundle_file("/tls/ca.pem");
    party.mutable_verifier()->set_address("verifier.example.org:8451");
    party.mutable_verifier()->set_spiffe_id("spiffe://example.org/twi/verifier");
    party.set_rp_id("https://payroll.example.org");
    config::v1::AttestedTlsIngress& ingress = *config.add_ingress();
    ingress.set_name("api");
    ingress.set_listen("0.0.0.0:8443");
    ingress.set_forward("127.0.0.1:8080");
    config::v1::AttestedTlsEgress& egress = *config.add_egress();
    egress.set_name("ledger");
    egress.set_listen("127.0.0.1:9443");
    egress.set_connect("ledger.example.org:8443");
    Allow(*egress.mutable_server());
    return config;
  }
  static void Allow(config::v1::AttestedTlsPeerPolicy& policy) {
    config::v1::Condition& condition = *policy.add_allow();
    condition.set_name("software");
    condition.set_expression("results.software.name == \"ledger\"");
  }
  // `change` makes the valid config refused, at `field`.
  static void ExpectRefused(const std::function<void(AttestedTls&)>& change, const std::string& field) {
    AttestedTls config = Valid();
    change(config);
    EXPECT_THAT(ValidateAttestedTls(config), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr(field)));
  }
};

TEST_F(RouteTest, TakesAValidSection) {
  EXPECT_THAT(ValidateAttestedTls(Valid()), IsOk());
  AttestedTls config = Valid();
  config.mutable_ingress(0)->set_forward("unix:/run/payroll.sock");
  config.mutable_egress(0)->set_listen("unix:/run/ledger.sock");
  EXPECT_THAT(ValidateAttestedTls(config), IsOk());
  config = Valid();  // nobody is appraised: no relying party
  config.clear_egress();
  config.clear_relying_party();
  EXPECT_THAT(ValidateAttestedTls(config), IsOk());
}

TEST_F(RouteTest, RefusesWhatIsMissing) {
  ExpectRefused([](AttestedTls& c) { c.clear_ingress(), c.clear_egress(); }, "attested_tls");
  ExpectRefused([](AttestedTls& c) { c.clear_relying_party(); }, "attested_tls.relying_party");
  ExpectRefused([](AttestedTls& c) { c.mutable_ingress(0)->clear_name(); }, "ingress[0].name");
  ExpectRefused([](AttestedTls& c) { c.mutable_ingress(0)->clear_listen(); }, "ingress[0].listen");
  ExpectRefused([](AttestedTls& c) { c.mutable_ingress(0)->clear_forward(); }, "ingress[0].forward");
  ExpectRefused([](AttestedTls& c) { c.mutable_egress(0)->clear_connect(); }, "egress[0].connect");
  ExpectRefused([](AttestedTls& c) { c.mutable_egress(0)->clear_server(); }, "egress[0].server");
  ExpectRefused([](AttestedTls& c) { c.mutable_egress(0)->mutable_server()->clear_allow(); }, "egress[0].server.allow");
  ExpectRefused([](AttestedTls& c) { c.mutable_relying_party()->clear_rp_id(); }, "relying_party.rp_id");
  ExpectRefused([](AttestedTls& c) { c.mutable_relying_party()->clear_verifier(); }, "relying_party.verifier");
  ExpectRefused([](AttestedTls& c) { c.mutable_relying_party()->mutable_tls()->clear_key_file(); },
                "relying_party.tls.key_file");
}

// What enters an egress and leaves an ingress is plaintext: it stays on this machine.
TEST_F(RouteTest, RefusesPlaintextBeyondLoopback) {
  ExpectRefused([](AttestedTls& c) { c.mutable_ingress(0)->set_forward("192.0.2.1:80"); }, "ingress[0].forward");
  ExpectRefused([](AttestedTls& c) { c.mutable_egress(0)->set_listen("0.0.0.0:9443"); }, "egress[0].listen");
}

TEST_F(RouteTest, RefusesNamesAndAddressesTwice) {
  ExpectRefused([](AttestedTls& c) { c.mutable_egress(0)->set_name("api"); }, "egress[0].name");
  ExpectRefused(
      [](AttestedTls& c) {
        c.mutable_ingress(0)->set_listen("127.0.0.1:9443");
        c.mutable_egress(0)->set_listen("127.0.0.1:09443");
      },
      "egress[0].listen");
  AttestedTls config = Valid();  // the kernel chooses another port for each
  config.mutable_ingress(0)->set_listen("127.0.0.1:0");
  config.mutable_egress(0)->set_listen("127.0.0.1:0");
  EXPECT_THAT(ValidateAttestedTls(config), IsOk());
}

TEST_F(RouteTest, RefusesLimitsOutsideTheirRanges) {
  const auto limits = [](AttestedTls& c) { return c.mutable_ingress(0)->mutable_limits(); };
  ExpectRefused([&](AttestedTls& c) { limits(c)->set_max_connections(20'001); }, "limits.max_connections");
  ExpectRefused([&](AttestedTls& c) { limits(c)->mutable_handshake_timeout()->set_seconds(301); },
                "limits.handshake_timeout");
  ExpectRefused([&](AttestedTls& c) { limits(c)->mutable_appraisal_timeout()->set_nanos(1); },
                "limits.appraisal_timeout");
  ExpectRefused([&](AttestedTls& c) { limits(c)->mutable_idle_timeout()->set_seconds(-1); }, "limits.idle_timeout");
}

TEST_F(RouteTest, RefusesAnAppraisalThatMayOutliveItsHandshake) {
  const auto limits = [](AttestedTls& c) { return c.mutable_ingress(0)->mutable_limits(); };
  ExpectRefused([&](AttestedTls& c) { limits(c)->mutable_appraisal_timeout()->set_seconds(11); },
                "limits.appraisal_timeout: expected at most handshake_timeout, which is 10s");
  ExpectRefused(
      [&](AttestedTls& c) {
        limits(c)->mutable_handshake_timeout()->set_seconds(3);
        limits(c)->mutable_appraisal_timeout()->set_seconds(5);
      },
      "limits.appraisal_timeout");
  AttestedTls config = Valid();  // the default follows
  limits(config)->mutable_handshake_timeout()->set_seconds(1);
  EXPECT_THAT(ValidateAttestedTls(config), IsOk());
}

// Each of them was accepted once, and refused by the binding at every connection.
TEST_F(RouteTest, RefusesAnRpIdThatIsNoUri) {
  for (const std::string& rp_id :
       {std::string(":"), std::string("https:"), std::string("://payroll"), std::string("1a:b"), std::string("a b:c"),
        std::string("payroll"), std::string("https://\xc3\xa9.example"), "https://" + std::string(2041, 'a')}) {
    ExpectRefused([&](AttestedTls& c) { c.mutable_relying_party()->set_rp_id(rp_id); },
                  "attested_tls.relying_party.rp_id: expected an absolute URI of at most 2048 bytes");
  }
  AttestedTls config = Valid();
  config.mutable_relying_party()->set_rp_id("https://" + std::string(2040, 'a'));
  EXPECT_THAT(ValidateAttestedTls(config), IsOk());
}

TEST_F(RouteTest, RefusesARelyingPartyThatNoTunnelUses) {
  ExpectRefused([](AttestedTls& c) { c.clear_egress(); }, "attested_tls.relying_party: expected nothing");
  AttestedTls config = Valid();
  config.clear_egress();
  Allow(*config.mutable_ingress(0)->mutable_client());
  EXPECT_THAT(ValidateAttestedTls(config), IsOk());
}

TEST_F(RouteTest, RefusesPoliciesThatSayNothing) {
  ExpectRefused(
      [](AttestedTls& c) {
        c.mutable_egress(0)->mutable_server()->mutable_allow(0)->set_expression("results.no_such_field == 1");
      },
      "egress[0].server.allow");
  ExpectRefused(
      [](AttestedTls& c) {
        c.mutable_egress(0)->mutable_server()->add_workload_identifiers("spiffe://example.org/ledger");
      },
      "egress[0].server.workload_identifiers");
  ExpectRefused([](AttestedTls& c) { c.mutable_ingress(0)->mutable_client(); }, "ingress[0].client.allow");
}

// Strangers at an ingress that challenges them must not use up the sessions that the egresses need as well.
TEST_F(RouteTest, AnIngressThatChallengesTakesFewerByDefaultThanTheVerifierGivesUs) {
  AttestedTls config = Valid();
  const twi::testing::FakeClock clock;
  twi::testing::TestPki pki(clock.Now());
  *config.mutable_relying_party()->mutable_tls() = pki.Issue("agent", "spiffe://example.org/agent");
  for (const char* name : {"challenging", "asked"}) {
    *config.add_ingress() = config.ingress(0);
    config::v1::AttestedTlsIngress& ingress = *config.mutable_ingress(config.ingress_size() - 1);
    ingress.set_name(name);
    ingress.set_listen(std::string("unix:/run/") + name);
    Allow(*ingress.mutable_client());
  }
  config.mutable_ingress(2)->mutable_limits()->set_max_connections(2000);
  ASSERT_THAT(ValidateAttestedTls(config), IsOk());
  twi::testing::FakeRandom random;
  metrics::Metrics metrics;
  const auto workers = std::make_shared<atls::Workers>(1, 1);
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const atls::Attester> attester,
                       atls::MakeAttester(atls::testing::FakeTee(), random));
  ASSERT_OK_AND_ASSIGN(const auto routes, MakeRoutes(config, {attester, workers, workers, metrics, clock}));
  std::vector<std::size_t> limits;
  for (const auto& route : routes) limits.push_back(route->max_connections);
  EXPECT_THAT(limits, ::testing::ElementsAre(1024, 512, 2000, 1024));
}

TEST_F(RouteTest, SessionIsTheDefaultAndEachProfileStandsOnce) {
  google::protobuf::RepeatedPtrField<std::string> names;
  EXPECT_EQ(*ParseProfiles(names, "profiles"), std::vector<atls::Profile>{atls::Profile::kSession});
  names.Add("handshake");
  EXPECT_EQ(*ParseProfiles(names, "profiles"), std::vector<atls::Profile>{atls::Profile::kHandshake});
  names.Add("session");
  EXPECT_EQ(ParseProfiles(names, "profiles")->size(), 2u);
  names.Add("session");
  EXPECT_THAT(ParseProfiles(names, "profiles"), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("profiles")));
  names.Clear();
  names.Add("quickly");
  EXPECT_THAT(ParseProfiles(names, "profiles"), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("session")));
}

}  // namespace
}  // namespace twi::agent
