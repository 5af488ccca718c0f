// The Credential Authority behind its real door: TLS 1.3, allow-lists, gRPC.
#include "services/credential_authority/credential_authority_service.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/binding/binding.h"
#include "common/client/credential_authority_client.h"
#include "common/crypto/csr.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "services/credential_authority/testing/authority_under_test.h"

namespace twi::credential_authority {
namespace {

using testing::StatusIs;

class AuthorityServiceTest : public ::testing::Test {
 protected:
  AuthorityServiceTest() : a_(absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()))), pki_(a_.clock.Now()) {
    a_.mapper.map = [this](absl::string_view results) -> absl::StatusOr<std::string> {
      return a_.SignGrant(a_.GrantFor(key_.public_key(), results));
    };
    a_.verifier.appraise = [this](const v1::AppraiseForRelyingPartyRequest& r) -> absl::StatusOr<std::string> {
      return ResultsOver(r.binding(), r.channel_key_sha256());
    };
  }
  void SetUp() override {
    config::v1::Server config;
    config.set_listen("127.0.0.1:0");
    *config.mutable_tls() = pki_.Issue("server", kAuthorityId);
    for (const char* rpc : {"NewChallenge", "IssueFromResults", "IssueFromEvidence"})
      Allow(config, rpc, {"attested_key"});
    Allow(config, "IssueForVerifier", {kVerifierId});
    Allow(config, "IssueForOwner", {kOwner});
    Allow(config, "GetIssuance", {kOwner, kOtherOwner, kOperator});
    Allow(config, "GetTrustBundle", {"attested_key", kOwner});
    auto server = server::Server::Start(config, a_.clock, [&](server::Gate& gate) {
      std::vector<server::NamedService> services;
      services.push_back(
          {std::make_unique<CredentialAuthorityService>(gate, *a_.deps), v1::CredentialAuthority::service_full_name()});
      return services;
    });
    ASSERT_OK(server);
    server_ = *std::move(server);
    workload_ = *client::Identity::AttestedKey(pki_.dir().File("ca.crt"), a_.clock.Now());
  }
  static void Allow(config::v1::Server& config, const char* rpc, const std::vector<const char*>& peers) {
    config::v1::Allow& allow = *config.add_allow();
    allow.set_rpc(rpc);
    for (const char* peer : peers) allow.add_peers(peer);
  }
  std::unique_ptr<client::CredentialAuthorityClient> Connect(const client::Identity& identity) {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", server_->port()));
    peer.set_spiffe_id(kAuthorityId);
    peer.mutable_timeout()->set_seconds(20);
    auto client = client::MakeCredentialAuthorityClient(peer, identity, a_.clock);
    EXPECT_OK(client);
    return *std::move(client);
  }
  std::unique_ptr<client::CredentialAuthorityClient> As(const char* spiffe_id) {
    identity_ = *client::Identity::FromFiles(pki_.Issue(absl::StrCat("client", serial_++), spiffe_id));
    return Connect(*identity_);
  }
  absl::Time Deadline() const { return a_.clock.Now() + absl::Seconds(20); }

  v1::Binding BindingOver(const std::string& nonce) const {
    v1::Binding binding;
    binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
    binding.set_nonce(nonce);
    binding.set_target(kTarget);
    binding.set_rp_id(kRpId);
    binding.set_subject(*crypto::MakeCsr(key_));
    return binding;
  }
  std::string ResultsOver(const v1::Binding& binding, const std::string& channel) {
    AttestationResults r = a_.ResultsFor(a_.NewWorkload());
    r.key_spki = key_.public_key().spki();
    r.nonce = binding.nonce();
    r.reported_binding = BindingValue64(binding);
    r.channel_key_sha256 = channel;
    return a_.SignResults(r);
  }
  v1::IssueFromResultsRequest RequestB() {
    v1::IssueFromResultsRequest request;
    *request.mutable_binding() = BindingOver(std::string(32, 'n'));
    request.set_attestation_results(ResultsOver(request.binding(), workload_->key_sha256()));
    return request;
  }

  AuthorityUnderTest a_;
  testing::TestPki pki_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  std::shared_ptr<client::Identity> workload_, identity_;
  int serial_ = 0;
  std::unique_ptr<server::Server> server_;
};

