// Vendors' certificates and the public test suites (x509-limbo, NIST PKITS) through the parser and the path builder.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/test_vectors.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "nlohmann/json.hpp"

namespace twi::crypto {
namespace {

using testing::HaveVectors;
using testing::kNoVectors;
using testing::ReadVector;
using testing::StatusIs;

absl::Time At(int year, int month = 6, int day = 1) {
  return absl::FromCivil(absl::CivilDay(year, month, day), absl::UTCTimeZone());
}

TEST(X509VectorsTest, AmdChainsVerify) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  const std::vector<std::pair<std::string, std::string>> leaves = {
      {"milan-v2.vcek.der", "ask-ark-milan.pem"},
      {"milan-v2-debug.vcek.der", "ask-ark-milan.pem"},
      {"genoa-v3.vcek.der", "ask-ark-genoa.pem"},
      {"milan-v3-vlek-aws.vlek.der", "ask-ark-milan-vlek.pem"},
      {"turin-v5.vcek.der", "ask-ark-turin.pem"}};
  for (const auto& [leaf_name, chain_name] : leaves) {
    ASSERT_OK_AND_ASSIGN(const Certificate leaf, ParseCertificate(ReadVector("snp/" + leaf_name)));
    ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> chain,
                         ParseCertificates(ReadVector("snp/chains/" + chain_name)));
    ASSERT_EQ(chain.size(), 2u);
    EXPECT_OK(BuildPath(leaf, {chain[0]}, {chain[1]}, {At(2025, 8)})) << leaf_name;
    EXPECT_EQ(BuildPath(leaf, {}, {chain[0]}, {At(2025, 8)})->size(), 2u) << leaf_name;  // a pinned ASK
    EXPECT_THAT(BuildPath(leaf, {chain[0]}, {chain[1]}, {At(2019)}), StatusIs(v1::DENY_REASON_ENDORSEMENT_EXPIRED));
    EXPECT_NE(leaf.Find("1.3.6.1.4.1.3704.1.1"), nullptr);
  }
}

TEST(X509VectorsTest, AmdVcekWithBadSignatureIsRefused) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  for (const std::string name : {"vcek-bad-signature-legacy.der", "vcek-bad-signature-new.der"}) {
    const auto leaf = ParseCertificate(ReadVector("snp/" + name));
    if (!leaf.ok()) continue;  // refused even earlier
    for (const std::string chain_name : {"ask-ark-milan.pem", "ask-ark-genoa.pem"}) {
      ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> chain,
                           ParseCertificates(ReadVector("snp/chains/" + chain_name)));
      EXPECT_FALSE(BuildPath(*leaf, {chain[0]}, {chain[1]}, {At(2025)}).ok());
    }
  }
}

TEST(X509VectorsTest, SyntheticAmdChainDoesNotReachTheRealRoot) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  ASSERT_OK_AND_ASSIGN(const Certificate leaf, ParseCertificate(ReadVector("snp/synthetic/test-vcek.der")));
  ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> test,
                       ParseCertificates(ReadVector("snp/synthetic/test-ask-ark.pem")));
  ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> real,
                       ParseCertificates(ReadVector("snp/chains/ask-ark-milan.pem")));
  EXPECT_OK(BuildPath(leaf, {test[0]}, {test[1]}, {At(2026)}));
  EXPECT_FALSE(BuildPath(leaf, {test[0], test[1], real[0]}, {real[1]}, {At(2026)}).ok());
}

