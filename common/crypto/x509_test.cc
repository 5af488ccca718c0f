// Certificates: what the builder makes, the parser reads; then everything that the parser and the path builder refuse.
#include "common/crypto/x509.h"

#include <deque>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::crypto {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

const absl::Time kNow = absl::FromUnixSeconds(1790000000);

const PrivateKey& KeyNo(std::size_t i) {
  static auto* const keys = new std::deque<PrivateKey>;  // references stay valid as it grows
  while (keys->size() <= i) keys->push_back(*PrivateKey::Generate(KeyType::kP256));
  return (*keys)[i];
}

CertificateTemplate CaTemplate(absl::string_view issuer, absl::string_view subject, const PrivateKey& key) {
  CertificateTemplate cert;
  cert.serial = "\x01";
  cert.issuer_der = NameFromCommonName(issuer);
  cert.subject_der = NameFromCommonName(subject);
  cert.not_before = kNow - absl::Hours(1);
  cert.not_after = kNow + absl::Hours(1);
  cert.subject_spki = key.public_key().spki();
  cert.is_ca = true;
  cert.key_usage = kKeyUsageKeyCertSign | kKeyUsageCrlSign;
  return cert;
}

CertificateTemplate LeafTemplate(absl::string_view issuer, const PrivateKey& key) {
  CertificateTemplate cert = CaTemplate(issuer, "leaf", key);
  cert.is_ca = false;
  cert.key_usage = kKeyUsageDigitalSignature;
  cert.extended_key_usage = {kEkuServerAuth, kEkuClientAuth};
  cert.uri_sans = {"spiffe://example.org/w"};
  cert.dns_sans = {"w.example.org"};
  return cert;
}

Certificate Sign(const CertificateTemplate& cert, const PrivateKey& issuer) {
  const auto der = SignCertificate(cert, issuer);
  EXPECT_OK(der);
  auto parsed = ParseCertificate(*der);
  EXPECT_OK(parsed);
  return *std::move(parsed);
}

// root (key 0) -> intermediate (key 1) -> leaf (key 2)
struct Chain {
  CertificateTemplate root = CaTemplate("root", "root", KeyNo(0));
  CertificateTemplate middle = CaTemplate("root", "middle", KeyNo(1));
  CertificateTemplate leaf = LeafTemplate("middle", KeyNo(2));
  PathOptions options{kNow, 6, {}};
  absl::StatusOr<std::vector<Certificate>> Build() const {
    return BuildPath(Sign(leaf, KeyNo(1)), {Sign(middle, KeyNo(0))}, {Sign(root, KeyNo(0))}, options);
  }
};

TEST(X509Test, ReadsWhatTheBuilderMakes) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.serial = std::string("\x00\x8f\x01", 3);
  t.authority_key_id = std::string(20, 'k');
  t.extensions = {{"1.3.6.1.4.1.3704.1.1", false, "value"}};
  const Certificate cert = Sign(t, KeyNo(1));
  EXPECT_EQ(ToHex(cert.serial), "008f01");
  EXPECT_EQ(cert.issuer_common_name, "issuer");
  EXPECT_EQ(cert.subject_common_name, "leaf");
  EXPECT_EQ(cert.subject_der, t.subject_der);
  EXPECT_EQ(cert.not_before, t.not_before);
  EXPECT_EQ(cert.not_after, t.not_after);
  EXPECT_EQ(cert.public_key, KeyNo(2).public_key());
  EXPECT_FALSE(cert.is_ca);
  EXPECT_EQ(cert.key_usage, kKeyUsageDigitalSignature);
  EXPECT_THAT(cert.extended_key_usage, ElementsAre(kEkuServerAuth, kEkuClientAuth));
  EXPECT_THAT(cert.uri_sans, ElementsAre("spiffe://example.org/w"));
  EXPECT_THAT(cert.dns_sans, ElementsAre("w.example.org"));
  EXPECT_EQ(cert.other_sans, 0);
  ASSERT_NE(cert.Find("1.3.6.1.4.1.3704.1.1"), nullptr);
  EXPECT_EQ(cert.Find("1.3.6.1.4.1.3704.1.1")->value, "value");
  EXPECT_EQ(cert.Find("2.5.29.14")->value, absl::StrCat("\x04\x14", SubjectKeyId(t.subject_spki)));
  EXPECT_FALSE(cert.Find("2.5.29.17")->critical);
  EXPECT_EQ(cert.Find("1.2.3"), nullptr);
  EXPECT_EQ(cert.sha256(), Sha256(cert.der));
  EXPECT_OK(VerifyCertificateSignature(cert, KeyNo(1).public_key()));
}

