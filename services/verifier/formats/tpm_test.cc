#include "services/verifier/formats/tpm.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"
#include "services/verifier/formats/tpm_builder.h"

namespace twi::verifier {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<DenyReason> Reasons(const EvidenceResult& result) {
  std::vector<DenyReason> reasons;
  for (const Finding& finding : result.findings) reasons.push_back(finding.reason);
  return reasons;
}

// A valid quote by an enrolled P-256 AK; each test breaks one thing.
class VerifyTpmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Use(crypto::KeyType::kP256);
    trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-1", ""};
  }

  void Use(crypto::KeyType type) {
    ak_.emplace(*crypto::PrivateKey::Generate(type));
    area_ = AttestationKeyArea(ak_->public_key());
    evidence_ = *BuildTpmEvidence(*ak_, "binding", pcrs_);
    quote_ = *ParseTpmQuote(evidence_.quote());
  }
  void SetArea() { evidence_.set_ak_public(WriteTpmPublic(area_)); }
  void Sign() { ASSERT_OK(SetQuote(quote_, *ak_, area_, &evidence_)); }
  EvidenceResult Verify() const { return VerifyTpm(evidence_, trust_, now_); }
  void ExpectOnly(DenyReason reason) const { EXPECT_THAT(Reasons(Verify()), ElementsAre(reason)); }

  const std::map<std::uint32_t, std::string> pcrs_ = {
      {0, std::string(32, 'a')}, {7, std::string(32, 'b')}, {23, std::string(32, 'c')}};
  const absl::Time now_ = absl::FromUnixSeconds(1800000000);
  std::optional<crypto::PrivateKey> ak_;
  TpmPublic area_;
  TpmQuote quote_;
  v1::TpmEvidence evidence_;
  TrustStore trust_;
};

TEST_F(VerifyTpmTest, AcceptsAndReportsWhatItSays) {
  const EvidenceResult result = Verify();
  ASSERT_THAT(Reasons(result), IsEmpty());
  EXPECT_EQ(result.claims.format, "tpm2");
  EXPECT_FALSE(result.claims.insecure);
  EXPECT_EQ(result.claims.freshness, "binding");
  EXPECT_EQ(result.claims.attestation_key_sha256, ak_->public_key().spki_sha256());
  EXPECT_EQ(
      result.claims.measurement_key,
      absl::StrCat("tpm2:sha256:0,7,23:", ToHex(crypto::Sha256(absl::StrCat(pcrs_.at(0), pcrs_.at(7), pcrs_.at(23))))));
  const nlohmann::json& claims = result.claims.claims;
  EXPECT_EQ(claims["nonce"], ToHex("binding"));
  EXPECT_EQ(claims["pcr_select"].dump(), R"([["0xb",[0,7,23]]])");
  EXPECT_EQ(claims["pcrs"]["sha256"]["7"], ToHex(pcrs_.at(7)));
  EXPECT_EQ(claims["qualified_signer"], claims["ak_name"]);  // of our builder, which has no parent
  EXPECT_EQ(claims["clock"], 1000);
  EXPECT_EQ(claims["safe"], true);
  EXPECT_EQ(claims["firmware_version"], "0x2026010100000000");
  EXPECT_EQ(claims["ak_endorsed_by"], "operator: host-1");
}

TEST_F(VerifyTpmTest, AcceptsEveryKeyTypeBankAndLengthOfExtraData) {
  for (const crypto::KeyType type : {crypto::KeyType::kP256, crypto::KeyType::kP384, crypto::KeyType::kRsa3072}) {
    const crypto::PrivateKey key = *crypto::PrivateKey::Generate(type);
    trust_.endorsed_attestation_keys[key.public_key().spki_sha256()] = {"host", ""};
    for (const auto& [bank, size] :
         {std::pair(kTpmAlgSha1, 20), std::pair(kTpmAlgSha256, 32), std::pair(kTpmAlgSha384, 48)}) {
      for (const std::size_t extra : {0u, 20u, 32u, 64u}) {
        const auto evidence = BuildTpmEvidence(key, std::string(extra, 'x'),
                                               {{1, std::string(size, '1')}, {2, std::string(size, '2')}}, bank);
        ASSERT_OK(evidence);
        EXPECT_THAT(Reasons(VerifyTpm(*evidence, trust_, now_)), IsEmpty()) << size << " " << extra;
      }
    }
  }
}

// --- 1 the AK's public area ---

