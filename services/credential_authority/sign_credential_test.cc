// What is signed reads back, and each thing that validate_credential.h checks is refused when it differs.
#include "services/credential_authority/sign_credential.h"

#include <cstdint>
#include <cstdlib>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/testing/matchers.h"
#include "services/credential_authority/claims_name.h"
#include "services/credential_authority/testing/authority_under_test.h"
#include "services/credential_authority/validate_credential.h"

namespace twi::credential_authority {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_CREDENTIAL_INVALID;

class SignCredentialTest : public ::testing::Test {
 protected:
  CredentialFacts FactsFor(const crypto::PublicKey& key) const {
    CredentialFacts facts{std::string("\x01\xa2\x00\x80", 4) + std::string(12, 's'),
                          kIdentifier,
                          key,
                          {"worker.payroll.test.example", "payroll.test.example"},
                          {{"team", "payroll"}, {"roles", {"a", "b"}}},
                          authority_.clock.Now() - absl::Seconds(30),
                          authority_.clock.Now() + absl::Minutes(30)};
    return facts;
  }
  const X509Authority& x509() const { return *authority_.x509; }
  absl::Status ValidateBack(const std::string& der, const CredentialFacts& facts) const {
    return ValidateX509(der, facts, x509().chain.front());
  }

  AuthorityUnderTest authority_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const CredentialFacts facts_ = FactsFor(key_.public_key());
};

TEST_F(SignCredentialTest, AnX509SvidForEveryTypeOfCredentialKey) {
  for (const crypto::KeyType type :
       {crypto::KeyType::kP256, crypto::KeyType::kP384, crypto::KeyType::kRsa3072, crypto::KeyType::kEd25519}) {
    const CredentialFacts facts = FactsFor(crypto::PrivateKey::Generate(type)->public_key());
    const auto der = SignX509(facts, x509());
    ASSERT_OK(der);
    EXPECT_OK(ValidateBack(*der, facts));
    const auto certificate = crypto::ParseCertificate(*der);
    ASSERT_OK(certificate);
    EXPECT_THAT(certificate->uri_sans, ElementsAre(kIdentifier));
    EXPECT_FALSE(certificate->is_ca);
    EXPECT_EQ(certificate->subject_der, crypto::EmptyName());
    crypto::PathOptions options;
    options.now = authority_.clock.Now();
    EXPECT_OK(crypto::BuildPath(*certificate, {}, {x509().chain.back()}, options));
  }
}

TEST_F(SignCredentialTest, ClaimsAreOneNonCriticalExtensionOfAnyLength) {
  for (absl::string_view number : absl::StrSplit(kClaimsOid, '.')) {
    std::uint32_t value = 0;
    EXPECT_TRUE(absl::SimpleAtoi(number, &value) && value < (1u << 28)) << "other parsers refuse " << number;
  }
  for (const std::size_t size : {1, 100, 200, 5000}) {  // each form of a DER length
    CredentialFacts facts = facts_;
    facts.claims = {{"x", std::string(size, 'x')}};
    const auto der = SignX509(facts, x509());
    ASSERT_OK(der);
    EXPECT_OK(ValidateBack(*der, facts));
    const auto certificate = crypto::ParseCertificate(*der);
    const crypto::Extension* extension = certificate->Find(kClaimsOid);
    ASSERT_NE(extension, nullptr);
    EXPECT_FALSE(extension->critical);
    EXPECT_EQ(extension->value[0], '\x0c');
    EXPECT_THAT(extension->value, HasSubstr(facts.claims.dump()));
  }
  CredentialFacts large = facts_;
  large.claims = {{"x", std::string(1 << 16, 'x')}};
  EXPECT_THAT(SignX509(large, x509()), StatusIs(kInvalid));
}

TEST_F(SignCredentialTest, OpensslVerifiesTheCertificateToo) {
  if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no openssl command here";
  const auto der = SignX509(facts_, x509());
  ASSERT_OK(der);
  const std::string leaf = authority_.dir.Write("leaf.pem", crypto::CertificateToPem(*der));
  const std::string anchor = authority_.dir.Write("anchor.pem", crypto::CertificateToPem(x509().bundle.front()));
  const std::string at = absl::StrCat(absl::ToUnixSeconds(authority_.clock.Now()));
  const std::string out = authority_.dir.File("out");
  const auto verify = [&](const std::string& options) {
    return std::system(absl::StrCat("openssl verify -x509_strict -attime ", at, " ", options, " -CAfile ", anchor, " ",
                                    leaf, " >", out, " 2>&1")
                           .c_str());
  };
  EXPECT_EQ(verify("-purpose sslclient"), 0) << authority_.dir.Read("out");
  EXPECT_EQ(verify("-purpose sslserver -verify_hostname payroll.test.example"), 0) << authority_.dir.Read("out");
  EXPECT_NE(verify("-verify_hostname ledger.test.example"), 0);
  ASSERT_EQ(std::system(absl::StrCat("openssl x509 -noout -text -in ", leaf, " >", out).c_str()), 0);
  const std::string text = authority_.dir.Read("out");
  EXPECT_THAT(text, HasSubstr(absl::StrCat("URI:", kIdentifier)));
  EXPECT_THAT(text, HasSubstr("Subject Alternative Name: critical"));
  EXPECT_THAT(text, HasSubstr("CA:FALSE"));
  EXPECT_THAT(text, HasSubstr(kClaimsOid));
}

TEST_F(SignCredentialTest, RefusesFactsOtherThanThoseSigned) {
  const auto der = SignX509(facts_, x509());
  ASSERT_OK(der);
  const std::pair<const char*, std::function<void(CredentialFacts&)>> differences[] = {
      {"validity", [](CredentialFacts& f) { f.not_before -= absl::Seconds(1); }},
      {"validity", [](CredentialFacts& f) { f.not_after += absl::Seconds(1); }},
      {"URI SAN", [](CredentialFacts& f) { f.workload_identifier += "x"; }},
      {"SANs", [](CredentialFacts& f) { f.dns_names.pop_back(); }},
      {"SANs", [](CredentialFacts& f) { f.dns_names.push_back("x.test.example"); }},
      {"public key",
       [](CredentialFacts& f) { f.public_key = crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key(); }},
      {"serial", [](CredentialFacts& f) { f.serial[15] ^= 1; }},
      {"claims", [](CredentialFacts& f) { f.claims["team"] = "ledger"; }},
      {"claims", [](CredentialFacts& f) { f.claims["extra"] = 1; }},
  };
  for (const auto& [what, change] : differences) {
    CredentialFacts facts = facts_;
    change(facts);
    EXPECT_THAT(ValidateBack(*der, facts), StatusIs(kInvalid, HasSubstr(what)));
  }
}

// A certificate as SignX509 makes it, for changes that SignX509 would never make.
crypto::CertificateTemplate TemplateOf(const CredentialFacts& facts, const X509Authority& authority) {
  crypto::CertificateTemplate t;
  t.serial = facts.serial;
  t.issuer_der = authority.chain.front().subject_der;
  t.subject_der = crypto::EmptyName();
  t.not_before = facts.not_before;
  t.not_after = facts.not_after;
  t.subject_spki = facts.public_key.spki();
  t.key_usage = crypto::kKeyUsageDigitalSignature;
  t.extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
  t.uri_sans = {facts.workload_identifier};
  t.dns_sans = facts.dns_names;
  const std::string claims = facts.claims.dump();
  t.extensions.push_back(
      {kClaimsOid, false, absl::StrCat("\x0c", std::string(1, static_cast<char>(claims.size())), claims)});
  return t;
}

TEST_F(SignCredentialTest, RefusesCertificatesThatSayMoreOrLess) {
  const crypto::CertificateTemplate good = TemplateOf(facts_, x509());
  ASSERT_OK(ValidateBack(*crypto::SignCertificate(good, x509().key), facts_));
  using Template = crypto::CertificateTemplate;
  const std::pair<const char*, std::function<void(Template&)>> differences[] = {
      {"issuer", [](Template& t) { t.issuer_der = crypto::NameFromCommonName("another"); }},
      {"basicConstraints", [](Template& t) { t.is_ca = true; }},
      {"URI SAN", [](Template& t) { t.uri_sans.push_back("spiffe://test.example/second"); }},
      {"URI SAN", [](Template& t) { t.uri_sans.clear(); }},
      {"SANs", [](Template& t) { t.dns_sans.push_back("more.test.example"); }},
      {"critical", [](Template& t) { t.subject_der = crypto::NameFromCommonName("worker"); }},
      {"keyUsage", [](Template& t) { t.key_usage |= crypto::kKeyUsageKeyCertSign; }},
      {"keyUsage", [](Template& t) { t.key_usage = crypto::kKeyUsageKeyEncipherment; }},
      {"extended key usage", [](Template& t) { t.extended_key_usage.pop_back(); }},
      {"extended key usage", [](Template& t) { t.extended_key_usage.push_back("1.3.6.1.5.5.7.3.3"); }},
      {"claims", [](Template& t) { t.extensions.clear(); }},
      {"claims", [](Template& t) { t.extensions[0].critical = true; }},
      {"claims", [](Template& t) { t.extensions[0].value[0] = '\x13'; }},
      {"claims", [](Template& t) { t.extensions[0].value += " "; }},
      {"claims", [](Template& t) { t.extensions[0].value = "\x0c"; }},
      {"claims", [](Template& t) { t.extensions[0].value = "\x0c\x84\x01\x01\x01\x01"; }},
      {"extension 1.3.6.1.4.1.1",
       [](Template& t) {
         t.extensions.push_back({"1.3.6.1.4.1.1", false, "\x05"});
       }},
  };
  for (const auto& [what, change] : differences) {
    Template changed = good;
    change(changed);
    const auto der = crypto::SignCertificate(changed, x509().key);
    ASSERT_OK(der) << what;
    EXPECT_THAT(ValidateBack(*der, facts_), StatusIs(kInvalid, HasSubstr(what)));
  }
}

TEST_F(SignCredentialTest, RefusesACertificateOfAnotherKeyOrBeyondItsIssuer) {
  const auto foreign = crypto::SignCertificate(TemplateOf(facts_, x509()), authority_.foreign_key);
  EXPECT_THAT(ValidateBack(*foreign, facts_), StatusIs(kInvalid, HasSubstr("signature")));
  EXPECT_THAT(ValidateBack("not a certificate", facts_), StatusIs(kInvalid));
  for (const bool early : {true, false}) {
    CredentialFacts facts = facts_;
    if (early) facts.not_before = x509().chain.front().not_before - absl::Seconds(1);
    if (!early) facts.not_after = x509().chain.front().not_after + absl::Seconds(1);
    const auto der = SignX509(facts, x509());
    ASSERT_OK(der);
    EXPECT_THAT(ValidateBack(*der, facts), StatusIs(kInvalid, HasSubstr("issuer's")));
  }
}

// --- WIT ---

class SignWitTest : public SignCredentialTest {
 protected:
  absl::StatusOr<std::string> Sign(const CredentialFacts& facts) const { return SignWit(facts, kRpId, wit_key_, "w1"); }
  absl::Status Validate(const std::string& wit, const CredentialFacts& facts) const {
    return ValidateWit(wit, facts, kRpId, {{{"w1", "ES256", "", wit_key_.public_key()}}});
  }
  absl::Status ValidatePayload(const json& payload) const {
    return Validate(*jose::SignJws(wit_key_, "w1", "wit+jwt", payload.dump()), facts_);
  }
  const crypto::PrivateKey wit_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
};

TEST_F(SignWitTest, AWitSvidForEveryTypeOfKeyButEd25519) {
  for (const auto& [type, alg] :
       {std::pair(crypto::KeyType::kP256, "ES256"), std::pair(crypto::KeyType::kP384, "ES384"),
        std::pair(crypto::KeyType::kRsa3072, "RS256")}) {
    const CredentialFacts facts = FactsFor(crypto::PrivateKey::Generate(type)->public_key());
    EXPECT_TRUE(MayHaveWit(facts.public_key));
    const auto wit = Sign(facts);
    ASSERT_OK(wit);
    EXPECT_OK(Validate(*wit, facts));
    const auto decoded = jose::InsecureDecodeJws(*wit, 1 << 16);
    ASSERT_OK(decoded);
    EXPECT_EQ(decoded->header.typ, "wit+jwt");
    EXPECT_EQ(decoded->header.alg, "ES256");
    EXPECT_EQ(decoded->header.kid, "w1");
    EXPECT_EQ(decoded->payload["sub"], kIdentifier);
    EXPECT_EQ(decoded->payload["cnf"]["jwk"]["alg"], alg);
    EXPECT_FALSE(decoded->payload["cnf"]["jwk"].contains("d"));
    EXPECT_EQ(decoded->payload[kClaimsClaim], facts.claims);
    EXPECT_EQ(decoded->payload["jti"], ToHex(facts.serial));
    EXPECT_FALSE(decoded->payload.contains("aud"));
  }
  const CredentialFacts ed25519 = FactsFor(crypto::PrivateKey::Generate(crypto::KeyType::kEd25519)->public_key());
  EXPECT_FALSE(MayHaveWit(ed25519.public_key));
  EXPECT_THAT(Sign(ed25519), StatusIs(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED));
}

TEST_F(SignWitTest, RefusesAWitThatSaysAnythingElse) {
  const json good = jose::InsecureDecodeJws(*Sign(facts_), 1 << 16)->payload;
  ASSERT_OK(ValidatePayload(good));
  const json other_jwk = jose::ToJson(jose::Jwk{"", "ES256", "", wit_key_.public_key()});
  const std::pair<const char*, std::function<void(json&)>> differences[] = {
      {"number of claims", [](json& p) { p["aud"] = "https://db.test.example"; }},
      {"number of claims", [](json& p) { p.erase("iss"); }},
      {"iss", [](json& p) { p["iss"] = "https://other.test.example"; }},
      {"iss", [](json& p) { p["iss"] = 7; }},
      {"sub", [](json& p) { p["sub"] = "spiffe://test.example/other"; }},
      {"iat", [](json& p) { p["iat"] = p["iat"].get<std::int64_t>() + 1; }},
      {"exp", [](json& p) { p["exp"] = p["exp"].get<std::int64_t>() + 1; }},
      {"exp", [](json& p) { p["exp"] = "tomorrow"; }},
      {"jti", [](json& p) { p["jti"] = "00"; }},
      {"jti", [](json& p) { p["jti"] = json::object(); }},
      {"claims", [](json& p) { p[kClaimsClaim]["team"] = "ledger"; }},
      {"cnf", [](json& p) { p["cnf"] = "key"; }},
      {"cnf", [](json& p) { p["cnf"]["kid"] = "k"; }},
      {"cnf.jwk", [&](json& p) { p["cnf"]["jwk"] = other_jwk; }},
      {"cnf.jwk", [](json& p) { p["cnf"]["jwk"].erase("alg"); }},
      {"cnf.jwk", [](json& p) { p["cnf"]["jwk"]["d"] = "AAAA"; }},
  };
  for (const auto& [what, change] : differences) {
    json payload = good;
    change(payload);
    EXPECT_THAT(ValidatePayload(payload), StatusIs(kInvalid, HasSubstr(what))) << payload;
  }
}

TEST_F(SignWitTest, RefusesAWitOfAnotherFormOrKey) {
  const std::string payload = jose::InsecureDecodeJws(*Sign(facts_), 1 << 16)->payload_text;
  EXPECT_THAT(Validate(*jose::SignJws(wit_key_, "w1", "jwt", payload), facts_), StatusIs(kInvalid));
  EXPECT_THAT(Validate(*jose::SignJws(wit_key_, "w2", "wit+jwt", payload), facts_), StatusIs(kInvalid));
  EXPECT_THAT(Validate(*jose::SignJws(authority_.foreign_key, "w1", "wit+jwt", payload), facts_), StatusIs(kInvalid));
  EXPECT_THAT(Validate("a.b", facts_), StatusIs(kInvalid));
  const crypto::PrivateKey p384 = *crypto::PrivateKey::Generate(crypto::KeyType::kP384);
  EXPECT_THAT(ValidateWit(*jose::SignJws(p384, "w1", "wit+jwt", payload), facts_, kRpId,
                          {{{"w1", "ES384", "", p384.public_key()}}}),
              StatusIs(kInvalid, HasSubstr("header")));
}

}  // namespace
}  // namespace twi::credential_authority