TEST(X509VectorsTest, CrlsParseVerifyAndRevoke) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> chain,
                       ParseCertificates(ReadVector("snp/synthetic/test-ask-ark.pem")));
  ASSERT_OK_AND_ASSIGN(const Crl empty, ParseCrl(ReadVector("snp/synthetic/test-crl-empty.der")));
  EXPECT_TRUE(empty.revoked_serials.empty());
  EXPECT_OK(VerifyCrlSignature(empty, chain[1].public_key));
  EXPECT_THAT(VerifyCrlSignature(empty, chain[0].public_key), StatusIs(v1::DENY_REASON_CERTIFICATE_SIGNATURE_INVALID));
  const std::string der = ReadVector("snp/synthetic/test-crl-revokes-ask.der");
  ASSERT_OK_AND_ASSIGN(const Crl crl, ParseCrl(der));
  EXPECT_OK(VerifyCrlSignature(crl, chain[1].public_key));
  EXPECT_THAT(crl.revoked_serials, ::testing::ElementsAre(chain[0].serial));
  EXPECT_EQ(crl.issuer_der, chain[1].subject_der);
  EXPECT_LT(crl.this_update, crl.next_update);
  const auto malformed = StatusIs(v1::DENY_REASON_ENDORSEMENT_MALFORMED);
  for (std::size_t size = 0; size < der.size(); ++size) EXPECT_THAT(ParseCrl(der.substr(0, size)), malformed);
  EXPECT_THAT(ParseCrl(der + '\0'), malformed);
  EXPECT_THAT(ParseCrl(std::string(1024 * 1024 + 1, '\x30')), malformed);
  for (std::size_t i = 0; i < der.size(); ++i) {
    std::string turned = der;
    turned[i] = static_cast<char>(turned[i] ^ (1 << (i % 8)));
    const auto parsed = ParseCrl(turned);
    if (!parsed.ok()) continue;
    EXPECT_FALSE(VerifyCrlSignature(*parsed, chain[1].public_key).ok()) << i;
  }
  const std::string pem = "-----BEGIN X509 CRL-----\n" + ToBase64(der) + "\n-----END X509 CRL-----\n";
  EXPECT_OK(ParseCrl(pem));
  EXPECT_THAT(ParseCrl(pem + pem), malformed);
  EXPECT_THAT(ParseCrl(pem.substr(0, 100)), malformed);
  EXPECT_OK(ParseCrl(ReadVector("tdx/tdx-2023.pckcrl.der")));
}

TEST(X509VectorsTest, TpmVendorCertificatesParse) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  int parsed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::VectorsDir() / "tpm/certs")) {
    const auto certs = ParseCertificates(ReadVector("tpm/certs/" + entry.path().filename().string()));
    EXPECT_OK(certs) << entry.path();
    ++parsed;
  }
  EXPECT_GT(parsed, 5);
  ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> root,
                       ParseCertificates(ReadVector("tpm/certs/gcp-ek-ak-ca-root.crt")));
  ASSERT_OK_AND_ASSIGN(const std::vector<Certificate> middle,
                       ParseCertificates(ReadVector("tpm/certs/gcp-ek-ak-ca-intermediate-v3.crt")));
  EXPECT_OK(BuildPath(middle[0], {}, root, {At(2025)}));
  ASSERT_OK_AND_ASSIGN(const Certificate ak, ParseCertificate(ReadVector("tpm/gce-cos85-nonce9009/ak-cert.der")));
  EXPECT_EQ(ak.public_key.type(), KeyType::kRsaOther);
}

