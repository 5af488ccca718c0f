// The Verifier behind its real door: TLS 1.3, allow-lists, gRPC; workloads with a fresh self-signed key.
#include "services/verifier/verifier_service.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/client/verifier_client.h"
#include "common/crypto/csr.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "services/verifier/testing/fake_peers.h"
#include "services/verifier/testing/verifier_under_test.h"

namespace twi::verifier {
namespace {

using ::twi::testing::StatusIs;

class VerifierServiceTest : public ::testing::Test {
 protected:
  VerifierServiceTest() : verifier_(absl::Now()), pki_(verifier_.clock.Now()) {}
  void SetUp() override { Start(&mapper_, &authority_); }

  void Start(client::ClaimsMapperClient* mapper, client::CredentialAuthorityClient* authority) {
    config::v1::Server config;
    config.set_listen("127.0.0.1:0");
    *config.mutable_tls() = pki_.Issue("server", kVerifierId);
    for (const char* rpc : {"NewChallenge", "Appraise", "RequestCredential"}) Allow(config, rpc, {"attested_key"});
    Allow(config, "AppraiseForRelyingParty", {kAuthorityId, kOtherAuthorityId});
    Allow(config, "GetVerifierKeys", {"attested_key", kAuthorityId});
    auto server = server::Server::Start(config, verifier_.clock, [&](server::Gate& gate) {
      std::vector<server::NamedService> services;
      services.push_back({std::make_unique<VerifierService>(gate, *verifier_.deps, mapper, authority),
                          v1::Verifier::service_full_name()});
      return services;
    });
    ASSERT_OK(server);
    server_ = *std::move(server);
  }
  static void Allow(config::v1::Server& config, const char* rpc, const std::vector<const char*>& peers) {
    config::v1::Allow& allow = *config.add_allow();
    allow.set_rpc(rpc);
    for (const char* peer : peers) allow.add_peers(peer);
  }

  std::unique_ptr<client::VerifierClient> Connect(const client::Identity& identity) {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", server_->port()));
    peer.set_spiffe_id(kVerifierId);
    peer.mutable_timeout()->set_seconds(20);
    auto client = client::MakeVerifierClient(peer, identity, verifier_.clock);
    EXPECT_OK(client);
    return *std::move(client);
  }
  std::shared_ptr<client::Identity> AttestedKey() {
    return *client::Identity::AttestedKey(pki_.dir().File("ca.crt"), verifier_.clock.Now());
  }
  std::unique_ptr<client::VerifierClient> As(const char* spiffe_id) {
    identity_ = *client::Identity::FromFiles(pki_.Issue(absl::StrCat("client", serial_++), spiffe_id));
    return Connect(*identity_);
  }
  absl::Time Deadline() const { return verifier_.clock.Now() + absl::Seconds(20); }

  // B1, B2
  v1::AppraiseRequest RequestFrom(client::VerifierClient& client) {
    const auto challenge = client.NewChallenge(Deadline());
    EXPECT_OK(challenge);
    EXPECT_EQ(challenge->lifetime_seconds(), 120u);
    v1::AppraiseRequest request;
    *request.mutable_binding() = verifier_.NewBinding("", *crypto::MakeCsr(key_));
    request.mutable_binding()->set_nonce(challenge->nonce());
    *request.mutable_evidence() = verifier_.EvidenceOver(request.binding());
    return request;
  }

  VerifierUnderTest verifier_;
  ::twi::testing::TestPki pki_;
  FakeClaimsMapper mapper_;
  FakeCredentialAuthority authority_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  std::shared_ptr<client::Identity> identity_;
  int serial_ = 0;
  std::unique_ptr<server::Server> server_;
};

TEST_F(VerifierServiceTest, AWorkloadGetsResultsThatItsRelyingPartyValidates) {
  const auto identity = AttestedKey();
  const auto client = Connect(*identity);
  const v1::AppraiseRequest request = RequestFrom(*client);
  const auto response = client->Appraise(request, Deadline());
  ASSERT_OK(response);
  const auto keys = As(kAuthorityId)->GetVerifierKeys(Deadline());
  ASSERT_OK(keys);
  ResultsExpectation expectation;
  expectation.audience = kRpId;
  expectation.issuer = kVerifierId;
  expectation.now = verifier_.clock.Now();
  const auto results =
      ValidateResults(response->attestation_results(), *jose::JwkSetFromText(keys->jwks()), expectation);
  ASSERT_OK(results);
  EXPECT_OK(MatchResultsToRequest(*results, request.binding(), identity->key_sha256()));
  EXPECT_EQ(keys->encryption_key_id(), verifier_.encryption_key->kid());
  EXPECT_EQ(keys->encryption_key_spki(), verifier_.encryption_key->spki());
}

TEST_F(VerifierServiceTest, RefusesChallengesThatAreMissingReplayedExpiredOrForeign) {
  const auto identity = AttestedKey();
  const auto client = Connect(*identity);
  v1::AppraiseRequest request = RequestFrom(*client);
  EXPECT_OK(client->Appraise(request, Deadline()));
  EXPECT_THAT(client->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
  request.mutable_binding()->clear_nonce();
  EXPECT_THAT(client->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_CHALLENGE_MISSING));
  request.mutable_binding()->set_nonce(std::string(56, 'n'));
  EXPECT_THAT(client->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN));
  request = RequestFrom(*client);
  verifier_.clock.Advance(absl::Minutes(3));
  EXPECT_THAT(client->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_CHALLENGE_EXPIRED));
}

