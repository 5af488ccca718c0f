// Grants: the Credential Authority accepts claims only inside one, for this key and these results, once, and of a
// policy that is in force. Whoever carries it: here, somebody with the Verifier's certificate.
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/crypto/hash.h"
#include "common/grant/grant.h"
#include "common/jose/jwk.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"

namespace twi::integration {
namespace {

using ::testing::AnyOf;
using testing::StatusIs;

// What anybody's touch of a signed text may be found by: it does not parse, its kid is none, its signature is not
// valid.
auto FlippedResults() {
  return AnyOf(StatusIs(v1::DENY_REASON_RESULTS_MALFORMED), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN),
               StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
}
auto FlippedGrant() {
  return AnyOf(StatusIs(v1::DENY_REASON_GRANT_MALFORMED), StatusIs(v1::DENY_REASON_GRANT_KEY_UNKNOWN),
               StatusIs(v1::DENY_REASON_GRANT_SIGNATURE_INVALID));
}

void ForEveryThirdFlippedCharacter(const std::string& jws, const std::function<void(const std::string&)>& expect) {
  for (std::size_t at = 0; at < jws.size(); at += 3) {
    SCOPED_TRACE(absl::StrCat("character ", at));
    std::string flipped = jws;
    flipped[at] = flipped[at] == 'A' ? 'B' : 'A';
    expect(flipped);
  }
}

class GrantTest : public DeploymentTest {
 protected:
  struct Mapped {
    Attested attested;
    std::string grant;
  };
  // Attested by the workload, mapped for the Verifier.
  absl::StatusOr<Mapped> AttestAndMap(const Requester& requester) {
    Mapped mapped;
    TWI_ASSIGN_OR_RETURN(mapped.attested, AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, requester.csr));
    TWI_ASSIGN_OR_RETURN(const v1::MapClaimsResponse response, Map(mapped.attested.results));
    mapped.grant = response.grant();
    return mapped;
  }
  absl::StatusOr<v1::MapClaimsResponse> Map(const std::string& results) {
    v1::MapClaimsRequest map;
    map.set_input_kind(v1::INPUT_KIND_EVIDENCE);
    map.set_attestation_results(results);
    map.set_rp_id(kAuthorityRpId);
    return verifier_.MapClaims(map);
  }
  absl::Status Issue(const Attested& attested, const std::string& grant) {
    v1::IssueForVerifierRequest request;
    request.set_attestation_results(attested.results);
    *request.mutable_binding() = attested.binding;
    request.set_grant(grant);
    return verifier_.IssueForVerifier(request).status();
  }
  absl::StatusOr<Grant> Read(const std::string& jws, const Mapped& mapped, const Requester& requester) {
    Caller authority = Caller::Holder(*deployment_, "tls/credential-authority");
    TWI_ASSIGN_OR_RETURN(const v1::GetGrantKeysResponse published, authority.GetGrantKeys());
    TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, jose::JwkSetFromText(published.jwks()));
    GrantExpectation expectation;
    expectation.audience = kAuthorityRpId;
    expectation.issuer = kClaimsMapperId;
    expectation.now = absl::Now();
    expectation.key_sha256 = requester.key.public_key().spki_sha256();
    expectation.results_sha256 = crypto::Sha256(mapped.attested.results);
    return ValidateGrant(jws, keys, expectation);
  }

  const Requester requester_;
  Caller workload_ = Caller::Workload(*deployment_);
  Caller verifier_ = Caller::Holder(*deployment_, "tls/verifier");
  Caller owner_ = Caller::Holder(*deployment_, "owners/payroll");
};

TEST_F(GrantTest, ControlIsAcceptedAndASecondUseRefused) {
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  EXPECT_OK(Issue(mapped.attested, mapped.grant));
  EXPECT_THAT(Issue(mapped.attested, mapped.grant), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_F(GrantTest, RefusesAGrantForAnotherKey) {
  const Requester other;
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  ASSERT_OK_AND_ASSIGN(const Mapped others, AttestAndMap(other));
  EXPECT_THAT(Issue(mapped.attested, others.grant), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY));
  EXPECT_OK(Issue(mapped.attested, mapped.grant));
}

TEST_F(GrantTest, RefusesAGrantOfOtherResultsForTheSameKey) {
  ASSERT_OK_AND_ASSIGN(const Mapped first, AttestAndMap(requester_));
  ASSERT_OK_AND_ASSIGN(const Mapped second, AttestAndMap(requester_));
  EXPECT_THAT(Issue(first.attested, second.grant), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY));
}

TEST_F(GrantTest, RefusesEveryFlippedCharacter) {
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  for (std::size_t at = 0; at < mapped.grant.size(); ++at) {
    std::string grant = mapped.grant;
    grant[at] = grant[at] == 'A' ? 'B' : 'A';
    EXPECT_THAT(Issue(mapped.attested, grant), FlippedGrant()) << at;
  }
  EXPECT_OK(Issue(mapped.attested, mapped.grant));
}

