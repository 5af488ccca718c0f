#include "common/attestation_results/attestation_results.h"

#include <functional>
#include <string>

#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class AttestationResultsTest : public testing::Test {
 protected:
  AttestationResultsTest()
      : key_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
        subject_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)) {
    keys_.keys.push_back({"kid-1", "ES256", "sig", key_.public_key()});
    binding_.set_profile(v1::BINDING_PROFILE_TACRA_2);
    binding_.set_nonce(std::string(56, 'n'));
    binding_.set_target("https://db.example");
    binding_.set_rp_id("https://ca.example");
    binding_.set_subject("a request");
    expectation_.audience = "https://ca.example";
    expectation_.issuer = "spiffe://example.org/twi/verifier";
    expectation_.now = kNow + absl::Seconds(10);
  }

  AttestationResults Valid() {
    AttestationResults r;
    r.issuer = "spiffe://example.org/twi/verifier";
    r.build = "twi-verifier 1";
    r.audience = "https://ca.example";
    r.jti = "AAAAAAAAAAAAAAAAAAAAAA";
    r.issued_at = kNow;
    r.expires_at = kNow + absl::Minutes(5);
    r.status = EarStatus::kAffirming;
    r.trustworthiness = {{"hardware", 2}, {"executables", 3}, {"configuration", 2}};
    r.appraisal_policy_ids = {"default@sha256:00"};
    r.key_spki = subject_.public_key().spki();
    r.nonce = binding_.nonce();
    r.target = binding_.target();
    r.reported_binding = BindingValue64(binding_);
    r.channel_key_sha256 = std::string(32, 'c');
    r.evidence_sha256 = std::string(32, 'e');
    r.software = {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", "spiffe://example.org/owner/payroll"}};
    r.attester_claims = {{"format", "sev-snp"}};
    return r;
  }
  std::string Sign(const AttestationResults& r) { return *SignResults(r, key_, "kid-1"); }
  // Signs the valid claims after `change`: what a Verifier with the right key but wrong claims would send.
  DenyReason ReasonAfter(const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json claims = ToEarClaims(Valid());
    change(claims);
    return DenyReasonOf(
        ValidateResults(*jose::SignJws(key_, "kid-1", kEarTyp, claims.dump()), keys_, expectation_).status());
  }

  crypto::PrivateKey key_, subject_;
  jose::JwkSet keys_;
  v1::Binding binding_;
  ResultsExpectation expectation_;
};

TEST_F(AttestationResultsTest, SurviveTheTripWhole) {
  const absl::StatusOr<AttestationResults> back = ValidateResults(Sign(Valid()), keys_, expectation_);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToEarClaims(*back), ToEarClaims(Valid()));
  EXPECT_TRUE(MatchResultsToRequest(*back, binding_, std::string(32, 'c')).ok());
}

TEST_F(AttestationResultsTest, CarryAnX25519KeyForMechanismD) {
  AttestationResults r = Valid();
  r.key_spki = *FromHex("302a300506032b656e032100" + std::string(64, '1'));
  const absl::StatusOr<AttestationResults> back = ValidateResults(Sign(r), keys_, expectation_);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->key_spki, r.key_spki);
}

// What the REST API gives to stock clients: nothing but a nonce is bound, so no relying party of ours accepts it.
TEST_F(AttestationResultsTest, RefusesResultsOfANonceAlone) {
  AttestationResults r = Valid();
  r.binding_profile = kBindingNonce;
  r.nonce = r.reported_binding = std::string(64, 'n');
  EXPECT_EQ(DenyReasonOf(SignResults(r, key_, "kid-1").status()), v1::DENY_REASON_INTERNAL) << "it names a key";
  r.key_spki.clear();
  r.target.clear();
  r.channel_key_sha256.clear();
  const absl::StatusOr<std::string> jws = SignResults(r, key_, "kid-1");
  ASSERT_TRUE(jws.ok()) << jws.status();
  EXPECT_EQ(DenyReasonOf(ValidateResults(*jws, keys_, expectation_).status()), v1::DENY_REASON_RESULTS_MALFORMED);
  r.reported_binding[0] = 'x';
  EXPECT_EQ(DenyReasonOf(SignResults(r, key_, "kid-1").status()), v1::DENY_REASON_INTERNAL) << "not the nonce";
}

