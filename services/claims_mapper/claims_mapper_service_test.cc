// MapClaims and PlanClaims through the real door.
#include "absl/strings/str_cat.h"
#include "common/jose/jws.h"
#include "services/claims_mapper/mapper_fixture.h"

namespace twi::claims_mapper {
namespace {

using ::twi::testing::StatusIs;

class MapClaimsRpcTest : public MapperFixture {
 protected:
  void SetUp() override {
    ASSERT_OK(Start());
    ASSERT_OK(Client(kPayrollOwner)
                  ->PutPolicy(Payroll(1, "payroll",
                                      "- {name: region, expression: results.attester.region, volatile_for: 10m}\n"),
                              Deadline()));
    authority_ = Client(kAuthority);
  }
  absl::Status Map(const std::string& results) { return MapKind(v1::INPUT_KIND_ATTESTATION_RESULTS, results); }
  absl::Status MapKind(v1::InputKind kind, const std::string& results, const std::string& rp_id = kRpId) {
    return authority_->MapClaims(kind, results, rp_id, Deadline()).status();
  }
  std::unique_ptr<client::ClaimsMapperClient> authority_;
};

TEST_F(MapClaimsRpcTest, ResultsBecomeAGrantForTheirKey) {
  const std::string results = Sign(Results());
  ASSERT_OK_AND_ASSIGN(const Grant grant, MapAndValidate(results));
  EXPECT_EQ(grant.workload_identifier, "spiffe://example.org/payroll/payroll");
  EXPECT_EQ(grant.claims, (nlohmann::json{{"team", "payroll"}, {"region", "eu"}}));
  EXPECT_EQ(grant.max_lifetime, absl::Minutes(10)) << "cut by the volatile claim";
  EXPECT_EQ(grant.policy_name, "payroll");
  EXPECT_EQ(grant.policy_version, 1u);
  EXPECT_EQ(grant.policy_owner, kPayrollOwner);
  EXPECT_EQ(grant.expires_at - grant.issued_at, absl::Minutes(2));
  ASSERT_OK_AND_ASSIGN(const Grant again, MapAndValidate(results));
  EXPECT_NE(grant.jti, again.jti);
}

TEST_F(MapClaimsRpcTest, RefusesResultsOfNoKnownKey) {
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EXPECT_THAT(Map(*SignResults(Results(), other, "v2")), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
  EXPECT_THAT(Map(*SignResults(Results(), other, "v1")), StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
}

TEST_F(MapClaimsRpcTest, RefusesOldExpiredAndForeignResults) {
  AttestationResults old = Results();
  old.issued_at = clock_.Now() - absl::Minutes(11);
  EXPECT_THAT(Map(Sign(old)), StatusIs(v1::DENY_REASON_RESULTS_EXPIRED)) << "too old, whatever exp says";
  AttestationResults expired = Results();
  expired.issued_at = clock_.Now() - absl::Minutes(2);
  expired.expires_at = clock_.Now() - absl::Seconds(1);
  EXPECT_THAT(Map(Sign(expired)), StatusIs(v1::DENY_REASON_RESULTS_EXPIRED));
  AttestationResults foreign = Results();
  foreign.audience = "https://other.example.org";
  EXPECT_THAT(Map(Sign(foreign)), StatusIs(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE));
  AttestationResults bad = Results();
  bad.status = EarStatus::kContraindicated;
  EXPECT_THAT(Map(Sign(bad)), StatusIs(v1::DENY_REASON_RESULTS_NOT_AFFIRMING));
}

TEST_F(MapClaimsRpcTest, RefusesMalformedAndOversizedRequests) {
  EXPECT_THAT(Map(""), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Map("not a token"), StatusIs(v1::DENY_REASON_RESULTS_MALFORMED));
  EXPECT_THAT(Map(std::string(200 * 1024, 'A')), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(MapKind(v1::INPUT_KIND_ATTESTATION_RESULTS, Sign(Results()), ""),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(MapKind(v1::INPUT_KIND_ATTESTATION_RESULTS, Sign(Results()), "https://other.example.org"),
              StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
  EXPECT_THAT(MapKind(v1::INPUT_KIND_UNSPECIFIED, Sign(Results())), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(MapKind(static_cast<v1::InputKind>(77), Sign(Results())), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST_F(MapClaimsRpcTest, ThePeerDecidesWhichKindItMayBring) {
  EXPECT_THAT(MapKind(v1::INPUT_KIND_EVIDENCE, Sign(Results())), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(MapKind(v1::INPUT_KIND_ANTICIPATED, Sign(Results())), StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
  const auto verifier = Client(kVerifier);
  EXPECT_THAT(verifier->MapClaims(v1::INPUT_KIND_ATTESTATION_RESULTS, Sign(Results()), kRpId, Deadline()),
              StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(verifier->MapClaims(v1::INPUT_KIND_EVIDENCE, Sign(Results()), kRpId, Deadline()),
              StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED))
      << "may ask, but the policy does not accept Evidence";
  EXPECT_THAT(Client(kStranger)->MapClaims(v1::INPUT_KIND_EVIDENCE, Sign(Results()), kRpId, Deadline()),
              StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(MapClaimsRpcTest, AVerifierBringsEvidenceForAPolicyOfMechanismA) {
  const std::string document =
      absl::StrReplaceAll(Document("payroll-a", 1, "payroll-a"),
                          {{"[attestation_results, anticipated]", "[evidence]"},
                           {"match:\n", "match:\n- {name: place, expression: evidence.region == \"eu\"}\n"}});
  ASSERT_OK(Client(kPayrollOwner)
                ->PutPolicy(SignDocument(document, "payroll-a", 1, kPayrollOwner, payroll_key_), Deadline()));
  EXPECT_OK(Client(kVerifier)->MapClaims(v1::INPUT_KIND_EVIDENCE, Sign(Results("payroll-a")), kRpId, Deadline()));
}

TEST_F(MapClaimsRpcTest, NoPolicyTwoPoliciesAndAFailedClaimHaveTheirNames) {
  EXPECT_THAT(Map(Sign(Results("stranger"))), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  AttestationResults nowhere = Results();
  nowhere.attester_claims.erase("region");
  EXPECT_THAT(Map(Sign(nowhere)), StatusIs(v1::DENY_REASON_MAPPING_CLAIM_FAILED));
  ASSERT_OK(Client(kLedgerOwner)
                ->PutPolicy(SignDocument(Document("ledger", 1, "payroll"), "ledger", 1, kLedgerOwner, ledger_key_),
                            Deadline()));
  EXPECT_THAT(Map(Sign(Results())), StatusIs(v1::DENY_REASON_MAPPING_AMBIGUOUS));
}

TEST_F(MapClaimsRpcTest, APeerLearnsTheNameOfTheReasonAndNothingElse) {
  const absl::Status refused = Map(Sign(Results("stranger")));
  EXPECT_EQ(std::string(refused.message()).find("software"), std::string::npos) << refused;
}

TEST_F(MapClaimsRpcTest, WithoutTheVerifiersKeysNothingIsMapped) {
  verifier_down_ = true;
  ASSERT_OK(Start());
  authority_ = Client(kAuthority);
  EXPECT_THAT(Map(Sign(Results())), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

TEST_F(MapClaimsRpcTest, ARestartKeepsPoliciesAndGrantKeys) {
  ASSERT_OK_AND_ASSIGN(const jose::JwkSet before, authority_->GetGrantKeys(Deadline()));
  ASSERT_OK(Start());
  authority_ = Client(kAuthority);
  ASSERT_OK_AND_ASSIGN(const jose::JwkSet after, authority_->GetGrantKeys(Deadline()));
  EXPECT_EQ(before.keys[0].kid, after.keys[0].kid);
  EXPECT_OK(Map(Sign(Results())));
}

class PlanClaimsRpcTest : public MapperFixture {
 protected:
  void SetUp() override {
    ASSERT_OK(Start());
    owner_ = Client(kPayrollOwner);
    ASSERT_OK(owner_->PutPolicy(Payroll(1), Deadline()));
    anticipated_ = {{"status", "affirming"}, {"software", {{"name", "payroll"}}}};
  }
  absl::StatusOr<v1::PlanClaimsResponse> PlanAs(client::ClaimsMapperClient& caller, const std::string& json,
                                                const std::string& rp_id = kRpId) {
    v1::PlanClaimsRequest request;
    request.set_anticipated_results_json(json);
    request.set_rp_id(rp_id);
    request.set_release_policy(release_policy_);
    return caller.PlanClaims(request, Deadline());
  }
  absl::Status Plan(const std::string& json, const std::string& rp_id = kRpId) {
    return PlanAs(*owner_, json, rp_id).status();
  }
  // In force from now on: a claim of what the results say.
  absl::Status PutAComputedClaim() {
    anticipated_["software"]["version"] = "1.2";
    const std::string document = absl::StrReplaceAll(
        Document("payroll", 2, "payroll"),
        {{"claims:\n", "claims:\n- name: release\n  expression: results.software.version + \"!\"\n"}});
    return owner_->PutPolicy(SignDocument(document, "payroll", 2, kPayrollOwner, payroll_key_), Deadline()).status();
  }
  void AddToTheReleasePolicy(const std::string& expression) {
    absl::StrAppend(&release_policy_, "- {name: more, expression: '", expression, "'}\n");
  }

  std::unique_ptr<client::ClaimsMapperClient> owner_;
  nlohmann::json anticipated_;
  std::string release_policy_ = "conditions:\n- {name: image, expression: 'results.software.name == \"payroll\"'}\n";
};

TEST_F(PlanClaimsRpcTest, ThePlanIsAGrantForTheOwner) {
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse plan, PlanAs(*owner_, anticipated_.dump()));
  EXPECT_EQ(plan.workload_identifier(), "spiffe://example.org/payroll/payroll");
  EXPECT_EQ(plan.claims_json(), R"({"team":"payroll"})");
  ASSERT_EQ(plan.claims_size(), 1);
  EXPECT_EQ(plan.claims(0).name(), "team");
  EXPECT_EQ(plan.claims(0).computed_from_size(), 0) << "a constant";
  ASSERT_OK_AND_ASSIGN(const jose::JwkSet keys, Client(kAuthority)->GetGrantKeys(Deadline()));
  GrantExpectation expected;
  expected.audience = kRpId;
  expected.issuer = kMapper;
  expected.now = clock_.Now();
  expected.owner = kPayrollOwner;
  ASSERT_OK_AND_ASSIGN(const Grant grant, ValidateGrant(plan.grant(), keys, expected));
  EXPECT_EQ(grant.release_policy_sha256, crypto::Sha256(release_policy_)) << "as the Key Store counter-signs it";
  expected.owner = kLedgerOwner;
  EXPECT_THAT(ValidateGrant(plan.grant(), keys, expected), StatusIs(v1::DENY_REASON_GRANT_WRONG_OWNER));
}

TEST_F(PlanClaimsRpcTest, ThePlanSaysWhatAClaimIsComputedFrom) {
  ASSERT_OK(PutAComputedClaim());
  AddToTheReleasePolicy(R"(results.software.version == "1.2")");
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse plan, PlanAs(*owner_, anticipated_.dump()));
  ASSERT_EQ(plan.claims_size(), 2);
  EXPECT_EQ(plan.claims(0).name(), "release");
  ASSERT_EQ(plan.claims(0).computed_from_size(), 1);
  EXPECT_THAT(plan.claims(0).computed_from(0).names(), ::testing::ElementsAre("results", "software", "version"));
}

// With the owner's TLS key alone, and not the one that signs policies, no claim can be given another value.
TEST_F(PlanClaimsRpcTest, RefusesAComputedClaimThatTheReleasePolicyDoesNotPin) {
  ASSERT_OK(PutAComputedClaim());
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  AddToTheReleasePolicy(R"(results.software.version in ["1.2", "1.3"])");
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  anticipated_["software"]["version"] = "9.9";
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED)) << "not what gets the key";
}

TEST_F(PlanClaimsRpcTest, RefusesAReleasePolicyThatLetsOtherSoftwareHaveTheKey) {
  release_policy_ = "conditions:\n- {name: image, expression: 'results.software.name in [\"payroll\", \"x\"]'}\n";
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  AddToTheReleasePolicy(R"(results.software.name == "payroll")");
  EXPECT_OK(Plan(anticipated_.dump()));
}

TEST_F(PlanClaimsRpcTest, RefusesNoReleasePolicyABadAndAnOversizedOne) {
  release_policy_ = "";
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  release_policy_ = std::string(65 * 1024, ' ');
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  for (const char* bad : {"no policy", "conditions: []\n", "conditions:\n- {name: any, expression: 'true'}\n"}) {
    release_policy_ = bad;
    EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID)) << bad;
  }
}

TEST_F(PlanClaimsRpcTest, OnlyThePolicysOwnerPlansWithIt) {
  const auto refused_to = [this](const char* peer) { return PlanAs(*Client(peer), anticipated_.dump()); };
  EXPECT_THAT(refused_to(kLedgerOwner), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(refused_to(kStranger), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED)) << "on the allow-list, but no owner";
  EXPECT_THAT(refused_to(kAuthority), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED)) << "not on the allow-list";
}

TEST_F(PlanClaimsRpcTest, RefusesWhatNoResultsCarry) {
  anticipated_["licence"] = "x";
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Plan(""), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Plan("{\"status\":\"affirming\",\"status\":\"affirming\"}"), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Plan(std::string(65 * 1024, ' ')), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(Plan(R"({"status":"warning"})"), StatusIs(v1::DENY_REASON_RESULTS_NOT_AFFIRMING));
  EXPECT_THAT(Plan(R"({"status":"affirming"})"), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  EXPECT_THAT(Plan(R"({"status":"affirming","software":{"name":"payroll"}})", "https://other.example.org"),
              StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
}

TEST_F(PlanClaimsRpcTest, RefusesAPolicyThatIsNotForPlanning) {
  ASSERT_OK(
      owner_->PutPolicy(SignDocument(absl::StrReplaceAll(Document("payroll", 2, "payroll"), {{", anticipated]", "]"}}),
                                     "payroll", 2, kPayrollOwner, payroll_key_),
                        Deadline()));
  EXPECT_THAT(Plan(anticipated_.dump()), StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
}

}  // namespace
}  // namespace twi::claims_mapper
