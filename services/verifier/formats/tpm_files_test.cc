#include "services/verifier/formats/tpm_files.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/test_vectors.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_builder.h"
#include "services/verifier/formats/tpm_claims.h"
#include "services/verifier/formats/tpm_containers.h"
#include "services/verifier/formats/tpm_endorsement.h"

namespace twi::verifier {
namespace {

using testing::StatusIs;

std::string Pem(const std::string& spki) {
  return absl::StrCat("-----BEGIN PUBLIC KEY-----\n", ToBase64(spki), "\n-----END PUBLIC KEY-----\n");
}

std::string Field(int number, const std::string& bytes) {  // protobuf, length-delimited
  std::string out(1, static_cast<char>(number << 3 | 2));
  std::size_t size = bytes.size();
  for (; size > 127; size >>= 7) out.push_back(static_cast<char>(size | 128));
  out.push_back(static_cast<char>(size));
  return out + bytes;
}

class TpmFilesTest : public ::testing::Test {
 protected:
  const crypto::PrivateKey ak_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const v1::TpmEvidence evidence_ =
      *BuildTpmEvidence(ak_, "nonce", {{0, std::string(32, 'a')}, {1, std::string(32, 'b')}});
  const EvidenceFile quote_{"quote.out", evidence_.quote()};
  const EvidenceFile signature_{"sig.out", evidence_.signature()};
  const EvidenceFile ak_file_{"ak.pub", evidence_.ak_public()};

  std::string Json(const std::string& pcrs, const std::string& more = "") const {
    return absl::StrCat(R"({"ak_public":")", ToBase64(ak_.public_key().spki()), R"(","tpm_quote":{"signature":")",
                        ToBase64(evidence_.signature()), R"(","message":")", ToBase64(evidence_.quote()),
                        R"(","pcrs":)", pcrs, "}", more, "}");
  }
  std::string Attestation() const {
    std::string pcrs = std::string("\x08\x0b", 2);
    for (int i = 0; i < 2; ++i)
      pcrs += Field(2, absl::StrCat(std::string(1, '\x08'), std::string(1, static_cast<char>(i)),
                                    Field(2, std::string(32, static_cast<char>('a' + i)))));
    const std::string quote = Field(2, Field(1, evidence_.quote()) + Field(2, evidence_.signature()) + Field(3, pcrs));
    return Field(1, evidence_.ak_public()) + quote + quote + Field(15, "unknown");
  }
  std::string Token() const {
    const std::size_t size = evidence_.quote().size();
    return absl::StrCat(std::string(16, 'n'), std::string(1, static_cast<char>(size >> 8)),
                        std::string(1, static_cast<char>(size & 255)), evidence_.quote(), evidence_.signature());
  }
};

TEST_F(TpmFilesTest, TakesThePartsInAnyOrder) {
  const std::vector<EvidenceFile> parts = {quote_, signature_, ak_file_};
  for (std::size_t main = 0; main < 3; ++main) {
    std::vector<EvidenceFile> rest;
    for (std::size_t i = 3; i-- > 0;) {
      if (i != main) rest.push_back(parts[i]);
    }
    ASSERT_OK_AND_ASSIGN(const auto quotes, TpmEvidenceFromFiles(parts[main], rest));
    ASSERT_EQ(quotes.size(), 1u);
    EXPECT_EQ(quotes[0].quote(), evidence_.quote());
    EXPECT_EQ(quotes[0].signature(), evidence_.signature());
    EXPECT_EQ(quotes[0].ak_public(), evidence_.ak_public());
    EXPECT_TRUE(LooksLikeTpm(parts[main].bytes, ""));
  }
}

