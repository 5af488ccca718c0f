#include "common/jose/jwk.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::jose {
namespace {

using crypto::KeyType;
using crypto::PrivateKey;
using crypto::PublicKey;
using nlohmann::json;
using testing::StatusIs;

// RFC 7638 3.1
constexpr char kRsaN[] =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W"
    "-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08q"
    "NLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
// RFC 8037 A.2
constexpr char kEdX[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

json P256Json() { return ToJson(Jwk{"k1", "", "", PrivateKey::Generate(KeyType::kP256)->public_key()}); }

TEST(JwkTest, ThumbprintsOfTheRfcs) {
  const auto rsa = JwkFromJson({{"kty", "RSA"}, {"n", kRsaN}, {"e", "AQAB"}, {"alg", "RS256"}, {"kid", "2011-04-29"}});
  ASSERT_OK(rsa);
  EXPECT_EQ(Thumbprint(rsa->key), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  EXPECT_EQ(rsa->kid, "2011-04-29");
  const auto ed = JwkFromJson({{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", kEdX}});
  ASSERT_OK(ed);
  EXPECT_EQ(Thumbprint(ed->key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

TEST(JwkTest, RoundTripsEveryType) {
  for (KeyType type : {KeyType::kP256, KeyType::kP384, KeyType::kEd25519, KeyType::kRsa3072}) {
    const Jwk jwk{"kid", "", "wit-svid", PrivateKey::Generate(type)->public_key()};
    const json out = ToJson(jwk);
    EXPECT_EQ(out["alg"], JwsAlgFor(type));
    const auto back = JwkFromJson(out);
    ASSERT_OK(back);
    EXPECT_EQ(back->key, jwk.key);
    EXPECT_EQ(back->kid, "kid");
    EXPECT_EQ(back->use, "wit-svid");
    EXPECT_EQ(Thumbprint(back->key), Thumbprint(jwk.key));
  }
}

TEST(JwkTest, RefusesPrivateMembers) {
  for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    json jwk = P256Json();
    jwk[name] = "AQAB";
    EXPECT_THAT(JwkFromJson(jwk), StatusIs(v1::DENY_REASON_JWK_MALFORMED, ::testing::HasSubstr("private"))) << name;
  }
}

TEST(JwkTest, RefusesWrongMembers) {
  const auto refused = StatusIs(v1::DENY_REASON_JWK_MALFORMED);
  const auto with = [](const char* name, const json& value) {
    json jwk = P256Json();
    jwk[name] = value;
    return JwkFromJson(jwk);
  };
  const json jwk = P256Json();
  EXPECT_OK(with("unknown", 1));  // RFC 7517 4: to be ignored
  EXPECT_OK(with("key_ops", json::array({"verify"})));
  EXPECT_THAT(with("key_ops", json::array({"sign"})), refused);
  EXPECT_THAT(with("key_ops", "verify"), refused);
  EXPECT_THAT(with("use", "enc"), refused);
  EXPECT_THAT(with("use", 1), refused);
  EXPECT_THAT(with("kid", 1), refused);
  EXPECT_THAT(with("kid", std::string(300, 'k')), refused);
  EXPECT_THAT(with("alg", "ES384"), refused);
  EXPECT_THAT(with("alg", "none"), refused);
  EXPECT_THAT(with("alg", "HS256"), refused);
  EXPECT_THAT(with("kty", "oct"), refused);
  EXPECT_THAT(with("kty", "RSA"), refused);
  EXPECT_THAT(with("crv", "P-521"), refused);
  EXPECT_THAT(with("crv", "P-384"), refused);
  EXPECT_THAT(with("crv", nullptr), refused);
  EXPECT_THAT(with("x", jwk["y"]), refused);  // off the curve
  EXPECT_THAT(with("x", jwk["x"].get<std::string>() + "="), refused);
  EXPECT_THAT(with("x", "AA"), refused);
  EXPECT_THAT(with("x", 5), refused);
  EXPECT_THAT(JwkFromJson(json::array()), refused);
  EXPECT_THAT(JwkFromJson("x"), refused);
  EXPECT_THAT(JwkFromJson(json::object()), refused);
  EXPECT_THAT(JwkFromJson({{"kty", "OKP"}, {"crv", "X25519"}, {"x", kEdX}}), refused);
  EXPECT_THAT(JwkFromJson({{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}}), refused);
  EXPECT_THAT(JwkFromJson({{"kty", "RSA"}, {"n", absl::StrCat("AAAA", kRsaN)}, {"e", "AQAB"}}),
              refused);  // leading zeros
  EXPECT_OK(JwkFromJson({{"kty", "RSA"}, {"n", kRsaN}, {"e", "AQAB"}, {"alg", "PS256"}}));
}

TEST(JwkSetTest, RoundTripsAndFinds) {
  JwkSet set;
  for (const char* kid : {"a", "b"})
    set.keys.push_back({kid, "", "", PrivateKey::Generate(KeyType::kP256)->public_key()});
  const auto back = JwkSetFromText(ToJson(set).dump());
  ASSERT_OK(back);
  ASSERT_EQ(back->keys.size(), 2u);
  ASSERT_NE(back->Find("b"), nullptr);
  EXPECT_EQ(back->Find("b")->key, set.keys[1].key);
  EXPECT_EQ(back->Find("c"), nullptr);
  EXPECT_EQ(back->Find(""), nullptr);
  EXPECT_OK(JwkSetFromText("{\"keys\":[]}"));
}

TEST(JwkSetTest, RefusesBadSets) {
  const auto refused = StatusIs(v1::DENY_REASON_JWK_MALFORMED);
  const json key = P256Json();
  json many = json::array();
  for (int i = 0; i < 33; ++i) {
    json k = key;
    k["kid"] = std::to_string(i);
    many.push_back(k);
  }
  EXPECT_THAT(JwkSetFromJson({{"keys", many}}), refused);
  EXPECT_THAT(JwkSetFromJson({{"keys", json::array({key, key})}}), refused);  // the same kid
  EXPECT_THAT(JwkSetFromJson({{"keys", key}}), refused);
  EXPECT_THAT(JwkSetFromJson({{"keys", json::array({1})}}), refused);
  EXPECT_THAT(JwkSetFromJson(json::object()), refused);
  EXPECT_THAT(JwkSetFromJson(json::array({key})), refused);
  EXPECT_THAT(JwkSetFromText(""), refused);
  EXPECT_THAT(JwkSetFromText("{\"keys\":[],\"keys\":[]}"), refused);
  EXPECT_THAT(JwkSetFromText(std::string(70000, ' ') + "{\"keys\":[]}"), refused);
}

}  // namespace
}  // namespace twi::jose
