// The parts of a server that need no socket.
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/x509.h"
#include "common/log/log.h"
#include "common/server/check_request.h"
#include "common/server/daemon_flags.h"
#include "common/server/gate.h"
#include "common/server/insecure_fields.h"
#include "common/server/peer_cache.h"
#include "common/server/server_config.h"
#include "common/server/tls_files.h"
#include "common/server/verify_peer.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "common/testing/test_pki.h"
#include "gmock/gmock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {
namespace {

using testing::FakeClock;
using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TestPki;

constexpr char kId[] = "spiffe://test.example/twi/echo";

VerifiedPeer PeerOf(PeerIdentity::Kind kind, const std::string& id) {
  VerifiedPeer peer;
  peer.identity.kind = kind;
  peer.identity.spiffe_id = id;
  return peer;
}

TEST(PeerCacheTest, FindsOnlyWithinAGeneration) {
  PeerCache cache;
  cache.Put("pem", PeerOf(PeerIdentity::Kind::kSpiffeId, kId), 1);
  EXPECT_TRUE(cache.Find("pem", 1).has_value());
  EXPECT_FALSE(cache.Find("pem", 2).has_value());
  EXPECT_FALSE(cache.Find("other", 1).has_value());
}

TEST(PeerCacheTest, FloodOfAttestedKeysPushesOutNoServiceAndStaysBounded) {
  PeerCache cache(8);
  cache.Put("service", PeerOf(PeerIdentity::Kind::kSpiffeId, kId), 1);
  for (int i = 0; i < 1000; ++i) cache.Put(absl::StrCat("key", i), PeerOf(PeerIdentity::Kind::kAttestedKey, ""), 1);
  EXPECT_TRUE(cache.Find("service", 1).has_value());
  EXPECT_LE(cache.size(), 9u);
}

class VerifyPeerTest : public ::testing::Test {
 protected:
  VerifyPeerTest() : pki_(clock_.Now()), anchors_(*crypto::ParseCertificates(pki_.ca_pem())) {}
  absl::StatusOr<VerifiedPeer> Verify(const std::string& pem, VerifyPeerOptions options = {}) {
    options.now = clock_.Now();
    const auto all = crypto::ParseCertificates(pem);
    return VerifyPeer(crypto::CertificateToPem(all->front().der), pem, anchors_, options);
  }
  FakeClock clock_;
  TestPki pki_;
  std::vector<crypto::Certificate> anchors_;
};

TEST_F(VerifyPeerTest, NamesThePeerAndTheFirstEndOfItsPath) {
  const auto pair = pki_.Make(kId, {});
  ASSERT_OK_AND_ASSIGN(const VerifiedPeer peer, Verify(pair.certificate_pem));
  EXPECT_EQ(peer.identity.spiffe_id, kId);
  EXPECT_EQ(peer.identity.key_sha256, pair.key_sha256);
  EXPECT_EQ(peer.not_after, clock_.Now() + absl::Hours(24));
}
TEST_F(VerifyPeerTest, RefusesWithoutIntermediate) {
  TestPki::Options options;
  options.by_intermediate = true;
  const auto pair = pki_.Make(kId, options);
  EXPECT_OK(Verify(pair.certificate_pem).status());
  EXPECT_THAT(VerifyPeer(pair.certificate_pem.substr(0, pair.certificate_pem.find("-----END") + 26), "", anchors_,
                         {PeerRole::kClient, false, clock_.Now()}),
              StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
}
TEST_F(VerifyPeerTest, RefusesAfterExpiry) {
  const auto pair = pki_.Make(kId, {});
  clock_.Advance(absl::Hours(25));
  EXPECT_THAT(Verify(pair.certificate_pem), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
}
TEST_F(VerifyPeerTest, RefusesWrongUsageForTheRole) {
  TestPki::Options options;
  options.extended_key_usage = {crypto::kEkuClientAuth};
  EXPECT_THAT(Verify(pki_.Make(kId, options).certificate_pem, {PeerRole::kServer}),
              StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED, HasSubstr("extendedKeyUsage")));
}
TEST_F(VerifyPeerTest, TakesTheUsageOfTheRoleAnyOrNone) {
  TestPki::Options options;
  for (const char* needed : {crypto::kEkuServerAuth, "2.5.29.37.0"}) {
    options.extended_key_usage = {needed};
    EXPECT_OK(Verify(pki_.Make(kId, options).certificate_pem, {PeerRole::kServer}).status()) << needed;
  }
  options.extended_key_usage = {};
  EXPECT_OK(Verify(pki_.Make(kId, options).certificate_pem, {PeerRole::kClient}).status());
  options.extended_key_usage = {"1.3.6.1.5.5.7.3.3"};  // codeSigning
  for (const PeerRole role : {PeerRole::kClient, PeerRole::kServer}) {
    EXPECT_THAT(Verify(pki_.Make(kId, options).certificate_pem, {role}),
                StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED, HasSubstr("extendedKeyUsage")));
  }
}
TEST_F(VerifyPeerTest, RefusesAKeyThatMayNotSignOrMaySignCertificates) {
  TestPki::Options options;
  options.key_usage = crypto::kKeyUsageKeyEncipherment;
  EXPECT_THAT(Verify(pki_.Make(kId, options).certificate_pem),
              StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED, HasSubstr("no digitalSignature")));
  for (const std::uint16_t more : {crypto::kKeyUsageKeyCertSign, crypto::kKeyUsageCrlSign}) {
    options.key_usage = crypto::kKeyUsageDigitalSignature | more;
    EXPECT_THAT(Verify(pki_.Make(kId, options).certificate_pem),
                StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED, HasSubstr("permits signing")));
  }
  options.key_usage = crypto::kKeyUsageDigitalSignature | crypto::kKeyUsageKeyEncipherment;
  EXPECT_OK(Verify(pki_.Make(kId, options).certificate_pem).status());
}
TEST_F(VerifyPeerTest, RefusesNoAnchorsAndRubbish) {
  anchors_.clear();
  EXPECT_THAT(Verify(pki_.Make(kId, {}).certificate_pem), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
  EXPECT_THAT(VerifyPeer("", "", anchors_, {}), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
  EXPECT_THAT(VerifyPeer("rubbish", "", anchors_, {}), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
}
TEST_F(VerifyPeerTest, RefusesSelfSignedWithCompanyOrWhenNotAllowed) {
  TestPki::Options options;
  options.self_signed = true;
  options.uri_sans = std::vector<std::string>();
  const std::string pem = pki_.Make("", options).certificate_pem;
  VerifyPeerOptions allow;
  allow.allow_attested_key = true;
  EXPECT_OK(Verify(pem, allow).status());
  EXPECT_THAT(Verify(pem), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
  EXPECT_THAT(Verify(pem + pki_.ca_pem(), allow), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
}

class TlsFilesTest : public ::testing::Test {
 protected:
  TlsFilesTest() : pki_(clock_.Now()), tls_(pki_.Issue("server", kId)) {}
  absl::Status Open() { return TlsFiles::Open(tls_, clock_, {}).status(); }
  FakeClock clock_;
  TestPki pki_;
  config::v1::Tls tls_;
};

TEST_F(TlsFilesTest, OpensAGoodPair) {
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
  EXPECT_EQ(files->spiffe_id(), kId);
  EXPECT_EQ(files->bundle()->anchors.size(), 1u);
}
// Files in memory that hold a pair of a TlsFiles of this process.
int PairsInMemory() {
  int pairs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (absl::StrContains(std::filesystem::read_symlink(entry.path(), gone).string(), "memfd:twi-tls")) ++pairs;
  }
  return pairs;
}
TEST_F(TlsFilesTest, LeavesNoKeyBehind) {
  const int before = PairsInMemory();
  {
    ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
    EXPECT_EQ(PairsInMemory(), before + 1);
    ASSERT_NE(files->provider(), nullptr);
    EXPECT_EQ(files->provider(), files->provider()) << "made once";
  }
  EXPECT_EQ(PairsInMemory(), before);
  tls_.set_trust_bundle_file("/nonexistent");
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(PairsInMemory(), before) << "a start that failed";
}
TEST_F(TlsFilesTest, AClockThatIsSetBackDoesNotStopTheTries) {
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
  const std::string key = files->key_sha256();
  TestPki::Options past;
  past.starts = -absl::Hours(3);
  past.ends = -absl::Hours(1);
  pki_.Issue("server", kId, past);
  files->Refresh();
  EXPECT_EQ(files->key_sha256(), key) << "the new one has expired";
  clock_.Advance(-absl::Hours(2));
  files->Refresh();
  EXPECT_NE(files->key_sha256(), key) << "the files are the same, but good now";
}
TEST_F(TlsFilesTest, RefusesAKeyThatOthersMayRead) {
  chmod(tls_.key_file().c_str(), 0640);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("group or others may read")));
}
TEST_F(TlsFilesTest, RefusesAKeyOfAnotherCertificate) {
  pki_.dir().Write("server.key", pki_.Make(kId, {}).key_pem);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("is not the key of the certificate")));
}
TEST_F(TlsFilesTest, RefusesExpired) {
  clock_.Advance(absl::Hours(25));
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("expired at 2026-11-22T12:00:00")));
}
TEST_F(TlsFilesTest, RefusesMissingFilesAndFields) {
  tls_.set_trust_bundle_file("/nonexistent");
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("No such file")));
  tls_.clear_key_file();
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("tls.key_file")));
}
TEST_F(TlsFilesTest, RefusesABundleThatHoldsALeaf) {
  pki_.dir().Write("ca.crt", pki_.Make(kId, {}).certificate_pem);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("no CA")));
  pki_.dir().Write("ca.crt", "");
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}
TEST_F(TlsFilesTest, RefusesTwoNames) {
  TestPki::Options options;
  options.uri_sans = {{kId, kId}};
  tls_ = pki_.Issue("server", kId, options);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("exactly one URI SAN, got 2")));
}
TEST_F(TlsFilesTest, KeepsTheLastGoodOfEach) {
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
  const std::string key = files->key_sha256();
  const auto next = pki_.Make(kId, {});
  pki_.dir().Write("server.crt", next.certificate_pem);  // its key is not there yet
  pki_.dir().Write("ca.crt", "rubbish");
  files->Refresh();
  EXPECT_EQ(files->key_sha256(), key);
  EXPECT_EQ(files->bundle()->generation, 1u);
  pki_.dir().Write("server.key", next.key_pem);
  pki_.dir().Write("ca.crt", pki_.ca_pem());
  files->Refresh();
  EXPECT_EQ(files->key_sha256(), next.key_sha256);
  EXPECT_EQ(files->bundle()->generation, 2u);
}