TEST_F(TpmFilesTest, RefusesAMissingOrASecondPart) {
  EXPECT_THAT(TpmEvidenceFromFiles(quote_, {signature_}), StatusIs(v1::DENY_REASON_ENDORSEMENT_MISSING));
  EXPECT_THAT(TpmEvidenceFromFiles(quote_, {ak_file_}), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(TpmEvidenceFromFiles(signature_, {ak_file_}), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(TpmEvidenceFromFiles(quote_, {signature_, ak_file_, quote_}),
              StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(TpmEvidenceFromFiles({"x", "rubbish"}, {}), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(TpmEvidenceFromFiles({"x", ""}, {}), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST_F(TpmFilesTest, ABrokenMainIsTakenForTheMissingPart) {
  ASSERT_OK_AND_ASSIGN(const auto broken_quote, TpmEvidenceFromFiles({"x", "rubbish"}, {signature_, ak_file_}));
  EXPECT_EQ(broken_quote[0].quote(), "rubbish");
  ASSERT_OK_AND_ASSIGN(const auto broken_signature, TpmEvidenceFromFiles({"x", "rubbish"}, {quote_, ak_file_}));
  EXPECT_EQ(broken_signature[0].signature(), "rubbish");
}

TEST_F(TpmFilesTest, APemKeyStandsInForThePublicArea) {
  const EvidenceFile pem{"ak.pem", Pem(ak_.public_key().spki())};
  ASSERT_OK_AND_ASSIGN(const auto bare, TpmEvidenceFromFiles(quote_, {signature_, pem}));
  EXPECT_EQ(bare[0].ak_public(), ak_.public_key().spki());
  ASSERT_OK_AND_ASSIGN(const auto both, TpmEvidenceFromFiles(quote_, {signature_, pem, ak_file_}));
  EXPECT_EQ(both[0].ak_public(), evidence_.ak_public());
}

TEST_F(TpmFilesTest, ReadsTrusteesJson) {
  const std::string values =
      absl::StrCat("[\"", ToHex(std::string(32, 'a')), "\",\"", ToHex(std::string(32, 'b')), "\"]");
  ASSERT_OK_AND_ASSIGN(const v1::TpmEvidence evidence, ParseTrusteeTpmJson(Json(values)));
  EXPECT_EQ(evidence.pcr_values_size(), 2);
  EXPECT_TRUE(LooksLikeTpm(Json(values), ""));
  for (const std::string& bad : {Json("[\"00\"]"), Json("[1,2]"), Json("{}"), Json("[\"zz\",\"00\"]"),
                                 Json(values, R"(,"ak_public":"AA==")"), Json(values) + "x", std::string("[]"),
                                 std::string("{}"), std::string(R"({"tpm_quote":{}})"), std::string(100000, '[')}) {
    EXPECT_THAT(ParseTrusteeTpmJson(bad), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << bad.substr(0, 40);
  }
}

TEST_F(TpmFilesTest, ReadsGoTpmToolsAttestation) {
  ASSERT_OK_AND_ASSIGN(const auto quotes, TpmEvidenceFromFiles({"attestation.pb", Attestation()}, {}));
  ASSERT_EQ(quotes.size(), 2u);
  TrustStore trust;
  trust.endorsed_attestation_keys[ak_.public_key().spki_sha256()] = {"host", ""};
  for (const v1::TpmEvidence& quote : quotes) EXPECT_TRUE(VerifyTpm(quote, trust, absl::UnixEpoch()).authentic());
  EXPECT_TRUE(LooksLikeTpm(Attestation(), ""));
}

TEST_F(TpmFilesTest, RefusesABrokenAttestation) {
  const std::string good = Attestation();
  std::string many = Field(1, evidence_.ak_public());
  for (int i = 0; i < 9; ++i) many += Field(2, Field(1, evidence_.quote()) + Field(2, evidence_.signature()));
  for (const std::string& bad : {good.substr(0, good.size() - 1), good + Field(1, evidence_.ak_public()), Field(1, "x"),
                                 good + std::string("\x0b", 1), good + std::string(11, '\xff'),
                                 good + std::string("\x02\x00", 2), many, std::string()}) {
    EXPECT_THAT(ParseGoTpmToolsAttestation(bad), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << bad.size();
  }
}

TEST_F(TpmFilesTest, ReadsTheEnactTrustToken) {
  ASSERT_OK_AND_ASSIGN(const auto quotes,
                       TpmEvidenceFromFiles({"token", Token()}, {{"key.pem", Pem(ak_.public_key().spki())}}));
  EXPECT_EQ(quotes[0].signature(), evidence_.signature());
  EXPECT_TRUE(LooksLikeTpm(Token(), ""));
  EXPECT_THAT(TpmEvidenceFromFiles({"token", Token()}, {}), StatusIs(v1::DENY_REASON_ENDORSEMENT_MISSING));
  std::string bad = Token();
  bad[16] = '\x7f';
  EXPECT_THAT(ParseEnactTrustToken(bad), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseEnactTrustToken(Token() + "x"), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseEnactTrustToken("short"), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(ParseTpm2ToolsPcrsTest, RefusesCountsThatDoNotFit) {
  std::string good(4 + 16 * 8 + 4 + 4 + 8 * 66, '\0');
  good[0] = 1;                  // one bank
  good[4] = 0x0b, good[6] = 3;  // SHA-256, three bytes
  good[7] = 1;                  // PCR 0
  good[132] = 1;                // one list
  good[136] = 1;                // of one digest
  good[140] = 32;
  ASSERT_OK_AND_ASSIGN(const auto pcrs, ParseTpm2ToolsPcrs(good));
  ASSERT_EQ(pcrs.size(), 1u);
  EXPECT_EQ(pcrs[0].value(), std::string(32, '\0'));
  for (const auto& [at, value] :
       {std::pair(0, 17), std::pair(0, 0), std::pair(6, 4), std::pair(7, 3), std::pair(7, 0), std::pair(132, 2),
        std::pair(132, 0), std::pair(135, 127), std::pair(136, 9), std::pair(136, 2), std::pair(140, 65)}) {
    std::string bad = good;
    bad[at] = static_cast<char>(value);
    EXPECT_THAT(ParseTpm2ToolsPcrs(bad), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << at << " " << value;
  }
  EXPECT_THAT(ParseTpm2ToolsPcrs(good + "x"), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseTpm2ToolsPcrs(good.substr(1)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST_F(TpmFilesTest, ReadsKeysToEnroll) {
  for (const std::string& bytes : {evidence_.ak_public(), Pem(ak_.public_key().spki()), ak_.public_key().spki()}) {
    ASSERT_OK_AND_ASSIGN(const EnrolledKey key, EnrolledKeyFromFile(bytes));
    EXPECT_EQ(key.key, ak_.public_key());
    EXPECT_EQ(key.public_area, bytes == evidence_.ak_public() ? bytes : "");
  }
  EXPECT_THAT(EnrolledKeyFromFile("rubbish"), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(EnrolledKeyFromFile("-----BEGIN PUBLIC KEY-----\nAAAA\n"), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

// --- the collection of real files: every row of tpm/manifest.json that has a verdict ---

std::string Verdict(const std::vector<EvidenceResult>& results) {
  bool unwanted = false;
  for (const EvidenceResult& result : results) {
    for (const Finding& finding : result.findings) {
      if (finding.reason != v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED) return "reject";
      unwanted = true;
    }
  }
  return unwanted ? "accept-authentic-deny-policy" : "accept";
}

TEST(TpmVectorsTest, EveryRow) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  const nlohmann::json manifest = nlohmann::json::parse(testing::ReadVector("tpm/manifest.json"));
  int rows = 0;
  for (const nlohmann::json& row : manifest) {
    const std::string file = row["file"], verdict = row["verdict"];
    if (verdict == "support") continue;
    ++rows;
    TrustStore trust;
    trust.anchor_sha256 = BuiltinTpmAnchors();
    // Keys that the row's reason calls endorsed: the operator's enrolment, not part of the file.
    for (const char* enrolled : {"tpm/keylime/ak.pub", "tpm/veraison/enacttrust-basic.pub.pem"}) {
      ASSERT_OK_AND_ASSIGN(const EnrolledKey key, EnrolledKeyFromFile(testing::ReadVector(enrolled)));
      trust.endorsed_attestation_keys[key.key.spki_sha256()] = {enrolled, key.public_area};
    }
    absl::Time now = absl::FromUnixSeconds(1795219200);
    if (!row["verify_time"].is_null()) {
      ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, row["verify_time"].get<std::string>(), &now, nullptr));
    }
    std::vector<EvidenceFile> companions;
    for (const std::string aux : row["aux"]) companions.push_back({aux, testing::ReadVector("tpm/" + aux)});
    if (absl::StartsWith(file, "veraison/"))
      companions.push_back({"key", testing::ReadVector("tpm/veraison/enacttrust-basic.pub.pem")});
    const std::string bytes = testing::ReadVector("tpm/" + file);
    if (absl::StartsWith(file, "certs/")) {  // a certificate for itself: only its path
      EXPECT_FALSE(LooksLikeTpm(bytes, file));
      ASSERT_OK_AND_ASSIGN(const auto leaf, crypto::ParseCertificates(bytes));
      std::vector<crypto::Certificate> offered;
      for (const EvidenceFile& companion : companions) {
        ASSERT_OK_AND_ASSIGN(const auto parsed, crypto::ParseCertificates(companion.bytes));
        offered.insert(offered.end(), parsed.begin(), parsed.end());
      }
      EXPECT_OK(VerifyTpmCertificate(leaf[0], offered, trust, now)) << file;
      TrustStore others = trust;
      others.anchor_sha256 = {std::string(32, 'x')};
      EXPECT_THAT(VerifyTpmCertificate(leaf[0], offered, others, now), StatusIs(v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN))
          << file;
      continue;
    }
    EXPECT_TRUE(LooksLikeTpm(bytes, file)) << file;
    const auto quotes = TpmEvidenceFromFiles({file, bytes}, companions);
    ASSERT_OK(quotes) << file;
    std::vector<EvidenceResult> results;
    std::string seen;
    TpmOptions options;
    options.allow_digest_only = true;
    for (const v1::TpmEvidence& quote : *quotes) {
      results.push_back(VerifyTpm(quote, trust, now, options));
      for (const Finding& f : results.back().findings)
        absl::StrAppend(&seen, DenyReasonName(f.reason), " ", f.claim, " ", f.seen, "; ");
    }
    EXPECT_EQ(Verdict(results), verdict) << file << ": " << seen;
    const nlohmann::json fields = TpmManifestFields(results);
    for (const auto& [name, value] : row["fields"].items()) {
      nlohmann::json have = fields.value(name, nlohmann::json());
      if (name == "ak") have.erase("decrypt");  // we say more
      EXPECT_EQ(have, value) << file << " " << name;
    }
  }
  EXPECT_GE(rows, 20);
}

}  // namespace
}  // namespace twi::verifier