TEST_F(VerifyTpmTest, RefusesAnAkThatIsNotOne) {
  for (const std::uint32_t bit : {kTpmaRestricted, kTpmaSign, kTpmaDecrypt, kTpmaFixedTpm}) {
    area_ = AttestationKeyArea(ak_->public_key());
    area_.attributes ^= bit;
    SetArea();
    ExpectOnly(v1::DENY_REASON_EVIDENCE_WRONG_TYPE);
  }
}

TEST_F(VerifyTpmTest, RefusesAnAkWithoutSchemeOrWithAWeakOne) {
  area_.scheme = kTpmAlgNull;
  SetArea();
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  area_ = AttestationKeyArea(ak_->public_key());
  area_.scheme_hash = kTpmAlgSha1;
  SetArea();
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_WEAK_ALGORITHM));
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
}

TEST_F(VerifyTpmTest, ASha1SignatureIsWeakAndNotVerified) {
  area_.scheme_hash = kTpmAlgSha1;
  SetArea();
  TpmSignature signature = *ParseTpmSignature(evidence_.signature());
  signature.hash = kTpmAlgSha1;
  evidence_.set_signature(WriteTpmSignature(signature));
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_WEAK_ALGORITHM));
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
}

TEST_F(VerifyTpmTest, RefusesRsa1024AndSaysThatNothingWasVerified) {
  area_ = TpmPublic();
  area_.type = kTpmAlgRsa;
  area_.name_hash = kTpmAlgSha256;
  area_.attributes = 0x50072;
  area_.scheme = kTpmAlgEcdsa;  // equal to the signature's, so that the key is what stops it
  area_.scheme_hash = kTpmAlgSha256;
  area_.rsa_bits = 1024;
  area_.rsa_modulus = std::string(128, '\xc1');
  SetArea();
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_WEAK_ALGORITHM));
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
}

TEST_F(VerifyTpmTest, RefusesAnAkThatDoesNotParse) {
  evidence_.set_ak_public(evidence_.ak_public() + "x");
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_MALFORMED));
  evidence_.clear_ak_public();
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST_F(VerifyTpmTest, ABareKeyPassesOnlyWhenEnrolled) {
  evidence_.set_ak_public(ak_->public_key().spki());
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
  trust_.endorsed_attestation_keys.clear();
  ExpectOnly(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED);
  evidence_.set_ak_public(evidence_.ak_public().substr(0, 40));
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_KEY_MALFORMED));
}

// Nothing signs the public area: what the operator enrolled is what it is held to.
TEST_F(VerifyTpmTest, EveryFlippedBitOfAnEnrolledPublicAreaIsRefused) {
  for (const crypto::KeyType type : {crypto::KeyType::kP256, crypto::KeyType::kRsa3072}) {
    Use(type);
    const std::string area = WriteTpmPublic(area_);
    trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-1", area};
    ASSERT_THAT(Reasons(Verify()), IsEmpty());
    for (std::size_t bit = 0; bit < area.size() * 8; ++bit) {
      std::string flipped = area;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << (bit % 8));
      evidence_.set_ak_public(flipped);
      ASSERT_THAT(Reasons(Verify()), Not(IsEmpty())) << "bit " << bit;
    }
  }
}

TEST_F(VerifyTpmTest, TheEnrolledPublicAreaSpeaksForABareKey) {
  trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-1", WriteTpmPublic(area_)};
  evidence_.set_ak_public(ak_->public_key().spki());
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
  area_.attributes &= ~kTpmaRestricted;  // an operator who enrolled a key that signs anything
  trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-1", WriteTpmPublic(area_)};
  ExpectOnly(v1::DENY_REASON_EVIDENCE_WRONG_TYPE);
}

TEST_F(VerifyTpmTest, AnotherPublicAreaOfAnEnrolledKeyIsAMismatch) {
  trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-1", WriteTpmPublic(area_)};
  area_.auth_policy = std::string(32, 'p');  // no rule of step 1 is about it
  SetArea();
  ExpectOnly(v1::DENY_REASON_ENDORSEMENT_MISMATCH);
  trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-1", ""};
  EXPECT_THAT(Reasons(Verify()), IsEmpty()) << "enrolled by its key: the header says what is then unchecked";
}

// --- 2 the quote and its signature ---

TEST_F(VerifyTpmTest, EveryFlippedBitOfTheQuoteIsRefused) {
  const v1::TpmEvidence good = evidence_;
  for (std::size_t bit = 0; bit < good.quote().size() * 8; ++bit) {
    evidence_ = good;
    char& byte = (*evidence_.mutable_quote())[bit / 8];
    byte = static_cast<char>(byte ^ 1 << (bit % 8));
    ASSERT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID)) << bit;
  }
}

