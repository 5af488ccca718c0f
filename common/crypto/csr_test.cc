#include "common/crypto/csr.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/crypto/test_vectors.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::crypto {
namespace {

using testing::StatusIs;

std::string Tlv(char tag, absl::string_view content) {
  std::string length(1, static_cast<char>(content.size()));
  if (content.size() > 255) {
    length = {'\x82', static_cast<char>(content.size() >> 8), static_cast<char>(content.size())};
  } else if (content.size() > 127) {
    length = {'\x81', static_cast<char>(content.size())};
  }
  return absl::StrCat(std::string(1, tag), length, content);
}

// A P-256 CSR whose parts a test may choose; signed over what it says.
struct Parts {
  std::string version = Tlv(0x02, std::string(1, '\0'));
  std::string subject = Tlv(0x30, "");
  std::string spki;
  std::string attributes = Tlv('\xa0', "");
  std::string algorithm = *FromHex("300a06082a8648ce3d040302");
  std::string Make(const PrivateKey& key) const {
    const std::string info =
        Tlv(0x30, absl::StrCat(version, subject, spki.empty() ? key.public_key().spki() : spki, attributes));
    return Tlv(0x30, absl::StrCat(info, algorithm, Tlv(0x03, '\0' + *key.Sign(key.default_algorithm(), info))));
  }
};

const PrivateKey& Key() {
  static const auto* const key = new PrivateKey(*PrivateKey::Generate(KeyType::kP256));
  return *key;
}

TEST(CsrTest, RoundTripsForEveryCredentialKeyType) {
  for (KeyType type : {KeyType::kP256, KeyType::kP384, KeyType::kEd25519, KeyType::kRsa3072}) {
    const PrivateKey key = *PrivateKey::Generate(type);
    ASSERT_OK_AND_ASSIGN(const std::string der, MakeCsr(key));
    ASSERT_OK_AND_ASSIGN(const Csr csr, ParseAndVerifyCsr(der));
    EXPECT_EQ(csr.der, der);
    EXPECT_EQ(csr.public_key, key.public_key());
  }
}

TEST(CsrTest, RefusesEveryCutAndTrailingBytes) {
  const std::string der = *MakeCsr(Key());
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_THAT(ParseAndVerifyCsr(der.substr(0, size)), StatusIs(v1::DENY_REASON_CSR_MALFORMED)) << size;
  }
  EXPECT_THAT(ParseAndVerifyCsr(der + '\0'), StatusIs(v1::DENY_REASON_CSR_MALFORMED));
  EXPECT_THAT(ParseAndVerifyCsr(std::string(5000, '\x30')),
              StatusIs(v1::DENY_REASON_CSR_MALFORMED, ::testing::HasSubstr("4 KiB")));
}

TEST(CsrTest, RefusesEveryTurnedBit) {
  const std::string der = *MakeCsr(Key());
  for (std::size_t i = 0; i < der.size(); ++i) {
    std::string turned = der;
    turned[i] = static_cast<char>(turned[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(ParseAndVerifyCsr(turned).ok()) << i;
  }
}

TEST(CsrTest, TakesSubjectAndAttributesThatParse) {
  Parts parts;
  const std::string attribute = Tlv(0x30, Tlv(0x06, "\x2a\x03") + Tlv(0x31, Tlv(0x0c, "x")));
  parts.attributes = Tlv('\xa0', attribute);
  parts.subject = Tlv(0x30, Tlv(0x31, Tlv(0x30, Tlv(0x06, "\x55\x04\x03") + Tlv(0x0c, "name"))));
  EXPECT_OK(ParseAndVerifyCsr(parts.Make(Key())));
}

TEST(CsrTest, RefusesWrongForm) {
  const auto malformed = StatusIs(v1::DENY_REASON_CSR_MALFORMED);
  Parts parts;
  parts.version = Tlv(0x02, "\x01");
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), malformed);
  parts = Parts();
  parts.subject = Tlv(0x31, "");
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), malformed);
  parts = Parts();
  parts.subject = Tlv(0x30, Tlv(0x31, ""));
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), malformed);
  parts = Parts();
  parts.attributes = "";
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), malformed);
  parts.attributes = Tlv('\xa0', "") + Tlv('\xa0', "");
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), malformed);
  parts.attributes = Tlv('\xa0', Tlv(0x30, "x"));
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), malformed);
}

TEST(CsrTest, RefusesKeysThatMayNotBecomeCredentialKeys) {
  const auto refused = StatusIs(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED);
  Parts parts;
  parts.spki = PublicKey::FromRsa(std::string(256, '\xff'), "\x03")->spki();  // RSA-2048
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
  parts.spki = Key().public_key().spki();
  parts.spki[60] = static_cast<char>(parts.spki[60] ^ 1);  // off the curve
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
  parts.spki =
      *FromHex("302a300506032b656e0321000000000000000000000000000000000000000000000000000000000000000001");  // X25519
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
}

TEST(CsrTest, RefusesWithoutProofOfPossession) {
  const auto refused = StatusIs(v1::DENY_REASON_CSR_SIGNATURE_INVALID);
  Parts parts;
  parts.spki = PrivateKey::Generate(KeyType::kP256)->public_key().spki();  // somebody else's key
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
  parts = Parts();
  parts.algorithm = *FromHex("300a06082a8648ce3d040303");  // ecdsa-with-SHA384 for a P-256 key
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
  parts.algorithm = *FromHex("300906072a8648ce3d0401");  // ecdsa-with-SHA1
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
  parts.algorithm = *FromHex("300506032b6570");  // Ed25519
  EXPECT_THAT(ParseAndVerifyCsr(parts.Make(Key())), refused);
}

}  // namespace
}  // namespace twi::crypto
