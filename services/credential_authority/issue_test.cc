// A8, B10, C10, P7: what is issued and recorded, whatever the mechanism, and what ends its lifetime.
#include "services/credential_authority/issue.h"

#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/storage/session.h"
#include "services/credential_authority/issuance_record.h"
#include "services/credential_authority/issue_fixture.h"
#include "services/credential_authority/validate_credential.h"

namespace twi::credential_authority {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;
using Workload = AuthorityUnderTest::Workload;

TEST_F(IssueTest, EachMechanismIssuesBothFormsAndRecordsWhy) {
  for (const char mechanism : {'A', 'B', 'C'}) {
    const Workload w = a_.NewWorkload();
    granted_key_ = w.key.public_key();
    const AttestationResults results = a_.ResultsFor(w);
    const auto issued = IssueWith(mechanism, w, a_.SignResults(results));
    ASSERT_OK(issued) << mechanism;
    const v1::WorkloadCredential& c = issued->credential();
    const auto leaf = crypto::ParseCertificate(c.x509_chain(0));
    ASSERT_OK(leaf);
    EXPECT_EQ(leaf->public_key, w.key.public_key());
    EXPECT_EQ(c.x509_chain_size(), 1) << "without the anchor";
    EXPECT_EQ(c.x509_bundle(0), a_.x509->chain.back().der);
    EXPECT_EQ(ToHex(leaf->serial), c.serial());
    EXPECT_EQ(c.jti(), c.serial());
    const CredentialFacts facts{leaf->serial,
                                kIdentifier,
                                w.key.public_key(),
                                {"worker.payroll.test.example"},
                                {{"team", "payroll"}, {"level", 3}},
                                absl::FromUnixSeconds(c.not_before_unix()),
                                absl::FromUnixSeconds(c.not_after_unix())};
    EXPECT_OK(ValidateX509(c.x509_chain(0), facts, a_.x509->chain.front()));
    EXPECT_OK(ValidateWit(c.wit(), facts, kRpId, *jose::JwkSetFromText(c.wit_bundle())));
    EXPECT_EQ(facts.not_before, a_.clock.Now() - absl::Seconds(30));
    EXPECT_EQ(facts.not_after, a_.clock.Now() + absl::Minutes(30));

    v1::GetIssuanceRequest by_serial;
    by_serial.set_serial(c.serial());
    const auto record = FindIssuance(*a_.database, by_serial, std::nullopt);
    ASSERT_OK(record);
    EXPECT_EQ(record->mechanism(), std::string(1, mechanism));
    EXPECT_EQ(record->attestation_results_sha256(), ToHex(crypto::Sha256(results_jws_)));
    EXPECT_EQ(record->attestation_results_jti(), results.jti);
    EXPECT_EQ(record->evidence_sha256(), ToHex(results.evidence_sha256));
    EXPECT_EQ(record->appraisal_policy_ids(), "default@sha256:00");
    EXPECT_EQ(record->policy_name(), "payroll");
    EXPECT_EQ(record->policy_version(), 3u);
    EXPECT_EQ(record->policy_sha256(), ToHex(std::string(32, 'p')));
    EXPECT_EQ(record->public_key_sha256(), ToHex(w.key.public_key().spki_sha256()));
    EXPECT_EQ(record->target(), kTarget);
    EXPECT_EQ(record->requester(), mechanism == 'A' ? kVerifierId : w.peer.ToString());
    EXPECT_FALSE(record->grant().empty());
  }
  EXPECT_EQ(a_.mapper.mapped, 2) << "in A the Verifier brings the grant";
  EXPECT_EQ(a_.mapper.kind, v1::INPUT_KIND_ATTESTATION_RESULTS);
}

TEST_F(IssueTest, OnlyTheFormsThatWereAskedForAreIssued) {
  for (const char mechanism : {'A', 'B', 'C', 'D'}) {
    for (const v1::CredentialForm form : {v1::CREDENTIAL_FORM_X509, v1::CREDENTIAL_FORM_WIT}) {
      const bool x509 = form == v1::CREDENTIAL_FORM_X509;
      forms_.Clear();
      forms_.Add(form);
      const Workload w = a_.NewWorkload();
      granted_key_ = w.key.public_key();
      const auto issued =
          mechanism == 'D' ? IssueD(OwnerRequest(w)) : IssueWith(mechanism, w, a_.SignResults(a_.ResultsFor(w)));
      ASSERT_OK(issued) << mechanism << " " << form;
      const v1::WorkloadCredential& c = issued->credential();
      EXPECT_EQ(c.x509_chain_size(), x509 ? 1 : 0);
      EXPECT_EQ(c.x509_bundle_size(), x509 ? 1 : 0);
      EXPECT_EQ(c.wit().empty(), x509);
      EXPECT_EQ(c.wit_bundle().empty(), x509);
      EXPECT_EQ(c.jti(), x509 ? "" : c.serial());
      v1::GetIssuanceRequest by_serial;
      by_serial.set_serial(c.serial());
      const auto record = FindIssuance(*a_.database, by_serial, std::nullopt);
      ASSERT_OK(record);
      EXPECT_EQ(record->jti(), c.jti());
    }
  }
}

TEST_F(IssueTest, RefusesFormsThatAreUnknownOrNamedTwice) {
  for (const std::vector<int>& forms : std::vector<std::vector<int>>{
           {v1::CREDENTIAL_FORM_UNSPECIFIED}, {77}, {v1::CREDENTIAL_FORM_X509, v1::CREDENTIAL_FORM_X509}}) {
    forms_.Clear();
    for (const int form : forms) forms_.Add(form);
    ExpectRefused(v1::DENY_REASON_REQUEST_MALFORMED, nullptr);
    EXPECT_THAT(IssueD(OwnerRequest(a_.NewWorkload())), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  }
}

TEST_F(IssueTest, AnEd25519KeyGetsNoWit) {
  const Workload w = a_.NewWorkload(crypto::KeyType::kEd25519);
  const auto issued = IssueWith('B', w, a_.SignResults(a_.ResultsFor(w)));
  ASSERT_OK(issued);
  EXPECT_EQ(issued->credential().x509_chain_size(), 1);
  EXPECT_TRUE(issued->credential().wit().empty());
  forms_.Add(v1::CREDENTIAL_FORM_WIT);
  const Workload again = a_.NewWorkload(crypto::KeyType::kEd25519);
  granted_key_ = again.key.public_key();
  EXPECT_THAT(IssueWith('B', again, a_.SignResults(a_.ResultsFor(again))),
              StatusIs(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED));
}

TEST_F(IssueTest, SerialsAreUniquePositiveAndInOrderOfTime) {
  std::string last;
  for (int i = 0; i < 3; ++i) {
    const auto issued = IssueChanged('B', nullptr);
    ASSERT_OK(issued);
    EXPECT_EQ(issued->credential().serial().size(), 32u);
    EXPECT_LT(issued->credential().serial()[0], '8');
    EXPECT_GT(issued->credential().serial(), last);
    last = issued->credential().serial();
    a_.clock.Advance(absl::Milliseconds(1));
  }
}

TEST_F(IssueTest, RefusesMechanismsThatAreNotServed) {
  for (const char mechanism : {'A', 'B', 'C', 'D'}) {
    a_.mechanisms = {"A", "B", "C", "D"};
    a_.mechanisms.erase(std::string(1, mechanism));
    a_.Assemble();
    const auto issued = mechanism == 'D' ? IssueD(OwnerRequest(a_.NewWorkload())) : IssueChanged(mechanism, nullptr);
    EXPECT_THAT(issued, StatusIs(v1::DENY_REASON_NOT_IMPLEMENTED, HasSubstr(std::string("mechanism ") + mechanism)));
  }
  EXPECT_EQ(a_.issued(), 0);
}

TEST_F(IssueTest, NothingLeavesThatIsNotRecorded) {
  ASSERT_OK(a_.database->Write([](storage::Session& session) {
    session.Change("DROP TABLE issuance");
    return absl::OkStatus();
  }));
  for (const char mechanism : {'A', 'B', 'C'}) {
    EXPECT_THAT(IssueChanged(mechanism, nullptr), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  }
  EXPECT_THAT(IssueD(OwnerRequest(a_.NewWorkload())), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
}

TEST_F(IssueTest, LifetimeIsTheShortestOfGrantConfigAndIssuer) {
  const auto lifetime = [&]() -> absl::StatusOr<absl::Duration> {
    const auto issued = IssueChanged('B', nullptr);
    if (!issued.ok()) return issued.status();
    return absl::FromUnixSeconds(issued->credential().not_after_unix()) - a_.clock.Now();
  };
  EXPECT_THAT(lifetime(), testing::IsOkAndHolds(absl::Minutes(30))) << "the grant's";
  a_.max_lifetime = absl::Minutes(10);
  a_.Assemble();
  EXPECT_THAT(lifetime(), testing::IsOkAndHolds(absl::Minutes(10))) << "config's";
  a_.clock.Set(a_.x509->chain.front().not_after - absl::Minutes(4));
  EXPECT_THAT(lifetime(), testing::IsOkAndHolds(absl::Minutes(4))) << "the issuer's";
  a_.clock.Set(a_.x509->chain.front().not_after);
  EXPECT_THAT(lifetime(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID)) << "none left";
}

TEST_F(IssueTest, BackdatingEndsWhereTheIssuerBegins) {
  a_.clock.Set(a_.x509->chain.front().not_before + absl::Seconds(10));
  const auto issued = IssueChanged('B', nullptr);
  ASSERT_OK(issued);
  EXPECT_EQ(absl::FromUnixSeconds(issued->credential().not_before_unix()), a_.x509->chain.front().not_before);
}

}  // namespace
}  // namespace twi::credential_authority
