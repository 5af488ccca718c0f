#include "services/verifier/formats/tpm_structures.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/test_vectors.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"
#include "services/verifier/formats/tpm_builder.h"

namespace twi::verifier {
namespace {

using testing::StatusIs;

TpmQuote SomeQuote() {
  TpmQuote quote;
  quote.qualified_signer = std::string(34, 'n');
  quote.extra_data = "nonce";
  quote.clock = 1234567890123;
  quote.reset_count = 7;
  quote.restart_count = 2;
  quote.safe = true;
  quote.firmware_version = 0x2016051100162800;
  quote.selection = {{kTpmAlgSha1, {0, 23}}, {kTpmAlgSha256, {1, 8, 15}}};
  quote.pcr_digest = std::string(32, 'd');
  return quote;
}

TpmPublic RsaArea() {
  TpmPublic area;
  area.type = kTpmAlgRsa;
  area.name_hash = kTpmAlgSha256;
  area.attributes = 0x50072;
  area.scheme = kTpmAlgRsassa;
  area.scheme_hash = kTpmAlgSha256;
  area.rsa_bits = 2048;
  area.rsa_modulus = std::string(256, '\xc1');
  return area;
}

TpmSignature EcdsaSignature() {
  TpmSignature signature;
  signature.algorithm = kTpmAlgEcdsa;
  signature.hash = kTpmAlgSha256;
  signature.r = std::string(32, 'r');
  signature.s = std::string(31, 's');
  return signature;
}

// Every prefix is refused, and so is one byte more: nothing is read past the end, nothing is left over.
template <typename Parse>
void ExpectExactLength(const std::string& bytes, Parse parse) {
  EXPECT_OK(parse(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(parse(bytes.substr(0, size)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << size;
  EXPECT_THAT(parse(bytes + '\0'), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(ParseTpmQuoteTest, ReadsWhatIsWritten) {
  const TpmQuote quote = SomeQuote();
  ASSERT_OK_AND_ASSIGN(const TpmQuote parsed, ParseTpmQuote(WriteTpmQuote(quote)));
  EXPECT_EQ(parsed.qualified_signer, quote.qualified_signer);
  EXPECT_EQ(parsed.extra_data, "nonce");
  EXPECT_EQ(parsed.clock, 1234567890123u);
  EXPECT_EQ(parsed.reset_count, 7u);
  EXPECT_EQ(parsed.restart_count, 2u);
  EXPECT_TRUE(parsed.safe);
  EXPECT_EQ(parsed.firmware_version, 0x2016051100162800u);
  ASSERT_EQ(parsed.selection.size(), 2u);
  EXPECT_EQ(parsed.selection[0].hash, kTpmAlgSha1);
  EXPECT_EQ(parsed.selection[0].indexes, (std::vector<std::uint32_t>{0, 23}));
  EXPECT_EQ(parsed.selection[1].indexes, (std::vector<std::uint32_t>{1, 8, 15}));
  EXPECT_EQ(parsed.pcr_digest, quote.pcr_digest);
}

TEST(ParseTpmQuoteTest, RefusesEveryOtherLength) { ExpectExactLength(WriteTpmQuote(SomeQuote()), ParseTpmQuote); }

TEST(ParseTpmQuoteTest, RefusesWhatNoTpmMadeOrIsNoQuote) {
  std::string bytes = WriteTpmQuote(SomeQuote());
  bytes[0] = '\xfe';
  EXPECT_THAT(ParseTpmQuote(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_WRONG_TYPE));
  bytes = WriteTpmQuote(SomeQuote());
  bytes[5] = '\x17';  // TPM_ST_ATTEST_CERTIFY
  EXPECT_THAT(ParseTpmQuote(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_WRONG_TYPE));
}

TEST(ParseTpmQuoteTest, RefusesLengthsAndCountsBeyondTheBuffer) {
  const std::string good = WriteTpmQuote(SomeQuote());
  const std::size_t name = 6, data = name + 2 + 34, safe = data + 2 + 5 + 16, count = safe + 1 + 8;
  for (const std::size_t at : {name, data, count, count + 4 + 2}) {
    std::string bytes = good;
    bytes[at] = '\xff';
    EXPECT_THAT(ParseTpmQuote(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << at;
  }
  std::string bytes = good;
  bytes[safe] = 2;
  EXPECT_THAT(ParseTpmQuote(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseTpmQuote(std::string(5000, '\xff')), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(ParseTpmQuoteTest, RefusesABankTwice) {
  TpmQuote quote = SomeQuote();
  quote.selection[1].hash = kTpmAlgSha1;
  EXPECT_THAT(ParseTpmQuote(WriteTpmQuote(quote)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(ParseTpmQuoteTest, LeavesOutABankWithoutPcrs) {
  TpmQuote quote = SomeQuote();
  quote.selection[0].indexes.clear();
  ASSERT_OK_AND_ASSIGN(const TpmQuote parsed, ParseTpmQuote(WriteTpmQuote(quote)));
  ASSERT_EQ(parsed.selection.size(), 1u);
  EXPECT_EQ(parsed.selection[0].hash, kTpmAlgSha256);
}

TEST(ParseTpmQuoteTest, RefusesAPcrThatDoesNotExist) {
  std::string bytes = WriteTpmQuote(SomeQuote());
  const std::size_t size_of_select = bytes.size() - (2 + 32) - 4;  // of the last bank: 03 then three bytes
  ASSERT_EQ(bytes[size_of_select], 3);
  bytes[size_of_select] = 4;
  bytes.insert(size_of_select + 4, 1, '\x01');  // PCR 24
  EXPECT_THAT(ParseTpmQuote(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(ParseTpmSignatureTest, ReadsEcdsaAndRsa) {
  ASSERT_OK_AND_ASSIGN(const TpmSignature ecdsa, ParseTpmSignature(WriteTpmSignature(EcdsaSignature())));
  EXPECT_EQ(ecdsa.r, std::string(32, 'r'));
  EXPECT_EQ(ecdsa.s, std::string(31, 's'));
  TpmSignature rsa;
  rsa.algorithm = kTpmAlgRsapss;
  rsa.hash = kTpmAlgSha384;
  rsa.rsa = std::string(256, 'x');
  ASSERT_OK_AND_ASSIGN(const TpmSignature parsed, ParseTpmSignature(WriteTpmSignature(rsa)));
  EXPECT_EQ(parsed.algorithm, kTpmAlgRsapss);
  EXPECT_EQ(parsed.hash, kTpmAlgSha384);
  EXPECT_EQ(parsed.rsa, rsa.rsa);
}

TEST(ParseTpmSignatureTest, RefusesEveryOtherLength) {
  ExpectExactLength(WriteTpmSignature(EcdsaSignature()), ParseTpmSignature);
}

TEST(ParseTpmSignatureTest, RefusesNullUnknownAndHuge) {
  std::string bytes = WriteTpmSignature(EcdsaSignature());
  bytes[1] = 0x10;
  EXPECT_THAT(ParseTpmSignature(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_UNSIGNED));
  bytes[1] = 0x05;  // HMAC
  EXPECT_THAT(ParseTpmSignature(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  bytes = WriteTpmSignature(EcdsaSignature());
  bytes[4] = '\xff';
  EXPECT_THAT(ParseTpmSignature(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(ParseTpmPublicTest, ReadsTpmtAndTpm2b) {
  const std::string tpmt = WriteTpmPublic(RsaArea());
  const std::string tpm2b = absl::StrCat(std::string(1, static_cast<char>(tpmt.size() >> 8)),
                                         std::string(1, static_cast<char>(tpmt.size() & 0xff)), tpmt);
  for (const std::string& bytes : {tpmt, tpm2b}) {
    ASSERT_OK_AND_ASSIGN(const TpmPublic area, ParseTpmPublic(bytes));
    EXPECT_EQ(area.bytes, tpmt);
    EXPECT_EQ(area.attributes, 0x50072u);
    EXPECT_EQ(area.scheme, kTpmAlgRsassa);
    EXPECT_EQ(area.scheme_hash, kTpmAlgSha256);
    EXPECT_EQ(area.rsa_exponent, 65537u);
  }
}

TEST(ParseTpmPublicTest, RefusesEveryOtherLength) { ExpectExactLength(WriteTpmPublic(RsaArea()), ParseTpmPublic); }

TEST(ParseTpmPublicTest, RefusesAnotherTypeAndAModulusThatIsNotOfKeyBits) {
  TpmPublic area = RsaArea();
  area.type = 0x0008;  // keyedhash
  EXPECT_THAT(ParseTpmPublic(WriteTpmPublic(area)), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  area = RsaArea();
  area.rsa_bits = 3072;
  EXPECT_THAT(ParseTpmPublic(WriteTpmPublic(area)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(TpmPublicKeyTest, RefusesWeakUnknownAndImpossibleKeys) {
  TpmPublic area = RsaArea();
  area.rsa_bits = 1024;
  area.rsa_modulus = std::string(128, '\xc1');
  area.rsa_exponent = 65537;
  EXPECT_THAT(TpmPublicKey(area), StatusIs(v1::DENY_REASON_WEAK_ALGORITHM));
  TpmPublic ecc;
  ecc.type = kTpmAlgEcc;
  ecc.curve = 5;  // P-521
  ecc.x = ecc.y = std::string(66, '\1');
  EXPECT_THAT(TpmPublicKey(ecc), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  ecc.curve = 3;
  EXPECT_THAT(TpmPublicKey(ecc), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  ecc.x = ecc.y = std::string(32, '\1');  // not on the curve
  EXPECT_THAT(TpmPublicKey(ecc), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

TEST(VerifyTpmSignatureTest, EveryKeyTypeSignsAndOneBitBreaksIt) {
  for (const crypto::KeyType type : {crypto::KeyType::kP256, crypto::KeyType::kP384, crypto::KeyType::kRsa3072}) {
    ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(type));
    TpmPublic area = AttestationKeyArea(key.public_key());
    ASSERT_OK_AND_ASSIGN(const TpmPublic parsed, ParseTpmPublic(WriteTpmPublic(area)));
    ASSERT_OK_AND_ASSIGN(const crypto::PublicKey public_key, TpmPublicKey(parsed));
    EXPECT_EQ(public_key, key.public_key());
    for (const std::uint16_t scheme : {area.scheme, type == crypto::KeyType::kRsa3072 ? kTpmAlgRsapss : area.scheme}) {
      area.scheme = scheme;
      ASSERT_OK_AND_ASSIGN(TpmSignature signature, SignAsTpm(key, area, "message"));
      EXPECT_OK(VerifyTpmSignature(public_key, signature, "message"));
      EXPECT_THAT(VerifyTpmSignature(public_key, signature, "messagf"),
                  StatusIs(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
      signature.hash = kTpmAlgSha1;
      EXPECT_THAT(VerifyTpmSignature(public_key, signature, "message"), StatusIs(v1::DENY_REASON_WEAK_ALGORITHM));
      signature.hash = kTpmAlgSha512;
      EXPECT_THAT(VerifyTpmSignature(public_key, signature, "message"),
                  StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
    }
  }
}

TEST(VerifyTpmSignatureTest, TakesShortIntegersAndRefusesLongOnes) {
  ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
  const TpmPublic area = AttestationKeyArea(key.public_key());
  for (int i = 0; i < 20000; ++i) {  // until r has a leading zero, which TPMs may leave out
    const std::string message = absl::StrCat("message ", i);
    ASSERT_OK_AND_ASSIGN(TpmSignature signature, SignAsTpm(key, area, message));
    if (signature.r[0] != '\0') continue;
    signature.r = signature.r.substr(1);
    EXPECT_OK(VerifyTpmSignature(key.public_key(), signature, message));
    signature.r = "\1" + std::string(32, '\0');
    EXPECT_THAT(VerifyTpmSignature(key.public_key(), signature, message),
                StatusIs(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
    signature.r.clear();
    EXPECT_THAT(VerifyTpmSignature(key.public_key(), signature, message),
                StatusIs(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
    return;
  }
  FAIL() << "no short r in 20000 signatures";
}

TEST(TpmNameTest, IsWhatTheTpmSaysAndRefusesAnUnknownHash) {
  TpmPublic area = RsaArea();
  area.name_hash = 0x0012;  // SM3
  EXPECT_THAT(TpmName(area), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  ASSERT_OK_AND_ASSIGN(const TpmPublic ak, ParseTpmPublic(testing::ReadVector("tpm/keylime/ak.pub")));
  ASSERT_OK_AND_ASSIGN(const std::string name, TpmName(ak));
  EXPECT_EQ(name, testing::ReadVector("tpm/keylime/ak.name"));
  EXPECT_OK(ParseTpmPublic(testing::ReadVector("tpm/keylime/ek.pub")));  // a storage key: symmetric and no scheme
}

}  // namespace
}  // namespace twi::verifier