// Said when it is first near, then each minute, and louder than nothing when it is over.
TEST_F(TlsFilesTest, WarnsOfTheEndOfTheCertificate) {
  testing::TempDir dir;
  config::v1::Log to_file;
  to_file.set_file(dir.File("log"));
  ASSERT_OK(log::Init(to_file, "echo"));
  TlsFiles::Options options;
  options.expiry_warning = absl::Hours(2);
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, options));
  const auto warnings_after = [&](absl::Duration passed) {
    clock_.Advance(passed);
    files->Refresh();
    files->Refresh();  // nothing new within the minute
    std::vector<std::string> warnings;
    for (absl::string_view line : absl::StrSplit(dir.Read("log"), '\n', absl::SkipEmpty())) {
      const auto parsed = nlohmann::json::parse(std::string(line));
      EXPECT_EQ(parsed["level"], "error");
      EXPECT_EQ(parsed["file"], tls_.certificate_file());
      EXPECT_EQ(parsed["not_after"], "2026-11-22T12:00:00+00:00");
      warnings.push_back(parsed["event"]);
    }
    return warnings;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(warnings_after(absl::Hours(22) - absl::Seconds(1)), ElementsAre());
  EXPECT_THAT(warnings_after(absl::Minutes(1)), ElementsAre("certificate_expires_soon"));
  EXPECT_THAT(warnings_after(absl::Minutes(1)), ElementsAre("certificate_expires_soon", "certificate_expires_soon"));
  EXPECT_THAT(warnings_after(absl::Hours(2)),
              ElementsAre("certificate_expires_soon", "certificate_expires_soon", "certificate_expired"));
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
}

