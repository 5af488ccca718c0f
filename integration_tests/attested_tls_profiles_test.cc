// Both profiles of attested TLS, one-way and mutual, with TPM and (development) SEV-SNP Evidence, over real sockets
// with a real Verifier. The steps of the happy path are headed by the diagram's arrows (common/attested_tls/README.md).
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>
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
  const std::vector<std::string> checks = seen["checks"];
  using ::testing::HasSubstr, ::testing::Contains;
  EXPECT_THAT(checks, Contains(HasSubstr("profile " + profile)));
  EXPECT_THAT(checks, Contains(HasSubstr("self-signed, valid now, for digitalSignature, no CA")));
  EXPECT_THAT(checks, Contains(HasSubstr("application/vnd.twi.evidence+protobuf")));
  EXPECT_THAT(checks, Contains(HasSubstr("CertificateVerify")));
  EXPECT_GE(checks.size(), 11u);

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

TEST_F(AttestedTlsTest, AStockClientOfTls12GetsAnAlert) {
  Serving server(*d(), Server("session", d().DevSnp("payroll-1.2.0")));
  const Finished stock = integration::Run(
      {"/bin/sh", "-c", absl::StrCat("openssl s_client -tls1_2 -connect ", server.address(), " </dev/null 2>&1")});
  EXPECT_THAT(stock.out, ::testing::HasSubstr("alert protocol version"));
  EXPECT_EQ(server.Output()[0]["refused"], "ATTESTED_TLS_HANDSHAKE_FAILED");
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

constexpr char kHandshakeRecord = 22, kEncryptedRecord = 23;  // RFC 8446 section 5.1

// Carries one connection to a port of loopback, record by record; calls `before` when it is about to hand on the
// client's `nth` record of `type`.
class Relay {
 public:
  Relay(int to, char type, int nth, std::function<void()> before)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([=, before = std::move(before)] { Carry(to, type, nth, before); });
  }
  ~Relay() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  Relay(const Relay&) = delete;
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void Carry(int to, char type, int nth, const std::function<void()>& before) const {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(to);
    if (client >= 0 && connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      std::thread back(Copy, server, client);
      for (std::string record; ReadRecord(client, record);) {
        if (record[0] == type && --nth == 0) before();
        if (send(server, record.data(), record.size(), MSG_NOSIGNAL) < 0) break;
      }
      shutdown(server, SHUT_WR);
      back.join();
    }
    close(server);
    close(client);
  }
  static bool ReadRecord(int fd, std::string& record) {
    record.resize(5);
    if (recv(fd, record.data(), 5, MSG_WAITALL) != 5) return false;
    const std::size_t size =
        static_cast<std::size_t>(static_cast<unsigned char>(record[3])) << 8 | static_cast<unsigned char>(record[4]);
    record.resize(5 + size);
    return recv(fd, record.data() + 5, size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  static void Copy(int from, int to) {
    char buffer[16384];
    for (ssize_t got = 0; (got = recv(from, buffer, sizeof(buffer), 0)) > 0;) {
      if (send(to, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) break;
    }
    shutdown(to, SHUT_WR);
  }

  const int listener_;
  int port_ = 0;
  std::thread thread_;
};

class VerifierFaultTest : public RefusalTest {};
INSTANTIATE_TEST_SUITE_P(, VerifierFaultTest, Values("session", "handshake"),
                         [](const auto& info) { return info.param; });

// appraisal_timeout is 5 s, handshake_timeout 10 s, and the Verifier's own timeout is out of reach (RelyingParty).
// Without appraisal_timeout it would take 10 s, and be an ATTESTED_TLS_TIMEOUT.
void ExpectRefusedInTime(const std::function<std::string()>& connect) {
  const absl::Time before = absl::Now();
  EXPECT_EQ(connect(), "DEADLINE_EXCEEDED");
  EXPECT_LT(absl::Now() - before, absl::Seconds(7));
}

TEST_P(VerifierFaultTest, ASilentVerifierEndsTheHandshakeInBoundedTime) {
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  const std::string client = Client(GetParam());
  d()->Signal(kVerifier, SIGSTOP);
  ExpectRefusedInTime([&] { return RefusedBy(ConnectWith(client, server.address())); });
  d()->Signal(kVerifier, SIGCONT);
}

TEST_P(VerifierFaultTest, AVerifierThatFallsSilentBeforeTheAppraisalEndsTheHandshakeInBoundedTime) {
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  const std::string client = Client(GetParam());
  const int opened = ServedByVerifier("NewSession"), submitted = ServedByVerifier("SubmitEvidence");
  // The client has its session when it sends what carries the nonce: the ClientHello, or the challenge, which is its
  // second encrypted record, after Finished.
  const char type = GetParam() == "handshake" ? kHandshakeRecord : kEncryptedRecord;
  const int nth = GetParam() == "handshake" ? 1 : 2;
  const Relay relay(server.port(), type, nth, [] { d()->Signal(kVerifier, SIGSTOP); });
  ExpectRefusedInTime([&] { return RefusedBy(ConnectWith(client, relay.address())); });
  EXPECT_EQ(ServedByVerifier("SubmitEvidence"), submitted);
  d()->Signal(kVerifier, SIGCONT);
  EXPECT_TRUE(WaitUntil([&] { return ServedByVerifier("NewSession") == opened + 1; }));
}

TEST_P(VerifierFaultTest, AKilledVerifierIsNamed) {
  Serving server(*d(), Server(GetParam(), d().DevSnp("payroll-1.2.0")));
  d()->Kill(kVerifier);
  EXPECT_EQ(RefusedBy(ConnectWith(Client(GetParam()), server.address())), "DEPENDENCY_UNAVAILABLE");
  d()->Start(kVerifier);
}

}  // namespace
}  // namespace twi::integration
