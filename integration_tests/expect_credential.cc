#include "integration_tests/expect_credential.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "common/crypto/hash.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/testing/matchers.h"

namespace twi::integration {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

// Published names (proto/twi/v1 and README say them): a relying party finds the claims by these.
constexpr char kClaimsOid[] = "1.2.840.113556.1.8000.2554.31263.15442.40324.20075.35853.5975649.16229268";
constexpr char kClaimsClaim[] = "urn:uuid:7a1f3c52-9d84-4e6b-8c0d-5b2e61f7a394";
constexpr std::uint16_t kDigitalSignatureOnly = 1;

json ExpectedClaims(const std::string& software_version) {
  json claims = {{"team", "payroll"}};
  if (!software_version.empty()) claims["software_version"] = software_version;
  return claims;
}

void ExpectX509(const v1::WorkloadCredential& credential, const crypto::PublicKey& key,
                const v1::GetTrustBundleResponse& bundle, const json& claims) {
  ASSERT_GE(credential.x509_chain_size(), 1);
  std::vector<crypto::Certificate> chain, anchors;
  for (const std::string& der : credential.x509_chain()) {
    ASSERT_OK_AND_ASSIGN(crypto::Certificate certificate, crypto::ParseCertificate(der));
    chain.push_back(std::move(certificate));
  }
  for (const std::string& der : bundle.x509_bundle()) {
    ASSERT_OK_AND_ASSIGN(crypto::Certificate certificate, crypto::ParseCertificate(der));
    anchors.push_back(std::move(certificate));
  }
  const crypto::Certificate& leaf = chain.front();
  crypto::PathOptions options;
  options.now = absl::Now();
  EXPECT_OK(crypto::BuildPath(leaf, {chain.begin() + 1, chain.end()}, anchors, options));
  EXPECT_THAT(leaf.uri_sans, ElementsAre(kIdentifier));
  EXPECT_THAT(leaf.dns_sans, ElementsAre("worker.payroll.example.org"));
  EXPECT_EQ(leaf.other_sans, 0);
  EXPECT_FALSE(leaf.is_ca);
  EXPECT_EQ(leaf.key_usage.value_or(0), kDigitalSignatureOnly);
  EXPECT_EQ(leaf.public_key.spki(), key.spki());
  EXPECT_LE(leaf.not_after, absl::Now() + absl::Hours(1) + absl::Seconds(1));
  EXPECT_EQ(ToHex(leaf.serial), SerialOf(credential));
  const crypto::Extension* extension = leaf.Find(kClaimsOid);
  ASSERT_NE(extension, nullptr);
  EXPECT_FALSE(extension->critical);
  ASSERT_GT(extension->value.size(), 2u);
  EXPECT_EQ(extension->value[0], '\x0c') << "UTF8String";
  EXPECT_EQ(json::parse(extension->value.substr(2), nullptr, false), claims);  // short form of the length
}

void ExpectWit(const v1::WorkloadCredential& credential, const crypto::PublicKey& key,
               const v1::GetTrustBundleResponse& bundle, const json& claims) {
  const json published = json::parse(bundle.jwks(), nullptr, false);
  ASSERT_TRUE(published.is_object() && published.contains("keys")) << bundle.jwks();
  jose::JwkSet keys;
  for (const json& entry : published["keys"]) {
    if (entry.value("use", "") != "wit-svid") continue;
    ASSERT_OK_AND_ASSIGN(jose::Jwk jwk, jose::JwkFromJson(entry));
    keys.keys.push_back(std::move(jwk));
  }
  jose::JwsExpectation expectation;
  expectation.typ = "wit+jwt";
  ASSERT_OK_AND_ASSIGN(const jose::VerifiedJws wit, jose::VerifyJws(credential.wit(), keys, expectation));
  EXPECT_EQ(wit.header.alg, "ES256");
  EXPECT_EQ(wit.payload["sub"], kIdentifier);
  EXPECT_EQ(wit.payload["iss"], kAuthorityRpId);
  EXPECT_EQ(wit.payload["jti"], SerialOf(credential));
  EXPECT_GT(wit.payload["exp"], absl::ToUnixSeconds(absl::Now()));
  EXPECT_EQ(wit.payload[kClaimsClaim], claims);
  ASSERT_OK_AND_ASSIGN(const jose::Jwk confirmed, jose::JwkFromJson(wit.payload["cnf"]["jwk"]));
  EXPECT_EQ(confirmed.key.spki(), key.spki());
  EXPECT_EQ(confirmed.alg, "ES256");
}

void ExpectMode(const std::string& path, mode_t mode) {
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0) << path;
  EXPECT_EQ(info.st_mode & 0777, mode) << path;
}

}  // namespace

std::string SerialOf(const v1::WorkloadCredential& credential) {
  if (credential.x509_chain().empty()) return "";
  const auto leaf = crypto::ParseCertificate(credential.x509_chain(0));
  return leaf.ok() ? ToHex(leaf->serial) : "";
}

void ExpectGoodCredential(Caller& caller, const v1::WorkloadCredential& credential, const crypto::PublicKey& key,
                          const std::string& software_version) {
  ASSERT_OK_AND_ASSIGN(const v1::GetTrustBundleResponse bundle, caller.GetTrustBundle());
  const json claims = ExpectedClaims(software_version);
  ExpectX509(credential, key, bundle, claims);
  ExpectWit(credential, key, bundle, claims);
}

v1::WorkloadCredential ReadInstalled(const Deployment& deployment, const std::string& name, std::string* key_spki) {
  const std::string directory = "out/" + name + "/";
  v1::WorkloadCredential credential;
  ExpectMode(deployment.File("out/" + name), 0700);
  for (const char* file : {"key.pem", "chain.pem", "bundle.pem", "wit.jwt", "wit-bundle.json"})
    ExpectMode(deployment.File(directory + file), 0600);
  const auto key = crypto::PrivateKey::FromPem(SecretBytes::CopyOf(deployment.Read(directory + "key.pem")));
  const auto chain = crypto::ParseCertificates(deployment.Read(directory + "chain.pem"));
  EXPECT_OK(key);
  EXPECT_OK(chain);
  if (!key.ok() || !chain.ok()) return credential;
  *key_spki = key->public_key().spki();
  for (const crypto::Certificate& certificate : *chain) credential.add_x509_chain(certificate.der);
  credential.set_wit(deployment.Read(directory + "wit.jwt"));
  credential.set_wit_bundle(deployment.Read(directory + "wit-bundle.json"));
  return credential;
}

v1::GetIssuanceResponse ExpectIssuance(const Deployment& deployment, const std::string& serial,
                                       const std::string& mechanism, const crypto::PublicKey& key) {
  auto record = Caller::Holder(deployment, "owners/payroll").GetIssuance(serial);
  EXPECT_OK(record);
  if (!record.ok()) return {};
  EXPECT_EQ(record->serial(), serial);
  EXPECT_EQ(record->mechanism(), mechanism);
  EXPECT_EQ(record->workload_identifier(), kIdentifier);
  EXPECT_EQ(record->target(), kTarget);
  EXPECT_EQ(record->public_key_sha256(), ToHex(key.spki_sha256()));
  EXPECT_EQ(record->policy_name(), mechanism == "D" ? "payroll-worker-provisioned" : "payroll-worker");
  EXPECT_EQ(record->policy_version(), 1u);
  EXPECT_FALSE(record->grant().empty());
  return *std::move(record);
}

}  // namespace twi::integration
