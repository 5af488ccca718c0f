#include "services/workload_agent/install_credential.h"

#include "common/crypto/x509.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/workload_agent/testing/fake_issuer.h"

namespace twi::agent {
namespace {

using testing::FakeIssuer;

const absl::Time kNow = absl::FromUnixSeconds(1795262400);

// The FakeIssuer's X.509 form lives an hour from `kNow`, its WIT half an hour.
class EndOfInstalledTest : public ::testing::Test {
 protected:
  void InstallChain() { dir_.Write("chain.pem", crypto::CertificateToPem(credential_.x509_chain(0))); }
  const FakeIssuer issuer_{kNow};
  const v1::WorkloadCredential credential_ =
      issuer_.Issue(crypto::PrivateKey::Generate(crypto::KeyType::kP256).value().public_key());
  const twi::testing::TempDir dir_;
};

TEST_F(EndOfInstalledTest, IsTheEarlierOfBothForms) {
  EXPECT_EQ(EndOfInstalled(dir_.path()), absl::nullopt);
  InstallChain();
  EXPECT_EQ(EndOfInstalled(dir_.path()), kNow + absl::Hours(1));
  dir_.Write("wit.jwt", credential_.wit());
  EXPECT_EQ(EndOfInstalled(dir_.path()), kNow + absl::Minutes(30));
}

TEST_F(EndOfInstalledTest, OfWhatCannotBeReadHasPassed) {
  InstallChain();
  dir_.Write("wit.jwt", "no WIT");
  EXPECT_EQ(EndOfInstalled(dir_.path()), absl::InfinitePast());
  dir_.Write("wit.jwt", credential_.wit());
  dir_.Write("chain.pem", "no certificate");
  EXPECT_EQ(EndOfInstalled(dir_.path()), absl::InfinitePast());
}

TEST(CredentialFilesTest, TheBundleOfTheWitIsTheOneThatItWasValidatedAgainst) {
  const FakeIssuer issuer(kNow);
  crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  v1::WorkloadCredential credential = issuer.Issue(key.public_key());
  credential.set_wit_bundle("planted beside the WIT");
  const AcquiredCredential acquired{std::move(key), std::move(credential), {}, issuer.wit_bundle()};
  std::string installed;
  for (const CredentialFile& file : CredentialFiles(acquired, issuer.anchors()))
    if (file.name == "wit-bundle.json") installed = std::string(file.content.reveal());
  EXPECT_EQ(installed, issuer.wit_bundle());
}

}  // namespace
}  // namespace twi::agent