// The results that come with a good grant: the Credential Authority reads them before the grant.
TEST_F(GrantTest, IssueForVerifierRefusesEveryThirdFlippedCharacterOfTheResults) {
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  ForEveryThirdFlippedCharacter(mapped.attested.results, [&](const std::string& flipped) {
    EXPECT_THAT(Issue({mapped.attested.binding, {}, flipped}, mapped.grant), FlippedResults());
  });
  EXPECT_OK(Issue(mapped.attested, mapped.grant)) << "refused ones use nothing up";
}

TEST_F(GrantTest, MapClaimsRefusesEveryThirdFlippedCharacterOfTheResults) {
  ASSERT_OK_AND_ASSIGN(const Attested attested,
                       AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, requester_.csr));
  const std::size_t mapped = deployment_->LogLines(kClaimsMapper, "mapped").size();
  ForEveryThirdFlippedCharacter(attested.results,
                                [&](const std::string& flipped) { EXPECT_THAT(Map(flipped), FlippedResults()); });
  EXPECT_EQ(deployment_->LogLines(kClaimsMapper, "mapped").size(), mapped);
  EXPECT_OK(Map(attested.results));
}

TEST_F(GrantTest, RefusesNoneAndWhatIsNoGrant) {
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  EXPECT_THAT(Issue(mapped.attested, ""), StatusIs(v1::DENY_REASON_GRANT_MALFORMED));
  EXPECT_THAT(Issue(mapped.attested, mapped.attested.results), StatusIs(v1::DENY_REASON_GRANT_MALFORMED));
}

// A stolen Verifier certificate, or the Verifier's own word, mints no claim.
TEST_F(GrantTest, RefusesAGrantThatNoClaimsMapperSigned) {
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  ASSERT_OK_AND_ASSIGN(Grant grant, Read(mapped.grant, mapped, requester_));
  grant.workload_identifier = "spiffe://example.org/payroll/admin";
  const Requester forger;
  EXPECT_THAT(Issue(mapped.attested, SignGrant(grant, forger.key, "forged").value()),
              StatusIs(v1::DENY_REASON_GRANT_KEY_UNKNOWN));
  const std::string kid = jose::InsecureDecodeJws(mapped.grant, 1 << 18).value().header.kid;
  EXPECT_THAT(Issue(mapped.attested, SignGrant(grant, forger.key, kid).value()),
              StatusIs(v1::DENY_REASON_GRANT_SIGNATURE_INVALID));
}

TEST_F(GrantTest, TheMapperGrantsToTheRightPeerForTheRightInputOnly) {
  ASSERT_OK_AND_ASSIGN(const Attested attested,
                       AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, requester_.csr));
  v1::MapClaimsRequest map;
  map.set_attestation_results(attested.results);
  map.set_rp_id(kAuthorityRpId);
  EXPECT_THAT(verifier_.MapClaims(map), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED)) << "no kind of input";
  map.set_input_kind(v1::INPUT_KIND_ATTESTATION_RESULTS);
  EXPECT_THAT(verifier_.MapClaims(map), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  Caller authority = Caller::Holder(*deployment_, "tls/credential-authority");
  map.set_input_kind(v1::INPUT_KIND_EVIDENCE);
  EXPECT_THAT(authority.MapClaims(map), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  map.set_input_kind(v1::INPUT_KIND_ANTICIPATED);
  EXPECT_THAT(verifier_.MapClaims(map), StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
  map.set_input_kind(v1::INPUT_KIND_EVIDENCE);
  map.set_rp_id(kKeyStoreRpId);
  EXPECT_THAT(verifier_.MapClaims(map), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
}

// Mechanism D's grant is for an owner, the others' for a key: neither is good for the other.
class OwnersGrantTest : public GrantTest {
 protected:
  absl::StatusOr<v1::PlanClaimsResponse> Plan(Caller& owner) {
    v1::PlanClaimsRequest plan;
    plan.set_anticipated_results_json(deployment_->Read("config/anticipated_results.json"));
    plan.set_rp_id(kAuthorityRpId);
    plan.set_release_policy(deployment_->Read("config/release_policy.yaml"));
    return owner.PlanClaims(plan);
  }
  absl::StatusOr<v1::IssueForOwnerRequest> Provision(const std::string& grant) {
    v1::ProvisionKeyRequest provision;
    provision.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
    provision.set_release_policy(deployment_->Read("config/release_policy.yaml"));
    provision.set_target(kTarget);
    TWI_ASSIGN_OR_RETURN(const v1::ProvisionKeyResponse made, owner_.ProvisionKey(provision));
    v1::IssueForOwnerRequest request;
    request.set_csr(made.csr());
    request.set_counter_signature(made.counter_signature());
    request.set_grant(grant);
    return request;
  }
  Caller ledger_ = Caller::Holder(*deployment_, "owners/ledger");
};

TEST_F(OwnersGrantTest, RefusesTheOwnersGrantForAKeyAndTheKeysGrantForAnOwner) {
  ASSERT_OK_AND_ASSIGN(const Mapped mapped, AttestAndMap(requester_));
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, Plan(owner_));
  EXPECT_THAT(Issue(mapped.attested, planned.grant()), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY));
  ASSERT_OK_AND_ASSIGN(const v1::IssueForOwnerRequest request, Provision(mapped.grant));
  EXPECT_THAT(owner_.IssueForOwner(request), StatusIs(v1::DENY_REASON_GRANT_WRONG_OWNER));
}

TEST_F(OwnersGrantTest, IssueForOwnerRefusesEveryThirdFlippedCharacterOfTheGrant) {
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, Plan(owner_));
  ASSERT_OK_AND_ASSIGN(const v1::IssueForOwnerRequest good, Provision(planned.grant()));
  ForEveryThirdFlippedCharacter(planned.grant(), [&](const std::string& flipped) {
    v1::IssueForOwnerRequest request = good;
    request.set_grant(flipped);
    EXPECT_THAT(owner_.IssueForOwner(request), FlippedGrant());
  });
  EXPECT_OK(owner_.IssueForOwner(good)) << "refused ones use nothing up";
}

