// C5..C8 and P5..P7: what is particular to mechanism C (the challenge, the Verifier) and to provisioning (the
// counter-signature, the owner).
#include "common/encoding/encoding.h"
#include "services/credential_authority/issuance_record.h"
#include "services/credential_authority/issue_fixture.h"

namespace twi::credential_authority {
namespace {

using testing::StatusIs;
using Workload = AuthorityUnderTest::Workload;

// --- C ---

TEST_F(IssueTest, InCTheChallengeIsOursToThisChannelAndUsedOnce) {
  Workload w = a_.NewWorkload();
  const auto issue = [&] { return IssueWith('C', w, a_.SignResults(a_.ResultsFor(w))); };
  EXPECT_OK(issue());
  EXPECT_THAT(issue(), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
  w = a_.NewWorkload();
  w.peer.key_sha256 = std::string(32, 'x');
  EXPECT_THAT(issue(), StatusIs(v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL));
  w = a_.NewWorkload();
  w.binding.set_nonce(std::string(56, 'n'));
  EXPECT_THAT(issue(), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN));
  w.binding.clear_nonce();
  EXPECT_THAT(IssueWith('C', w, "any"), StatusIs(v1::DENY_REASON_CHALLENGE_MISSING));
  w = a_.NewWorkload();
  a_.clock.Advance(absl::Minutes(3));
  EXPECT_THAT(issue(), StatusIs(v1::DENY_REASON_CHALLENGE_EXPIRED));
  EXPECT_EQ(a_.verifier.asked, 1) << "only with a challenge that was redeemed";
}

TEST_F(IssueTest, InCTheVerifierIsAskedForOurRpIdAndThisChannel) {
  Workload w = a_.NewWorkload();
  w.binding.set_rp_id("https://other.test.example");
  EXPECT_FALSE(IssueWith('C', w, a_.SignResults(a_.ResultsFor(w))).ok());
  EXPECT_EQ(a_.verifier.request.binding().rp_id(), kRpId);
  EXPECT_EQ(a_.verifier.request.channel_key_sha256(), w.peer.key_sha256);
  EXPECT_EQ(a_.verifier.request.encrypted_evidence().kid(), "of the Verifier");
}

TEST_F(IssueTest, InCTheVerifiersRefusalPassesThrough) {
  a_.verifier.appraise = [](const auto&) { return Deny(v1::DENY_REASON_MEASUREMENT_UNKNOWN, "unknown"); };
  EXPECT_THAT(IssueChanged('C', nullptr), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  EXPECT_EQ(a_.mapper.mapped, 0);
}

// --- D ---

TEST_F(IssueTest, InDTheOwnerGetsACredentialForTheKeyStoresKey) {
  const Workload w = a_.NewWorkload();
  const v1::IssueForOwnerRequest request = OwnerRequest(w);
  const auto issued = IssueD(request);
  ASSERT_OK(issued);
  EXPECT_EQ(crypto::ParseCertificate(issued->credential().x509_chain(0))->public_key, w.key.public_key());
  v1::GetIssuanceRequest by_jti;
  by_jti.set_jti(issued->credential().jti());
  const auto record = FindIssuance(*a_.database, by_jti, std::nullopt);
  ASSERT_OK(record);
  EXPECT_EQ(record->mechanism(), "D");
  EXPECT_EQ(record->requester(), kOwner);
  EXPECT_EQ(record->target(), kTarget);
  EXPECT_TRUE(record->attestation_results_sha256().empty());
  EXPECT_EQ(record->grant(), request.grant());
  EXPECT_EQ(record->key_id(), "key-1");
  EXPECT_EQ(record->release_policy_sha256(), ToHex(std::string(32, 'r')));
  EXPECT_EQ(record->counter_signature(), request.counter_signature());
}

// P1's word holds for the release policy that it was made with: not for a key that others get, too.
TEST_F(IssueTest, InDTheKeysReleasePolicyIsTheGrants) {
  const Workload w = a_.NewWorkload();
  v1::IssueForOwnerRequest request = OwnerRequest(w);
  const std::string good = request.counter_signature();
  CounterSignature other = a_.CounterSignatureFor(w.csr);
  other.release_policy_sha256 = std::string(32, 'x');
  request.set_counter_signature(a_.Sign(other));
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY, ::testing::HasSubstr("release policy")));
  request.set_counter_signature(good);
  Grant grant = a_.GrantForOwner();
  grant.release_policy_sha256 = std::string(32, 'x');
  request.set_grant(a_.SignGrant(grant));
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY));
  EXPECT_EQ(a_.issued(), 0);
  request.set_grant(a_.SignGrant(a_.GrantForOwner()));
  EXPECT_OK(IssueD(request));
}

