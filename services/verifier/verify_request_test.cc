// A4 A5, B3..B5, C5..C7, D3 D4 without the wire: whose nonce, whose results, bound to what.
#include "services/verifier/verify_request.h"

#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/testing/matchers.h"
#include "services/verifier/make_results.h"
#include "services/verifier/testing/verifier_under_test.h"

namespace twi::verifier {
namespace {

using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

class VerifyRequestTest : public ::testing::Test {
 protected:
  v1::Binding NewBinding(const std::string& rp_id = kRpId) { return verifier_.NewBinding(channel_, csr_, rp_id); }
  absl::StatusOr<AttestationResults> Appraise(const v1::Evidence& evidence, const v1::Binding& binding) {
    return AppraiseForWorkload(*verifier_.deps, evidence, binding, channel_);
  }
  absl::StatusOr<AttestationResults> Appraise(const v1::Binding& binding) {
    return Appraise(verifier_.EvidenceOver(binding), binding);
  }

  VerifierUnderTest verifier_{testing::TestTime()};
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const std::string csr_ = *crypto::MakeCsr(key_);
  const std::string channel_ = std::string(32, 'c');
};

TEST_F(VerifyRequestTest, ResultsAreBoundToTheRequest) {
  const v1::Binding binding = NewBinding();
  const v1::Evidence evidence = verifier_.EvidenceOver(binding);
  const auto results = Appraise(evidence, binding);
  ASSERT_OK(results);
  EXPECT_EQ(results->issuer, kVerifierId);
  EXPECT_EQ(results->audience, kRpId);
  EXPECT_EQ(results->status, EarStatus::kAffirming);
  EXPECT_EQ(results->key_spki, key_.public_key().spki());
  EXPECT_EQ(results->nonce, binding.nonce());
  EXPECT_EQ(results->channel_key_sha256, channel_);
  EXPECT_EQ(results->evidence_sha256, crypto::Sha256(evidence.SerializeAsString()));
  EXPECT_EQ(results->issued_at, verifier_.clock.Now());
  EXPECT_EQ(results->expires_at - results->issued_at, absl::Minutes(5));
  EXPECT_EQ(results->software["name"], "payroll");
  EXPECT_THAT(results->appraisal_policy_ids.at(0), HasSubstr("test@sha256:"));
  const auto jws = Sign(*verifier_.deps, *results);
  ASSERT_OK(jws);
  const auto validated = verifier_.Validate(*jws);
  ASSERT_OK(validated);
  EXPECT_OK(MatchResultsToRequest(*validated, binding, channel_));
  EXPECT_THAT(verifier_.Validate(*jws, kOtherRpId), StatusIs(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE));
}

TEST_F(VerifyRequestTest, EachRequestHasResultsOfItsOwnId) {
  const auto first = Appraise(NewBinding()), second = Appraise(NewBinding());
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_NE(first->jti, second->jti);
  EXPECT_GE(first->jti.size(), 22u) << "128 bits";
}

TEST_F(VerifyRequestTest, AnEncryptionKeyIsASubjectToo) {
  const auto encryption_key = crypto::HpkePrivateKey::Generate();
  ASSERT_OK(encryption_key);
  const auto results = Appraise(verifier_.NewBinding(channel_, encryption_key->spki(), kKeyStoreRpId));
  ASSERT_OK(results);
  EXPECT_EQ(results->key_spki, encryption_key->spki());
}

TEST_F(VerifyRequestTest, RefusesASubjectThatIsNeitherRequestNorEncryptionKey) {
  EXPECT_THAT(Appraise(verifier_.NewBinding(channel_, "not a request")), StatusIs(v1::DENY_REASON_CSR_MALFORMED));
  EXPECT_THAT(Appraise(verifier_.NewBinding(channel_, key_.public_key().spki())),
              StatusIs(v1::DENY_REASON_CSR_MALFORMED));
}

TEST_F(VerifyRequestTest, RefusesRelyingPartiesThatAreNotConfigured) {
  const v1::Binding binding = NewBinding("https://stranger.example");
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED, HasSubstr("stranger")));
}

TEST_F(VerifyRequestTest, RefusesTheTargetsOfAttestedTls) {
  v1::Binding binding = NewBinding();
  binding.set_target("twi-atls-v1:session:server");
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
}

TEST_F(VerifyRequestTest, RefusesEveryChallengeButAFreshOneToThisChannel) {
  v1::Binding binding = NewBinding();
  EXPECT_OK(Appraise(binding));
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
  binding = NewBinding();
  binding.clear_nonce();
  EXPECT_THAT(Appraise(v1::Evidence(), binding), StatusIs(v1::DENY_REASON_CHALLENGE_MISSING));
  binding = NewBinding();
  verifier_.clock.Advance(absl::Minutes(2) + absl::Seconds(1));
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_CHALLENGE_EXPIRED));
  ::twi::testing::FakeRandom other_random(7);
  Challenges foreign(Challenges::Options(), other_random);
  binding.set_nonce(foreign.Issue(channel_, verifier_.clock.Now()));
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN));
  binding.set_nonce(std::string(32, 'n'));
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_CHALLENGE_UNKNOWN));
  binding = verifier_.NewBinding(std::string(32, 'x'), csr_);
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL));
}