TEST_F(AttestationResultsTest, RefusesEveryBitFlipped) {
  const std::string jws = Sign(Valid());
  for (std::size_t at = 0; at < jws.size(); at += 7) {
    std::string changed = jws;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    if (changed == jws) continue;
    EXPECT_FALSE(ValidateResults(changed, keys_, expectation_).ok()) << at;
  }
}

TEST_F(AttestationResultsTest, RefusesUnknownAndStaleKeys) {
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EXPECT_EQ(DenyReasonOf(ValidateResults(*SignResults(Valid(), other, "kid-2"), keys_, expectation_).status()),
            v1::DENY_REASON_RESULTS_KEY_UNKNOWN);
  EXPECT_EQ(DenyReasonOf(ValidateResults(*SignResults(Valid(), other, "kid-1"), keys_, expectation_).status()),
            v1::DENY_REASON_RESULTS_SIGNATURE_INVALID);
}

TEST_F(AttestationResultsTest, RefusesOtherIssuerAndAudience) {
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["aud"] = "https://ca2.example"; }),
            v1::DENY_REASON_RESULTS_WRONG_AUDIENCE);
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) {
              c["iss"] = "spiffe://example.org/twi/other";
              c["ear_verifier_id"]["developer"] = "spiffe://example.org/twi/other";
            }),
            v1::DENY_REASON_RESULTS_KEY_UNKNOWN);
  EXPECT_EQ(
      ReasonAfter([](nlohmann::json& c) { c["ear_verifier_id"]["developer"] = "spiffe://example.org/twi/other"; }),
      v1::DENY_REASON_RESULTS_MALFORMED)
      << "two words for one thing";
}

TEST_F(AttestationResultsTest, RefusesAnotherBindingProfile) {
  for (const char* profile : {"tacra-1", "nonce", "TACRA-2", "tacra-2 "}) {
    EXPECT_EQ(ReasonAfter([&](nlohmann::json& c) { c["submods"]["workload"]["twi_binding"]["profile"] = profile; }),
              v1::DENY_REASON_RESULTS_MALFORMED)
        << profile;
  }
}

TEST_F(AttestationResultsTest, RefusesTimes) {
  const std::string jws = Sign(Valid());
  expectation_.now = kNow + absl::Minutes(5);
  EXPECT_EQ(DenyReasonOf(ValidateResults(jws, keys_, expectation_).status()), v1::DENY_REASON_RESULTS_EXPIRED);
  expectation_.now = kNow - absl::Seconds(6);
  EXPECT_EQ(DenyReasonOf(ValidateResults(jws, keys_, expectation_).status()), v1::DENY_REASON_RESULTS_NOT_YET_VALID);
  expectation_.now = kNow + absl::Minutes(2);
  expectation_.max_age = absl::Minutes(1);
  EXPECT_EQ(DenyReasonOf(ValidateResults(jws, keys_, expectation_).status()), v1::DENY_REASON_RESULTS_EXPIRED);
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["iat"] = 1.8e9; }), v1::DENY_REASON_RESULTS_MALFORMED);
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["exp"] = c["iat"]; }), v1::DENY_REASON_RESULTS_MALFORMED);
}

TEST_F(AttestationResultsTest, RefusesWhatIsNotAffirming) {
  for (EarStatus status : {EarStatus::kNone, EarStatus::kWarning, EarStatus::kContraindicated}) {
    AttestationResults r = Valid();
    r.status = status;
    EXPECT_EQ(DenyReasonOf(ValidateResults(Sign(r), keys_, expectation_).status()),
              v1::DENY_REASON_RESULTS_NOT_AFFIRMING);
  }
}