TEST_F(AuthorityServiceTest, AWorkloadGetsACredentialFromResultsOnce) {
  const v1::IssueFromResultsRequest request = RequestB();
  const auto client = Connect(*workload_);
  const auto issued = client->IssueFromResults(request, Deadline());
  ASSERT_OK(issued);
  EXPECT_EQ(crypto::ParseCertificate(issued->credential().x509_chain(0))->public_key, key_.public_key());
  EXPECT_THAT(client->IssueFromResults(request, Deadline()), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_F(AuthorityServiceTest, ResultsAreNoGoodOnAnotherConnectionsKey) {
  const auto thief = client::Identity::AttestedKey(pki_.dir().File("ca.crt"), a_.clock.Now());
  ASSERT_OK(thief);
  EXPECT_THAT(Connect(**thief)->IssueFromResults(RequestB(), Deadline()),
              StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
  EXPECT_EQ(a_.issued(), 0);
}

TEST_F(AuthorityServiceTest, AWorkloadGetsACredentialFromEvidence) {
  const auto client = Connect(*workload_);
  const auto challenge = client->NewChallenge(Deadline());
  ASSERT_OK(challenge);
  EXPECT_EQ(challenge->lifetime_seconds(), 120u);
  v1::IssueFromEvidenceRequest request;
  *request.mutable_binding() = BindingOver(challenge->nonce());
  EXPECT_OK(client->IssueFromEvidence(request, Deadline()));
  EXPECT_THAT(client->IssueFromEvidence(request, Deadline()), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
}

TEST_F(AuthorityServiceTest, TheIssuanceRecordSaysWhy) {
  const auto issued = Connect(*workload_)->IssueFromResults(RequestB(), Deadline());
  ASSERT_OK(issued);
  v1::GetIssuanceRequest request;
  request.set_serial(issued->credential().serial());
  const auto record = As(kOwner)->GetIssuance(request, Deadline());
  ASSERT_OK(record);
  EXPECT_EQ(record->mechanism(), "B");
  EXPECT_EQ(record->workload_identifier(), kIdentifier);
  EXPECT_EQ(record->requester(), "attested_key:" + ToHex(workload_->key_sha256()));
  EXPECT_EQ(record->policy_owner(), kOwner);
  EXPECT_THAT(As(kOtherOwner)->GetIssuance(request, Deadline()), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN));
  EXPECT_OK(As(kOperator)->GetIssuance(request, Deadline()));
  request.set_serial("00");
  EXPECT_THAT(As(kOwner)->GetIssuance(request, Deadline()), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN));
  EXPECT_THAT(As(kOwner)->GetIssuance({}, Deadline()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Connect(*workload_)->GetIssuance(request, Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(AuthorityServiceTest, TheTrustBundleHoldsBothKindsOfKeys) {
  const auto bundle = Connect(*workload_)->GetTrustBundle(Deadline());
  ASSERT_OK(bundle);
  ASSERT_EQ(bundle->x509_bundle_size(), 1);
  EXPECT_EQ(bundle->x509_bundle(0), a_.x509->chain.back().der);
  const nlohmann::json spiffe = nlohmann::json::parse(bundle->jwks());
  std::map<std::string, int> uses;
  for (const auto& key : spiffe["keys"]) ++uses[key["use"].get<std::string>()];
  EXPECT_EQ(uses, (std::map<std::string, int>{{"wit-svid", 1}, {"x509-svid", 1}}));
  EXPECT_EQ(spiffe["keys"].back()["x5c"][0], ToBase64(bundle->x509_bundle(0)));
  EXPECT_THAT(As(kVerifierId)->GetTrustBundle(Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(AuthorityServiceTest, EachRpcIsForItsPeersAlone) {
  EXPECT_THAT(Connect(*workload_)->IssueForVerifier({}, Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(Connect(*workload_)->IssueForOwner({}, Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(As(kOwner)->IssueFromResults({}, Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(As(kVerifierId)->IssueFromEvidence({}, Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_FALSE(As(kVerifierId)->IssueForVerifier({}, Deadline()).ok()) << "an empty request";
  EXPECT_FALSE(As(kOwner)->IssueForOwner({}, Deadline()).ok());
  EXPECT_EQ(a_.issued(), 0);
}

TEST_F(AuthorityServiceTest, NoChallengesWhereCIsNotServed) {
  a_.deps->mechanisms = {"B"};
  EXPECT_THAT(Connect(*workload_)->NewChallenge(Deadline()), StatusIs(v1::DENY_REASON_NOT_IMPLEMENTED));
}

}  // namespace
}  // namespace twi::credential_authority