TEST_F(VerifyTpmTest, EveryFlippedBitOfTheSignatureIsRefused) {
  const v1::TpmEvidence good = evidence_;
  for (std::size_t bit = 0; bit < good.signature().size() * 8; ++bit) {
    evidence_ = good;
    char& byte = (*evidence_.mutable_signature())[bit / 8];
    byte = static_cast<char>(byte ^ 1 << (bit % 8));
    ASSERT_THAT(Reasons(Verify()), Not(IsEmpty())) << bit;
  }
}

TEST_F(VerifyTpmTest, RefusesASignatureByAnotherKey) {
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  ASSERT_OK(SetQuote(quote_, other, area_, &evidence_));
  ExpectOnly(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID);
}

TEST_F(VerifyTpmTest, RefusesAnUnsignedQuote) {
  evidence_.set_signature(std::string("\x00\x10", 2));
  ExpectOnly(v1::DENY_REASON_EVIDENCE_UNSIGNED);
}

TEST_F(VerifyTpmTest, RefusesASignatureOfAnotherHashThanTheAks) {
  TpmSignature signature = *ParseTpmSignature(evidence_.signature());
  signature.hash = kTpmAlgSha384;
  evidence_.set_signature(WriteTpmSignature(signature));
  ExpectOnly(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID);
}

TEST_F(VerifyTpmTest, RefusesASignatureOfAnotherSchemeThanTheAks) {
  Use(crypto::KeyType::kRsa3072);
  trust_.endorsed_attestation_keys[ak_->public_key().spki_sha256()] = {"host-2", ""};
  area_.scheme = kTpmAlgRsapss;
  Sign();  // RSAPSS, while the AK says RSASSA
  ExpectOnly(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID);
  SetArea();
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
}

TEST_F(VerifyTpmTest, RefusesTrailingBytesEvenWhenSigned) {
  *evidence_.mutable_quote() += '\0';
  evidence_.set_signature(WriteTpmSignature(*SignAsTpm(*ak_, area_, evidence_.quote())));
  ExpectOnly(v1::DENY_REASON_EVIDENCE_MALFORMED);
}

TEST_F(VerifyTpmTest, RefusesASignedStructureThatIsNoQuote) {
  std::string attest = evidence_.quote();
  attest[5] = '\x17';
  evidence_.set_quote(attest);
  evidence_.set_signature(WriteTpmSignature(*SignAsTpm(*ak_, area_, attest)));
  ExpectOnly(v1::DENY_REASON_EVIDENCE_WRONG_TYPE);
}

// --- 3 PCR values ---

TEST_F(VerifyTpmTest, RefusesOtherPcrValues) {
  (*evidence_.mutable_pcr_values(1)->mutable_value())[0] ^= 1;
  ExpectOnly(v1::DENY_REASON_PCR_DIGEST_MISMATCH);
}

TEST_F(VerifyTpmTest, RefusesAMissingADoubleAndAnUnselectedPcr) {
  const v1::TpmEvidence good = evidence_;
  evidence_.mutable_pcr_values()->RemoveLast();
  ExpectOnly(v1::DENY_REASON_PCR_DIGEST_MISMATCH);
  evidence_ = good;
  *evidence_.add_pcr_values() = good.pcr_values(0);
  ExpectOnly(v1::DENY_REASON_PCR_DIGEST_MISMATCH);
  evidence_ = good;
  *evidence_.add_pcr_values() = good.pcr_values(0);
  evidence_.mutable_pcr_values(3)->set_index(5);
  ExpectOnly(v1::DENY_REASON_PCR_DIGEST_MISMATCH);
  evidence_ = good;
  evidence_.mutable_pcr_values(0)->set_hash_algorithm(kTpmAlgSha1);
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_PCR_DIGEST_MISMATCH));
  evidence_ = good;
  evidence_.mutable_pcr_values(0)->set_hash_algorithm(0x1000b);  // not SHA-256 in 16 bits
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_PCR_DIGEST_MISMATCH));
  evidence_ = good;
  evidence_.mutable_pcr_values(0)->mutable_value()->pop_back();
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_PCR_DIGEST_MISMATCH));
}

