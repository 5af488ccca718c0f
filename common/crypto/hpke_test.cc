#include "common/crypto/hpke.h"

#include <map>
#include <string>

#include "absl/strings/str_split.h"
#include "common/crypto/test_vectors.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::crypto {
namespace {

using testing::StatusIs;

TEST(HpkeTest, RoundTrips) {
  ASSERT_OK_AND_ASSIGN(const HpkePrivateKey key, HpkePrivateKey::Generate());
  EXPECT_EQ(key.spki().size(), 44u);
  EXPECT_OK(CheckHpkePublicKey(key.spki()));
  for (const std::string& plaintext : {std::string(), std::string("x"), std::string(10000, 'y')}) {
    ASSERT_OK_AND_ASSIGN(const HpkeSealed sealed, HpkeSeal(key.spki(), "info", "aad", plaintext));
    EXPECT_EQ(sealed.enc.size(), 32u);
    EXPECT_EQ(sealed.ciphertext.size(), plaintext.size() + 16);
    ASSERT_OK_AND_ASSIGN(const SecretBytes opened, key.Open(sealed, "info", "aad"));
    EXPECT_EQ(opened.reveal(), plaintext);
  }
  ASSERT_OK_AND_ASSIGN(const HpkePrivateKey again, HpkePrivateKey::FromRaw(key.raw()));
  EXPECT_EQ(again.spki(), key.spki());
}

TEST(HpkeTest, RefusesWhateverDiffers) {
  const HpkePrivateKey key = *HpkePrivateKey::Generate();
  const HpkeSealed sealed = *HpkeSeal(key.spki(), "info", "aad", "secret");
  const auto refused = StatusIs(v1::DENY_REASON_DECRYPTION_FAILED);
  EXPECT_THAT(key.Open(sealed, "Info", "aad"), refused);
  EXPECT_THAT(key.Open(sealed, "info", ""), refused);
  EXPECT_THAT(HpkePrivateKey::Generate()->Open(sealed, "info", "aad"), refused);
  for (std::size_t i = 0; i < sealed.ciphertext.size(); ++i) {
    HpkeSealed turned = sealed;
    turned.ciphertext[i] = static_cast<char>(turned.ciphertext[i] ^ 1);
    EXPECT_THAT(key.Open(turned, "info", "aad"), refused);
  }
  for (const std::string& enc :
       {std::string(), sealed.enc + "x", sealed.enc.substr(1), std::string(32, '\0'), std::string(32, '\xff')}) {
    EXPECT_THAT(key.Open({enc, sealed.ciphertext}, "info", "aad"), refused);
  }
  for (std::size_t size = 0; size < sealed.ciphertext.size(); ++size) {
    EXPECT_THAT(key.Open({sealed.enc, sealed.ciphertext.substr(0, size)}, "info", "aad"), refused);
  }
}

TEST(HpkeTest, RefusesOtherPublicKeys) {
  const auto refused = StatusIs(v1::DENY_REASON_KEY_MALFORMED);
  const std::string spki = HpkePrivateKey::Generate()->spki();
  std::string ed25519 = spki;
  ed25519[8] = '\x70';
  for (const std::string& bad : {std::string(), spki.substr(0, 43), spki + "x", spki.substr(12), ed25519}) {
    EXPECT_THAT(CheckHpkePublicKey(bad), refused);
    EXPECT_THAT(HpkeSeal(bad, "", "", "x"), refused);
  }
  EXPECT_THAT(HpkeSeal(spki.substr(0, 12) + std::string(32, '\0'), "", "", "x"), refused);  // small order
  EXPECT_THAT(HpkePrivateKey::FromRaw(SecretBytes(31)), refused);
  EXPECT_THAT(HpkePrivateKey::FromRaw(SecretBytes(33)), refused);
}

// RFC 9180 vectors in BoringSSL's text form: entries of "name = hex" lines, then per encryption aad, ct, pt. Ours are
// base mode (0) with AES-256-GCM (2); only the first encryption, since our contexts seal once.
TEST(HpkeTest, OpensRfc9180Vectors) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  const std::string text = testing::ReadVector("hpke/rfc9180-x25519-boringssl.txt");
  int opened = 0;
  std::map<std::string, std::string> entry;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<std::string, std::string> field = absl::StrSplit(line, absl::MaxSplits(" = ", 1));
    if (field.first == "mode") entry.clear();
    if (!field.second.empty() || line.find(" = ") != absl::string_view::npos)
      entry.emplace(field.first, field.second);  // the first of each name stays
    if (field.first != "pt" || entry["mode"] != "0" || entry["kdf_id"] != "1" || entry["aead_id"] != "2" ||
        entry.count("done") != 0)
      continue;
    entry["done"] = "yes";
    ASSERT_OK_AND_ASSIGN(const HpkePrivateKey key,
                         HpkePrivateKey::FromRaw(SecretBytes::CopyOf(*FromHex(entry["skRm"]))));
    EXPECT_EQ(ToHex(key.spki().substr(12)), entry["pkRm"]);
    const HpkeSealed sealed{*FromHex(entry["pkEm"]), *FromHex(entry["ct"])};
    ASSERT_OK_AND_ASSIGN(const SecretBytes plain, key.Open(sealed, *FromHex(entry["info"]), *FromHex(entry["aad"])));
    EXPECT_EQ(ToHex(plain.reveal()), entry["pt"]);
    ++opened;
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace twi::crypto