// Cases of the limbo suite whose verdict rests on what BuildPath does not claim to do.
bool LimboOutOfScope(const std::string& id) {
  static const std::set<std::string>* const ids = new std::set<std::string>{
      // SUCCESS with name constraints, which we refuse.
      "rfc5280::nc::permitted-dns-match-more", "rfc5280::nc::permitted-ipv4-match", "rfc5280::nc::permitted-ipv6-match",
      "rfc5280::nc::permitted-dn-match", "rfc5280::nc::permitted-self-issued",
      "rfc5280::nc::permitted-different-constraint-type",
      // SUCCESS because the suite does not count self-issued certificates; our max_depth counts all.
      "pathlen::max-chain-depth-1-self-issued",
      // FAILURE for the server profile (names, EKU, SAN form), which is the caller's.
      "rfc5280::eku::ee-wrong-eku", "webpki::eku::ee-anyeku", "webpki::eku::ee-without-eku",
      "webpki::eku::root-has-eku", "webpki::san::mismatch-domain-san", "webpki::san::mismatch-subdomain-san",
      "webpki::san::mismatch-apex-subdomain-san", "webpki::san::public-suffix-wildcard-san",
      "webpki::san::wildcard-embedded-leftmost-san", "webpki::san::wildcard-not-in-leftmost-san",
      "webpki::san::wildcard-embedded-ulabel-san", "webpki::san::san-critical-with-nonempty-subject",
      "webpki::ee-basicconstraints-ca", "rfc5280::san::noncritical-with-empty-subject", "rfc5280::ee-empty-issuer",
      "rfc5280::leaf-ku-keycertsign",
      // FAILURE for certificate profile pedantry: key identifiers, criticality, serials.
      "rfc5280::aki::leaf-missing-aki", "rfc5280::aki::intermediate-missing-aki",
      "rfc5280::aki::cross-signed-root-missing-aki", "rfc5280::ski::intermediate-missing-ski",
      "rfc5280::root-non-critical-basic-constraints", "rfc5280::serial::too-long", "rfc5280::serial::negative",
      "webpki::aki::root-with-aki-authoritycertissuer", "webpki::aki::root-with-aki-authoritycertserialnumber",
      "webpki::aki::root-with-aki-ski-mismatch", "webpki::malformed-aia",
      "webpki::forbidden-signature-algorithm-in-root"};
  return ids->count(id) > 0;
}

TEST(X509VectorsTest, Limbo) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  const nlohmann::json suite = nlohmann::json::parse(ReadVector("x509/limbo-2023-12.json"), nullptr, false);
  ASSERT_TRUE(suite.is_object());
  int run = 0;
  for (const auto& test : suite["testcases"]) {
    const std::string id = test["id"];
    std::vector<Certificate> anchors, pool;
    bool parses = true;
    for (const auto& [list, out] :
         {std::make_pair("trusted_certs", &anchors), std::make_pair("untrusted_intermediates", &pool)}) {
      for (const auto& pem : test[list]) {
        const auto certs = ParseCertificates(pem.get<std::string>());
        parses = parses && certs.ok();
        if (certs.ok()) out->push_back((*certs)[0]);
      }
    }
    const auto leaf = ParseCertificates(test["peer_certificate"].get<std::string>());
    PathOptions options{At(2023, 12)};
    if (test["validation_time"].is_string()) {
      std::string error;
      ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, test["validation_time"].get<std::string>(), &options.now, &error))
          << error;
    }
    if (test["max_chain_depth"].is_number())
      options.max_depth = std::min<std::size_t>(6, test["max_chain_depth"].get<std::size_t>() + 2);
    absl::Status status = leaf.status();
    if (leaf.ok()) status = BuildPath((*leaf)[0], pool, anchors, options).status();
    if (LimboOutOfScope(id)) continue;
    EXPECT_EQ(status.ok(), test["expected_result"] == "SUCCESS")
        << id << ": " << status << (parses ? "" : " (a CA did not parse)");
    ++run;
  }
  EXPECT_GT(run, 40);
}

// PKITS cases that only a CRL makes invalid: the caller checks CRLs (and then they are its business), BuildPath alone
// accepts them.
bool NeedsCrl(const std::string& name) {
  static const std::set<std::string>* const names = new std::set<std::string>{"BadCRLIssuerNameTest5",
                                                                              "BasicSelfIssuedCRLSigningKeyTest7",
                                                                              "BasicSelfIssuedOldWithNewTest2",
                                                                              "IDPwithindirectCRLTest23",
                                                                              "LongSerialNumberTest18",
                                                                              "MissingCRLTest1",
                                                                              "NegativeSerialNumberTest15",
                                                                              "RevokedCATest2",
                                                                              "RevokedEETest3",
                                                                              "SeparateCertificateandCRLKeysTest21",
                                                                              "UnknownCRLEntryExtensionTest8",
                                                                              "UnknownCRLExtensionTest10",
                                                                              "WrongCRLTest6",
                                                                              "cRLIssuerTest27",
                                                                              "cRLIssuerTest32",
                                                                              "cRLIssuerTest34",
                                                                              "deltaCRLIndicatorNoBaseTest1",
                                                                              "deltaCRLTest10",
                                                                              "deltaCRLTest4",
                                                                              "deltaCRLTest6",
                                                                              "distributionPointTest2",
                                                                              "distributionPointTest3",
                                                                              "distributionPointTest8",
                                                                              "distributionPointTest9",
                                                                              "keyUsageCriticalcRLSignFalseTest4",
                                                                              "keyUsageNotCriticalcRLSignFalseTest5",
                                                                              "onlyContainsCACertsTest12",
                                                                              "onlyContainsUserCertsTest11",
                                                                              "onlySomeReasonsTest16",
                                                                              "onlySomeReasonsTest17",
                                                                              "onlySomeReasonsTest21",
                                                                              "pre2000CRLnextUpdateTest12"};
  return names->count(name) > 0;
}

