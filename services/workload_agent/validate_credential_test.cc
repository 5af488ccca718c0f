#include "services/workload_agent/validate_credential.h"

#include "common/jose/jwk.h"
#include "common/testing/matchers.h"
#include "services/workload_agent/testing/fake_issuer.h"

namespace twi::agent {
namespace {

using nlohmann::json;
using testing::FakeIssuer;
using ::testing::HasSubstr;
using testing::kIdentifier;
using twi::testing::StatusIs;

const absl::Time kNow = absl::FromUnixSeconds(1795262400);

class ValidateCredentialTest : public ::testing::Test {
 protected:
  ValidateCredentialTest() {
    expectation_.anchors = issuer_.anchors();
    expectation_.wit_bundle = issuer_.wit_bundle();
    expectation_.workload_identifier = kIdentifier;
    expectation_.now = kNow;
  }
  absl::StatusOr<CredentialFacts> Validate(const v1::WorkloadCredential& credential) {
    return ValidateCredential(credential, key_.public_key(), expectation_);
  }
  absl::StatusOr<CredentialFacts> WithCertificate(const std::function<void(crypto::CertificateTemplate&)>& change) {
    FakeIssuer::Changes changes;
    changes.certificate = change;
    return Validate(issuer_.Issue(key_.public_key(), changes));
  }
  absl::StatusOr<CredentialFacts> WithWit(const std::function<void(json&)>& change) {
    FakeIssuer::Changes changes;
    changes.wit_claims = change;
    return Validate(issuer_.Issue(key_.public_key(), changes));
  }
  crypto::PrivateKey key_ = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  FakeIssuer issuer_{kNow};
  CredentialExpectation expectation_;
};

TEST_F(ValidateCredentialTest, AcceptsBothForms) {
  ASSERT_OK_AND_ASSIGN(const CredentialFacts facts, Validate(issuer_.Issue(key_.public_key())));
  EXPECT_EQ(facts.workload_identifier, kIdentifier);
  EXPECT_EQ(facts.serial, "4243");
  EXPECT_EQ(facts.not_after, kNow + absl::Minutes(30));  // the WIT's, which is the shorter
  EXPECT_EQ(facts.not_before, kNow - absl::Minutes(1));
}

TEST_F(ValidateCredentialTest, AcceptsX509Alone) {
  FakeIssuer::Changes changes;
  changes.with_wit = false;
  ASSERT_OK_AND_ASSIGN(const CredentialFacts facts, Validate(issuer_.Issue(key_.public_key(), changes)));
  EXPECT_EQ(facts.not_after, kNow + absl::Hours(1));
}

TEST_F(ValidateCredentialTest, RefusesX509AloneWhereAWitWasAskedFor) {
  expectation_.wit_required = true;
  EXPECT_OK(Validate(issuer_.Issue(key_.public_key())));
  FakeIssuer::Changes changes;
  changes.with_wit = false;
  EXPECT_THAT(Validate(issuer_.Issue(key_.public_key(), changes)),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no WIT, and one was asked for")));
}

TEST_F(ValidateCredentialTest, RefusesAnotherKey) {
  const crypto::PrivateKey other = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  EXPECT_THAT(Validate(issuer_.Issue(other.public_key())), StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
  EXPECT_THAT(WithWit([&](json& c) {
                c["cnf"]["jwk"] = jose::ToJson(jose::Jwk{"", "ES256", "", other.public_key()});
              }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
}

TEST_F(ValidateCredentialTest, RefusesAnotherIssuerAndNoChain) {
  const FakeIssuer other(kNow);
  EXPECT_THAT(Validate(other.Issue(key_.public_key())), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  EXPECT_THAT(Validate(v1::WorkloadCredential()), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  v1::WorkloadCredential broken = issuer_.Issue(key_.public_key());
  broken.set_x509_chain(0, "not a certificate");
  EXPECT_THAT(Validate(broken), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

TEST_F(ValidateCredentialTest, RefusesTimesOutside) {
  expectation_.now = kNow + absl::Minutes(29);
  EXPECT_OK(Validate(issuer_.Issue(key_.public_key())));
  expectation_.now = kNow + absl::Minutes(30);  // the WIT is over
  EXPECT_THAT(Validate(issuer_.Issue(key_.public_key())), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  expectation_.now = kNow - absl::Minutes(2);
  EXPECT_THAT(Validate(issuer_.Issue(key_.public_key())), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

TEST_F(ValidateCredentialTest, RefusesOtherSanAndUsage) {
  EXPECT_THAT(WithCertificate([](auto& c) { c.uri_sans = {"spiffe://example.org/other"}; }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  EXPECT_THAT(WithCertificate([](auto& c) {
                c.uri_sans = {kIdentifier, "spiffe://example.org/second"};
              }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  EXPECT_THAT(WithCertificate([](auto& c) { c.key_usage |= crypto::kKeyUsageKeyCertSign; }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  EXPECT_THAT(WithCertificate([](auto& c) { c.key_usage = crypto::kKeyUsageKeyEncipherment; }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  EXPECT_THAT(WithCertificate([](auto& c) { c.is_ca = true; }), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  expectation_.workload_identifier.clear();  // any, but a SPIFFE ID with a path
  EXPECT_THAT(WithCertificate([](auto& c) { c.uri_sans = {"https://example.org/payroll"}; }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  EXPECT_THAT(WithCertificate([](auto& c) { c.uri_sans = {"spiffe://example.org"}; }),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

TEST_F(ValidateCredentialTest, RefusesWrongWits) {
  const auto refused = StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID);
  EXPECT_THAT(WithWit([](json& c) { c["sub"] = "spiffe://example.org/other"; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c.erase("sub"); }), refused);
  EXPECT_THAT(WithWit([](json& c) { c.erase("jti"); }), refused);
  EXPECT_THAT(WithWit([](json& c) { c.erase("exp"); }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["exp"] = "tomorrow"; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["iat"] = absl::ToUnixSeconds(kNow) + 6; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["aud"] = "https://db.example"; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c.erase("cnf"); }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["cnf"]["jwk"].erase("alg"); }), refused);
  FakeIssuer::Changes changes;
  changes.wit_typ = "JWT";
  EXPECT_THAT(Validate(issuer_.Issue(key_.public_key(), changes)), refused);
}

TEST_F(ValidateCredentialTest, TheBundleThatComesWithAWitIsNotLookedAt) {
  v1::WorkloadCredential credential = issuer_.Issue(key_.public_key());
  credential.set_wit_bundle("anything");
  EXPECT_OK(Validate(credential));
}

TEST_F(ValidateCredentialTest, RefusesAWitAndItsBundleOfAnotherIssuer) {
  const FakeIssuer other(kNow);
  FakeIssuer::Changes changes;
  changes.wit_issuer = &other;
  EXPECT_THAT(Validate(issuer_.Issue(key_.public_key(), changes)),
              StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("WIT: JWS_KEY_UNKNOWN")));
}

TEST_F(ValidateCredentialTest, RefusesAWitWithoutABundleToVerifyItWith) {
  const v1::WorkloadCredential credential = issuer_.Issue(key_.public_key());
  for (const char* bundle : {"", "no JSON", "{}", R"({"keys":[]})", R"({"keys":[{"use":"x509-svid","kty":"EC"}]})"}) {
    expectation_.wit_bundle = bundle;
    EXPECT_THAT(Validate(credential), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID)) << bundle;
  }
}

TEST_F(ValidateCredentialTest, AWitsIssuerIsOfTheWorkloadsTrustDomain) {
  const auto refused = StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("WIT: iss"));
  EXPECT_OK(WithWit([](json& c) { c["iss"] = "spiffe://example.org/twi/credential-authority"; }));
  EXPECT_OK(WithWit([](json& c) { c["iss"] = "spiffe://example.org"; }));
  EXPECT_OK(WithWit([](json& c) { c["iss"] = "https://anywhere.example"; }));
  EXPECT_OK(WithWit([](json& c) { c.erase("iss"); }));
  EXPECT_THAT(WithWit([](json& c) { c["iss"] = "spiffe://other.example/twi/credential-authority"; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["iss"] = "http://ca.example"; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["iss"] = ""; }), refused);
  EXPECT_THAT(WithWit([](json& c) { c["iss"] = 1; }), refused);
}

TEST_F(ValidateCredentialTest, ReadsTheEndOfAWit) {
  EXPECT_EQ(EndOfWit(issuer_.Issue(key_.public_key()).wit()).value(), kNow + absl::Minutes(30));
  EXPECT_THAT(EndOfWit("no WIT"), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

TEST_F(ValidateCredentialTest, RefusesAWitForEd25519) {
  v1::WorkloadCredential credential = issuer_.Issue(key_.public_key());
  const crypto::PrivateKey ed = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519).value();
  v1::WorkloadCredential without = issuer_.Issue(ed.public_key());
  EXPECT_OK(ValidateCredential(without, ed.public_key(), expectation_));
  expectation_.wit_required = true;
  EXPECT_OK(ValidateCredential(without, ed.public_key(), expectation_)) << "no WIT can be made for it";
  without.set_wit(credential.wit());
  EXPECT_THAT(ValidateCredential(without, ed.public_key(), expectation_), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

}  // namespace
}  // namespace twi::agent