TEST_F(VerifyRequestTest, AFailedAppraisalUsesTheChallengeUp) {
  const v1::Binding binding = NewBinding();
  EXPECT_THAT(Appraise(v1::Evidence(), binding), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  EXPECT_THAT(Appraise(binding), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
}

TEST_F(VerifyRequestTest, RefusesEvidenceBoundToAnythingElse) {
  const crypto::PrivateKey other_key = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const v1::Binding original = NewBinding();
  const v1::Evidence evidence = verifier_.EvidenceOver(original);
  v1::Binding binding = NewBinding();  // another nonce
  EXPECT_THAT(Appraise(evidence, binding), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  binding = NewBinding();
  const v1::Evidence bound = verifier_.EvidenceOver(binding);
  v1::Binding changed = binding;
  changed.set_target("https://ledger.test.example");
  EXPECT_THAT(Appraise(bound, changed), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  for (const char* field : {"rp_id", "subject"}) {
    binding = NewBinding();
    const v1::Evidence over = verifier_.EvidenceOver(binding);
    changed = binding;
    if (std::string(field) == "rp_id") changed.set_rp_id(kOtherRpId);
    if (std::string(field) == "subject") changed.set_subject(*crypto::MakeCsr(other_key));
    EXPECT_THAT(Appraise(over, changed), StatusIs(v1::DENY_REASON_BINDING_MISMATCH)) << field;
  }
  binding = NewBinding();
  binding.set_profile(v1::BINDING_PROFILE_UNSPECIFIED);
  EXPECT_THAT(Appraise(evidence, binding), StatusIs(v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED));
}

TEST_F(VerifyRequestTest, RefusesWhatTheAppraisalRefuses) {
  v1::Binding binding = NewBinding();
  EXPECT_THAT(Appraise(verifier_.EvidenceWith(binding, 0x90, std::string(48, 'x')), binding),
              StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  binding = NewBinding();
  v1::Evidence large = verifier_.EvidenceOver(binding);
  large.mutable_sev_snp()->add_certificates(std::string(256 * 1024, 'x'));
  EXPECT_THAT(Appraise(large, binding), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

TEST_F(VerifyRequestTest, NewRulesApplyToTheNextRequest) {
  EXPECT_OK(Appraise(NewBinding()));
  auto rules = std::make_shared<AppraisalRules>(*verifier_.rules);
  rules->references = ReferencesFromYaml(std::string(kPayrollReference) + "  withdrawn: true\n");
  verifier_.rules = rules;
  EXPECT_THAT(Appraise(NewBinding()), StatusIs(v1::DENY_REASON_REFERENCE_VALUE_EXPIRED));
}

TEST_F(VerifyRequestTest, NoResultsOfAnAppraisalThatWasNotAccepted) {
  EXPECT_THAT(MakeResults(Appraisal(), NewBinding(), "", ResultsContext()), StatusIs(v1::DENY_REASON_INTERNAL));
}

// --- mechanism C ---

class VerifyForRelyingPartyTest : public VerifyRequestTest {
 protected:
  VerifyForRelyingPartyTest() {
    *request_.mutable_binding() = NewBinding();
    request_.mutable_binding()->set_nonce("a nonce of the relying party's own");
    Encrypt(verifier_.EvidenceOver(request_.binding()).SerializeAsString());
    request_.set_channel_key_sha256(channel_);
  }
  void Encrypt(const std::string& plaintext) {
    *request_.mutable_encrypted_evidence() = verifier_.Encrypt(plaintext, request_.binding());
  }
  absl::StatusOr<AttestationResults> Ask(const std::string& peer = kAuthorityId) {
    return AppraiseForRelyingParty(*verifier_.deps, request_, peer);
  }
  v1::AppraiseForRelyingPartyRequest request_;
};

TEST_F(VerifyForRelyingPartyTest, ResultsNameTheChannelThatTheRelyingPartySaw) {
  const auto results = Ask();
  ASSERT_OK(results);
  EXPECT_EQ(results->audience, kRpId);
  EXPECT_OK(MatchResultsToRequest(*results, request_.binding(), channel_));
  EXPECT_OK(Ask()) << "the nonce is the relying party's, which uses it up";
}

TEST_F(VerifyForRelyingPartyTest, RefusesEverybodyButThePartyOfThisRpId) {
  EXPECT_THAT(Ask(kOtherAuthorityId), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
  EXPECT_THAT(Ask(""), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
  request_.mutable_binding()->set_rp_id(kKeyStoreRpId);
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
  EXPECT_THAT(Ask(""), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED))
      << "no peer is configured, and none matches";
  request_.mutable_binding()->set_rp_id("https://stranger.example");
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
}

TEST_F(VerifyForRelyingPartyTest, RefusesAMissingChannelOrBinding) {
  request_.set_channel_key_sha256(channel_.substr(1));
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  request_.clear_binding();
  EXPECT_FALSE(Ask().ok());
}

TEST_F(VerifyForRelyingPartyTest, RefusesTheTargetsOfAttestedTls) {
  request_.mutable_binding()->set_target("twi-atls-v1:session:server");
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
}

TEST_F(VerifyForRelyingPartyTest, RefusesEvidenceThatDoesNotOpenParseOrBind) {
  const v1::AppraiseForRelyingPartyRequest good = request_;
  request_.mutable_binding()->set_target("https://ledger.test.example");
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED));
  request_ = good;
  request_.clear_encrypted_evidence();
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED));
  request_ = good;
  Encrypt("\xff\xff\xff");
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  Encrypt(std::string(256 * 1024 + 1, '\0'));
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  Encrypt("");
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  Encrypt(verifier_.EvidenceOver(NewBinding()).SerializeAsString());
  EXPECT_THAT(Ask(), StatusIs(v1::DENY_REASON_BINDING_MISMATCH)) << "encrypted for this request, made for another";
}

}  // namespace
}  // namespace twi::verifier
