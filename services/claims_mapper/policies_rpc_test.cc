// PutPolicy, ListPolicies, GetPolicyVersions, policy files and reload, through the real door.
#include "absl/strings/str_cat.h"
#include "services/claims_mapper/mapper_fixture.h"

namespace twi::claims_mapper {
namespace {

using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

class PoliciesRpcTest : public MapperFixture {
 protected:
  void SetUp() override {
    ASSERT_OK(Start());
    owner_ = Client(kPayrollOwner);
  }
  absl::Status Put(const std::string& jws) { return owner_->PutPolicy(jws, Deadline()).status(); }
  std::uint64_t VersionInForce(const std::string& name) {
    const auto versions = Client(kAuthority)->GetPolicyVersions({name, "no-such-policy"}, Deadline());
    EXPECT_OK(versions);
    return versions->policies_size() == 0 ? 0 : versions->policies(0).version();
  }
  std::unique_ptr<client::ClaimsMapperClient> owner_;
};

TEST_F(PoliciesRpcTest, ANewVersionReplacesTheOldOne) {
  ASSERT_OK_AND_ASSIGN(const v1::PutPolicyResponse put, owner_->PutPolicy(Payroll(1), Deadline()));
  EXPECT_EQ(put.name(), "payroll");
  EXPECT_EQ(put.version(), 1u);
  EXPECT_EQ(put.sha256().size(), 64u);
  EXPECT_EQ(VersionInForce("payroll"), 1u);
  EXPECT_OK(Put(Payroll(4, "payroll-next")));
  EXPECT_EQ(VersionInForce("payroll"), 4u);
  EXPECT_THAT(MapAndValidate(Sign(Results("payroll"))), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  EXPECT_OK(MapAndValidate(Sign(Results("payroll-next"))));
}

TEST_F(PoliciesRpcTest, VersionsOnlyGoUpUnlessTheOwnerSignsARollback) {
  EXPECT_OK(Put(Payroll(2)));
  const std::string third = Payroll(3);
  EXPECT_OK(Put(third));
  EXPECT_THAT(Put(third), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  EXPECT_THAT(Put(Payroll(2)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  const std::string rollback = Payroll(2, "payroll", "rollback_from: 3\n");
  EXPECT_OK(Put(rollback));
  EXPECT_EQ(VersionInForce("payroll"), 2u);
  EXPECT_THAT(Put(third), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER))
      << "an old version never comes back by itself";
  EXPECT_OK(Put(Payroll(4)));
  EXPECT_THAT(Put(rollback), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER)) << "replayed";
}

TEST_F(PoliciesRpcTest, ABadPolicyLeavesTheOldOneInForce) {
  EXPECT_OK(Put(Payroll(1)));
  EXPECT_THAT(Put(Payroll(2, "payroll", "clams: []\n")), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(Put("not a token"), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(Put(""), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Put(std::string(300 * 1024, 'A')), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_EQ(VersionInForce("payroll"), 1u);
  EXPECT_OK(MapAndValidate(Sign(Results())));
}

TEST_F(PoliciesRpcTest, RefusesWhatTheOwnerDidNotSign) {
  const std::string document = Document("payroll", 1, "payroll");
  EXPECT_THAT(Put(SignDocument(document, "payroll", 1, kPayrollOwner, ledger_key_)),
              StatusIs(v1::DENY_REASON_POLICY_SIGNATURE_INVALID));
  EXPECT_THAT(Put(SignDocument(document, "payroll", 1, kStranger, ledger_key_)),
              StatusIs(v1::DENY_REASON_POLICY_OWNER_UNKNOWN));
}

TEST_F(PoliciesRpcTest, SignatureAndDocumentMustSayTheSame) {
  const std::string document = Document("payroll", 1, "payroll");
  EXPECT_THAT(Put(SignDocument(document, "payroll", 2, kPayrollOwner, payroll_key_)),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(Put(SignDocument(document, "payrol", 1, kPayrollOwner, payroll_key_)),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(Put(SignDocument(Document("ledger", 1, "x"), "ledger", 1, kPayrollOwner, payroll_key_)),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
}

TEST_F(PoliciesRpcTest, AnOwnerGrantsOnlyItsOwnIdentifiers) {
  for (const char* identifier :
       {"spiffe://example.org/ledger/x", "spiffe://example.org/twi/verifier", "spiffe://other.org/payroll/x"}) {
    const std::string document =
        absl::StrReplaceAll(Document("payroll", 1, "payroll"), {{"spiffe://example.org/payroll/payroll", identifier}});
    EXPECT_THAT(Put(SignDocument(document, "payroll", 1, kPayrollOwner, payroll_key_)),
                StatusIs(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED))
        << identifier;
  }
  EXPECT_THAT(Put(Payroll(1, "payroll", "limits: {dns_names: [db.ledger.example.org]}\n")),
              StatusIs(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED));
  EXPECT_OK(Put(Payroll(1, "payroll", "limits: {dns_names: [db.payroll.example.org]}\n")));
}

TEST_F(PoliciesRpcTest, OnlyTheOwnerItselfMayLoadItsPolicy) {
  EXPECT_THAT(Client(kLedgerOwner)->PutPolicy(Payroll(1), Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(Client(kAuthority)->PutPolicy(Payroll(1), Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_EQ(VersionInForce("payroll"), 0u);
}

TEST_F(PoliciesRpcTest, ANameBelongsToItsFirstOwner) {
  EXPECT_OK(Put(Payroll(1)));
  const std::string document = absl::StrReplaceAll(Document("ledger", 2, "x"), {{"name: ledger\n", "name: payroll\n"}});
  EXPECT_THAT(
      Client(kLedgerOwner)->PutPolicy(SignDocument(document, "payroll", 2, kLedgerOwner, ledger_key_), Deadline()),
      StatusIs(v1::DENY_REASON_POLICY_OWNER_UNKNOWN));
  EXPECT_EQ(VersionInForce("payroll"), 1u);
}

TEST_F(PoliciesRpcTest, ListsInPagesWithTheDocumentAsSigned) {
  for (int i = 0; i < 300; ++i) {
    const std::string name = absl::StrCat("payroll-", 1000 + i);
    ASSERT_OK(Put(SignDocument(Document(name, 1, name), name, 1, kPayrollOwner, payroll_key_)));
  }
  ASSERT_OK_AND_ASSIGN(const v1::ListPoliciesResponse first, owner_->ListPolicies("", Deadline()));
  EXPECT_FALSE(first.next().empty());
  ASSERT_GT(first.policies_size(), 0);
  EXPECT_EQ(first.policies(0).document(), Document("payroll-1000", 1, "payroll-1000"));
  int total = first.policies_size();
  for (std::string next = first.next(); !next.empty();) {
    ASSERT_OK_AND_ASSIGN(const v1::ListPoliciesResponse page, owner_->ListPolicies(next, Deadline()));
    total += page.policies_size();
    next = page.next();
  }
  EXPECT_EQ(total, 300);
  EXPECT_THAT(owner_->ListPolicies(std::string(1000, 'x'), Deadline()), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(Client(kAuthority)->ListPolicies("", Deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_THAT(Client(kAuthority)->GetPolicyVersions(std::vector<std::string>(65, "x"), Deadline()),
              StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

TEST_F(PoliciesRpcTest, AnOwnerSeesItsOwnPoliciesAndAnOperatorAll) {
  ASSERT_OK(Put(Payroll(1)));
  const std::string document = Document("ledger", 1, "ledger");
  ASSERT_OK(
      Client(kLedgerOwner)->PutPolicy(SignDocument(document, "ledger", 1, kLedgerOwner, ledger_key_), Deadline()));
  const auto names = [this](const char* caller) {
    std::vector<std::string> seen;
    const auto page = Client(caller)->ListPolicies("", Deadline());
    EXPECT_OK(page);
    for (const v1::PolicyInfo& policy : page->policies()) seen.push_back(policy.name());
    return seen;
  };
  EXPECT_THAT(names(kPayrollOwner), ::testing::ElementsAre("payroll"));
  EXPECT_THAT(names(kLedgerOwner), ::testing::ElementsAre("ledger"));
  EXPECT_THAT(names(kOperator), ::testing::ElementsAre("ledger", "payroll"));
  config_.clear_operators();
  ASSERT_OK(daemon_->Reload(config_));
  EXPECT_THAT(names(kOperator), ::testing::IsEmpty());
}

TEST_F(PoliciesRpcTest, PolicyFilesAreLoadedAtStartAndOnReload) {
  const std::string file = pki_.dir().Write("payroll.jws", Payroll(1) + "\n");
  config_.add_policy_files(file);
  ASSERT_OK(Start());
  EXPECT_EQ(VersionInForce("payroll"), 1u);
  ASSERT_OK(Start()) << "the same file again is no error";
  pki_.dir().Write("payroll.jws", Payroll(2, "payroll-next"));
  ASSERT_OK(daemon_->Reload(config_));
  EXPECT_EQ(VersionInForce("payroll"), 2u);
  pki_.dir().Write("payroll.jws", Payroll(3, "payroll", "clams: []\n"));
  EXPECT_THAT(daemon_->Reload(config_), StatusIs(v1::DENY_REASON_POLICY_MALFORMED, HasSubstr("payroll.jws:11:1")));
  EXPECT_THAT(ValidateConfig(config_, clock_.Now()),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED, HasSubstr("payroll.jws:11:1")));
  EXPECT_EQ(VersionInForce("payroll"), 2u);
  pki_.dir().Write("payroll.jws", Payroll(1));
  EXPECT_OK(daemon_->Reload(config_)) << "an older file changes nothing";
  EXPECT_EQ(VersionInForce("payroll"), 2u);
  ASSERT_OK(Start()) << "an older file is no reason not to start";
  EXPECT_EQ(VersionInForce("payroll"), 2u);
}

TEST_F(PoliciesRpcTest, ABadPolicyFileStopsTheStart) {
  config_.add_policy_files(pki_.dir().Write("payroll.jws", "garbage"));
  EXPECT_THAT(Start(), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  config_.set_policy_files(0, pki_.dir().File("missing.jws"));
  EXPECT_THAT(Start(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(PoliciesRpcTest, AnOwnerWhoIsTakenOutLosesItsPolicies) {
  EXPECT_OK(Put(Payroll(1)));
  config::v1::ClaimsMapperConfig without = config_;
  without.mutable_owners()->DeleteSubrange(0, 1);
  ASSERT_OK(daemon_->Reload(without));
  EXPECT_EQ(VersionInForce("payroll"), 0u);
  EXPECT_THAT(MapAndValidate(Sign(Results())), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  ASSERT_OK(daemon_->Reload(config_));
  EXPECT_EQ(VersionInForce("payroll"), 1u);
}

// Good as far as can be seen beforehand; that the name belongs to another owner only the store knows.
TEST_F(PoliciesRpcTest, AReloadThatTheStoreRefusesChangesNothing) {
  EXPECT_OK(Put(Payroll(1)));
  const std::string document = absl::StrReplaceAll(Document("ledger", 2, "x"), {{"name: ledger\n", "name: payroll\n"}});
  config::v1::ClaimsMapperConfig other = config_;
  other.mutable_owners()->DeleteSubrange(0, 1);  // the payroll owner
  other.set_relying_parties(0, "https://other.example.org");
  other.add_policy_files(
      pki_.dir().Write("ledger.jws", SignDocument(document, "payroll", 2, kLedgerOwner, ledger_key_)));
  ASSERT_OK(ValidateConfig(other, clock_.Now()));
  EXPECT_THAT(daemon_->Reload(other), StatusIs(v1::DENY_REASON_POLICY_OWNER_UNKNOWN, HasSubstr("ledger.jws")));
  EXPECT_EQ(VersionInForce("payroll"), 1u) << "its owner is back";
  EXPECT_OK(MapAndValidate(Sign(Results()))) << "for the relying party of before";
}

TEST_F(PoliciesRpcTest, ABadPolicyFileLeavesTheOwnersAsTheyWere) {
  EXPECT_OK(Put(Payroll(1)));
  config::v1::ClaimsMapperConfig other = config_;
  other.mutable_owners()->DeleteSubrange(0, 1);
  other.add_policy_files(pki_.dir().Write("bad.jws", "garbage"));
  EXPECT_THAT(daemon_->Reload(other), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_EQ(VersionInForce("payroll"), 1u);
}

TEST_F(PoliciesRpcTest, RefusesConfigsThatDoNotFit) {
  const auto refused = [this](const std::function<void(config::v1::ClaimsMapperConfig&)>& change) {
    config::v1::ClaimsMapperConfig config = config_;
    change(config);
    return DenyReasonOf(server::CheckConfig(ClaimsMapperSpec(), config, clock_.Now())) ==
           v1::DENY_REASON_CONFIG_INVALID;
  };
  ASSERT_OK(server::CheckConfig(ClaimsMapperSpec(), config_, clock_.Now()));
  EXPECT_TRUE(refused([](auto& c) { c.clear_server(); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_server()->mutable_allow(0)->set_rpc("Map"); }));
  EXPECT_TRUE(refused([](auto& c) { c.set_issuer("spiffe://example.org/twi/another"); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_verifier_keys()->mutable_refresh()->set_seconds(1); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_grant_keys()->mutable_overlap()->set_seconds(60); }));
  EXPECT_TRUE(refused([](auto& c) { c.clear_storage(); }));
  EXPECT_TRUE(refused([](auto& c) { c.set_issuer("mapper"); }));
  EXPECT_TRUE(refused([](auto& c) { c.set_trust_domain("Example.org"); }));
  EXPECT_TRUE(refused([](auto& c) { c.clear_verifier_keys(); }));
  EXPECT_TRUE(refused([](auto& c) { c.clear_relying_parties(); }));
  EXPECT_TRUE(refused([](auto& c) { c.clear_owners(); }));
  EXPECT_TRUE(refused([](auto& c) { *c.add_owners() = c.owners(0); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_owners(0)->clear_identifier_prefixes(); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_owners(0)->set_identifier_prefixes(0, "spiffe://example.org/"); }));
  EXPECT_TRUE(
      refused([](auto& c) { c.mutable_owners(0)->set_identifier_prefixes(0, "spiffe://example.org/payroll"); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_owners(0)->set_identifier_prefixes(0, "spiffe://example.org/twi/"); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_owners(0)->set_dns_suffixes(0, "*.example.org"); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_owners(0)->set_public_key_file("/nonexistent"); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_grant_lifetime()->set_seconds(3600); }));
  EXPECT_TRUE(refused([](auto& c) { c.mutable_results_max_age()->set_seconds(1); }));
  EXPECT_TRUE(refused([](auto& c) { c.add_verifiers("spiffe://example.org/twi/other-verifier"); }));
  EXPECT_TRUE(refused([](auto& c) {
    c.clear_verifiers();
    c.clear_credential_authorities();
  }));
}

}  // namespace
}  // namespace twi::claims_mapper