TEST(X509Test, EveryIssuerKeyTypeSigns) {
  for (KeyType type : {KeyType::kP256, KeyType::kP384, KeyType::kEd25519, KeyType::kRsa3072}) {
    const PrivateKey key = *PrivateKey::Generate(type);
    for (bool pss : {false, true}) {
      const auto der = SignCertificate(LeafTemplate("i", KeyNo(2)), key, pss);
      ASSERT_EQ(der.ok(), !pss || type == KeyType::kRsa3072);
      if (!der.ok()) continue;
      const Certificate cert = *ParseCertificate(*der);
      EXPECT_OK(VerifyCertificateSignature(cert, key.public_key()));
      EXPECT_THAT(VerifyCertificateSignature(cert, KeyNo(3).public_key()),
                  StatusIs(v1::DENY_REASON_CERTIFICATE_SIGNATURE_INVALID));
    }
  }
}

TEST(X509Test, EmptySubjectMakesTheSanCritical) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.subject_der = EmptyName();
  const Certificate cert = Sign(t, KeyNo(1));
  EXPECT_EQ(cert.subject_common_name, "");
  EXPECT_TRUE(cert.Find("2.5.29.17")->critical);
}

TEST(X509Test, TimesChangeFormIn2050) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.not_before = absl::FromCivil(absl::CivilSecond(2049, 12, 31, 23, 59, 59), absl::UTCTimeZone());
  t.not_after = absl::FromCivil(absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::UTCTimeZone());
  const Certificate cert = Sign(t, KeyNo(1));
  EXPECT_EQ(cert.not_before, t.not_before);
  EXPECT_EQ(cert.not_after, t.not_after);
  EXPECT_THAT(cert.tbs, HasSubstr(absl::string_view("\x17\x0d"
                                                    "491231235959Z\x18\x0f"
                                                    "99991231235959Z")));
}

TEST(X509Test, BuilderRefusesUnusableTemplates) {
  const auto refused = [](void (*change)(CertificateTemplate&)) {
    CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
    change(t);
    return SignCertificate(t, KeyNo(1)).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.serial = ""; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.serial = std::string(3, '\0'); }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.serial = std::string(20, '\x80'); }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.serial = std::string(21, '\x01'); }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.issuer_der = ""; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.subject_spki = "x"; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.key_usage = 0; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.path_len = 0; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.not_after = t.not_before - absl::Seconds(1); }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.not_after = absl::InfiniteFuture(); }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.extended_key_usage = {"not an oid"}; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) { t.uri_sans = {""}; }));
  EXPECT_TRUE(refused([](CertificateTemplate& t) {
    t.subject_der = EmptyName();
    t.uri_sans = t.dns_sans = {};
  }));
  EXPECT_EQ(NameFromCommonName(""), "");
  EXPECT_EQ(NameFromCommonName(std::string(65, 'x')), "");
}

TEST(X509ParseTest, RefusesEveryCutAndTrailingBytes) {
  const std::string der = Sign(LeafTemplate("issuer", KeyNo(2)), KeyNo(1)).der;
  const auto malformed = StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED);
  for (std::size_t size = 0; size < der.size(); ++size)
    EXPECT_THAT(ParseCertificate(der.substr(0, size)), malformed) << size;
  EXPECT_THAT(ParseCertificate(der + '\0'), malformed);
  EXPECT_THAT(ParseCertificate(std::string(17 * 1024, '\x30')),
              StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED, HasSubstr("16 KiB")));
}

TEST(X509ParseTest, ATurnedBitDoesNotParseOrDoesNotVerify) {
  const std::string der = Sign(LeafTemplate("issuer", KeyNo(2)), KeyNo(1)).der;
  for (std::size_t i = 0; i < der.size(); ++i) {
    std::string turned = der;
    turned[i] = static_cast<char>(turned[i] ^ (1 << (i % 8)));
    const auto cert = ParseCertificate(turned);
    if (!cert.ok()) continue;
    EXPECT_THAT(VerifyCertificateSignature(*cert, KeyNo(1).public_key()),
                StatusIs(v1::DENY_REASON_CERTIFICATE_SIGNATURE_INVALID))
        << i;
  }
}