TEST_F(OwnersGrantTest, RefusesASecondUse) {
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, Plan(owner_));
  ASSERT_OK_AND_ASSIGN(const v1::IssueForOwnerRequest first, Provision(planned.grant()));
  ASSERT_OK_AND_ASSIGN(const v1::IssueForOwnerRequest second, Provision(planned.grant()));
  EXPECT_OK(owner_.IssueForOwner(first));
  EXPECT_THAT(owner_.IssueForOwner(second), StatusIs(v1::DENY_REASON_GRANT_REPLAYED));
}

TEST_F(OwnersGrantTest, RefusesAnotherOwner) {
  EXPECT_THAT(Plan(ledger_), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED)) << "the policy that matches is payroll's";
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, Plan(owner_));
  ASSERT_OK_AND_ASSIGN(const v1::IssueForOwnerRequest request, Provision(planned.grant()));
  EXPECT_THAT(ledger_.IssueForOwner(request), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
  EXPECT_OK(owner_.IssueForOwner(request));
}

TEST_F(OwnersGrantTest, RefusesACsrThatTheKeyStoreDidNotCounterSign) {
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, Plan(owner_));
  ASSERT_OK_AND_ASSIGN(v1::IssueForOwnerRequest request, Provision(planned.grant()));
  const std::string good = request.counter_signature();
  for (std::size_t at = 0; at < good.size(); at += 7) {
    request.set_counter_signature(good);
    char& flipped = (*request.mutable_counter_signature())[at];
    flipped = flipped == 'A' ? 'B' : 'A';
    EXPECT_THAT(owner_.IssueForOwner(request), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID)) << at;
  }
  request.set_counter_signature(good);
  request.set_csr(requester_.csr);  // a key that never was in the Key Store
  EXPECT_THAT(owner_.IssueForOwner(request), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
}

// A grant lives for minutes; the policy that made it may be replaced meanwhile.
TEST_F(OwnersGrantTest, RefusesAGrantOfAReplacedPolicyVersion) {
  ASSERT_OK_AND_ASSIGN(const Mapped old, AttestAndMap(requester_));
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse old_plan, Plan(owner_));
  ASSERT_OK_AND_ASSIGN(const v1::IssueForOwnerRequest old_request, Provision(old_plan.grant()));
  for (const std::string name : {"config/payroll-worker", "config/payroll-worker-provisioned"}) {
    deployment_->Write(name + "-2.yaml",
                       absl::StrReplaceAll(deployment_->Read(name + ".yaml"), {{"version: 1\n", "version: 2\n"}}));
    const std::string policy = deployment_->File(name + "-2.yaml"), jws = policy + ".jws";
    // Signing needs no connection.
    const Finished sign = integration::Run({Runfile("services/twictl/twictl"), "policy", "sign", "--policy", policy,
                                            "--key", deployment_->File("owners/payroll.key.pem"), "--out", jws});
    ASSERT_EQ(sign.exit_code, 0) << sign.err;
    const Finished put = deployment_->Twictl({"policy", "put", "--signed", jws});
    ASSERT_EQ(put.exit_code, 0) << put.err;
  }
  // A replaced version may go on being accepted for a second (services/credential_authority/policy_versions.h).
  const absl::Time replaced = absl::Now();
  ASSERT_TRUE(WaitUntil([&] { return absl::Now() > replaced + absl::Seconds(1); }));
  EXPECT_THAT(Issue(old.attested, old.grant), StatusIs(v1::DENY_REASON_GRANT_POLICY_REPLACED));
  EXPECT_THAT(owner_.IssueForOwner(old_request), StatusIs(v1::DENY_REASON_GRANT_POLICY_REPLACED));
  const Requester another;
  ASSERT_OK_AND_ASSIGN(const Mapped fresh, AttestAndMap(another));
  EXPECT_OK(Issue(fresh.attested, fresh.grant)) << "the new version is in force";
  EXPECT_THAT(owner_.PutPolicy(deployment_->Read("config/payroll-worker.jws")
                                   .substr(0, deployment_->Read("config/payroll-worker.jws").size() - 1)),
              StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
}

}  // namespace
}  // namespace twi::integration
