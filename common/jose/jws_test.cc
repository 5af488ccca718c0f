#include "common/jose/jws.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/test_vectors.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::jose {
namespace {

using crypto::KeyType;
using crypto::PrivateKey;
using crypto::SignatureAlgorithm;
using testing::StatusIs;

constexpr char kPayload[] = R"({"sub":"spiffe://example.org/w","n":1})";

const PrivateKey& Key() {
  static const auto* const key = new PrivateKey(*PrivateKey::Generate(KeyType::kP256));
  return *key;
}

JwkSet SetOf(const PrivateKey& key, std::string kid = "k1", std::string alg = "") {
  return {{Jwk{kid, alg, "", key.public_key()}}};
}

// A token with any header and payload, really signed (ES256).
std::string Token(absl::string_view header, absl::string_view payload = kPayload) {
  const std::string input = absl::StrCat(ToBase64Url(header), ".", ToBase64Url(payload));
  return absl::StrCat(input, ".", ToBase64Url(*Key().Sign(SignatureAlgorithm::kEcdsaP256Sha256Raw, input)));
}

const JwsExpectation kExpect{"twi+jwt"};

TEST(JwsTest, RoundTripsEveryKeyType) {
  for (KeyType type : {KeyType::kP256, KeyType::kP384, KeyType::kEd25519, KeyType::kRsa3072}) {
    const PrivateKey key = *PrivateKey::Generate(type);
    ASSERT_OK_AND_ASSIGN(const std::string token, SignJws(key, "k1", "twi+jwt", kPayload));
    ASSERT_OK_AND_ASSIGN(const VerifiedJws jws, VerifyJws(token, SetOf(key), kExpect));
    EXPECT_EQ(jws.header.alg, JwsAlgFor(type));
    EXPECT_EQ(jws.header.kid, "k1");
    EXPECT_EQ(jws.header.typ, "twi+jwt");
    EXPECT_EQ(jws.payload_text, kPayload);
    EXPECT_EQ(jws.payload["n"], 1);
    EXPECT_THAT(VerifyJws(token, SetOf(Key(), "k1"), kExpect), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
  }
}

TEST(JwsTest, HeaderIsExactlyAlgKidTyp) {
  const std::string token = *SignJws(Key(), "k1", "twi+jwt", kPayload);
  EXPECT_EQ(*FromBase64Url(token.substr(0, token.find('.'))), R"({"alg":"ES256","kid":"k1","typ":"twi+jwt"})");
  EXPECT_FALSE(SignJws(Key(), "", "t", "{}").ok());
  EXPECT_FALSE(SignJws(Key(), "k", "", "{}").ok());
  EXPECT_FALSE(SignJws(Key(), "k", "t", "").ok());
}

TEST(JwsTest, Rfc7515A3) {
  constexpr char kToken[] =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  const auto jwk = JwkFromJson({{"kty", "EC"},
                                {"crv", "P-256"},
                                {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                                {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}});
  ASSERT_OK(jwk);
  const std::vector<std::string> parts = absl::StrSplit(kToken, '.');
  EXPECT_OK(jwk->key.Verify(SignatureAlgorithm::kEcdsaP256Sha256Raw, absl::StrCat(parts[0], ".", parts[1]),
                            *FromBase64Url(parts[2])));
  EXPECT_EQ(InsecureDecodeJws(kToken, 1000)->payload["iss"], "joe");
  // The RFC's header has no typ, so as a token it is refused.
  EXPECT_THAT(VerifyJws(kToken, {{*jwk}}, {"JWT", 1000, true}),
              StatusIs(v1::DENY_REASON_JWS_MALFORMED, ::testing::HasSubstr("typ")));
}

TEST(JwsTest, RefusesWrongForm) {
  const std::string token = *SignJws(Key(), "k1", "twi+jwt", kPayload);
  const auto malformed = StatusIs(v1::DENY_REASON_JWS_MALFORMED);
  const std::size_t first = token.find('.'), last = token.rfind('.');
  const std::string head = token.substr(0, first), body = token.substr(first + 1, last - first - 1),
                    sig = token.substr(last + 1);
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("..."), head, head + "." + body, token + ".",
        "." + token, token + ".x", head + ".." + sig, "." + body + "." + sig, head + "." + body + ".", token + "=",
        " " + token, token + "\n", head + "+." + body + "." + sig, std::string("{\"payload\":\"\"}")}) {
    EXPECT_THAT(VerifyJws(bad, SetOf(Key()), kExpect), malformed) << bad;
    EXPECT_THAT(InsecureDecodeJws(bad, 100000), malformed) << bad;
  }
  EXPECT_THAT(VerifyJws(token, SetOf(Key()), {"twi+jwt", token.size() - 1}), malformed);
  EXPECT_OK(VerifyJws(token, SetOf(Key()), {"twi+jwt", token.size()}));
  EXPECT_THAT(VerifyJws(std::string(9000, 'A') + "." + body + "." + sig, SetOf(Key()), kExpect), malformed);
}

TEST(JwsTest, RefusesEveryTurnedCharacter) {
  const std::string token = *SignJws(Key(), "k1", "twi+jwt", kPayload);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string turned = token;
    turned[i] = turned[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(VerifyJws(turned, SetOf(Key()), kExpect).ok()) << i;
    EXPECT_FALSE(VerifyJws(token.substr(0, i), SetOf(Key()), kExpect).ok()) << i;
  }
}

TEST(JwsTest, RefusesHeaders) {
  const auto malformed = StatusIs(v1::DENY_REASON_JWS_MALFORMED);
  ASSERT_OK(VerifyJws(Token(R"({"alg":"ES256","kid":"k1","typ":"twi+jwt"})"), SetOf(Key()), kExpect));
  EXPECT_OK(
      VerifyJws(Token(R"({"alg":"ES256","kid":"k1","typ":"TWI+JWT","extra":1,"jwk":{}})"), SetOf(Key()), kExpect));
  for (const char* bad : {R"({"alg":"ES256","kid":"k1"})",
                          R"({"alg":"ES256","kid":"k1","typ":""})",
                          R"({"alg":"ES256","kid":"k1","typ":"JWT"})",
                          R"({"alg":"ES256","kid":"k1","typ":1})",
                          R"({"alg":"ES256","kid":"k1","typ":"twi+jwt","crit":[]})",
                          R"({"alg":"ES256","kid":"k1","typ":"twi+jwt","b64":true})",
                          R"({"alg":"ES256","kid":"k1","typ":"twi+jwt","jku":"u"})",
                          R"({"alg":"ES256","kid":"k1","typ":"twi+jwt","x5u":"u"})",
                          R"({"alg":"ES256","alg":"ES256","kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":"none","kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":"None","kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":"HS256","kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":"es256","kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":"ES512","kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":1,"kid":"k1","typ":"twi+jwt"})",
                          R"({"kid":"k1","typ":"twi+jwt"})",
                          R"({"alg":"ES256","kid":1,"typ":"twi+jwt"})",
                          R"({"alg":"ES256","kid":"","typ":"twi+jwt"})",
                          R"(["alg"])",
                          R"("alg")",
                          R"()",
                          R"({)"}) {
    EXPECT_THAT(VerifyJws(Token(bad), SetOf(Key()), kExpect), malformed) << bad;
  }
  EXPECT_THAT(VerifyJws(Token(R"({"alg":"ES256","kid":"k1","typ":""})"), SetOf(Key()), {""}),
              malformed);  // an empty expectation expects nothing
}

TEST(JwsTest, RefusesKeys) {
  const std::string token = *SignJws(Key(), "k1", "twi+jwt", kPayload);
  EXPECT_THAT(VerifyJws(token, SetOf(Key(), "k2"), kExpect), StatusIs(v1::DENY_REASON_JWS_KEY_UNKNOWN));
  EXPECT_THAT(VerifyJws(token, {}, kExpect), StatusIs(v1::DENY_REASON_JWS_KEY_UNKNOWN));
  EXPECT_THAT(VerifyJws(token, SetOf(Key(), ""), kExpect), StatusIs(v1::DENY_REASON_JWS_KEY_UNKNOWN));
  EXPECT_OK(VerifyJws(token, SetOf(Key(), "k1", "ES256"), kExpect));
  // The header's alg must fit the key, and be the key's own when it says one.
  for (const char* alg : {"ES384", "EdDSA", "RS256", "PS256"}) {
    const std::string other = Token(absl::StrCat(R"({"alg":")", alg, R"(","kid":"k1","typ":"twi+jwt"})"));
    EXPECT_THAT(VerifyJws(other, SetOf(Key()), kExpect), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID)) << alg;
  }
  const PrivateKey rsa = *PrivateKey::Generate(KeyType::kRsa3072);
  const std::string rs256 = *SignJws(rsa, "k1", "twi+jwt", kPayload);
  EXPECT_OK(VerifyJws(rs256, SetOf(rsa, "k1", "RS256"), kExpect));
  EXPECT_THAT(VerifyJws(rs256, SetOf(rsa, "k1", "PS256"), kExpect), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
}

TEST(JwsTest, MissingKidOnlyWhenAllowed) {
  const std::string token = Token(R"({"alg":"ES256","typ":"twi+jwt"})");
  JwkSet keys = SetOf(*PrivateKey::Generate(KeyType::kP384), "other");
  keys.keys.push_back(SetOf(Key()).keys[0]);
  JwsExpectation expect = kExpect;
  EXPECT_THAT(VerifyJws(token, keys, expect), StatusIs(v1::DENY_REASON_JWS_KEY_UNKNOWN));
  expect.allow_missing_kid = true;
  EXPECT_OK(VerifyJws(token, keys, expect));
  keys.keys.pop_back();
  EXPECT_THAT(VerifyJws(token, keys, expect), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
  EXPECT_THAT(VerifyJws(token, {}, expect), StatusIs(v1::DENY_REASON_JWS_KEY_UNKNOWN));
}

TEST(JwsTest, RefusesPayloads) {
  const auto malformed = StatusIs(v1::DENY_REASON_JWS_MALFORMED);
  const char* const header = R"({"alg":"ES256","kid":"k1","typ":"twi+jwt"})";
  for (const std::string& bad :
       {std::string("[]"), std::string("1"), std::string("text"), std::string(R"({"a":1,"a":2})"), std::string("{} {}"),
        R"({"a":)" + std::string(32, '[') + std::string(32, ']') + "}"}) {
    EXPECT_THAT(VerifyJws(Token(header, bad), SetOf(Key()), kExpect), malformed) << bad;
  }
  EXPECT_OK(
      VerifyJws(Token(header, R"({"a":)" + std::string(31, '[') + std::string(31, ']') + "}"), SetOf(Key()), kExpect));
}

// EAR tokens of other implementations (shared vectors, ear/INDEX.md): the form and signature part of their verdicts.
TEST(JwsTest, EarTokens) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  const auto jwk = ParseJson(testing::ReadVector("ear/verifier-p256.pub.jwk"), 10000);
  ASSERT_OK(jwk);
  const auto key = JwkFromJson(*jwk);
  ASSERT_OK(key);
  const auto verify = [&](const std::string& file) {
    std::string token = testing::ReadVector("ear/" + file);
    while (!token.empty() && token.back() == '\n') token.pop_back();
    return VerifyJws(token, {{*key}}, {"JWT", 64 * 1024, true});
  };
  for (const char* good : {"ear-arc.jwt", "ear-arc-jwk-header.jwt", "ear-c-ear.jwt"}) EXPECT_OK(verify(good)) << good;
  EXPECT_OK(verify("ear-fail-empty-claims.jwt"));  // refused for its claims, which is the reader's business
  for (const char* bad : {"ear-fail-hs256.jwt", "ear-fail-alg-none.jwt", "tampered/ear-arc.alg-none-stripped.jwt",
                          "tampered/ear-arc.empty-sig.jwt"}) {
    EXPECT_THAT(verify(bad), StatusIs(v1::DENY_REASON_JWS_MALFORMED)) << bad;
  }
  for (const char* bad :
       {"tampered/ear-arc.sig-bit.jwt", "tampered/ear-arc.sig-der.jwt", "tampered/ear-arc.payload-status.jwt"}) {
    EXPECT_THAT(verify(bad), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID)) << bad;
  }
}

}  // namespace
}  // namespace twi::jose