// Changes bytes of the template's certificate (same length), so that only the parser can object.
absl::Status ParseWith(const CertificateTemplate& t, absl::string_view from, absl::string_view to) {
  std::string der = *SignCertificate(t, KeyNo(1));
  const std::size_t at = der.find(std::string(from));
  EXPECT_NE(at, std::string::npos);
  der.replace(at, from.size(), std::string(to));
  return ParseCertificate(der).status();
}

TEST(X509ParseTest, RefusesWrongFields) {
  const CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  const auto malformed = StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED);
  EXPECT_OK(ParseWith(t, "issuer", "Issuer"));
  EXPECT_THAT(ParseWith(t, "issuer", absl::string_view("iss\0er", 6)), malformed);
  EXPECT_THAT(ParseWith(t, "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x03"), malformed);  // version 4
  EXPECT_THAT(ParseWith(t, "\xa0\x03\x02\x01\x02", absl::string_view("\xa0\x03\x02\x01\x00", 5)),
              malformed);  // v1, written out
  EXPECT_THAT(ParseWith(t, "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x01"),
              StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED, HasSubstr("version 3")));
  EXPECT_THAT(ParseWith(t, "\x02\x01\x01\x30", "\x03\x01\x01\x30"), malformed);  // serial not INTEGER
  EXPECT_THAT(ParseWith(t, "\x04\x03\x02\x30", "\x04\x03\x03\x30"),
              StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED, HasSubstr("differ")));
  EXPECT_THAT(ParseWith(t, "\x86\x16spiffe://", "\x86\x16spiffe:/\n"), malformed);
  EXPECT_THAT(ParseWith(t, "\x86\x16spiffe://", "\x89\x16spiffe://"), malformed);  // GeneralName [9] does not exist
}

TEST(X509ParseTest, RefusesTimesThatDoNotExist) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.not_before = absl::FromCivil(absl::CivilSecond(2024, 2, 29, 1, 2, 3), absl::UTCTimeZone());
  const char* const from = "240229010203Z";
  EXPECT_OK(ParseWith(t, from, "240228010203Z"));
  for (const char* bad :
       {"230229010203Z", "241301010203Z", "240229240203Z", "240229016003Z", "240229010260Z", "240200010203Z",
        "24022901020aZ", "240229010203+", "-40229010203Z", "2402290102030", " 40229010203Z"}) {
    EXPECT_THAT(ParseWith(t, from, bad), StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED, "validity")) << bad;
  }
}

TEST(X509ParseTest, RefusesDuplicateExtensions) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.extensions = {{"1.2.3.4", false, "a"}, {"1.2.3.4", false, "b"}};
  EXPECT_THAT(ParseCertificate(*SignCertificate(t, KeyNo(1))),
              StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED, HasSubstr("twice")));
  t.extensions = {{"2.5.29.15", true, "\x03\x02\x07\x80"}};
  EXPECT_THAT(ParseCertificate(*SignCertificate(t, KeyNo(1))), StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED));
}

TEST(X509ParseTest, RefusesKnownExtensionsThatDoNotParse) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.uri_sans = t.dns_sans = t.extended_key_usage = {};
  const std::vector<std::pair<std::string, std::string>> bad = {{"2.5.29.17", ""},
                                                                {"2.5.29.17", "3000"},
                                                                {"2.5.29.17", "30020161"},
                                                                {"2.5.29.17",
                                                                 "3003860161"
                                                                 "00"},
                                                                {"2.5.29.17", "30028600"},
                                                                {"2.5.29.17", "300386010a"},
                                                                {"2.5.29.37", "3000"},
                                                                {"2.5.29.37", "3003020101"}};
  for (const auto& [oid, value] : bad) {
    t.extensions = {{oid, false, *FromHex(value)}};
    EXPECT_THAT(ParseCertificate(*SignCertificate(t, KeyNo(1))), StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED))
        << oid << " " << value;
  }
}

TEST(X509ParseTest, CountsOtherSans) {
  CertificateTemplate t = LeafTemplate("issuer", KeyNo(2));
  t.uri_sans = t.dns_sans = {};
  t.extensions = {{"2.5.29.17", true,
                   *FromHex("300a"
                            "87047f000001"
                            "a4023000")}};
  const Certificate cert = Sign(t, KeyNo(1));
  EXPECT_EQ(cert.other_sans, 2);
}

