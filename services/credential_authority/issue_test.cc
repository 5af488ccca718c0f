// A8, B9 B10, C5..C10, P7 with real signatures and faked peers: every refusal of results, requests, grants and
// counter-signatures, for each mechanism that takes one.
#include "services/credential_authority/issue.h"

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/storage/session.h"
#include "common/testing/matchers.h"
#include "services/credential_authority/issuance_record.h"
#include "services/credential_authority/issue_for_owner.h"
#include "services/credential_authority/issue_for_verifier.h"
#include "services/credential_authority/issue_from_evidence.h"
#include "services/credential_authority/issue_from_results.h"
#include "services/credential_authority/testing/authority_under_test.h"
#include "services/credential_authority/validate_credential.h"

namespace twi::credential_authority {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;
using Workload = AuthorityUnderTest::Workload;

// An RSA-2048 request by the openssl command: a key that may not become a Credential Key.
constexpr char kRsa2048Csr[] =
    "MIICRTCCAS0CAQAwADCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBANu2Dbst85VoOWEQNUWhk0ancTyzFmU+"
    "29of5DHmuTFQXtJIzpIXaaegrXVl"
    "OVOofcQgxUK/"
    "sE3YUtmwsUGzbR6iPxWHwz+NanNmP7e1Z10Cv5u92Yqfb3mBm9DRiO84+5PTlygABZfz+c56jqrZ4dAgPZ6NPjz2k5LKeby4qRzyqlzD4589"
    "SToun8PSbWgygZDciICYtOVJ3yxQPyaXXE+3ws/"
    "AgxuLcJyr0v9VcZ9mYW1DP2OSCpIdbNpHNlxSNzwec805lPyQC9BizFiAJBVs2wuWKigeKxTSWVGeu3Xg"
    "xgqlODZRacBIYPwF4gU05sJ2ZxAPH2ZTsmenqLQa6yMCAwEAAaAAMA0GCSqGSIb3DQEBCwUAA4IBAQATI9CBIEPPGxYE3cD6uqhSaGlBxUjpuhn9hS"
    "STKvlu"
    "TfcWcwfrlNXWCHedwvcCkq/"
    "H09KxXEgOHzbvbKPn+XDXZhr2AzkZozW65AjRKOuR2AyJUjRsfwf3JczXffPHXfLABn02yhJ1FJSS7n8HjsfcDLuPUpM/iClZ"
    "qITK0SLnccB+"
    "joaENcPWYacF4W6RjSSynPnqcgNQCzbVzMLBTZl8ZRpGX78DEkShD7bZz3kFLgIjDgZwmUznEIASDJ92VCxyNF4qZsd8X8qqKZ96nrNLQ8mo"
    "MPHhPn7D44MalWLJceF2cWjr//PVJ9ZZ++ERpTIgtkiPEt96hZLT+lTBT6iz";

class IssueTest : public ::testing::Test {
 protected:
  IssueTest() {
    a_.mapper.map = [this](absl::string_view results) -> absl::StatusOr<std::string> { return MakeGrant(results); };
    a_.verifier.appraise = [this](const v1::AppraiseForRelyingPartyRequest&) -> absl::StatusOr<std::string> {
      return results_jws_;
    };
  }

  // What the mapper grants for those results: to the key of the workload that asks, changed as the test says.
  std::string MakeGrant(absl::string_view results) {
    Grant grant = a_.GrantFor(*granted_key_, results);
    if (change_grant_) change_grant_(grant);
    return sign_grant_ ? sign_grant_(grant) : a_.SignGrant(grant);
  }

