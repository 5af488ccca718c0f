// Both profiles of attested TLS, one-way and mutual, with TPM and (development) SEV-SNP Evidence, over real sockets
// with a real Verifier. The steps of the happy path are headed by the diagram's arrows (common/attested_tls/README.md).
#include <signal.h>

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration_tests/attested_tls_deployment.h"

namespace twi::integration {
namespace {

using ::testing::Combine;
using ::testing::Values;

class AttestedTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<AttestedTlsDeployment>(Deployment::Tpm::kSoftware);
    (*deployment_)->StartAll();
  }
  static void TearDownTestSuite() { deployment_.reset(); }
  static AttestedTlsDeployment& d() { return *deployment_; }
  static std::string Server(const std::string& profile, const std::string& attester) {
    return d().WriteTool("server", {attester, "", "", profile});
  }
  static std::string Client(const std::string& profile, const std::string& condition = kPayrollWorker) {
    return d().WriteTool("client", {"", "payroll", condition, profile});
  }
  static int ServedByVerifier(const std::string& request) {
    const std::vector<nlohmann::json> lines = d()->LogLines(kVerifier, "served");
    return static_cast<int>(std::count_if(lines.begin(), lines.end(), [&request](const nlohmann::json& line) {
      return line.value("rpc", "") == request;
    }));
  }
  inline static std::unique_ptr<AttestedTlsDeployment> deployment_;
};

using Case = std::tuple<std::string, std::string, bool>;  // profile, Evidence, mutual
class HappyTest : public AttestedTlsTest, public ::testing::WithParamInterface<Case> {};
INSTANTIATE_TEST_SUITE_P(, HappyTest,
                         Combine(Values("session", "handshake"), Values("snp", "tpm"), Values(false, true)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param),
                                               std::get<2>(info.param) ? "_mutual" : "_oneway");
                         });