TEST_F(IssueTest, InAAndBAndCTheRecordNamesNoKeyOfTheKeyStore) {
  for (const char mechanism : {'A', 'B', 'C'}) {
    const auto issued = IssueChanged(mechanism, nullptr);
    ASSERT_OK(issued);
    v1::GetIssuanceRequest by_serial;
    by_serial.set_serial(issued->credential().serial());
    const auto record = FindIssuance(*a_.database, by_serial, std::nullopt);
    ASSERT_OK(record);
    EXPECT_EQ(record->key_id() + record->release_policy_sha256() + record->counter_signature(), "") << mechanism;
  }
}

TEST_F(IssueTest, InDACounterSignedRequestIsGoodForOneCredential) {
  v1::IssueForOwnerRequest request = OwnerRequest(a_.NewWorkload());
  EXPECT_OK(IssueD(request));
  request.set_grant(a_.SignGrant(a_.GrantForOwner()));
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
  EXPECT_EQ(a_.issued(), 1);
}

TEST_F(IssueTest, InDTheCounterSignatureIsTheKeyStoresOverThisRequestForThisOwner) {
  constexpr auto kBad = v1::DENY_REASON_COUNTER_SIGNATURE_INVALID;
  const Workload w = a_.NewWorkload(), other = a_.NewWorkload();
  v1::IssueForOwnerRequest request = OwnerRequest(w);
  const auto with = [&](const std::string& counter_signature) {
    request.set_counter_signature(counter_signature);
    return IssueD(request);
  };
  EXPECT_THAT(with(""), StatusIs(kBad));
  EXPECT_THAT(with("a.b.c"), StatusIs(kBad));
  EXPECT_THAT(with(*SignCounterSignature(a_.CounterSignatureFor(w.csr), a_.foreign_key, "k1")), StatusIs(kBad));
  EXPECT_THAT(with(*SignCounterSignature(a_.CounterSignatureFor(w.csr), a_.foreign_key, "k2")), StatusIs(kBad));
  EXPECT_THAT(with(a_.Sign(a_.CounterSignatureFor(other.csr))), StatusIs(kBad));
  CounterSignature c = a_.CounterSignatureFor(w.csr);
  c.owner = "spiffe://test.example/owner/ledger";
  EXPECT_THAT(with(a_.Sign(c)), StatusIs(kBad));
  c = a_.CounterSignatureFor(w.csr);
  c.issuer = "spiffe://test.example/twi/other-key-store";
  EXPECT_THAT(with(a_.Sign(c)), StatusIs(kBad));
  c = a_.CounterSignatureFor(w.csr);
  c.issued_at -= absl::Hours(25);
  EXPECT_THAT(with(a_.Sign(c)), StatusIs(kBad));
  c = a_.CounterSignatureFor(w.csr);
  c.target = "https://ledger.test.example";
  EXPECT_THAT(with(a_.Sign(c)), StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
  EXPECT_EQ(a_.issued(), 0);
}

TEST_F(IssueTest, InDGrantAndCallerAreTheSameOwner) {
  const v1::IssueForOwnerRequest good = OwnerRequest(a_.NewWorkload());
  v1::IssueForOwnerRequest request = good;
  Grant grant = a_.GrantForOwner();
  grant.owner = "spiffe://test.example/owner/ledger";
  request.set_grant(a_.SignGrant(grant));
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_GRANT_WRONG_OWNER));
  const Workload w = a_.NewWorkload();
  request.set_grant(a_.SignGrant(a_.GrantFor(w.key.public_key(), "results")));
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_GRANT_WRONG_OWNER)) << "a grant for a key is for no owner";
  EXPECT_THAT(IssueD(good, "spiffe://test.example/owner/ledger"), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
  EXPECT_THAT(IssueForOwner(*a_.deps, good, w.peer, a_.deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  request = good;
  request.mutable_csr()->back() ^= 1;
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_CSR_SIGNATURE_INVALID));
  request.clear_csr();
  EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_CSR_MALFORMED));
}

}  // namespace
}  // namespace twi::credential_authority
