// Files as they lie in a folder: what belongs to the quote is taken, what could be two things is refused by name.
#include "services/verifier/formats/tpm_companions.h"

#include "absl/strings/str_cat.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/verifier/formats/tpm_builder.h"

namespace twi::verifier {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;
using Files = std::vector<EvidenceFile>;

class TpmCompanionsTest : public ::testing::Test {
 protected:
  struct Host {
    crypto::PrivateKey ak = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
    v1::TpmEvidence evidence = *BuildTpmEvidence(ak, "nonce", {{7, std::string(32, 'p')}});
    EvidenceFile quote{"quote", evidence.quote()};
    EvidenceFile signature{"sig", evidence.signature(), /*found=*/true};
    EvidenceFile area{"ak.pub", evidence.ak_public(), /*found=*/true};
    EvidenceFile bare{"ak.pem", ak.public_key().ToPem(), /*found=*/true};
  };
  static std::vector<std::string> Chosen(const EvidenceFile& main, const Files& files, const Files& keys = {}) {
    const auto companions = ChooseTpmCompanions(main, files, keys);
    EXPECT_OK(companions);
    std::vector<std::string> names;
    if (companions.ok()) {
      for (const EvidenceFile& file : companions->chosen) names.push_back(file.name);
    }
    return names;
  }

  Host host_, other_;
};

TEST_F(TpmCompanionsTest, TakesWhatBelongsAndNamesTheRest) {
  TpmPublic ek = AttestationKeyArea(other_.ak.public_key());
  ek.attributes &= ~kTpmaSign;
  const Files folder = {host_.quote,
                        host_.signature,
                        host_.area,
                        host_.bare,
                        {"ek.pub", WriteTpmPublic(ek), true},
                        {"README", "words", true}};
  ASSERT_OK_AND_ASSIGN(const TpmCompanions companions, ChooseTpmCompanions(host_.quote, folder, {}));
  EXPECT_THAT(Chosen(host_.quote, {folder.begin() + 1, folder.end()}), UnorderedElementsAre("sig", "ak.pub"));
  EXPECT_THAT(companions.left_out, UnorderedElementsAre("ek.pub: not used: a key that cannot sign",
                                                        "ak.pem: not used: a public area says more",
                                                        "README: not used: no part of a TPM's Evidence"));
}

TEST_F(TpmCompanionsTest, AnotherQuoteInTheFolderIsNotThisOne) {
  EvidenceFile other = other_.quote;
  other.name = "other-quote";
  other.found = true;
  ASSERT_OK_AND_ASSIGN(const TpmCompanions companions,
                       ChooseTpmCompanions(host_.quote, {other, host_.signature, host_.area}, {}));
  EXPECT_EQ(companions.chosen.size(), 2u);
  EXPECT_THAT(companions.left_out, ElementsAre("other-quote: not used: the TPMS_ATTEST was given"));
}

TEST_F(TpmCompanionsTest, RefusesTwoThatCouldEachBeIt) {
  EvidenceFile second = other_.signature;
  second.name = "sig2";
  EXPECT_THAT(
      ChooseTpmCompanions(host_.quote, {host_.signature, second, host_.area}, {}),
      StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED,
               AllOf(HasSubstr("sig and sig2 could each be the TPMT_SIGNATURE of quote"), HasSubstr("name the one"))));
  second.found = false;  // named: it is the one, whatever lies about
  EXPECT_THAT(Chosen(host_.quote, {host_.signature, second, host_.area}), UnorderedElementsAre("sig2", "ak.pub"));
  second = host_.signature;  // the same bytes under two names
  second.name = "copy";
  EXPECT_THAT(Chosen(host_.quote, {host_.signature, second, host_.area}), UnorderedElementsAre("sig", "ak.pub"));
}

TEST_F(TpmCompanionsTest, TheAttestationKeyDecidesBetweenKeys) {
  EvidenceFile second = other_.area;
  second.name = "other.pub";
  const Files folder = {host_.signature, second, host_.area};
  EXPECT_THAT(ChooseTpmCompanions(host_.quote, folder, {}),
              StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED, HasSubstr("attestation key")));
  ASSERT_OK_AND_ASSIGN(const TpmCompanions companions, ChooseTpmCompanions(host_.quote, folder, {host_.bare}));
  EXPECT_THAT(companions.left_out, ElementsAre("other.pub: not used: --attestation-key names another key"));
  EXPECT_THAT(Chosen(host_.quote, folder, {host_.bare}), UnorderedElementsAre("sig", "ak.pub"));
}

TEST_F(TpmCompanionsTest, TheAttestationKeyStandsInWhereThereIsNone) {
  EXPECT_THAT(Chosen(host_.quote, {host_.signature}, {host_.bare}), UnorderedElementsAre("sig", "ak.pem"));
  EXPECT_THAT(Chosen(host_.quote, {host_.signature}, {host_.area}), UnorderedElementsAre("sig", "ak.pub"));
  // Of two nobody says which.
  EXPECT_THAT(Chosen(host_.quote, {host_.signature}, {host_.bare, other_.bare}), ElementsAre("sig"));
  // A file that does not parse, beside quote and signature, is the key, and broken: no other one takes its place.
  const EvidenceFile broken{"broken.tpmt_public", "rubbish"};
  EXPECT_THAT(Chosen(broken, {host_.quote, host_.signature}, {host_.area}), UnorderedElementsAre("quote", "sig"));
  EXPECT_THAT(Chosen(host_.quote, {}, {{"x", "rubbish"}}), IsEmpty());
}

}  // namespace
}  // namespace twi::verifier
