#include "services/workload_agent/own_certificates.h"

#include "common/testing/test_pki.h"
#include "gmock/gmock.h"

namespace twi::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using twi::testing::TestPki;

const absl::Time kNow = absl::FromUnixSeconds(1767225600);

TEST(OwnCertificateFiles, AreThoseThatTheConfigNames) {
  config::v1::WorkloadAgentConfig config;
  config.mutable_attested_key();
  config.mutable_attested_tls()->add_ingress();
  EXPECT_THAT(OwnCertificateFiles(config), IsEmpty());
  config.mutable_platform_certificate()->set_certificate_file("/platform.pem");
  EXPECT_THAT(OwnCertificateFiles(config), ElementsAre("/platform.pem"));
  config.mutable_attested_tls()->mutable_relying_party()->mutable_tls()->set_certificate_file("/rp.pem");
  EXPECT_THAT(OwnCertificateFiles(config), ElementsAre("/platform.pem", "/rp.pem"));
}

TEST(FirstEnd, IsOfTheCertificateThatEndsFirstAndAsTheFileIsNow) {
  TestPki pki(kNow);
  TestPki::Options shorter;
  shorter.ends = absl::Hours(2);
  const std::string day = pki.Issue("day", "spiffe://example.org/day").certificate_file();
  const std::string hours = pki.Issue("hours", "spiffe://example.org/hours", shorter).certificate_file();
  EXPECT_EQ(FirstEnd({day}), kNow + absl::Hours(24));
  EXPECT_EQ(FirstEnd({day, hours}), kNow + absl::Hours(2));
  pki.Issue("hours", "spiffe://example.org/hours");  // renewed, in place
  EXPECT_EQ(FirstEnd({day, hours}), kNow + absl::Hours(24));
}

TEST(FirstEnd, HasPassedWhereAFileCannotBeReadOrIsNoCertificate) {
  TestPki pki(kNow);
  const std::string day = pki.Issue("day", "spiffe://example.org/day").certificate_file();
  EXPECT_EQ(FirstEnd({day, "/nonexistent/tls.pem"}), absl::UnixEpoch());
  EXPECT_EQ(FirstEnd({day, pki.Issue("key", "spiffe://example.org/key").key_file()}), absl::UnixEpoch());
}

}  // namespace
}  // namespace twi::agent
