#include "integration_tests/containers/held_credential.h"

#include <filesystem>
#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/jose/jwk.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/workload_agent/testing/fake_issuer.h"

namespace twi::containers {
namespace {

using agent::testing::FakeIssuer;
using agent::testing::kIdentifier;
using nlohmann::json;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1795262400);

MATCHER_P(IsBroken, detail, "is broken with a matching detail") {
  *result_listener << "is " << arg.state << ": " << arg.detail;
  return arg.state == "broken" && ::testing::ExplainMatchResult(detail, arg.detail, result_listener);
}

// The FakeIssuer's X.509 form lives an hour from `kNow`, its WIT half an hour.
class HeldCredentialTest : public ::testing::Test {
 protected:
  // The next version, as the agent's credential_directory.h lays it out. An empty WIT or bundle: no file.
  void Install(const v1::WorkloadCredential& credential, const std::string& wit_bundle) {
    const std::string version = absl::StrCat("..v", ++versions_);
    std::filesystem::create_directory(dir_.File(version));
    dir_.Write(version + "/key.pem", key_.ToPem().reveal());
    dir_.Write(version + "/chain.pem", crypto::CertificateToPem(credential.x509_chain(0)));
    dir_.Write(version + "/bundle.pem", crypto::CertificateToPem(issuer_.anchors().front().der));
    if (!credential.wit().empty()) dir_.Write(version + "/wit.jwt", credential.wit());
    if (!wit_bundle.empty()) dir_.Write(version + "/wit-bundle.json", wit_bundle);
    std::filesystem::remove(dir_.File("..data"));
    std::filesystem::create_directory_symlink(version, dir_.File("..data"));
  }
  void Install(const v1::WorkloadCredential& credential) {
    Install(credential, credential.wit().empty() ? "" : issuer_.wit_bundle());
  }
  HeldCredential Look(absl::Time now = kNow) const { return LookAtCredential(dir_.path(), "", now); }

  HeldCredential LookAt(const v1::WorkloadCredential& credential) {
    Install(credential);
    return Look();
  }
  HeldCredential LookAtWit(const std::string& wit) {
    v1::WorkloadCredential credential = Issue();
    credential.set_wit(wit);
    return LookAt(credential);
  }
  HeldCredential LookAtClaims(const std::function<void(json&)>& change) {
    FakeIssuer::Changes changes;
    changes.wit_claims = change;
    return LookAt(issuer_.Issue(key_.public_key(), changes));
  }
  HeldCredential LookAtBundle(const std::string& wit_bundle) {
    Install(Issue(), wit_bundle);
    return Look();
  }
  v1::WorkloadCredential Issue() const { return issuer_.Issue(key_.public_key()); }
  v1::WorkloadCredential IssueWithoutWit() const {
    FakeIssuer::Changes changes;
    changes.with_wit = false;
    return issuer_.Issue(key_.public_key(), changes);
  }
  // The first character of the signature: all of its bits count, as those of the last do not.
  static std::string WithAnotherSignature(std::string wit) {
    char& first = wit[wit.rfind('.') + 1];
    first = first == 'A' ? 'B' : 'A';
    return wit;
  }