// PKITS cases that are valid, but only for who implements what we refuse: name constraints, policies (critical mappings
// and constraints), DSA, and names that are equal only after normalisation (RFC 5280 7.1), where we compare bytes.
bool NeedsWhatWeRefuse(const std::string& name) {
  for (const char* part : {"nameConstraints", "DSA", "NameChaining", "PrintableStringtoUTF8", "PolicyMapping",
                           "inhibitAnyPolicy", "inhibitPolicyMapping", "ExplicitPolicy"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

// NIST PKITS: every end entity whose name says Valid or Invalid.
TEST(X509VectorsTest, Pkits) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  const nlohmann::json suite = nlohmann::json::parse(ReadVector("pkits/tests.json"), nullptr, false);
  ASSERT_TRUE(suite.is_object());
  std::vector<Certificate> pool,
      anchors = {*ParseCertificate(ReadVector("pkits/certs/TrustAnchorRootCertificate.crt"))};
  for (const auto& entry : std::filesystem::directory_iterator(testing::VectorsDir() / "pkits/certs")) {
    const auto cert = ParseCertificate(ReadVector("pkits/certs/" + entry.path().filename().string()));
    if (cert.ok() && cert->is_ca) pool.push_back(*cert);
  }
  int valid = 0, invalid = 0;
  for (const auto& test : suite["tests"]) {
    const std::string file = test["file"];  // certs/InvalidNameTest1EE.crt
    const std::string name = file.substr(6, file.size() - 6 - 6);
    const bool says_valid = name.rfind("Valid", 0) == 0, says_invalid = name.rfind("Invalid", 0) == 0;
    if (!says_valid && !says_invalid) continue;
    const auto leaf = ParseCertificate(ReadVector("pkits/" + file));
    const bool ok = leaf.ok() && BuildPath(*leaf, pool, anchors, {At(2011, 3, 13), 8}).ok();
    if (says_invalid && !NeedsCrl(name.substr(7))) {
      EXPECT_FALSE(ok) << name;
      ++invalid;
    } else if (says_valid && !NeedsWhatWeRefuse(name)) {
      EXPECT_TRUE(ok) << name;
      ++valid;
    }
  }
  EXPECT_GE(valid, 29);
  EXPECT_GE(invalid, 45);
}

// CRLs of PKITS: what ParseCrl must take and refuse.
TEST(X509VectorsTest, PkitsCrls) {
  if (!HaveVectors()) GTEST_SKIP() << kNoVectors;
  EXPECT_OK(ParseCrl(ReadVector("pkits/crls/TrustAnchorRootCRL.crl")));
  EXPECT_EQ(ParseCrl(ReadVector("pkits/crls/GoodCACRL.crl"))->revoked_serials.size(), 2u);
  for (const std::string name : {"deltaCRLCA1deltaCRL", "UnknownCRLExtensionCACRL", "UnknownCRLEntryExtensionCACRL",
                                 "indirectCRLCA1CRL", "onlyContainsUserCertsCACRL", "distributionPoint1CACRL"}) {
    const std::string bytes = ReadVector("pkits/crls/" + name + ".crl");
    ASSERT_FALSE(bytes.empty()) << name;
    EXPECT_THAT(ParseCrl(bytes), StatusIs(v1::DENY_REASON_ENDORSEMENT_MALFORMED)) << name;
  }
}

}  // namespace
}  // namespace twi::crypto
