// A8, B9 B10, C5..C10: every refusal of results, requests and grants, for each mechanism that takes one.
#include "common/encoding/encoding.h"
#include "services/credential_authority/issue_fixture.h"

namespace twi::credential_authority {
namespace {

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
    g.release_policy_sha256 = std::string(32, 'r');
  });
}

TEST_F(IssueTest, RefusesIdentifiersOutsideTheTrustDomainAndThoseOfServices) {
  for (const char* identifier : {"spiffe://other.example/payroll", "spiffe://test.example.evil.example/payroll",
                                 "spiffe://test.example/twi/verifier"}) {
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

}  // namespace
}  // namespace twi::credential_authority
