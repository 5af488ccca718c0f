// Who a certificate names, and what is remembered of it.
#include "common/server/verify_peer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/x509.h"
#include "common/server/peer_cache.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace twi::server
