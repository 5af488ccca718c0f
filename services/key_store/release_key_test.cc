// D acquisition at the Key Store, through the real door.
#include "services/key_store/release_key.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/crypto/hash.h"
#include "common/sealed_key/sealed_key.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/key_store/testing/key_store_under_test.h"

namespace twi::key_store {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class ReleaseKeyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.Start();
    made_ = store_.Provision();
    key_id_ = made_.key_id();
  }
  absl::StatusOr<v1::ReleaseKeyResponse> Ask(const KeyStoreUnderTest::Workload& workload,
                                             const v1::ReleaseKeyRequest& request) {
    return workload.client->ReleaseKey(request, store_.deadline());
  }
  // A workload for which everything is right but what `change` does to its Attestation Results.
  absl::StatusOr<v1::ReleaseKeyResponse> AskWith(const std::function<void(AttestationResults&)>& change) {
    const auto workload = store_.NewWorkload();
    AttestationResults results = store_.ResultsFor(workload);
    change(results);
    return Ask(workload, store_.RequestFor(workload, key_id_, results));
  }
  absl::StatusOr<SecretBytes> Open(const KeyStoreUnderTest::Workload& workload, const v1::ReleaseKeyRequest& request,
                                   const std::string& sealed_key) {
    const auto keys = jose::JwkSetFromText(workload.client->GetKeyStoreKeys(store_.deadline())->jwks());
    SealedKeyContext context{kRpId, kTarget, workload.binding.nonce(), key_id_,
                             crypto::Sha256(request.attestation_results())};
    return OpenSealedKey(sealed_key, *keys, kKeyStoreId, context, workload.encryption_key);
  }
  ReleaseRecord LastRecord() { return store_.records->OfKey(key_id_)->back(); }

  KeyStoreUnderTest store_;
  v1::ProvisionKeyResponse made_;
  std::string key_id_;
};

TEST_F(ReleaseKeyTest, TheAttestedWorkloadGetsTheKey) {
  // D5
  const auto workload = store_.NewWorkload();
  const auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  // D6 D7
  ASSERT_OK_AND_ASSIGN(const v1::ReleaseKeyResponse released, Ask(workload, request));
  // D8
  ASSERT_OK_AND_ASSIGN(const SecretBytes pkcs8, Open(workload, request, released.sealed_key()));
  ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey key, crypto::PrivateKey::FromPkcs8(pkcs8));
  EXPECT_EQ(key.public_key().spki(), made_.public_key());
  const ReleaseRecord record = LastRecord();
  EXPECT_EQ(record.reason, v1::DENY_REASON_UNSPECIFIED);
  EXPECT_EQ(record.results_sha256, crypto::Sha256(request.attestation_results()));
  EXPECT_THAT(record.peer, HasSubstr("attested_key:"));
}

TEST_F(ReleaseKeyTest, AnotherWorkloadCannotOpenWhatWasSealed) {
  const auto workload = store_.NewWorkload();
  const auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  ASSERT_OK_AND_ASSIGN(const v1::ReleaseKeyResponse released, Ask(workload, request));
  auto thief = store_.NewWorkload();
  thief.binding = workload.binding;
  EXPECT_THAT(Open(thief, request, released.sealed_key()), StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
}

TEST_F(ReleaseKeyTest, RefusesReplayedResultsForAnyKeyAndAfterARestart) {
  const std::string other_key = store_.Provision().key_id();
  const auto workload = store_.NewWorkload();
  auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  ASSERT_OK(Ask(workload, request));
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  request.set_key_id(other_key);
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));

  store_.Stop();
  store_.Start();
  server::PeerIdentity peer;
  peer.key_sha256 = workload.identity->key_sha256();
  EXPECT_THAT(ReleaseKey(*store_.deps, request, peer, store_.deadline()), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  const auto fresh = store_.NewWorkload();
  const auto fresh_request = store_.RequestFor(fresh, key_id_, store_.ResultsFor(fresh));
  ASSERT_OK_AND_ASSIGN(const v1::ReleaseKeyResponse released, Ask(fresh, fresh_request));
  EXPECT_OK(Open(fresh, fresh_request, released.sealed_key()));
}