TEST(WorkUntilTest, IsTheSmallerOfTheCallersAndOurs) {
  const absl::Time system = absl::FromUnixSeconds(5000), ours = absl::FromUnixSeconds(1000);
  const auto until = [&](absl::Time deadline) { return WorkUntil(deadline, system, ours, absl::Seconds(10)); };
  EXPECT_EQ(until(system + absl::Seconds(3)).value(), ours + absl::Seconds(3));
  EXPECT_EQ(until(system + absl::Seconds(30)).value(), ours + absl::Seconds(10));
  EXPECT_EQ(until(absl::InfiniteFuture()).value(), ours + absl::Seconds(10));
  for (const absl::Time passed : {system, system - absl::Nanoseconds(1), absl::InfinitePast()}) {
    EXPECT_THAT(until(passed), StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED, HasSubstr("had passed on arrival")));
  }
}

// A bare message: field 1, `bytes` long.
std::string Field(int number, const std::string& bytes) {
  std::string text;
  google::protobuf::io::StringOutputStream stream(&text);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.WriteTag(static_cast<std::uint32_t>(number) << 3 | 2);
  out.WriteVarint32(static_cast<std::uint32_t>(bytes.size()));
  out.WriteString(bytes);
  out.Trim();
  return text;
}

class CheckRequestTest : public ::testing::Test {
 protected:
  // config::v1::Server stands for a request: it has nested and repeated messages.
  static absl::Status Check(const std::string& bytes, std::size_t max_bytes = 1 << 20) {
    config::v1::Server request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    return CheckRequest(request, max_bytes);
  }
};