TEST_F(AttestationResultsTest, RefusesStatusAboveItsVector) {
  EXPECT_EQ(ReasonAfter(
                [](nlohmann::json& c) { c["submods"]["workload"]["ear_trustworthiness_vector"]["executables"] = 33; }),
            v1::DENY_REASON_RESULTS_MALFORMED);
  AttestationResults r = Valid();
  r.trustworthiness["executables"] = 33;
  EXPECT_EQ(DenyReasonOf(SignResults(r, key_, "kid-1").status()), v1::DENY_REASON_INTERNAL);
}

TEST_F(AttestationResultsTest, RefusesTwoKeysThatDiffer) {
  const std::string other = crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().spki();
  EXPECT_EQ(ReasonAfter([&](nlohmann::json& c) {
              c["submods"]["workload"]["ear_veraison_key_attestation"]["akpub"] = ToBase64Url(other);
            }),
            v1::DENY_REASON_RESULTS_KEY_MISMATCH);
}

TEST_F(AttestationResultsTest, RefusesEachClaimThatIsMissing) {
  const nlohmann::json valid = ToEarClaims(Valid());
  for (const auto& [name, value] : valid.items()) {
    EXPECT_EQ(ReasonAfter([&claim = name](nlohmann::json& c) { c.erase(claim); }), v1::DENY_REASON_RESULTS_MALFORMED)
        << name;
  }
  for (const auto& [name, value] : valid["submods"]["workload"].items()) {
    if (name == "ear_verifier_claims") continue;  // optional
    EXPECT_EQ(ReasonAfter([&claim = name](nlohmann::json& c) { c["submods"]["workload"].erase(claim); }),
              v1::DENY_REASON_RESULTS_MALFORMED)
        << name;
  }
}

TEST_F(AttestationResultsTest, RefusesUnknownClaimsAndWrongTypes) {
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["extra"] = 1; }), v1::DENY_REASON_RESULTS_MALFORMED);
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["submods"]["workload"]["extra"] = 1; }),
            v1::DENY_REASON_RESULTS_MALFORMED);
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["submods"]["second"] = c["submods"]["workload"]; }),
            v1::DENY_REASON_RESULTS_MALFORMED);
  EXPECT_EQ(ReasonAfter([](nlohmann::json& c) { c["eat_profile"] = "tag:ietf.org,2026:rats/ear#03"; }),
            v1::DENY_REASON_RESULTS_MALFORMED);
  for (const char* name : {"iss", "aud", "jti", "iat", "exp", "submods", "ear_verifier_id", "ear_input_digest"}) {
    EXPECT_EQ(ReasonAfter([&](nlohmann::json& c) { c[name] = nullptr; }), v1::DENY_REASON_RESULTS_MALFORMED) << name;
  }
  EXPECT_EQ(
      ReasonAfter([](nlohmann::json& c) { c["submods"]["workload"]["eat_nonce"] = ToBase64Url(std::string(48, 'x')); }),
      v1::DENY_REASON_RESULTS_MALFORMED);
}

TEST_F(AttestationResultsTest, MatchRefusesAnyOtherRequest) {
  const AttestationResults r = Valid();
  const std::string channel(32, 'c');
  v1::Binding b = binding_;
  b.set_rp_id("https://ca2.example");
  EXPECT_EQ(DenyReasonOf(MatchResultsToRequest(r, b, channel)), v1::DENY_REASON_BINDING_MISMATCH);
  b = binding_;
  b.set_target("https://other.example");
  EXPECT_EQ(DenyReasonOf(MatchResultsToRequest(r, b, channel)), v1::DENY_REASON_BINDING_MISMATCH);
  b = binding_;
  b.set_subject("another request");
  EXPECT_EQ(DenyReasonOf(MatchResultsToRequest(r, b, channel)), v1::DENY_REASON_BINDING_MISMATCH);
  b = binding_;
  b.set_nonce(std::string(56, 'm'));
  EXPECT_EQ(DenyReasonOf(MatchResultsToRequest(r, b, channel)), v1::DENY_REASON_BINDING_MISMATCH);
  EXPECT_EQ(DenyReasonOf(MatchResultsToRequest(r, binding_, std::string(32, 'd'))),
            v1::DENY_REASON_RESULTS_WRONG_CHANNEL);
}

}  // namespace
}  // namespace twi