  const crypto::PrivateKey key_ = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  const crypto::PrivateKey other_key_ = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  const FakeIssuer issuer_{kNow}, other_issuer_{kNow};
  const twi::testing::TempDir dir_;
  int versions_ = 0;
};

TEST_F(HeldCredentialTest, NoneIsThere) {
  EXPECT_EQ(Look().state, "none");
  EXPECT_EQ(VersionInForce(dir_.path()), "");
}

TEST_F(HeldCredentialTest, BothFormsAreValid) {
  const HeldCredential held = LookAt(Issue());
  EXPECT_EQ(held.state, "valid") << held.detail;
  EXPECT_EQ(held.spiffe_id, kIdentifier);
  EXPECT_EQ(held.serial, "4243");
  EXPECT_EQ(held.not_after, kNow + absl::Hours(1));
  EXPECT_EQ(held.wit_not_after, kNow + absl::Minutes(30));
}

TEST_F(HeldCredentialTest, AnchorsThatTheAgentHasNotWrittenMustVouchForItToo) {
  Install(Issue());
  const auto look_with = [&](const std::string& anchors) {
    dir_.Write("anchors.pem", anchors);
    return LookAtCredential(dir_.path(), dir_.File("anchors.pem"), kNow);
  };
  const std::string issuers = crypto::CertificateToPem(issuer_.anchors().front().der);
  const std::string others = crypto::CertificateToPem(other_issuer_.anchors().front().der);
  EXPECT_EQ(look_with(issuers).state, "valid");
  EXPECT_EQ(look_with(others + issuers).state, "valid");
  EXPECT_EQ(look_with(others).state, "broken");
  EXPECT_EQ(look_with("").state, "broken");
  EXPECT_EQ(look_with("rubbish").state, "broken");
  EXPECT_EQ(LookAtCredential(dir_.path(), dir_.File("not-there.pem"), kNow).state, "broken");
}

TEST_F(HeldCredentialTest, AVersionWithoutAWitIsValidAlsoAfterOneThatHadIt) {
  ASSERT_EQ(LookAt(Issue()).state, "valid");
  const HeldCredential held = LookAt(IssueWithoutWit());
  EXPECT_EQ(held.state, "valid") << held.detail;
  EXPECT_EQ(held.wit_not_after, std::nullopt);
  EXPECT_EQ(Look(kNow + absl::Minutes(59)).state, "valid");
}

TEST_F(HeldCredentialTest, AWitThatTheBundleDoesNotVouchForIsBroken) {
  EXPECT_THAT(LookAtWit(WithAnotherSignature(Issue().wit())), IsBroken(HasSubstr("WIT: SIGNATURE_INVALID")));
  EXPECT_THAT(LookAtWit(other_issuer_.Issue(key_.public_key()).wit()), IsBroken(HasSubstr("WIT: JWS_KEY_UNKNOWN")));
  // The claims of one WIT under the signature of another.
  const std::string wit = Issue().wit(), other = issuer_.Issue(other_key_.public_key()).wit();
  EXPECT_THAT(LookAtWit(wit.substr(0, wit.rfind('.')) + other.substr(other.rfind('.'))),
              IsBroken(HasSubstr("WIT: SIGNATURE_INVALID")));
}

TEST_F(HeldCredentialTest, AWitForAnotherKeyIsBroken) {
  EXPECT_THAT(LookAtWit(issuer_.Issue(other_key_.public_key()).wit()), IsBroken(HasSubstr("not the workload's key")));
  EXPECT_THAT(LookAtClaims([](json& c) { c.erase("cnf"); }), IsBroken(HasSubstr("no cnf.jwk")));
  EXPECT_THAT(LookAtClaims([](json& c) { c["cnf"] = "a string"; }), IsBroken(HasSubstr("no cnf.jwk")));
  EXPECT_THAT(LookAtClaims([](json& c) { c["cnf"]["jwk"] = 1; }), IsBroken(HasSubstr("cnf.jwk: ")));
}

TEST_F(HeldCredentialTest, AWitForAnotherIdentifierIsBroken) {
  const auto broken = IsBroken(HasSubstr("WIT: sub"));
  EXPECT_THAT(LookAtClaims([](json& c) { c["sub"] = "spiffe://example.org/other"; }), broken);
  EXPECT_THAT(LookAtClaims([](json& c) { c["sub"] = 1; }), broken);
  EXPECT_THAT(LookAtClaims([](json& c) { c.erase("sub"); }), broken);
}

TEST_F(HeldCredentialTest, WhatIsNoWitIsBroken) {
  for (const char* text : {"no JWT", "a.b.c", ".."})
    EXPECT_THAT(LookAtWit(text), IsBroken(HasSubstr("WIT: JWS_MALFORMED"))) << text;
  FakeIssuer::Changes changes;
  changes.wit_typ = "JWT";
  EXPECT_THAT(LookAt(issuer_.Issue(key_.public_key(), changes)), IsBroken(HasSubstr("WIT: ")));
  ASSERT_EQ(LookAt(Issue()).state, "valid");
  dir_.Write("..data/wit.jwt", "");  // there, and empty: not the same as none
  EXPECT_THAT(Look(), IsBroken(HasSubstr("WIT: JWS_MALFORMED")));
}

TEST_F(HeldCredentialTest, AWitWithoutABundleThatCanVerifyItIsBroken) {
  EXPECT_THAT(LookAtBundle(""), IsBroken(HasSubstr("one is there without the other")));
  EXPECT_THAT(LookAtBundle(other_issuer_.wit_bundle()), IsBroken(HasSubstr("WIT: ")));
  for (const char* bundle : {"no JSON", "[]", "{}", R"({"keys":1})", R"({"keys":[]})", R"({"keys":[{"kty":"EC"}]})"})
    EXPECT_THAT(LookAtBundle(bundle), IsBroken(HasSubstr("WIT: "))) << bundle;
  json bundle = json::parse(issuer_.wit_bundle());
  bundle["keys"][0]["use"] = "jwt-svid";  // the right key, for something else
  EXPECT_THAT(LookAtBundle(bundle.dump()), IsBroken(HasSubstr("WIT: ")));
}

TEST_F(HeldCredentialTest, ABundleOfAWitThatIsGoneIsBroken) {
  Install(IssueWithoutWit(), issuer_.wit_bundle());
  EXPECT_THAT(Look(), IsBroken(HasSubstr("one is there without the other")));
}

TEST_F(HeldCredentialTest, AWitThatIsOverIsExpired) {
  Install(Issue());
  EXPECT_EQ(Look(kNow + absl::Minutes(30) - absl::Seconds(1)).state, "valid");
  const HeldCredential held = Look(kNow + absl::Minutes(30));
  EXPECT_EQ(held.state, "expired");
  EXPECT_THAT(held.detail, HasSubstr("the WIT"));
  EXPECT_EQ(held.not_after, kNow + absl::Hours(1)) << "its chain goes on";
  EXPECT_EQ(LookAtClaims([](json& c) { c["exp"] = absl::ToUnixSeconds(kNow) - 1; }).state, "expired");
  EXPECT_THAT(LookAtClaims([](json& c) { c["exp"] = "tomorrow"; }), IsBroken(HasSubstr("exp")));
  EXPECT_THAT(LookAtClaims([](json& c) { c.erase("exp"); }), IsBroken(HasSubstr("exp")));
}

TEST_F(HeldCredentialTest, ThatItIsOverDoesNotExcuseAWrongWit) {
  v1::WorkloadCredential credential = Issue();
  credential.set_wit(WithAnotherSignature(credential.wit()));
  Install(credential);
  EXPECT_THAT(Look(kNow + absl::Minutes(31)), IsBroken(HasSubstr("WIT: SIGNATURE_INVALID")));
  EXPECT_THAT(Look(kNow + absl::Minutes(61)), IsBroken(HasSubstr("WIT: SIGNATURE_INVALID"))) << "nor that the chain is";
}

TEST_F(HeldCredentialTest, AChainIsLookedAtWithoutAWitToo) {
  FakeIssuer::Changes changes;
  changes.with_wit = false;
  EXPECT_THAT(LookAt(issuer_.Issue(other_key_.public_key(), changes)), IsBroken(HasSubstr("not the certificate's")));
  EXPECT_THAT(LookAt(other_issuer_.Issue(key_.public_key(), changes)), IsBroken(::testing::Not("")));
  Install(IssueWithoutWit());
  EXPECT_EQ(Look(kNow + absl::Minutes(60)).state, "expired");
  EXPECT_THAT(Look(kNow - absl::Minutes(2)), IsBroken(::testing::Not("")));
}

}  // namespace
}  // namespace twi::containers