TEST_P(HappyTest, ThePeerIsProvenToBeThePayrollWorker) {
  const auto& [profile, evidence, mutual] = GetParam();
  if (evidence == "tpm" && !d()->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  const std::string attester = evidence == "snp" ? d().DevSnp("payroll-1.2.0") : d().Tpm();
  const int opened = ServedByVerifier("NewSession");
  const std::size_t appraised = d()->LogLines(kVerifier, "appraised").size();
  Serving server(*d(), d().WriteTool("server", mutual ? AttestedTlsDeployment::ToolConfig{attester, "ledger",
                                                                                          kPayrollWorker, profile}
                                                      : AttestedTlsDeployment::ToolConfig{attester, "", "", profile}));
  const Finished client = ConnectWith(
      d().WriteTool("client", {mutual ? d().DevSnp("payroll-1.2.0") : "", "payroll", kPayrollWorker, profile}),
      server.address());
  ASSERT_EQ(client.exit_code, 0) << client.out << client.err;
  const nlohmann::json seen = nlohmann::json::parse(client.out);
  const nlohmann::json served = server.Output();
  ASSERT_EQ(served.size(), 1u) << served;

  // TLS A -> Verifier X: POST /newSession; 201 Created {nonce, supp-media-types}. One for each side that asks.
  EXPECT_EQ(ServedByVerifier("NewSession"), opened + (mutual ? 2 : 1));

  // TLS A -> TLS B: ClientHello {attested-key-ext-req(nonce, supp-media-types)}
  // TLS B -> TLS A: ServerHello {attested-key-ext-provide(kat-media-type)}
  EXPECT_EQ(seen["profile"], profile);
  EXPECT_EQ(served[0]["profile"], profile);

  // TLS B -> Attester: attest_key(nonce, TIK) -> KAT. It says of what kind the attester is.
  EXPECT_EQ(seen["results"]["attester"]["format"], evidence == "snp" ? "sev-snp" : "tpm2");

  // TLS B -> Attester: sign(TIK, hs) -> sig
  // TLS B -> TLS A: Certificate(KAT), CertificateVerify(sig), Finished
  EXPECT_EQ(seen["key_sha256"].get<std::string>().size(), 64u);

  // TLS A -> Verifier X: POST {kat-media-type, KAT}; Verifier X -> TLS A: {att-result: AR{}}. One for each side that is
  // challenged: nothing is reused.
  EXPECT_EQ(d()->LogLines(kVerifier, "appraised").size(), appraised + (mutual ? 2 : 1));

  // TLS A: verify AR{}
  EXPECT_EQ(seen["results"]["software"]["name"], "payroll-worker");
  EXPECT_EQ(seen["results"]["audience"], kClientRpId);
  EXPECT_EQ(seen["results"]["target"], absl::StrCat("twi-atls-v1:", profile, ":server"));

  // TLS A: verify sig; TLS A -> TLS B: Finished. With it every check is made.
  EXPECT_EQ(seen["attested"], true);
  EXPECT_GE(seen["checks"].size(), 8u);

  // The other direction, which the diagram leaves out.
  EXPECT_EQ(served[0]["attested"], mutual);
  if (mutual) {
    EXPECT_EQ(served[0]["results"]["audience"], kServerRpId);
    EXPECT_EQ(served[0]["results"]["target"], absl::StrCat("twi-atls-v1:", profile, ":client"));
    EXPECT_NE(served[0]["key_sha256"], seen["key_sha256"]);
  }
}

// The other side's Evidence is a TPM's as well: of a client, to a server that challenges it.
class TpmClientTest : public AttestedTlsTest, public ::testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(, TpmClientTest, Values("session", "handshake"), [](const auto& info) { return info.param; });

TEST_P(TpmClientTest, AClientIsProvenByItsTpm) {
  if (!d()->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  Serving server(*d(), d().WriteTool("server", {d().DevSnp("payroll-1.2.0"), "ledger", kPayrollWorker, GetParam()}));
  const Finished client =
      ConnectWith(d().WriteTool("client", {d().Tpm(), "payroll", kPayrollWorker, GetParam()}), server.address());
  ASSERT_EQ(client.exit_code, 0) << client.out << client.err;
  const nlohmann::json served = server.Output();
  ASSERT_EQ(served.size(), 1u) << served;
  EXPECT_EQ(served[0]["attested"], true);
  EXPECT_EQ(served[0]["results"]["attester"]["format"], "tpm2");
  EXPECT_EQ(served[0]["results"]["software"]["name"], "payroll-worker");
  EXPECT_EQ(served[0]["results"]["target"], absl::StrCat("twi-atls-v1:", GetParam(), ":client"));
}

TEST_P(TpmClientTest, RefusesAClientWhoseTpmIsNotOnTheAllowList) {
  if (!d()->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  Serving server(*d(), d().WriteTool("server", {d().DevSnp("payroll-1.2.0"), "ledger",
                                                "results.attester.format == \"sev-snp\"", GetParam()}));
  (void)ConnectWith(d().WriteTool("client", {d().Tpm(), "payroll", kPayrollWorker, GetParam()}), server.address());
  EXPECT_EQ(server.Output()[0]["refused"], "ATTESTED_TLS_PEER_NOT_ALLOWED");
}

// --- refusals, by the real Verifier and the real policy

class RefusalTest : public AttestedTlsTest, public ::testing::WithParamInterface<std::string> {
 protected:
  std::string Refused(const std::string& attester, const std::string& condition = kPayrollWorker) {
    Serving server(*d(), Server(GetParam(), attester));
    return RefusedBy(ConnectWith(Client(GetParam(), condition), server.address()));
  }
};
INSTANTIATE_TEST_SUITE_P(, RefusalTest, Values("session", "handshake"), [](const auto& info) { return info.param; });

TEST_P(RefusalTest, RefusesSoftwareWithoutAReferenceValue) {
  EXPECT_EQ(Refused(d().DevSnp("unauthorized")), "MEASUREMENT_UNKNOWN");
}
TEST_P(RefusalTest, RefusesAGuestThatMayBeDebugged) {
  EXPECT_EQ(Refused(d().DevSnp("payroll-1.2.0") + "    debug: true\n"), "DEBUG_ENABLED");
}
TEST_P(RefusalTest, RefusesAPeerThatIsNotOnTheAllowList) {
  EXPECT_EQ(Refused(d().DevSnp("payroll-1.2.0"), "results.software.version == \"9.9.9\""),
            "ATTESTED_TLS_PEER_NOT_ALLOWED");
}
TEST_P(RefusalTest, RefusesAConditionWithoutAValue) {
  EXPECT_EQ(Refused(d().DevSnp("payroll-1.2.0"), "results.attester.no_such_claim == 1"),
            "ATTESTED_TLS_PEER_NOT_ALLOWED");
}
TEST_P(RefusalTest, RefusesARelyingPartyThatTheVerifierDoesNotServe) {
  const std::string client = d().WriteTool("client", {"", "payroll", kPayrollWorker, GetParam()});
  d()->Edit("config/client.yaml", kClientRpId, "https://somebody-else.example.org");
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  EXPECT_EQ(RefusedBy(ConnectWith(client, server.address())), "RELYING_PARTY_NOT_ALLOWED");
}
TEST_P(RefusalTest, RefusesAnotherVerifier) {
  const std::string client = d().WriteTool("client", {"", "payroll", kPayrollWorker, GetParam()});
  d()->Edit("config/client.yaml", "spiffe://example.org/twi/verifier", "spiffe://example.org/twi/other");
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  EXPECT_EQ(RefusedBy(ConnectWith(client, server.address())), "SERVER_IDENTITY_MISMATCH");
}

TEST_F(AttestedTlsTest, ADowngradeIsRefused) {
  Serving server(*d(), Server("handshake", d().DevSnp("payroll-1.2.0")));
  EXPECT_EQ(RefusedBy(ConnectWith(Client("session"), server.address())), "ATTESTED_TLS_PEER_REFUSED");
  EXPECT_EQ(server.Output()[0]["refused"], "ATTESTED_TLS_PROFILE_NOT_ACCEPTED");
}

TEST_F(AttestedTlsTest, AStockTlsClientCompletesAgainstSessionAndIsRefused) {
  Serving server(*d(), Server("session", d().DevSnp("payroll-1.2.0")));
  const Finished stock = integration::Run(
      {"/bin/sh", "-c",
       absl::StrCat("openssl s_client -tls1_3 -ign_eof -connect ", server.address(), " </dev/null 2>&1")});
  EXPECT_THAT(stock.out, ::testing::HasSubstr("New, TLSv1.3"));
  EXPECT_THAT(stock.out, ::testing::HasSubstr("ATTESTED_TLS_EXTENSION_ABSENT"));
  EXPECT_EQ(server.Output()[0]["refused"], "ATTESTED_TLS_EXTENSION_ABSENT");
}

class PipeTest : public AttestedTlsTest {
 protected:
  // Both ends with --pipe, each with its own input: what each of them got.
  struct Piped {
    std::string by_client, by_server, client_says;
  };
  static Piped Pipe(const std::string& of_client, const std::string& of_server) {
    d()->Write("run/of-client", of_client);
    d()->Write("run/of-server", of_server);
    Serving server(*d(), Server("session", d().DevSnp("payroll-1.2.0")), {"--pipe"}, d()->File("run/of-server"));
    const Finished client = integration::Run(
        {"/bin/sh", "-c",
         absl::StrCat("exec ", Runfile("services/twictl/twictl"), " attested-tls connect --pipe --config ",
                      Client("session"), " --to ", server.address(), " < ", d()->File("run/of-client"))});
    EXPECT_EQ(client.exit_code, 0) << client.err;
    const std::string text = server.Text();
    return {client.out, text.substr(0, of_client.size()), client.err};
  }
};

TEST_F(PipeTest, PipesCarryBytesAfterTheProof) {
  const Piped piped = Pipe("a line of the client\n", "a line of the server\n");
  EXPECT_EQ(piped.by_server, "a line of the client\n");
  EXPECT_EQ(piped.by_client, "a line of the server\n");
  EXPECT_THAT(piped.client_says, ::testing::HasSubstr("the peer is   payroll-worker 1.2.0"));
  EXPECT_THAT(piped.client_says, ::testing::HasSubstr("checks made"));
}

// Both send more than all buffers between them hold, and at once: neither waits to be read before it reads.
TEST_F(PipeTest, PipesCarryMuchBothWaysAtOnce) {
  const std::string up(20'000'000, 'u'), down(20'000'000, 'd');
  const Piped piped = Pipe(up, down);
  EXPECT_EQ(piped.by_server.size(), up.size());
  EXPECT_TRUE(piped.by_server == up);
  EXPECT_EQ(piped.by_client.size(), down.size());
  EXPECT_TRUE(piped.by_client == down);
}

// --- a Verifier that is slow, silent or gone; last, for it is stopped

class VerifierFaultTest : public RefusalTest {};
INSTANTIATE_TEST_SUITE_P(, VerifierFaultTest, Values("session", "handshake"),
                         [](const auto& info) { return info.param; });

TEST_P(VerifierFaultTest, ASilentVerifierEndsTheHandshakeInBoundedTime) {
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  const std::string client = Client(GetParam());
  d()->Signal(kVerifier, SIGSTOP);
  const absl::Time before = absl::Now();
  const std::string reason = RefusedBy(ConnectWith(client, server.address()));
  const absl::Duration took = absl::Now() - before;
  d()->Signal(kVerifier, SIGCONT);
  EXPECT_THAT(reason, ::testing::AnyOf("DEADLINE_EXCEEDED", "DEPENDENCY_UNAVAILABLE", "ATTESTED_TLS_TIMEOUT"));
  EXPECT_LT(took, absl::Seconds(12));
}

TEST_P(VerifierFaultTest, AKilledVerifierIsNamed) {
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  d()->Kill(kVerifier);
  EXPECT_THAT(RefusedBy(ConnectWith(Client(GetParam()), server.address())),
              ::testing::AnyOf("DEPENDENCY_UNAVAILABLE", "DEADLINE_EXCEEDED"));
  d()->Start(kVerifier);
}

}  // namespace
}  // namespace twi::integration