  // One issuance by `mechanism` (A, B or C) from results in hand. A request of its own in each call.
  absl::StatusOr<v1::IssueResponse> IssueWith(char mechanism, const Workload& w, const std::string& results) {
    if (!granted_key_.has_value()) granted_key_ = w.key.public_key();
    results_jws_ = results;
    if (mechanism == 'A') {
      v1::IssueForVerifierRequest request;
      request.set_attestation_results(results);
      request.set_grant(MakeGrant(results));
      *request.mutable_binding() = w.binding;
      *request.mutable_forms() = forms_;
      return IssueForVerifier(*a_.deps, request, AuthorityUnderTest::Spiffe(kVerifierId), a_.deadline());
    }
    if (mechanism == 'B') {
      v1::IssueFromResultsRequest request;
      request.set_attestation_results(results);
      *request.mutable_binding() = w.binding;
      *request.mutable_forms() = forms_;
      return IssueFromResults(*a_.deps, request, w.peer, a_.deadline());
    }
    v1::IssueFromEvidenceRequest request;
    request.mutable_encrypted_evidence()->set_kid("of the Verifier");
    *request.mutable_binding() = w.binding;
    *request.mutable_forms() = forms_;
    return IssueFromEvidence(*a_.deps, request, w.peer, a_.deadline());
  }
  absl::StatusOr<v1::IssueResponse> IssueChanged(char mechanism,
                                                 const std::function<void(AttestationResults&)>& change) {
    const Workload w = a_.NewWorkload();
    granted_key_ = w.key.public_key();
    AttestationResults results = a_.ResultsFor(w);
    if (change) change(results);
    return IssueWith(mechanism, w, a_.SignResults(results));
  }
  // Refused for `reason` by each of A, B and C, and nothing was issued.
  void ExpectRefused(DenyReason reason, const std::function<void(AttestationResults&)>& change) {
    for (const char mechanism : {'A', 'B', 'C'}) {
      EXPECT_THAT(IssueChanged(mechanism, change), StatusIs(reason)) << mechanism;
    }
    EXPECT_EQ(a_.issued(), 0);
  }
  void ExpectGrantRefused(DenyReason reason, const std::function<void(Grant&)>& change) {
    change_grant_ = change;
    ExpectRefused(reason, nullptr);
  }

  v1::IssueForOwnerRequest OwnerRequest(const Workload& w) {
    v1::IssueForOwnerRequest request;
    request.set_csr(w.csr);
    request.set_counter_signature(a_.Sign(a_.CounterSignatureFor(w.csr)));
    request.set_grant(a_.SignGrant(a_.GrantForOwner()));
    *request.mutable_forms() = forms_;
    return request;
  }
  absl::StatusOr<v1::IssueResponse> IssueD(const v1::IssueForOwnerRequest& request, const std::string& owner = kOwner) {
    return IssueForOwner(*a_.deps, request, AuthorityUnderTest::Spiffe(owner), a_.deadline());
  }

  AuthorityUnderTest a_;
  std::optional<crypto::PublicKey> granted_key_;
  std::string results_jws_;
  google::protobuf::RepeatedField<int> forms_;
  std::function<void(Grant&)> change_grant_;
  std::function<std::string(const Grant&)> sign_grant_;
};

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
    const auto record = FindIssuance(*a_.database, by_serial);
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
      const auto record = FindIssuance(*a_.database, by_serial);
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

// --- results ---

TEST_F(IssueTest, RefusesResultsOfAnybodyElse) {
  for (const char mechanism : {'A', 'B', 'C'}) {
    const Workload w = a_.NewWorkload();
    granted_key_ = w.key.public_key();
    const AttestationResults r = a_.ResultsFor(w);
    EXPECT_THAT(IssueWith(mechanism, w, *SignResults(r, a_.foreign_key, "v1")),
                StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
    const Workload again = a_.NewWorkload();
    EXPECT_THAT(IssueWith(mechanism, again, *SignResults(a_.ResultsFor(again), a_.foreign_key, "v2")),
                StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
    EXPECT_THAT(IssueWith(mechanism, a_.NewWorkload(), "not.a.token"), StatusIs(v1::DENY_REASON_RESULTS_MALFORMED));
    EXPECT_THAT(IssueWith(mechanism, a_.NewWorkload(), ""), StatusIs(v1::DENY_REASON_RESULTS_MALFORMED));
  }
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_UNKNOWN,
                [](auto& r) { r.issuer = "spiffe://test.example/twi/other-verifier"; });
}

TEST_F(IssueTest, RefusesResultsForOthersOldFutureAndNotAffirming) {
  ExpectRefused(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE, [](auto& r) { r.audience = "https://other.test.example"; });
  ExpectRefused(v1::DENY_REASON_RESULTS_EXPIRED, [&](auto& r) {
    r.issued_at -= absl::Minutes(2);
    r.expires_at = a_.clock.Now();
  });
  ExpectRefused(v1::DENY_REASON_RESULTS_EXPIRED, [](auto& r) { r.issued_at -= absl::Minutes(11); });
  ExpectRefused(v1::DENY_REASON_RESULTS_NOT_YET_VALID, [](auto& r) { r.issued_at += absl::Seconds(6); });
  ExpectRefused(v1::DENY_REASON_RESULTS_NOT_AFFIRMING, [](auto& r) {
    r.status = EarStatus::kWarning;
    r.trustworthiness["executables"] = 33;
  });
  ExpectRefused(v1::DENY_REASON_RESULTS_NOT_AFFIRMING, [](auto& r) { r.status = EarStatus::kContraindicated; });
}

TEST_F(IssueTest, RefusesResultsThatDoNotAnswerThisRequest) {
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH, [](auto& r) { r.nonce = std::string(32, 'n'); });
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH, [](auto& r) { r.target = "https://ledger.test.example"; });
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH, [](auto& r) { r.reported_binding = std::string(64, 'b'); });
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_MISMATCH,
                [&](auto& r) { r.key_spki = a_.foreign_key.public_key().spki(); });
}

