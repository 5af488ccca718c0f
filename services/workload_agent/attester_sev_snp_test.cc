#include <map>
#include <utility>

#include "common/binding/binding.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/testing/fake_issuer.h"

namespace twi::agent {
namespace {

using twi::testing::StatusIs;

// The kernel's side of configfs-tsm, as its ABI document describes it.
class FakeKernel final : public TsmReports {
 public:
  struct State {
    std::string provider = "sev_guest\n";
    std::string auxblob;
    bool has_auxblob = true;
    int busy_reads = 0;      // the next reads of outblob say EBUSY
    int foreign_writes = 0;  // the next requests are disturbed by somebody else's write
    std::size_t report_size = 1184;
    std::string last_inblob, last_privlevel;
    std::map<std::string, std::uint64_t> reports;  // name -> generation
    int made = 0, pauses = 0;
    std::string left_behind;  // a directory that exists already
  };
  explicit FakeKernel(State& state) : s_(state) {}

  absl::Status MakeReport(const std::string& name) override {
    if (s_.reports.count(name) != 0 || s_.left_behind == "any") {
      s_.left_behind = s_.left_behind == "any" ? "" : s_.left_behind;
      return absl::AlreadyExistsError(name);
    }
    ++s_.made;
    s_.reports[name] = 0;
    return absl::OkStatus();
  }
  absl::Status RemoveReport(const std::string& name) override {
    s_.reports.erase(name);
    return absl::OkStatus();
  }
  absl::Status Write(const std::string& name, absl::string_view attribute, absl::string_view bytes) override {
    if (s_.reports.count(name) == 0) return absl::NotFoundError(name);
    ++s_.reports[name];
    if (attribute == "inblob")
      s_.last_inblob = std::string(bytes);
    else if (attribute == "privlevel")
      s_.last_privlevel = std::string(bytes);
    else
      return absl::NotFoundError(std::string(attribute));
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Read(const std::string& name, absl::string_view attribute, std::size_t) override {
    if (s_.reports.count(name) == 0) return absl::NotFoundError(name);
    if (attribute == "provider") return s_.provider;
    if (attribute == "generation") return std::to_string(s_.reports[name]) + "\n";
    if (attribute == "outblob") {
      if (s_.busy_reads-- > 0) return absl::UnavailableError("EBUSY");
      if (s_.foreign_writes-- > 0) ++s_.reports[name];
      std::string report(s_.report_size, 'r');
      return report.replace(0x50, s_.last_inblob.size(), s_.last_inblob);
    }
    if (attribute == "auxblob" && s_.has_auxblob) return s_.auxblob;
    return absl::NotFoundError(std::string(attribute));
  }
  void Pause() override { ++s_.pauses; }

 private:
  State& s_;
};

class SevSnpAttesterTest : public ::testing::Test {
 protected:
  SevSnpAttesterTest() {
    binding_.set_profile(v1::BINDING_PROFILE_TACRA_2);
    binding_.set_nonce("0123456789abcdef");
    binding_.set_target("https://db.example");
    binding_.set_rp_id("https://ca.example");
    binding_.set_subject("subject");
    kernel_.auxblob = std::string(24, '\0');
  }
  absl::StatusOr<v1::Evidence> Attest() {
    auto attester = MakeSevSnpAttester(config_, std::make_unique<FakeKernel>(kernel_));
    if (!attester.ok()) return attester.status();
    return (*attester)->Attest(binding_);
  }
  FakeKernel::State kernel_;
  config::v1::SevSnpAttester config_;
  v1::Binding binding_;
};

TEST_F(SevSnpAttesterTest, WritesTheBindingAndReturnsTheReport) {
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  EXPECT_EQ(kernel_.last_inblob, BindingValue64(binding_));
  EXPECT_EQ(evidence.sev_snp().report().size(), 1184u);
  EXPECT_EQ(evidence.sev_snp().certificates_size(), 0);
  EXPECT_TRUE(kernel_.last_privlevel.empty());
  EXPECT_TRUE(kernel_.reports.empty());  // its directory is gone
}

TEST_F(SevSnpAttesterTest, AsksForTheConfiguredPrivilegeLevel) {
  config_.set_privlevel(2);
  ASSERT_OK(Attest().status());
  EXPECT_EQ(kernel_.last_privlevel, "2");
}

TEST_F(SevSnpAttesterTest, SendsTheConfiguredCertificatesToo) {
  const twi::testing::TempDir dir;
  const testing::FakeIssuer issuer(absl::FromUnixSeconds(1795262400));  // any: the Verifier says what they are worth
  const crypto::Certificate ask = issuer.anchors()[0];
  const std::string vcek = issuer.Issue(ask.public_key).x509_chain(0);
  config_.add_certificate_files(dir.Write("vcek.pem", crypto::CertificateToPem(vcek)));
  config_.add_certificate_files(dir.Write("ask.pem", crypto::CertificateToPem(ask.der)));
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  EXPECT_THAT(evidence.sev_snp().certificates(), ::testing::ElementsAre(vcek, ask.der));
}

TEST_F(SevSnpAttesterTest, RefusesConfiguredCertificatesThatAreNone) {
  const twi::testing::TempDir dir;
  config_.add_certificate_files(dir.File("missing.pem"));
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config_.set_certificate_files(0,
                                dir.Write("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(SevSnpAttesterTest, SplitsTheCertificateTable) {
  const std::string entry =
      FromHex("63da758de6644564adc5f4b93be8accd").value() + std::string("\x48\0\0\0\x04\0\0\0", 8);
  const std::string unknown = std::string(15, '\0') + "\x01" + std::string("\x4c\0\0\0\x03\0\0\0", 8);
  kernel_.auxblob = entry + unknown + std::string(24, '\0') + "vcekcrl";
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  ASSERT_EQ(evidence.sev_snp().certificates_size(), 1);
  EXPECT_EQ(evidence.sev_snp().certificates(0), "vcek");
}

TEST_F(SevSnpAttesterTest, WorksWithoutAuxblob) {
  kernel_.has_auxblob = false;
  EXPECT_OK(Attest());
}

TEST_F(SevSnpAttesterTest, TriesAnewUnderContention) {
  kernel_.busy_reads = 4;
  EXPECT_OK(Attest());
  EXPECT_EQ(kernel_.made, 5);  // a directory per request
  EXPECT_EQ(kernel_.pauses, 4);
}

TEST_F(SevSnpAttesterTest, TriesAnewWhenSomebodyElseWrote) {
  kernel_.foreign_writes = 1;
  EXPECT_OK(Attest());
  EXPECT_EQ(kernel_.made, 2);
}

TEST_F(SevSnpAttesterTest, TakesOverADirectoryThatAKilledAgentLeft) {
  kernel_.left_behind = "any";
  EXPECT_OK(Attest());
}

TEST_F(SevSnpAttesterTest, GivesUpWhenContentionStays) {
  kernel_.busy_reads = 1000;
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  kernel_.busy_reads = 0;
  kernel_.foreign_writes = 1000;
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  EXPECT_TRUE(kernel_.reports.empty());
}

TEST_F(SevSnpAttesterTest, RefusesAnotherProvider) {
  kernel_.provider = "tdx_guest\n";
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

TEST_F(SevSnpAttesterTest, RefusesABlobThatIsNoReportAndABrokenTable) {
  kernel_.report_size = 1183;
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  kernel_.report_size = 1184;
  kernel_.auxblob = "not a table";
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

TEST_F(SevSnpAttesterTest, RefusesAnIncompleteBindingAndABadConfig) {
  binding_.clear_rp_id();
  EXPECT_FALSE(Attest().ok());
  config_.set_privlevel(4);
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(SevSnpAttesterTest, SaysSoWhenThereIsNoConfigfs) {
  auto attester = MakeSevSnpAttester(config_, MakeConfigfsTsmReports("/nonexistent/tsm/report"));
  ASSERT_OK(attester.status());
  EXPECT_THAT((*attester)->Attest(binding_), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

}  // namespace
}  // namespace twi::agent