TEST(X509ParseTest, PemListsKeepTheirOrder) {
  const std::string a = Sign(CaTemplate("r", "a", KeyNo(0)), KeyNo(0)).der,
                    b = Sign(CaTemplate("r", "b", KeyNo(0)), KeyNo(0)).der;
  const std::string pem = absl::StrCat("a text\n", CertificateToPem(a), "between\n", CertificateToPem(b), "after");
  const auto both = ParseCertificates(pem);
  ASSERT_OK(both);
  ASSERT_EQ(both->size(), 2u);
  EXPECT_EQ((*both)[0].der, a);
  EXPECT_EQ((*both)[1].der, b);
  EXPECT_EQ(ParseCertificates(a)->size(), 1u);
  std::string crlf;
  for (const char c : CertificateToPem(a)) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_OK(ParseCertificates(crlf));
}

TEST(X509ParseTest, RefusesBadPemLists) {
  const std::string pem = CertificateToPem(Sign(CaTemplate("r", "a", KeyNo(0)), KeyNo(0)).der);
  const auto malformed = StatusIs(v1::DENY_REASON_CERTIFICATE_MALFORMED);
  std::string many, broken = pem;
  for (int i = 0; i < 17; ++i) many += pem;
  broken[100] = '!';
  for (const std::string& bad :
       {std::string(), std::string("text"), pem.substr(0, pem.size() - 20), pem + pem.substr(0, 60), many, broken,
        std::string("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")}) {
    EXPECT_THAT(ParseCertificates(bad), malformed);
  }
  EXPECT_THAT(ParseCertificates(std::string(600 * 1024, '-')), malformed);
}

TEST(X509PathTest, BuildsThroughIntermediatesInAnyOrder) {
  Chain chain;
  const auto path = chain.Build();
  ASSERT_OK(path);
  ASSERT_EQ(path->size(), 3u);
  EXPECT_EQ((*path)[0].subject_common_name, "leaf");
  EXPECT_EQ((*path)[2].subject_common_name, "root");
  const std::vector<Certificate> pool = {Sign(CaTemplate("x", "y", KeyNo(3)), KeyNo(3)),
                                         Sign(CaTemplate("root", "middle", KeyNo(4)), KeyNo(0)),
                                         Sign(chain.middle, KeyNo(0))};
  EXPECT_OK(BuildPath(Sign(chain.leaf, KeyNo(1)), pool, {Sign(chain.root, KeyNo(0))}, chain.options));
}

TEST(X509PathTest, TakesPinnedIntermediatesAndPinnedLeaves) {
  Chain chain;
  const Certificate leaf = Sign(chain.leaf, KeyNo(1)), middle = Sign(chain.middle, KeyNo(0));
  EXPECT_EQ(BuildPath(leaf, {}, {middle}, chain.options)->size(), 2u);
  EXPECT_EQ(BuildPath(leaf, {middle}, {middle}, chain.options)->size(), 2u);
  EXPECT_EQ(BuildPath(leaf, {}, {leaf}, chain.options)->size(), 1u);
}

TEST(X509PathTest, RefusesUnknownAnchors) {
  Chain chain;
  const Certificate leaf = Sign(chain.leaf, KeyNo(1)), middle = Sign(chain.middle, KeyNo(0)),
                    root = Sign(chain.root, KeyNo(0));
  const auto unknown = StatusIs(v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN);
  EXPECT_THAT(BuildPath(leaf, {middle, root}, {}, chain.options), unknown);
  EXPECT_THAT(BuildPath(leaf, {}, {root}, chain.options), unknown);  // the intermediate is missing
  EXPECT_THAT(BuildPath(leaf, {middle, root}, {Sign(CaTemplate("other", "other", KeyNo(5)), KeyNo(5))}, chain.options),
              unknown);
  // A foreign root with the name of ours, as an attacker's chain has.
  EXPECT_THAT(BuildPath(leaf, {middle, root}, {Sign(CaTemplate("root", "root", KeyNo(5)), KeyNo(5))}, chain.options),
              unknown);
}