TEST_F(ReleaseKeyTest, RefusesAnotherAudienceIssuerOrTime) {
  EXPECT_THAT(AskWith([](AttestationResults& r) { r.audience = "https://ca.test.example"; }),
              StatusIs(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE));
  EXPECT_THAT(AskWith([](AttestationResults& r) { r.issuer = "spiffe://test.example/twi/other"; }),
              StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
  EXPECT_THAT(AskWith([](AttestationResults& r) {
                r.issued_at -= absl::Hours(1);
                r.expires_at -= absl::Hours(1);
              }),
              StatusIs(v1::DENY_REASON_RESULTS_EXPIRED));
  EXPECT_THAT(AskWith([](AttestationResults& r) { r.issued_at -= absl::Minutes(11); }),
              StatusIs(v1::DENY_REASON_RESULTS_EXPIRED));
  EXPECT_THAT(AskWith([](AttestationResults& r) {
                r.issued_at += absl::Hours(1);
                r.expires_at += absl::Hours(1);
              }),
              StatusIs(v1::DENY_REASON_RESULTS_NOT_YET_VALID));
}

TEST_F(ReleaseKeyTest, RefusesResultsOfAnUnknownVerifierKeyOrFlipped) {
  const auto workload = store_.NewWorkload();
  auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  const auto foreign = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  request.set_attestation_results(*SignResults(store_.ResultsFor(workload), foreign, "v2"));
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
  request.set_attestation_results(*SignResults(store_.ResultsFor(workload), foreign, "v1"));
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
  std::string flipped = store_.Sign(store_.ResultsFor(workload));
  flipped[flipped.size() - 10] = flipped[flipped.size() - 10] == 'A' ? 'B' : 'A';
  request.set_attestation_results(flipped);
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
}

TEST_F(ReleaseKeyTest, RefusesAnotherChannel) {
  const auto workload = store_.NewWorkload(), thief = store_.NewWorkload();
  EXPECT_THAT(Ask(thief, store_.RequestFor(workload, key_id_, store_.ResultsFor(workload))),
              StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
}

TEST_F(ReleaseKeyTest, RefusesAKeyThatTheResultsDoNotName) {
  // The results name another encryption key than the binding's subject.
  const auto other = *crypto::HpkePrivateKey::Generate();
  EXPECT_THAT(AskWith([&](AttestationResults& r) { r.key_spki = other.spki(); }),
              StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH));
  // The subject is exchanged in the request: the reported binding no longer fits.
  const auto workload = store_.NewWorkload();
  auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  request.mutable_binding()->set_subject(other.spki());
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

TEST_F(ReleaseKeyTest, RefusesEvidenceBoundToAnotherRelyingParty) {
  auto workload = store_.NewWorkload();
  workload.binding.set_rp_id("https://ca.test.example");  // attested so, and asked so
  EXPECT_THAT(Ask(workload, store_.RequestFor(workload, key_id_, store_.ResultsFor(workload))),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  EXPECT_THAT(LastRecord().detail, HasSubstr("we are"));
}

TEST_F(ReleaseKeyTest, RefusesAnotherNonceOrProfile) {
  const auto workload = store_.NewWorkload();
  auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  request.mutable_binding()->set_nonce(std::string(56, 'n'));
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  *request.mutable_binding() = workload.binding;
  request.mutable_binding()->clear_profile();
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED));
}

TEST_F(ReleaseKeyTest, RefusesAnotherTarget) {
  auto workload = store_.NewWorkload();
  workload.binding.set_target("https://ledger.test.example");
  EXPECT_THAT(Ask(workload, store_.RequestFor(workload, key_id_, store_.ResultsFor(workload))),
              StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
}

TEST_F(ReleaseKeyTest, RefusesAnUnknownOrMalformedKeyId) {
  const auto workload = store_.NewWorkload();
  EXPECT_THAT(Ask(workload, store_.RequestFor(workload, std::string(32, '0'), store_.ResultsFor(workload))),
              StatusIs(v1::DENY_REASON_KEY_UNKNOWN));
  EXPECT_THAT(Ask(workload, store_.RequestFor(workload, "", store_.ResultsFor(workload))),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(Ask(workload, v1::ReleaseKeyRequest()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  auto without_results = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  without_results.clear_attestation_results();
  EXPECT_THAT(Ask(workload, without_results), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST_F(ReleaseKeyTest, RefusesWhatTheReleasePolicyDoesNotAllowAndRecordsWhy) {
  EXPECT_THAT(AskWith([](AttestationResults& r) { r.software["name"] = "ledger"; }),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
  const ReleaseRecord record = LastRecord();
  EXPECT_EQ(record.reason, v1::DENY_REASON_RELEASE_POLICY_REFUSED);
  EXPECT_THAT(record.detail, HasSubstr("\"ledger\""));
  EXPECT_FALSE(record.results_jti.empty());
  EXPECT_THAT(AskWith([](AttestationResults& r) { r.software = nullptr; }),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
  EXPECT_THAT(AskWith([](AttestationResults& r) { r.attester_claims["vmpl"] = 3; }),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
  EXPECT_EQ(store_.records->Count(key_id_)->refusals, 3u);
  EXPECT_EQ(store_.records->Count(key_id_)->releases, 0u);
}

TEST_F(ReleaseKeyTest, ThePeerLearnsTheNameAlone) {
  const absl::Status refused = AskWith([](AttestationResults& r) { r.software["name"] = "ledger"; }).status();
  EXPECT_THAT(std::string(refused.message()), ::testing::Not(HasSubstr("ledger")));
}

TEST_F(ReleaseKeyTest, RefusesResultsThatAreNotAffirming) {
  EXPECT_THAT(AskWith([](AttestationResults& r) {
                r.status = EarStatus::kContraindicated;
                r.trustworthiness["executables"] = 96;
              }),
              StatusIs(v1::DENY_REASON_RESULTS_NOT_AFFIRMING));
}

TEST_F(ReleaseKeyTest, RefusesAPeerWithoutAnAttestedKey) {
  const auto workload = store_.NewWorkload();
  const auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  EXPECT_THAT(store_.As(kOwner)->ReleaseKey(request, store_.deadline()), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(ReleaseKeyTest, NoReleaseWithoutARecord) {
  const auto workload = store_.NewWorkload();
  const auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  ASSERT_OK(store_.database->Write([](storage::Session& s) {
    s.Script("DROP TABLE releases");
    return absl::OkStatus();
  }));
  EXPECT_THAT(Ask(workload, request), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
}

TEST_F(ReleaseKeyTest, NoFileHoldsThePrivateKey) {
  const auto workload = store_.NewWorkload();
  const auto request = store_.RequestFor(workload, key_id_, store_.ResultsFor(workload));
  ASSERT_OK_AND_ASSIGN(const v1::ReleaseKeyResponse released, Ask(workload, request));
  ASSERT_OK_AND_ASSIGN(const SecretBytes pkcs8, Open(workload, request, released.sealed_key()));
  const std::string der(pkcs8.reveal());
  const std::size_t scalar = der.find(std::string("\x04\x20", 2));  // RFC 5915: OCTET STRING of 32 bytes
  ASSERT_NE(scalar, std::string::npos);
  std::string on_disk;
  for (const auto& entry : std::filesystem::directory_iterator(store_.pki.dir().path())) {
    std::ifstream file(entry.path(), std::ios::binary);
    on_disk.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_NE(on_disk.find(made_.public_key()), std::string::npos);  // this is where it would be
  EXPECT_EQ(on_disk.find(der.substr(scalar + 2, 32)), std::string::npos);
}

}  // namespace
}  // namespace twi::key_store