TEST_F(VerifyTpmTest, TheSameBytesCutDifferentlyAreRefused) {  // 31 + 33 bytes have the digest of 32 + 32
  evidence_.mutable_pcr_values(0)->mutable_value()->pop_back();
  evidence_.mutable_pcr_values(1)->set_value("a" + evidence_.pcr_values(1).value());
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_PCR_DIGEST_MISMATCH));
}

TEST_F(VerifyTpmTest, RefusesTooManyValues) {
  while (evidence_.pcr_values_size() < 97) *evidence_.add_pcr_values() = evidence_.pcr_values(0);
  ExpectOnly(v1::DENY_REASON_EVIDENCE_MALFORMED);
}

TEST_F(VerifyTpmTest, ADigestAloneIsRefusedUnlessAskedFor) {
  const std::string key = Verify().claims.measurement_key;
  evidence_.clear_pcr_values();
  EXPECT_THAT(Reasons(Verify()), Contains(v1::DENY_REASON_PCR_DIGEST_MISMATCH));
  TpmOptions options;
  options.allow_digest_only = true;
  const EvidenceResult result = VerifyTpm(evidence_, trust_, now_, options);
  EXPECT_THAT(Reasons(result), IsEmpty());
  EXPECT_EQ(result.claims.measurement_key, key);
  EXPECT_FALSE(result.claims.claims.contains("pcrs"));
}

TEST_F(VerifyTpmTest, RefusesAQuoteOverNoPcr) {
  quote_.selection.clear();
  quote_.pcr_digest = crypto::Sha256("");
  Sign();
  evidence_.clear_pcr_values();
  ExpectOnly(v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED);
}

TEST_F(VerifyTpmTest, TwoBanksAreGenuineButNameNoSoftware) {
  quote_.selection = {{kTpmAlgSha384, {1}}, {kTpmAlgSha256, {0}}};  // the digest is in selection order, not by number
  quote_.pcr_digest = crypto::Sha256(absl::StrCat(std::string(48, 'x'), std::string(32, 'y')));
  Sign();
  evidence_.clear_pcr_values();
  for (const auto& [bank, index, value] :
       {std::tuple(kTpmAlgSha256, 0, std::string(32, 'y')), std::tuple(kTpmAlgSha384, 1, std::string(48, 'x'))}) {
    v1::PcrValue* pcr = evidence_.add_pcr_values();
    pcr->set_hash_algorithm(bank);
    pcr->set_index(index);
    pcr->set_value(value);
  }
  EXPECT_THAT(Reasons(Verify()), IsEmpty());
  EXPECT_EQ(Verify().claims.measurement_key, "");
}

// --- 4 event log ---

// An older SHA-1 log, for a quote over the SHA-1 bank.
std::string Log(char pcr, absl::string_view digest) {
  return absl::StrCat(std::string(1, pcr), std::string(3, '\0'), std::string("\1\0\0\0", 4), digest,
                      std::string(4, '\0'));
}

TEST_F(VerifyTpmTest, ReplaysTheEventLog) {
  const std::string digest(20, 'd');
  const std::string value = crypto::Hash(crypto::HashAlgorithm::kSha1, absl::StrCat(std::string(20, '\0'), digest));
  evidence_ = *BuildTpmEvidence(*ak_, "binding", {{4, value}, {5, std::string(20, '\0')}}, kTpmAlgSha1);
  evidence_.set_event_log(absl::StrCat(Log(4, digest), Log(9, digest)));  // PCR 9 is not quoted, PCR 5 not in the log
  const EvidenceResult result = Verify();
  EXPECT_THAT(Reasons(result), IsEmpty());
  EXPECT_EQ(result.claims.claims["event_log"]["replayed"].dump(), R"({"sha1":[4]})");
  evidence_.set_event_log(absl::StrCat(Log(4, digest), Log(4, digest)));
  ExpectOnly(v1::DENY_REASON_EVENT_LOG_MISMATCH);
  evidence_.set_event_log("not a log");
  ExpectOnly(v1::DENY_REASON_EVIDENCE_MALFORMED);
  evidence_.set_event_log(std::string(192 * 1024 + 1, '\0'));
  ExpectOnly(v1::DENY_REASON_EVIDENCE_MALFORMED);
}

TEST_F(VerifyTpmTest, RefusesALogWithoutDigestsOfTheQuotedBank) {
  evidence_.set_event_log(Log(0, std::string(20, 'd')));
  ExpectOnly(v1::DENY_REASON_EVENT_LOG_MISMATCH);
}

}  // namespace
}  // namespace twi::verifier