TEST_F(CheckRequestTest, TakesWhatItKnows) {
  EXPECT_OK(Check(""));
  config::v1::Server request;
  request.mutable_metrics()->mutable_tls()->set_key_file("k");
  request.add_allow()->add_peers("p");
  EXPECT_OK(Check(request.SerializeAsString()));
}
TEST_F(CheckRequestTest, RefusesUnknownFieldsAtAnyDepth) {
  const std::string unknown = Field(1007, "x");
  for (const std::string& bytes : {unknown, Field(2, unknown), Field(3, unknown), Field(3, "") + Field(3, unknown),
                                   Field(11, Field(3, unknown)), std::string("\xfb\x3e\xfc\x3e"),  // a group
                                   std::string("\x20\x01\x22\x01x")}) {                            // field 4 as bytes
    EXPECT_THAT(Check(bytes), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED, HasSubstr("has no field"))) << bytes;
  }
  EXPECT_THAT(Check(Field(11, Field(3, unknown))),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED, HasSubstr("twi.config.v1.Tls has no field 1007")));
}
TEST_F(CheckRequestTest, RefusesTooMuch) {
  EXPECT_OK(Check(Field(1, std::string(97, 'x')), 100));
  EXPECT_THAT(Check(Field(1, std::string(99, 'x')), 100), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(Check(Field(1007, std::string(99, 'x')), 100), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  std::string many;
  for (int i = 1; i < kMaxRequestMessages; ++i) many += Field(3, "");
  EXPECT_OK(Check(many));
  EXPECT_THAT(Check(many + Field(3, "")), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}
TEST_F(CheckRequestTest, RefusesWhatIsTooDeep) {
  const auto nested = [](int depth) {
    google::protobuf::Struct top;
    google::protobuf::Struct* at = &top;
    for (int i = 1; i < depth; ++i) at = (*at->mutable_fields())["x"].mutable_struct_value();
    return CheckRequest(top, 1 << 20);
  };
  EXPECT_OK(nested(2));
  EXPECT_THAT(nested(kMaxRequestDepth), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED, HasSubstr("nested")));
}
TEST_F(CheckRequestTest, ARequestsVerdictIsFoundByItsContextAlone) {
  const grpc::ServerContext context, other;
  SetArrivedRequest(&context, Deny(v1::DENY_REASON_REQUEST_MALFORMED, "x"));
  EXPECT_THAT(ArrivedRequest(context), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(ArrivedRequest(other), StatusIs(v1::DENY_REASON_INTERNAL)) << "nobody looked at its request";
  SetArrivedRequest(&context, absl::OkStatus());
  EXPECT_OK(ArrivedRequest(context));
  SetArrivedRequest(nullptr, absl::OkStatus());
  EXPECT_THAT(ArrivedRequest(context), StatusIs(v1::DENY_REASON_INTERNAL));
}

class ServerConfigTest : public ::testing::Test {
 protected:
  ServerConfigTest() {
    config_.set_listen("127.0.0.1:0");
    config_.mutable_tls();
    Add("Say", kId);
  }
  config::v1::Allow& Add(const std::string& rpc, const std::string& peer) {
    auto* allow = config_.add_allow();
    allow->set_rpc(rpc);
    if (!peer.empty()) allow->add_peers(peer);
    return *allow;
  }
  // The refusal's words; "" when there is none.
  std::string Refusal() {
    const absl::Status status = CheckServerConfig(config_, {"Say", "Open"}, field_).status();
    EXPECT_TRUE(status.ok() || DenyReasonOf(status) == v1::DENY_REASON_CONFIG_INVALID) << status;
    return std::string(status.message());
  }
  config::v1::Server config_;
  std::string field_ = "server";
};

TEST_F(ServerConfigTest, NamesTheFieldsWhereTheyStand) {
  field_ = "admin.server";
  config_.clear_tls();
  EXPECT_EQ(Refusal(), "admin.server.tls: required");
  field_ = "";
  config_.set_listen("unix:relative");
  EXPECT_EQ(Refusal(), "listen: expected unix: and an absolute path of at most 107 bytes");
}

TEST_F(ServerConfigTest, FillsInDefaults) {
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings, CheckServerConfig(config_, {"Say", "Open"}, field_));
  EXPECT_EQ(settings.max_message_bytes, 524288);
  EXPECT_EQ(settings.max_deadline, absl::Seconds(10));
  EXPECT_EQ(settings.drain_timeout, absl::Seconds(10));
  EXPECT_EQ(settings.max_concurrent_requests, 256);
  EXPECT_EQ(settings.max_receive_memory_bytes, 256u << 20);
  EXPECT_FALSE(settings.any_attested_key);
  EXPECT_EQ(settings.allow.at("Open").spiffe_ids.size(), 0u);
  EXPECT_FALSE(settings.allow.at("Open").attested_key);
}
TEST_F(ServerConfigTest, RefusesNoTls) {
  config_.clear_tls();
  EXPECT_EQ(Refusal(), "server.tls: required");
}
TEST_F(ServerConfigTest, RefusesBadListen) {
  for (const char* listen : {"", "localhost", ":80", "127.0.0.1:", "127.0.0.1:65536", "unix:", "unix:relative"}) {
    config_.set_listen(listen);
    EXPECT_THAT(Refusal(), HasSubstr("server.listen")) << listen;
  }
}
TEST_F(ServerConfigTest, RefusesUnknownRpc) {
  Add("Sya", kId);
  EXPECT_EQ(Refusal(), "server.allow[1].rpc: expected one of Say, Open, got \"Sya\"");
}
TEST_F(ServerConfigTest, RefusesRpcTwice) {
  Add("Say", "attested_key");
  EXPECT_THAT(Refusal(), HasSubstr("twice"));
}
TEST_F(ServerConfigTest, RefusesPeerTwice) {
  config_.mutable_allow(0)->add_peers(kId);
  EXPECT_THAT(Refusal(), HasSubstr("twice"));
}
TEST_F(ServerConfigTest, RefusesRuleWithoutPeers) {
  Add("Open", "");
  EXPECT_THAT(Refusal(), HasSubstr("server.allow[1].peers"));
}
TEST_F(ServerConfigTest, RefusesNoRules) {
  config_.clear_allow();
  EXPECT_THAT(Refusal(), HasSubstr("server.allow"));
}
TEST_F(ServerConfigTest, RefusesWildcardsAndWords) {
  for (const char* peer : {"*", "any", "spiffe://*/x", "spiffe://test.example/*", "uid:0"}) {
    config_.mutable_allow(0)->set_peers(0, peer);
    EXPECT_THAT(Refusal(), HasSubstr("expected a SPIFFE ID or attested_key")) << peer;
  }
}
TEST_F(ServerConfigTest, RefusesOverLargeLimits) {
  config_.set_max_message_bytes(5 << 20);
  EXPECT_THAT(Refusal(), HasSubstr("max_message_bytes"));
  config_.set_max_message_bytes(0);
  config_.set_max_concurrent_requests(1000000);
  EXPECT_THAT(Refusal(), HasSubstr("max_concurrent_requests"));
  config_.set_max_concurrent_requests(0);
  config_.set_max_receive_memory_bytes(1 << 20);
  EXPECT_THAT(Refusal(), HasSubstr("max_receive_memory_bytes"));
  config_.set_max_receive_memory_bytes(0);
  config_.mutable_max_deadline();
  EXPECT_THAT(Refusal(), HasSubstr("max_deadline"));
}
TEST_F(ServerConfigTest, UnixSocketWantsOneUidAndNoTls) {
  config_.set_listen("unix:/tmp/x.sock");
  EXPECT_THAT(Refusal(), HasSubstr("server.tls"));
  config_.clear_tls();
  EXPECT_THAT(Refusal(), HasSubstr("expected uid:N"));
  config_.mutable_allow(0)->set_peers(0, "uid:1000");
  EXPECT_EQ(Refusal(), "");
  Add("Open", "uid:1001");
  EXPECT_THAT(Refusal(), HasSubstr("the same uid"));
}

TEST(InsecureFieldsTest, NothingSetNothingNamed) {
  EXPECT_THAT(InsecureFieldsSet(config::v1::Server()), ::testing::IsEmpty());
}

TEST(DaemonFlagsTest, RefusesWhatIsNotAFlag) {
  const auto parse = [](std::vector<const char*> args) {
    args.insert(args.begin(), "d");
    return ParseDaemonFlags(static_cast<int>(args.size()), args.data()).ok();
  };
  EXPECT_TRUE(parse({"--config", "x"}));
  EXPECT_TRUE(parse({"--config=x", "--check-config", "--port-file=p"}));
  EXPECT_TRUE(parse({"--help"}));
  EXPECT_FALSE(parse({}));
  EXPECT_FALSE(parse({"--config"}));
  EXPECT_FALSE(parse({"--config="}));
  EXPECT_FALSE(parse({"--config", "x", "--config", "y"}));
  EXPECT_FALSE(parse({"--config", "x", "stray"}));
  EXPECT_FALSE(parse({"--config", "x", "--check-config=false"}));
  EXPECT_FALSE(parse({"--config", "x", "--check-config", "--check-config"}));
  EXPECT_FALSE(parse({"--help", "--help"}));
  EXPECT_FALSE(parse({"--config", "x", "--check-config", "--probe", "live"}));
  EXPECT_TRUE(parse({"--config", "x", "--probe", "live"}));
}

}  // namespace
}  // namespace twi::server
