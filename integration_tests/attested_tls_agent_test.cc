// attested_tls.ingress and attested_tls.egress of the agent, as processes: an unmodified workload behind each,
// plaintext to its own agent, attested TLS between the two.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration_tests/attested_tls_deployment.h"

namespace twi::integration {
namespace {

// An address of the workload's: a port on loopback, or the path of a Unix socket.
struct Place {
  Place(int port) : family(AF_INET), size(sizeof(sockaddr_in)) {  // NOLINT: that is what most are
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  explicit Place(const std::string& path) : family(AF_UNIX), size(sizeof(sockaddr_un)) {
    auto& address = reinterpret_cast<sockaddr_un&>(storage);
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_storage storage = {};
  int family;
  socklen_t size;
};

// A blocking socket with a receive timeout.
class Socket {
 public:
  explicit Socket(const Place& place) : fd_(socket(place.family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    connected_ = connect(fd_, place.get(), place.size) == 0;
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  bool connected() const { return connected_; }
  void Send(const std::string& bytes) const {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t now = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return;
      sent += static_cast<std::size_t>(now);
    }
  }
  // Until `size` bytes are there or the other side ends.
  std::string Receive(std::size_t size) const {
    std::string got;
    char buffer[16384];
    while (got.size() < size) {
      const ssize_t now = recv(fd_, buffer, std::min(sizeof(buffer), size - got.size()), 0);
      if (now <= 0) break;
      got.append(buffer, static_cast<std::size_t>(now));
    }
    return got;
  }
  void EndOfSending() const { shutdown(fd_, SHUT_WR); }

 private:
  const int fd_;
  bool connected_ = false;
};

// The workload: sends back what it gets.
class EchoServer {
 public:
  explicit EchoServer(Place place = Place(0)) : listener_(socket(place.family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(bind(listener_, place.get(), place.size), 0);
    EXPECT_EQ(listen(listener_, 128), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&place.storage), &place.size), 0);
    port_ = ntohs(reinterpret_cast<const sockaddr_in&>(place.storage).sin_port);
    thread_ = std::thread([this] {
      for (int fd = 0; (fd = accept(listener_, nullptr, nullptr)) >= 0;) std::thread(Echo, fd).detach();
    });
  }
  ~EchoServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  int port() const { return port_; }  // of TCP

 private:
  static void Echo(int fd) {
    char buffer[16384];
    for (ssize_t got = 0; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      if (send(fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) break;
    }
    close(fd);
  }
  const int listener_;
  int port_ = 0;
  std::thread thread_;
};

class AgentTunnelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<AttestedTlsDeployment>();
    d().StartAll();
  }
  static void TearDownTestSuite() { deployment_.reset(); }
  static Deployment& d() { return **deployment_; }

  static void WriteAgent(const std::string& name, const std::string& section) {
    deployment_->WriteAgent(name, section);
  }
  static std::vector<int> Listening(const std::string& name, const std::string& tunnel) {
    return deployment_->Listening(name, tunnel);
  }
  int StartAgent(const std::string& name, Process& process, const std::string& tunnel) {
    refused_before_[name] = AllRefusals(name).size();
    const int port = deployment_->StartAgent(name, tunnel, process);
    EXPECT_GE(port, 0) << d().Read("log/agent-" + name + ".out");
    return port;
  }
  std::string Ingress(const std::string& limits = "", const std::string& client = "") const {
    return deployment_->Ingress(echo_.port(), limits, client);
  }
  static std::string Egress(int port, const std::string& condition = kPayrollWorker,
                            const std::string& identifiers = "", const std::string& profiles = "session") {
    return deployment_->Egress(port, condition, identifiers, profiles);
  }
  // Both agents: the ingress' workload is echo_. The port where a workload reaches the egress.
  int StartBoth(const std::string& ingress, const std::string& condition = kPayrollWorker,
                const std::string& identifiers = "") {
    WriteAgent("A-snp", ingress);
    ingress_port_ = StartAgent("A-snp", ingress_, "api");
    WriteAgent("B-snp", Egress(ingress_port_, condition, identifiers));
    return StartAgent("B-snp", egress_, "out");
  }
  static bool Echoes(const Place& place, std::size_t size = 10) {
    const Socket workload(place);
    const std::string sent(size, 'x');
    std::thread sender([&] { workload.Send(sent); });
    const std::string got = workload.Receive(sent.size());
    sender.join();
    return got == sent;
  }
  std::vector<std::string> AllRefusals(const std::string& agent) {
    std::vector<std::string> reasons;
    if (!std::filesystem::exists(d().File(absl::StrCat("log/agent-", agent, ".log")))) return reasons;
    for (const nlohmann::json& line : d().LogLines("agent-" + agent, "attested_tls_refused"))
      reasons.push_back(line.value("reason", ""));
    return reasons;
  }
  // Since this test started the agent.
  std::vector<std::string> Refusals(const std::string& agent) {
    // Who is refused may know it before the line is written.
    (void)WaitUntil([&] { return AllRefusals(agent).size() > refused_before_[agent]; });
    std::vector<std::string> reasons = AllRefusals(agent);
    reasons.erase(reasons.begin(), reasons.begin() + static_cast<std::ptrdiff_t>(refused_before_[agent]));
    return reasons;
  }

  inline static std::unique_ptr<AttestedTlsDeployment> deployment_;
  EchoServer echo_;
  Process ingress_, egress_;
  std::map<std::string, std::size_t> refused_before_;
  int ingress_port_ = 0;
};

TEST_F(AgentTunnelTest, AnUnmodifiedWorkloadReachesAnAttestedOne) {
  const int port = StartBoth(Ingress());
  EXPECT_TRUE(Echoes(port));
  EXPECT_TRUE(Echoes(port, 5'000'000));
  const auto opened = d().LogLines("agent-B-snp", "attested_tls_opened");
  ASSERT_GE(opened.size(), 2u);
  EXPECT_EQ(opened.back()["profile"], "session");
  EXPECT_FALSE(opened.back()["results_id"].get<std::string>().empty());
}

TEST_F(AgentTunnelTest, AWorkloadMayUseUnixSocketsOnBothSides) {
  const std::string behind = d().File("run/echo.sock"), before = d().File("run/out.sock");
  const EchoServer echo{Place(behind)};
  WriteAgent("A-snp", absl::StrReplaceAll(Ingress(), {{absl::StrCat("127.0.0.1:", echo_.port()), "unix:" + behind}}));
  const int ingress_port = StartAgent("A-snp", ingress_, "api");
  WriteAgent("B-snp", absl::StrReplaceAll(Egress(ingress_port), {{"listen: 127.0.0.1:0", "listen: unix:" + before}}));
  StartAgent("B-snp", egress_, "out");
  struct stat status {};
  ASSERT_EQ(stat(before.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_TRUE(Echoes(Place(before), 1'000'000));
}

TEST_F(AgentTunnelTest, AWorkloadThatIsNotThereIsNamedAndNoSuccess) {
  const int port = StartBoth(absl::StrReplaceAll(
      Ingress(), {{absl::StrCat("127.0.0.1:", echo_.port()), "unix:" + d().File("run/nobody.sock")}}));
  const std::size_t opened = d().LogLines("agent-A-snp", "attested_tls_opened").size();
  EXPECT_FALSE(Echoes(port));
  EXPECT_THAT(Refusals("A-snp"), ::testing::ElementsAre("DEPENDENCY_UNAVAILABLE"));
  EXPECT_EQ(d().LogLines("agent-A-snp", "attested_tls_opened").size(), opened);
}

TEST_F(AgentTunnelTest, EndOfSendingIsCarriedAndTheAnswerStillComes) {
  const int port = StartBoth(Ingress());
  const Socket workload(port);
  workload.Send("last words");
  workload.EndOfSending();
  EXPECT_EQ(workload.Receive(100), "last words");  // and then the end
}

TEST_F(AgentTunnelTest, ThePeersMappedIdentityIsOnTheAllowList) {
  const int port =
      StartBoth(Ingress(), kPayrollWorker, "      workload_identifiers: [\"spiffe://example.org/payroll/worker\"]\n");
  EXPECT_TRUE(Echoes(port));
  EXPECT_EQ(d().LogLines("agent-B-snp", "attested_tls_opened").back()["workload_identifier"],
            "spiffe://example.org/payroll/worker");
}

TEST_F(AgentTunnelTest, RefusesAMappedIdentityThatIsNotOnTheAllowList) {
  const int port = StartBoth(Ingress(), kPayrollWorker,
                             "      workload_identifiers: [\"spiffe://example.org/payroll/somebody-else\"]\n");
  EXPECT_FALSE(Echoes(port));
  EXPECT_THAT(Refusals("B-snp"), ::testing::Contains("ATTESTED_TLS_PEER_NOT_ALLOWED"));
}

TEST_F(AgentTunnelTest, RefusesAPeerByItsAttestationResults) {
  const int port = StartBoth(Ingress(), "results.software.version == \"9.9.9\"");
  EXPECT_FALSE(Echoes(port));
  EXPECT_THAT(Refusals("B-snp"), ::testing::Contains("ATTESTED_TLS_PEER_NOT_ALLOWED"));
}

TEST_F(AgentTunnelTest, AnIngressThatDemandsAttestedClientsRefusesOthers) {
  const int port = StartBoth(Ingress("",
                                     "    client:\n      allow:\n      - name: software\n        expression: "
                                     "results.software.version == \"1.2.0\"\n"));
  EXPECT_TRUE(Echoes(port));
  // twictl without an attester, then plain TLS, then no TLS.
  const std::string client = deployment_->WriteTool("client", {"", "payroll", kPayrollWorker, "session"});
  EXPECT_NE(ConnectWith(client, absl::StrCat("127.0.0.1:", ingress_port_)).exit_code, 0);
  const Finished stock = integration::Run(
      {"/bin/sh", "-c",
       absl::StrCat("openssl s_client -tls1_3 -ign_eof -connect 127.0.0.1:", ingress_port_, " </dev/null 2>&1")});
  EXPECT_THAT(stock.out, ::testing::HasSubstr("New, TLSv1.3"));
  EXPECT_THAT(stock.out, ::testing::HasSubstr("ATTESTED_TLS_EXTENSION_ABSENT")) << "it is told why";
  const Socket plaintext(ingress_port_);
  plaintext.Send("GET / HTTP/1.1\r\n\r\n");
  plaintext.Receive(1000);
  ASSERT_TRUE(WaitUntil([&] { return Refusals("A-snp").size() >= 3; }));
  EXPECT_THAT(Refusals("A-snp"),
              ::testing::UnorderedElementsAre("ATTESTED_TLS_CERTIFICATE_INVALID", "ATTESTED_TLS_EXTENSION_ABSENT",
                                              "ATTESTED_TLS_HANDSHAKE_FAILED"));
}

TEST_F(AgentTunnelTest, MetricsCountOutcomesByReason) {
  const std::string path = d().File("run/tunnel-metrics");
  const int port =
      StartBoth(absl::StrCat(Ingress(), "metrics: {listen: \"unix:", path, "\", peers: [\"uid:", getuid(), "\"]}\n"));
  EXPECT_TRUE(Echoes(port));
  const Socket plaintext(ingress_port_);
  plaintext.Send("GET / HTTP/1.1\r\n\r\n");
  plaintext.Receive(1000);
  ASSERT_TRUE(WaitUntil([&] { return !Refusals("A-snp").empty(); }));
  const std::string seen = integration::Run({"/usr/bin/curl", "--silent", "--show-error", "--fail", "--max-time", "10",
                                             "--unix-socket", path, "http://localhost/metrics"})
                               .out;
  EXPECT_THAT(seen, ::testing::HasSubstr("attested_tls_ingress:api"));
  EXPECT_THAT(seen, ::testing::HasSubstr("outcome=\"OK\""));
  EXPECT_THAT(seen, ::testing::HasSubstr("ATTESTED_TLS_HANDSHAKE_FAILED"));
}

TEST_F(AgentTunnelTest, SighupTakesANewAllowListForNewConnections) {
  const int port = StartBoth(Ingress());
  const Socket before(port);
  before.Send("hello");
  EXPECT_EQ(before.Receive(5), "hello");
  WriteAgent("B-snp", Egress(ingress_port_, "results.software.version == \"9.9.9\""));
  const std::size_t listening = Listening("B-snp", "out").size();
  egress_.Signal(SIGHUP);
  ASSERT_TRUE(WaitUntil([&] { return Listening("B-snp", "out").size() > listening; }));
  EXPECT_EQ(Listening("B-snp", "out").back(), port) << "the listening socket stays";
  EXPECT_FALSE(Echoes(port));
  before.Send("still here");
  EXPECT_EQ(before.Receive(10), "still here") << "open tunnels stay";
  // A config that does not check leaves the old one in force.
  WriteAgent("B-snp", Egress(ingress_port_, "no such thing"));
  egress_.Signal(SIGHUP);
  ASSERT_TRUE(WaitUntil([&] { return !d().LogLines("agent-B-snp", "reload_refused").empty(); }));
  EXPECT_FALSE(Echoes(port));
}

TEST_F(AgentTunnelTest, ConnectionsBeyondTheLimitAreClosedAtOnce) {
  const int port = StartBoth(Ingress("    limits: {max_connections: 1}\n"));
  const Socket first(port);
  first.Send("hello");
  ASSERT_EQ(first.Receive(5), "hello");
  EXPECT_FALSE(Echoes(port));
  EXPECT_FALSE(d().LogLines("agent-A-snp", "attested_tls_overloaded").empty());
  first.Send("still here");
  EXPECT_EQ(first.Receive(10), "still here");
}

TEST_F(AgentTunnelTest, AnIdleTunnelAndASilentPeerAreClosed) {
  const int port = StartBoth(Ingress("    limits: {idle_timeout: 1s, handshake_timeout: 1s}\n"));
  const Socket idle(port);
  idle.Send("hello");
  ASSERT_EQ(idle.Receive(5), "hello");
  EXPECT_EQ(idle.Receive(1), "");  // closed, not timed out here: the socket's own timeout is longer
  EXPECT_TRUE(WaitUntil([&] { return !d().LogLines("agent-A-snp", "attested_tls_idle").empty(); }));
  const Socket silent(ingress_port_);
  EXPECT_EQ(silent.Receive(1), "");
  ASSERT_TRUE(WaitUntil([&] { return !Refusals("A-snp").empty(); }));
  EXPECT_THAT(Refusals("A-snp"), ::testing::Contains("ATTESTED_TLS_TIMEOUT"));
}

TEST_F(AgentTunnelTest, ASilentVerifierDelaysNoOpenTunnelAndNoConnectionThatDoesNotNeedIt) {
  const int port = StartBoth(Ingress());
  const Socket open(port);
  open.Send("hello");
  ASSERT_EQ(open.Receive(5), "hello");
  d().Signal(kVerifier, SIGSTOP);
  std::vector<std::unique_ptr<Socket>> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<Socket>(port));
    waiting.back()->Send("x");
  }
  const absl::Time before = absl::Now();
  for (int i = 0; i < 20; ++i) {
    open.Send("ping");
    EXPECT_EQ(open.Receive(4), "ping");
  }
  const absl::Duration took = absl::Now() - before;
  EXPECT_LT(took, absl::Seconds(2));
  for (const auto& socket : waiting) EXPECT_EQ(socket->Receive(1), "");  // all end, within appraisal_timeout (5 s)
  EXPECT_LT(absl::Now() - before, absl::Seconds(7));
  d().Signal(kVerifier, SIGCONT);
  // The agent's 16 workers wait for the Verifier; to the other four none comes, or one when there is no time left.
  const std::vector<std::string> refusals = Refusals("B-snp");
  EXPECT_EQ(refusals.size(), 20u);
  EXPECT_THAT(refusals, ::testing::Each(::testing::AnyOf("DEADLINE_EXCEEDED", "OVERLOADED")));
  EXPECT_GE(std::count(refusals.begin(), refusals.end(), "DEADLINE_EXCEEDED"), 16);
  EXPECT_TRUE(WaitUntil([&] { return Echoes(port); }));
}

// 10,000 idle half-open handshakes at the ingress: memory reported, an honest connection not delayed.
TEST_F(AgentTunnelTest, TenThousandHalfOpenHandshakesDelayNobody) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < 11'500) GTEST_SKIP() << "only " << limit.rlim_max << " files are allowed here";
  const int port = StartBoth(Ingress("    limits: {max_connections: 11000, handshake_timeout: 2m}\n"));
  ASSERT_TRUE(Echoes(port));
  const auto resident = [&]() -> long {
    // The agent is the one that listens on the port; its status says what it takes.
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream cmdline(entry.path() / "cmdline", std::ios::binary);
      const std::string line((std::istreambuf_iterator<char>(cmdline)), std::istreambuf_iterator<char>());
      if (!absl::StrContains(line, d().File("config/agent-A-snp.yaml"))) continue;
      std::ifstream status(entry.path() / "status");
      for (std::string field; std::getline(status, field);) {
        long kib = 0;
        if (std::sscanf(field.c_str(), "VmRSS: %ld", &kib) == 1) return kib;
      }
    }
    return 0;
  };
  const auto once = [&] {
    const absl::Time before = absl::Now();
    EXPECT_TRUE(Echoes(port));
    return absl::Now() - before;
  };
  const absl::Duration alone = once();
  const long before = resident();
  std::vector<std::unique_ptr<Socket>> half_open;
  for (int i = 0; i < 10'000; ++i) {
    half_open.push_back(std::make_unique<Socket>(ingress_port_));
    if (i % 2 == 1)
      half_open.back()->Send(
          std::string("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11));  // the head of a ClientHello
  }
  const absl::Duration beside = once();
  const long after = resident();
  std::printf(
      "agent with 10,000 half-open handshakes: %ld KiB resident before, %ld after, %.2f KiB each; a connection took %s "
      "before and %s beside them\n",
      before, after, (after - before) / 10'000.0, absl::FormatDuration(alone).c_str(),
      absl::FormatDuration(beside).c_str());
  EXPECT_GT(before, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // theirs is several times as much
  EXPECT_LT(after - before, 10'000 * 64);
#endif
  EXPECT_LT(beside, absl::Seconds(2));
}

TEST_F(AgentTunnelTest, CheckConfigNamesThePlace) {
  const auto refused = [&](const std::string& section) {
    WriteAgent("A-snp", section);
    const Finished checked = integration::Run({Runfile("services/workload_agent/workload_agent"), "--config",
                                               d().File("config/agent-A-snp.yaml"), "--check-config"});
    EXPECT_NE(checked.exit_code, 0);
    return checked.out + checked.err;
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(refused("attested_tls:\n  ingress:\n  - name: api\n    listen: 127.0.0.1:0\n    forward: 192.0.2.1:80\n"),
              HasSubstr("attested_tls.ingress[0].forward"));
  EXPECT_THAT(refused("attested_tls:\n  ingress:\n  - name: API\n    listen: 127.0.0.1:0\n    forward: 127.0.0.1:80\n"),
              HasSubstr("attested_tls.ingress[0].name"));
  EXPECT_THAT(refused("attested_tls:\n  egress:\n  - name: out\n    listen: 0.0.0.0:1\n    connect: a:1\n"),
              HasSubstr("attested_tls.egress[0].listen"));
  EXPECT_THAT(refused("attested_tls:\n  egress:\n  - name: out\n    listen: 127.0.0.1:1\n    connect: a:1\n"),
              HasSubstr("attested_tls.egress[0].server"));
  EXPECT_THAT(refused("attested_tls: {}\n"), HasSubstr("attested_tls"));
  EXPECT_THAT(
      refused(absl::StrReplaceAll(Egress(1), {{kClientRpId, "\":\""}})),
      ::testing::ContainsRegex("agent-A-snp.yaml:[0-9]+:12: attested_tls.relying_party.rp_id: expected an abs"));
  EXPECT_THAT(refused(absl::StrReplaceAll(
                  Ingress(), {{"attested_tls:\n", "attested_tls:\n" + deployment_->RelyingParty("ledger", "  ")}})),
              ::testing::ContainsRegex("agent-A-snp.yaml:[0-9]+:5: attested_tls.relying_party: expected nothing"));
  EXPECT_THAT(
      refused(Ingress("    limits: {handshake_timeout: 3s, appraisal_timeout: 4s}\n")),
      ::testing::ContainsRegex("yaml:[0-9]+:56: attested_tls.ingress.0..limits.appraisal_timeout: expected at most"));
  EXPECT_THAT(refused(Egress(1, "results.no_such_field == 1")), HasSubstr("attested_tls.egress[0].server.allow"));
  EXPECT_THAT(refused(Egress(1, kPayrollWorker, "", "quickly")), HasSubstr("attested_tls.egress[0].profiles"));
}

}  // namespace
}  // namespace twi::integration