TEST_F(IssueTest, RefusesEvidenceMadeForAnotherRelyingPartyWhateverTheRequestSays) {
  for (const char mechanism : {'A', 'B', 'C'}) {
    Workload w = a_.NewWorkload();
    w.binding.set_rp_id("https://other.test.example");
    EXPECT_THAT(IssueWith(mechanism, w, a_.SignResults(a_.ResultsFor(w))), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
    granted_key_.reset();
  }
}

TEST_F(IssueTest, TheChannelIsTheOneThatTheVerifierSaw) {
  for (const char mechanism : {'B', 'C'}) {
    EXPECT_THAT(IssueChanged(mechanism, [](auto& r) { r.channel_key_sha256 = std::string(32, 'x'); }),
                StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
  }
  EXPECT_OK(IssueChanged('A', [](auto& r) { r.channel_key_sha256 = std::string(32, 'x'); }))
      << "in A the Verifier has the workload's channel, and vouches for it";
}

TEST_F(IssueTest, ResultsAreGoodForOneCredential) {
  for (const char mechanism : {'A', 'B'}) {
    const Workload w = a_.NewWorkload();
    granted_key_ = w.key.public_key();
    const std::string results = a_.SignResults(a_.ResultsFor(w));
    EXPECT_OK(IssueWith(mechanism, w, results));
    EXPECT_THAT(IssueWith(mechanism, w, results), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED))
        << "though with a new grant";
    EXPECT_THAT(IssueWith(mechanism == 'A' ? 'B' : 'A', w, results), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  }
}

TEST_F(IssueTest, ResultsThatCarryACredentialAreUsedUp) {
  ExpectRefused(v1::DENY_REASON_RESULTS_REPLAYED, [](auto& r) { r.workload_credential_json = "{}"; });
}

TEST_F(IssueTest, TargetsAreThoseThatWeServe) {
  for (const char mechanism : {'A', 'B', 'C'}) {
    Workload w = a_.NewWorkload();
    granted_key_ = w.key.public_key();
    w.binding.set_target("https://ledger.test.example");
    EXPECT_THAT(IssueWith(mechanism, w, a_.SignResults(a_.ResultsFor(w))),
                StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
  }
}

TEST_F(IssueTest, RefusesRequestsWithoutProofOfPossessionOrOfAKeyThatMayNot) {
  for (const char mechanism : {'A', 'B', 'C'}) {
    const auto with_subject = [&](const std::string& subject, const std::string& spki) {
      Workload w = a_.NewWorkload();
      granted_key_ = w.key.public_key();
      w.binding.set_subject(subject);
      AttestationResults r = a_.ResultsFor(w);
      if (!spki.empty()) r.key_spki = spki;
      return IssueWith(mechanism, w, a_.SignResults(r));
    };
    const Workload other = a_.NewWorkload();
    std::string csr = other.csr;
    csr.back() ^= 1;
    EXPECT_THAT(with_subject(csr, other.key.public_key().spki()), StatusIs(v1::DENY_REASON_CSR_SIGNATURE_INVALID));
    EXPECT_THAT(with_subject("not a request", ""), StatusIs(v1::DENY_REASON_CSR_MALFORMED));
    EXPECT_THAT(with_subject(*FromBase64(kRsa2048Csr), ""), StatusIs(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED));
    EXPECT_THAT(with_subject(other.csr, ""), StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH));
  }
}

// --- grants ---

TEST_F(IssueTest, RefusesGrantsOfAnybodyElse) {
  sign_grant_ = [&](const Grant& g) { return *SignGrant(g, a_.foreign_key, "g1"); };
  ExpectRefused(v1::DENY_REASON_GRANT_SIGNATURE_INVALID, nullptr);
  sign_grant_ = [&](const Grant& g) { return *SignGrant(g, a_.foreign_key, "g2"); };
  ExpectRefused(v1::DENY_REASON_GRANT_KEY_UNKNOWN, nullptr);
  sign_grant_ = [](const Grant&) { return std::string("a grant"); };
  ExpectRefused(v1::DENY_REASON_GRANT_MALFORMED, nullptr);
  sign_grant_ = [](const Grant&) { return std::string(); };
  ExpectRefused(v1::DENY_REASON_GRANT_MALFORMED, nullptr);
  sign_grant_ = nullptr;
  ExpectGrantRefused(v1::DENY_REASON_GRANT_KEY_UNKNOWN, [](Grant& g) { g.issuer = "spiffe://test.example/twi/other"; });
}

TEST_F(IssueTest, RefusesGrantsForOthersOldAndFuture) {
  ExpectGrantRefused(v1::DENY_REASON_GRANT_WRONG_AUDIENCE, [](Grant& g) { g.audience = "https://other.test.example"; });
  ExpectGrantRefused(v1::DENY_REASON_GRANT_EXPIRED, [](Grant& g) {
    g.issued_at -= absl::Minutes(5);
    g.expires_at -= absl::Minutes(3);
  });
  ExpectGrantRefused(v1::DENY_REASON_GRANT_NOT_YET_VALID, [](Grant& g) {
    g.issued_at += absl::Minutes(1);
    g.expires_at += absl::Minutes(1);
  });
  ExpectGrantRefused(v1::DENY_REASON_GRANT_WRONG_KEY,
                     [&](Grant& g) { g.key_sha256 = a_.foreign_key.public_key().spki_sha256(); });
  ExpectGrantRefused(v1::DENY_REASON_GRANT_WRONG_KEY, [](Grant& g) { g.results_sha256 = std::string(32, 'r'); });
  ExpectGrantRefused(v1::DENY_REASON_GRANT_WRONG_KEY, [](Grant& g) {
    g.key_sha256.clear();
    g.results_sha256.clear();
    g.owner = kOwner;
  });
}

TEST_F(IssueTest, RefusesIdentifiersOutsideTheTrustDomain) {
  for (const char* identifier : {"spiffe://other.example/payroll", "spiffe://test.example.evil.example/payroll"}) {
    ExpectGrantRefused(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED, [&](Grant& g) { g.workload_identifier = identifier; });
    v1::IssueForOwnerRequest request = OwnerRequest(a_.NewWorkload());
    Grant grant = a_.GrantForOwner();
    grant.workload_identifier = identifier;
    request.set_grant(a_.SignGrant(grant));
    EXPECT_THAT(IssueD(request), StatusIs(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED));
  }
}

TEST_F(IssueTest, AGrantIsGoodForOneCredential) {
  change_grant_ = [](Grant& g) { g.jti = "the same"; };
  EXPECT_OK(IssueChanged('B', nullptr));
  for (const char mechanism : {'A', 'B', 'C'}) {
    EXPECT_THAT(IssueChanged(mechanism, nullptr), StatusIs(v1::DENY_REASON_GRANT_REPLAYED));
  }
  v1::IssueForOwnerRequest first = OwnerRequest(a_.NewWorkload()), second = OwnerRequest(a_.NewWorkload());
  second.set_grant(first.grant());
  EXPECT_OK(IssueD(first));
  EXPECT_THAT(IssueD(second), StatusIs(v1::DENY_REASON_GRANT_REPLAYED));
}

TEST_F(IssueTest, GrantsThatOthersCarryAreOfThePolicyInForce) {
  a_.mapper.in_force.set_version(4);
  EXPECT_THAT(IssueChanged('A', nullptr), StatusIs(v1::DENY_REASON_GRANT_POLICY_REPLACED));
  EXPECT_THAT(IssueD(OwnerRequest(a_.NewWorkload())), StatusIs(v1::DENY_REASON_GRANT_POLICY_REPLACED));
  EXPECT_OK(IssueChanged('B', nullptr)) << "we have just asked the mapper itself";
  EXPECT_OK(IssueChanged('C', nullptr));
  a_.clock.Advance(absl::Seconds(2));
  a_.mapper.versions_refusal = Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "down");
  EXPECT_THAT(IssueChanged('A', nullptr), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

TEST_F(IssueTest, TheMappersRefusalPassesThrough) {
  a_.mapper.refusal = Deny(v1::DENY_REASON_MAPPING_NO_POLICY, "none");
  for (const char mechanism : {'B', 'C'}) {
    EXPECT_THAT(IssueChanged(mechanism, nullptr), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  }
}

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
  const auto record = FindIssuance(*a_.database, by_jti);
  ASSERT_OK(record);
  EXPECT_EQ(record->mechanism(), "D");
  EXPECT_EQ(record->requester(), kOwner);
  EXPECT_EQ(record->target(), kTarget);
  EXPECT_TRUE(record->attestation_results_sha256().empty());
  EXPECT_EQ(record->grant(), request.grant());
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

// --- all ---

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
