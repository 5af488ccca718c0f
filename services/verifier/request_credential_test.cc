// Mechanism A at the Verifier, A5..A9, with its peers faked.
#include "services/verifier/request_credential.h"

#include "common/binding/binding.h"
#include "common/crypto/csr.h"
#include "common/testing/matchers.h"
#include "nlohmann/json.hpp"
#include "services/verifier/testing/fake_peers.h"
#include "services/verifier/testing/verifier_under_test.h"

namespace twi::verifier {
namespace {

using ::twi::testing::StatusIs;

class RequestCredentialTest : public ::testing::Test {
 protected:
  RequestCredentialTest() {
    *request_.mutable_binding() = verifier_.NewBinding(channel_, *crypto::MakeCsr(key_));
    *request_.mutable_evidence() = verifier_.EvidenceOver(request_.binding());
  }
  absl::StatusOr<std::string> Request() {
    return RequestCredential({*verifier_.deps, mapper_, authority_}, request_, channel_,
                             verifier_.clock.Now() + absl::Seconds(10));
  }

  VerifierUnderTest verifier_{testing::TestTime()};
  FakeClaimsMapper mapper_;
  FakeCredentialAuthority authority_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const std::string channel_ = std::string(32, 'c');
  v1::RequestCredentialRequest request_;
};

TEST_F(RequestCredentialTest, ResultsContainTheCredential) {
  const auto signed_results = Request();
  ASSERT_OK(signed_results);
  const auto results = verifier_.Validate(*signed_results);
  ASSERT_OK(results);
  ASSERT_TRUE(results->workload_credential_json.has_value());
  EXPECT_EQ(nlohmann::json::parse(*results->workload_credential_json)["wit"], "a.b.c");
  EXPECT_OK(MatchResultsToRequest(*results, request_.binding(), channel_));
}

TEST_F(RequestCredentialTest, TheAuthorityIsAskedForTheFormsThatTheWorkloadWants) {
  request_.add_forms(v1::CREDENTIAL_FORM_X509);
  ASSERT_OK(Request());
  ASSERT_EQ(authority_.request.forms_size(), 1);
  EXPECT_EQ(authority_.request.forms(0), v1::CREDENTIAL_FORM_X509);
}

TEST_F(RequestCredentialTest, MapperAndAuthorityGetTheSameSignedResults) {
  const auto signed_results = Request();
  ASSERT_OK(signed_results);
  EXPECT_EQ(mapper_.input_kind, v1::INPUT_KIND_EVIDENCE);
  EXPECT_EQ(mapper_.rp_id, kRpId);
  EXPECT_EQ(authority_.request.attestation_results(), mapper_.attestation_results);
  EXPECT_EQ(authority_.request.grant(), "the grant");
  EXPECT_EQ(authority_.request.binding().SerializeAsString(), request_.binding().SerializeAsString());
  const auto first = verifier_.Validate(mapper_.attestation_results);
  ASSERT_OK(first);
  EXPECT_FALSE(first->workload_credential_json.has_value());
  EXPECT_NE(first->jti, verifier_.Validate(*signed_results)->jti) << "the first results are used up";
}

TEST_F(RequestCredentialTest, NobodyIsAskedWhenTheAppraisalRefuses) {
  *request_.mutable_evidence() = verifier_.EvidenceWith(request_.binding(), 0x90, std::string(48, 'x'));
  EXPECT_THAT(Request(), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  EXPECT_THAT(Request(), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
  EXPECT_EQ(mapper_.asked, 0);
  EXPECT_EQ(authority_.asked, 0);
}

TEST_F(RequestCredentialTest, TheMappersRefusalPassesThrough) {
  mapper_.refusal = Deny(v1::DENY_REASON_MAPPING_NO_POLICY, "none");
  EXPECT_THAT(Request(), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  EXPECT_EQ(authority_.asked, 0);
}

TEST_F(RequestCredentialTest, TheAuthoritysRefusalPassesThrough) {
  authority_.refusal = Deny(v1::DENY_REASON_GRANT_POLICY_REPLACED, "old");
  EXPECT_THAT(Request(), StatusIs(v1::DENY_REASON_GRANT_POLICY_REPLACED));
  EXPECT_EQ(mapper_.asked, 1);
}

}  // namespace
}  // namespace twi::verifier
