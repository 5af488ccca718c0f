// The leaf, its KAT, the subject that both stand for, and what the identity key signs.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/attester.h"
#include "common/attested_tls/cmw.h"
#include "common/attested_tls/code_points.h"
#include "common/attested_tls/leaf.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/crypto/x509_builder.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"

namespace twi::atls {
namespace {

using ::twi::testing::FakeClock;
using ::twi::testing::FakeRandom;
using ::twi::testing::IsOk;
using ::twi::testing::StatusIs;

const auto kMalformed = StatusIs(v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED);
const auto kBadLeaf = StatusIs(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID);

crypto::PrivateKey Key(crypto::KeyType type = crypto::KeyType::kP256) { return *crypto::PrivateKey::Generate(type); }

TEST(CmwTest, ReadsBackEverySizeOfLength) {
  for (const std::size_t size : {1, 20, 23, 24, 100, 255, 256, 70'000}) {
    const CmwRecord record{kEvidenceMediaType, std::string(size, 'v')};
    ASSERT_OK_AND_ASSIGN(const CmwRecord read, ReadCmwExtension(WriteCmwExtension(record)));
    EXPECT_EQ(read.media_type, record.media_type);
    EXPECT_EQ(read.value, record.value) << size;
  }
}

TEST(CmwTest, RefusesEveryTruncationAndSurplus) {
  const std::string whole = WriteCmwExtension({"a/b", "value"});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(ReadCmwExtension(whole.substr(0, size)), kMalformed) << size;
  EXPECT_THAT(ReadCmwExtension(whole + "x"), kMalformed);
}

// 04 len 83 63 "a/b" 41 "v" 04
TEST(CmwTest, RefusesOtherFormsOfCborAndDer) {
  EXPECT_THAT(ReadCmwExtension("\x04\x08\x83\x63"
                               "a/b\x41v\x04"),
              IsOk());
  EXPECT_THAT(ReadCmwExtension("\x04\x07\x82\x63"
                               "a/b\x41v"),
              IsOk());  // the indicator is optional
  for (const char* refused : {
           "\x0C\x08\x83\x63"
           "a/b\x41v\x04",  // the choice json
           "\x04\x81\x08\x83\x63"
           "a/b\x41v\x04",  // DER length not in its shortest form
           "\x04\x09\x98\x03\x63"
           "a/b\x41v\x04",  // CBOR length not in its shortest form
           "\x04\x09\x9F\x63"
           "a/b\x41v\x04\xFF",  // indefinite length
           "\x04\x08\x83\x43"
           "a/b\x41v\x04",  // the type is bytes
           "\x04\x08\x83\x63"
           "a/b\x61v\x04",  // the value is text
           "\x04\x08\x83\x63"
           "a/b\x41v\x08",  // Attestation Results, not Evidence
           "\x04\x08\x84\x63"
           "a/b\x41v\x04",  // an array of four
           "\x04\x07\x83\x63"
           "a/b\x40\x04",  // an empty value
           "\x04\x08\xA3\x63"
           "a/b\x41v\x04",  // a map
       }) {
    EXPECT_THAT(ReadCmwExtension(refused), kMalformed);
  }
}

TEST(LeafTest, ReadsBackWithAndWithoutKat) {
  const crypto::PrivateKey key = Key();
  FakeRandom random;
  const absl::Time now = FakeClock().Now();
  ASSERT_OK_AND_ASSIGN(const std::string plain, MakeLeaf(key, std::nullopt, now, random));
  ASSERT_OK_AND_ASSIGN(const Leaf read, ReadLeaf(plain, now));
  EXPECT_EQ(read.spki, key.public_key().spki());
  EXPECT_EQ(read.key_sha256, key.public_key().spki_sha256());
  EXPECT_FALSE(read.kat.has_value());
  ASSERT_OK_AND_ASSIGN(const std::string with, MakeLeaf(key, CmwRecord{"a/b", "evidence"}, now, random));
  ASSERT_OK_AND_ASSIGN(const Leaf with_kat, ReadLeaf(with, now));
  ASSERT_TRUE(with_kat.kat.has_value());
  EXPECT_EQ(with_kat.kat->value, "evidence");
}

TEST(LeafTest, RefusesHugeKats) {
  FakeRandom random;
  const absl::Time now = FakeClock().Now();
  const auto too_large = StatusIs(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE);
  EXPECT_THAT(MakeLeaf(Key(), CmwRecord{"a/b", std::string(kMaxLeaf, 'x')}, now, random), too_large);
  EXPECT_THAT(ReadLeaf(std::string(kMaxLeaf + 1, 'x'), now), too_large);
}

TEST(LeafTest, RefusesLeavesOutsideTheirTime) {
  FakeRandom random;
  const absl::Time now = FakeClock().Now();
  ASSERT_OK_AND_ASSIGN(const std::string der, MakeLeaf(Key(), std::nullopt, now, random));
  EXPECT_THAT(ReadLeaf(der, now + kLeafLifetime + absl::Seconds(1)), kBadLeaf);
  EXPECT_THAT(ReadLeaf(der, now - absl::Minutes(6)), kBadLeaf);
}

class OtherLeafTest : public ::testing::Test {
 protected:
  OtherLeafTest() {
    template_.serial = "\x01";
    template_.issuer_der = template_.subject_der = crypto::NameFromCommonName("leaf");
    template_.not_before = now_ - absl::Minutes(1);
    template_.not_after = now_ + absl::Hours(1);
    template_.subject_spki = key_.public_key().spki();
    template_.key_usage = crypto::kKeyUsageDigitalSignature;
  }
  absl::StatusOr<Leaf> Read(const crypto::PrivateKey& signer) {
    return ReadLeaf(*crypto::SignCertificate(template_, signer), now_);
  }
  const absl::Time now_ = FakeClock().Now();
  const crypto::PrivateKey key_ = Key();
  crypto::CertificateTemplate template_;
};

TEST_F(OtherLeafTest, AcceptsTheValidOneItStartsFrom) { EXPECT_THAT(Read(key_), IsOk()); }
TEST_F(OtherLeafTest, RefusesALeafOfAnotherSigner) { EXPECT_THAT(Read(Key()), kBadLeaf); }
TEST_F(OtherLeafTest, RefusesALeafOfAnotherIssuer) {
  template_.issuer_der = crypto::NameFromCommonName("a CA");
  EXPECT_THAT(Read(key_), kBadLeaf);
}
TEST_F(OtherLeafTest, RefusesACa) {
  template_.is_ca = true;
  template_.key_usage |= crypto::kKeyUsageKeyCertSign;
  EXPECT_THAT(Read(key_), kBadLeaf);
}
TEST_F(OtherLeafTest, RefusesAKeyThatMayNotSign) {
  template_.key_usage = crypto::kKeyUsageKeyEncipherment;
  EXPECT_THAT(Read(key_), kBadLeaf);
}
TEST_F(OtherLeafTest, RefusesAnotherKeyType) {
  const crypto::PrivateKey p384 = Key(crypto::KeyType::kP384);
  template_.subject_spki = p384.public_key().spki();
  EXPECT_THAT(Read(p384), kBadLeaf);
}
TEST_F(OtherLeafTest, RefusesACriticalCmw) {
  template_.extensions.push_back({kCmwOid, true, WriteCmwExtension({"a/b", "v"})});
  EXPECT_THAT(Read(key_), kBadLeaf);
}
TEST_F(OtherLeafTest, RefusesATruncatedKat) {
  template_.extensions.push_back({kCmwOid, false, WriteCmwExtension({"a/b", "v"}).substr(0, 6)});
  EXPECT_THAT(Read(key_), kMalformed);
}
TEST(LeafTest, RefusesNonsense) { EXPECT_THAT(ReadLeaf("nonsense", FakeClock().Now()), kBadLeaf); }

TEST(AttestedKeyTest, TargetsNameProfileAndRole) {
  EXPECT_EQ(BindingTarget(Profile::kSession, Role::kServer), "twi-atls-v1:session:server");
  EXPECT_EQ(BindingTarget(Profile::kHandshake, Role::kClient), "twi-atls-v1:handshake:client");
  EXPECT_TRUE(IsBindingTarget("twi-atls-v1:session:client"));
  EXPECT_FALSE(IsBindingTarget("https://db.example.org"));
}

TEST(AttestedKeyTest, SubjectReadsBack) {
  const std::string spki = Key().public_key().spki();
  for (const AttestedKeySubject& subject :
       {AttestedKeySubject{spki, "", ""}, AttestedKeySubject{spki, std::string(32, 'e'), std::string(32, 'p')}}) {
    ASSERT_OK_AND_ASSIGN(const AttestedKeySubject read, ReadSubject(WriteSubject(subject)));
    EXPECT_EQ(read.spki, subject.spki);
    EXPECT_EQ(read.exporter, subject.exporter);
    EXPECT_EQ(read.peer_key_sha256, subject.peer_key_sha256);
  }
}

TEST(AttestedKeyTest, RefusesSubjectsOfAnotherShape) {
  const auto malformed = StatusIs(v1::DENY_REASON_REQUEST_MALFORMED);
  const std::string spki = Key().public_key().spki(), hash(32, 'h');
  EXPECT_THAT(ReadSubject(""), malformed);
  EXPECT_THAT(ReadSubject(spki), malformed);
  EXPECT_THAT(ReadSubject(WriteSubject({spki, hash, ""})), malformed);
  EXPECT_THAT(ReadSubject(WriteSubject({spki, "", hash})), malformed);
  EXPECT_THAT(ReadSubject(WriteSubject({spki, "short", "short"})), malformed);
  EXPECT_THAT(ReadSubject(WriteSubject({"no key", hash, hash})), malformed);
  EXPECT_THAT(ReadSubject(WriteSubject({Key(crypto::KeyType::kEd25519).public_key().spki(), hash, hash})), malformed);
  EXPECT_THAT(ReadSubject(WriteSubject({spki, hash, hash}) + "x"), malformed);
}

// Every input of the binder changes the value (wire-formats section 6): label, role, exporter, own leaf, peer's leaf,
// nonce, and the relying party besides.
TEST(AttestedKeyTest, EveryInputChangesTheBinding) {
  const std::string a = Key().public_key().spki(), b = Key().public_key().spki();
  const std::string e(32, 'e'), p(32, 'p'), n(32, 'n'), rp = "https://rp.example.org";
  const std::string value = BindingValue64(MakeBinding(Profile::kSession, Role::kServer, n, rp, {a, e, p}));
  EXPECT_NE(value, BindingValue64(MakeBinding(Profile::kHandshake, Role::kServer, n, rp, {a, e, p})));
  EXPECT_NE(value, BindingValue64(MakeBinding(Profile::kSession, Role::kClient, n, rp, {a, e, p})));
  EXPECT_NE(value, BindingValue64(MakeBinding(Profile::kSession, Role::kServer, e, rp, {a, e, p})));
  EXPECT_NE(value,
            BindingValue64(MakeBinding(Profile::kSession, Role::kServer, n, "https://x.example.org", {a, e, p})));
  EXPECT_NE(value, BindingValue64(MakeBinding(Profile::kSession, Role::kServer, n, rp, {b, e, p})));
  EXPECT_NE(value, BindingValue64(MakeBinding(Profile::kSession, Role::kServer, n, rp, {a, p, p})));
  EXPECT_NE(value, BindingValue64(MakeBinding(Profile::kSession, Role::kServer, n, rp, {a, e, e})));
  EXPECT_THAT(ValidateBinding(MakeBinding(Profile::kSession, Role::kServer, n, rp, {a, e, p})), IsOk());
}

class AttesterTest : public ::testing::Test {
 protected:
  AttesterTest() {
    attester_ = *MakeAttester(
        [](const v1::Binding& binding) -> absl::StatusOr<v1::Evidence> {
          v1::Evidence evidence;
          evidence.mutable_sev_snp()->set_report(BindingValue64(binding));
          return evidence;
        },
        random_);
  }
  FakeRandom random_;
  std::shared_ptr<const Attester> attester_;
};

TEST_F(AttesterTest, SignsCertificateVerifyOfBothRolesAndNothingElse) {
  const std::string spaces(64, ' '), zero(1, '\0'), hash(32, 'h');
  const auto refused = StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED);
  for (const char* role : {"server", "client"}) {
    const std::string context = absl::StrCat("TLS 1.3, ", role, " CertificateVerify");
    const std::string content = spaces + context + zero + hash;
    ASSERT_OK_AND_ASSIGN(const std::string signature, attester_->SignHandshake(content));
    ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(attester_->key_spki()));
    EXPECT_THAT(key.Verify(crypto::SignatureAlgorithm::kEcdsaP256Sha256, content, signature), IsOk());
    EXPECT_THAT(attester_->SignHandshake(content + "x"), refused);
    EXPECT_THAT(attester_->SignHandshake(context + zero + hash), refused);
  }
  EXPECT_THAT(attester_->SignHandshake(spaces + "TLS 1.3, somebody else" + zero + hash), refused);
  EXPECT_THAT(attester_->SignHandshake("a certificate"), refused);
  EXPECT_THAT(attester_->SignHandshake(""), refused);
}

TEST_F(AttesterTest, EachAttesterHasAKeyOfItsOwn) {
  EXPECT_NE(attester_->key_sha256(), (*MakeAttester(nullptr, random_))->key_sha256());
  EXPECT_EQ(attester_->key_sha256(), crypto::Sha256(attester_->key_spki()));
}

}  // namespace
}  // namespace twi::atls