TEST_F(VerifierServiceTest, RefusesAChallengeFromAnotherConnectionsKey) {
  const auto mine = AttestedKey(), yours = AttestedKey();
  const v1::AppraiseRequest request = RequestFrom(*Connect(*mine));
  EXPECT_THAT(Connect(*yours)->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL));
  EXPECT_OK(Connect(*mine)->Appraise(request, Deadline())) << "and whoever relays it does not use it up";
}

TEST_F(VerifierServiceTest, RefusesAnEmptyRequestAndBindingsOfOthers) {
  const auto identity = AttestedKey();
  const auto client = Connect(*identity);
  EXPECT_FALSE(client->Appraise(v1::AppraiseRequest(), Deadline()).ok());
  v1::AppraiseRequest request = RequestFrom(*client);
  request.mutable_binding()->set_target("https://ledger.test.example");
  EXPECT_THAT(client->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  request = RequestFrom(*client);
  request.mutable_binding()->set_rp_id("https://stranger.example");
  EXPECT_THAT(client->Appraise(request, Deadline()), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
}

TEST_F(VerifierServiceTest, RelyingPartiesAskForTheirOwnRpIdOnly) {
  v1::AppraiseForRelyingPartyRequest request;
  *request.mutable_binding() = verifier_.NewBinding("", *crypto::MakeCsr(key_));
  *request.mutable_encrypted_evidence() =
      verifier_.Encrypt(verifier_.EvidenceOver(request.binding()).SerializeAsString(), request.binding());
  request.set_channel_key_sha256(std::string(32, 'c'));
  EXPECT_OK(As(kAuthorityId)->AppraiseForRelyingParty(request, Deadline()));
  EXPECT_THAT(As(kOtherAuthorityId)->AppraiseForRelyingParty(request, Deadline()),
              StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
  const auto identity = AttestedKey();
  EXPECT_THAT(Connect(*identity)->AppraiseForRelyingParty(request, Deadline()),
              StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(As(kAuthorityId)->Appraise(v1::AppraiseRequest(), Deadline()),
              StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(VerifierServiceTest, MechanismAReturnsTheCredentialOrThePeersReason) {
  const auto identity = AttestedKey();
  const auto client = Connect(*identity);
  const auto ask = [&] {
    const v1::AppraiseRequest appraise = RequestFrom(*client);
    v1::RequestCredentialRequest request;
    *request.mutable_evidence() = appraise.evidence();
    *request.mutable_binding() = appraise.binding();
    return client->RequestCredential(request, Deadline());
  };
  const auto response = ask();
  ASSERT_OK(response);
  EXPECT_TRUE(verifier_.Validate(response->attestation_results())->workload_credential_json.has_value());
  mapper_.refusal = Deny(v1::DENY_REASON_MAPPING_AMBIGUOUS, "two");
  EXPECT_THAT(ask(), StatusIs(v1::DENY_REASON_MAPPING_AMBIGUOUS));
}

TEST_F(VerifierServiceTest, MechanismAIsNotImplementedWithoutItsPeers) {
  Start(nullptr, nullptr);
  const auto identity = AttestedKey();
  EXPECT_THAT(Connect(*identity)->RequestCredential(v1::RequestCredentialRequest(), Deadline()),
              StatusIs(v1::DENY_REASON_NOT_IMPLEMENTED));
}

}  // namespace
}  // namespace twi::verifier
