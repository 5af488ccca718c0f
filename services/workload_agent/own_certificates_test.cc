#include "services/workload_agent/own_certificates.h"

#include <filesystem>

#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"

namespace twi::agent {
namespace {

using ::testing::HasSubstr;
using twi::testing::StatusIs;
using twi::testing::TestPki;

const absl::Time kNow = absl::FromUnixSeconds(1767225600);

class OwnCertificatesTest : public ::testing::Test {
 protected:
  config::v1::Tls Issue(absl::Duration ends) {
    TestPki::Options options;
    options.ends = ends;
    return pki_.Issue(absl::StrCat("pair", ++pairs_), "spiffe://example.org/agent", options);
  }
  config::v1::WorkloadAgentConfig config_;
  TestPki pki_{kNow};
  const twi::testing::FakeClock clock_{kNow};
  int pairs_ = 0;
};

TEST_F(OwnCertificatesTest, NoneWithAttestedKeyAndNobodyToRelyOn) {
  config_.mutable_attested_key();
  config_.mutable_attested_tls()->add_ingress();
  EXPECT_TRUE(OwnCertificates::Watch(config_, clock_).value()->empty());
}

TEST_F(OwnCertificatesTest, TheFirstOfBothToEnd) {
  *config_.mutable_platform_certificate() = Issue(absl::Hours(30));
  EXPECT_EQ(OwnCertificates::Watch(config_, clock_).value()->FirstEnd(), kNow + absl::Hours(30));
  *config_.mutable_attested_tls()->mutable_relying_party()->mutable_tls() = Issue(absl::Hours(26));
  EXPECT_EQ(OwnCertificates::Watch(config_, clock_).value()->FirstEnd(), kNow + absl::Hours(26));
}

TEST_F(OwnCertificatesTest, ANewOneCountsWhenItsKeyIsThereToo) {
  config::v1::Tls& tls = *config_.mutable_platform_certificate();
  tls = Issue(absl::Hours(26));
  const auto own = OwnCertificates::Watch(config_, clock_).value();
  const config::v1::Tls next = Issue(absl::Hours(40));
  const auto exchange = [](const std::string& from, const std::string& to) { std::filesystem::rename(from, to); };
  exchange(next.certificate_file(), tls.certificate_file());
  own->Refresh();
  EXPECT_EQ(own->FirstEnd(), kNow + absl::Hours(26)) << "the old pair is in force";
  exchange(next.key_file(), tls.key_file());
  own->Refresh();
  EXPECT_EQ(own->FirstEnd(), kNow + absl::Hours(40));
}

TEST_F(OwnCertificatesTest, RefusesWhatCannotBeUsed) {
  *config_.mutable_attested_tls()->mutable_relying_party()->mutable_tls() = Issue(absl::Hours(30));
  config_.mutable_attested_tls()->mutable_relying_party()->mutable_tls()->set_certificate_file("/nonexistent");
  EXPECT_THAT(OwnCertificates::Watch(config_, clock_).status(),
              StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("attested_tls.relying_party.tls")));
}

}  // namespace
}  // namespace twi::agent