TEST(X509PathTest, RefusesExpiredAndFutureCertificatesAnywhere) {
  for (int which = 0; which < 3; ++which) {
    for (bool future : {false, true}) {
      Chain chain;
      CertificateTemplate& t = which == 0 ? chain.root : which == 1 ? chain.middle : chain.leaf;
      (future ? t.not_before : t.not_after) = kNow + (future ? absl::Seconds(1) : -absl::Seconds(1));
      EXPECT_THAT(chain.Build(), StatusIs(v1::DENY_REASON_ENDORSEMENT_EXPIRED)) << which << future;
      (future ? t.not_before : t.not_after) = kNow;
      EXPECT_OK(chain.Build());
    }
  }
}

TEST(X509PathTest, RefusesIssuersThatMayNotIssue) {
  const auto invalid = StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID);
  for (bool root : {false, true}) {
    Chain no_ca, no_usage;
    (root ? no_ca.root : no_ca.middle).is_ca = false;
    EXPECT_THAT(no_ca.Build(), invalid);
    (root ? no_usage.root : no_usage.middle).key_usage = kKeyUsageDigitalSignature;
    EXPECT_THAT(no_usage.Build(), invalid);
  }
}

TEST(X509PathTest, HoldsThePathLength) {
  Chain chain;
  chain.middle.path_len = 0;
  chain.root.path_len = 1;
  EXPECT_OK(chain.Build());
  chain.root.path_len = 0;
  EXPECT_THAT(chain.Build(), StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, HasSubstr("pathLen")));
  chain.root.path_len.reset();
  chain.options.max_depth = 3;
  EXPECT_OK(chain.Build());
  chain.options.max_depth = 2;
  EXPECT_THAT(chain.Build(), StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, HasSubstr("longer")));
}

TEST(X509PathTest, RefusesUnknownCriticalExtensionsUnlessHandled) {
  for (int which = 0; which < 3; ++which) {
    Chain chain;
    CertificateTemplate& t = which == 0 ? chain.root : which == 1 ? chain.middle : chain.leaf;
    t.extensions = {{"1.2.3.4", true, "x"}};
    EXPECT_THAT(chain.Build(), StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, HasSubstr("1.2.3.4")));
    chain.options.handled_critical_oids = {"1.2.3.4"};
    EXPECT_OK(chain.Build());
    t.extensions = {{"1.2.3.5", false, "x"}};
    EXPECT_OK(chain.Build());
    t.extensions = {{"2.5.29.30", false, "x"}};  // name constraints are never ignored
    EXPECT_THAT(chain.Build(), StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID));
  }
}

TEST(X509PathTest, RefusesWrongSignatures) {
  Chain chain;
  const Certificate root = Sign(chain.root, KeyNo(0)), middle = Sign(chain.middle, KeyNo(0));
  EXPECT_THAT(BuildPath(Sign(chain.leaf, KeyNo(4)), {middle}, {root}, chain.options),
              StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, HasSubstr("not signed by")));
  EXPECT_THAT(BuildPath(Sign(chain.leaf, KeyNo(1)), {Sign(chain.middle, KeyNo(4))}, {root}, chain.options),
              StatusIs(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID));
  // The leaf's own key, self-signed under the issuer's name.
  EXPECT_FALSE(BuildPath(Sign(chain.leaf, KeyNo(2)), {middle}, {root}, chain.options).ok());
}

TEST(X509PathTest, EndsOnLoopsAndManyCandidates) {
  Chain chain;
  // a -> b -> a: cross-signed, no anchor.
  const Certificate ab = Sign(CaTemplate("b", "a", KeyNo(0)), KeyNo(1)),
                    ba = Sign(CaTemplate("a", "b", KeyNo(1)), KeyNo(0));
  EXPECT_FALSE(
      BuildPath(Sign(LeafTemplate("a", KeyNo(2)), KeyNo(0)), {ab, ba}, {Sign(chain.root, KeyNo(5))}, chain.options)
          .ok());
  std::vector<Certificate> many;
  for (std::size_t i = 0; i < 20; ++i) {
    CertificateTemplate t = CaTemplate("same", "same", KeyNo(10 + i));
    many.push_back(Sign(t, KeyNo(10)));
  }
  EXPECT_FALSE(
      BuildPath(Sign(LeafTemplate("same", KeyNo(2)), KeyNo(10)), many, {Sign(chain.root, KeyNo(5))}, chain.options)
          .ok());
}

}  // namespace
}  // namespace twi::crypto
