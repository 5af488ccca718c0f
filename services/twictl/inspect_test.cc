// inspect, explain, and the words of issuance.
#include "services/twictl/inspect.h"

#include <sstream>

#include "common/attestation_results/attestation_results.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509_builder.h"
#include "common/dev_snp/dev_snp.h"
#include "common/jose/jws.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/twictl/explain.h"
#include "services/twictl/issuance.h"
#include "services/verifier/formats/tpm_builder.h"

namespace twi::twictl {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class InspectTest : public ::testing::Test {
 protected:
  int Run(int (*command)(const Args&), std::vector<std::string> words) {
    out_.str("");
    err_.str("");
    return command(Args{std::move(words), out_, err_});
  }
  std::string Results() {
    AttestationResults r;
    r.issuer = "spiffe://example.org/twi/verifier";
    r.build = "b";
    r.audience = "https://ca.example";
    r.jti = "j";
    r.issued_at = absl::FromUnixSeconds(1795262400);
    r.expires_at = r.issued_at + absl::Minutes(5);
    r.status = EarStatus::kAffirming;
    r.trustworthiness = {{"hardware", 2}};
    r.appraisal_policy_ids = {"p@sha256:00"};
    r.key_spki = key_.public_key().spki();
    r.nonce = std::string(56, 'n');
    r.target = "https://db.example";
    r.reported_binding = std::string(64, 'b');
    r.channel_key_sha256 = std::string(32, 'c');
    r.evidence_sha256 = std::string(32, 'e');
    r.software = {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", "v"}};
    r.attester_claims = {{"format", "sev-snp"}};
    return *SignResults(r, key_, "k1");
  }
  std::string Jwks(const crypto::PrivateKey& key) {
    return dir_.Write("jwks.json", jose::ToJson(jose::JwkSet{{{"k1", "ES256", "sig", key.public_key()}}}).dump());
  }

  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  testing::TempDir dir_;
  std::ostringstream out_, err_;
};

TEST_F(InspectTest, SaysWhatResultsSayAndThatNothingWasVerified) {
  ASSERT_EQ(Run(RunInspect, {dir_.Write("ar", Results() + "\n")}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("spiffe://example.org/twi/verifier finds a workload affirming"));
  EXPECT_THAT(out_.str(), HasSubstr("payroll 1.2.0"));
  EXPECT_THAT(out_.str(), HasSubstr("2026-11-21T12:05:00Z"));
  EXPECT_THAT(out_.str(), HasSubstr("signature NOT verified"));
}

TEST_F(InspectTest, VerifiesWithAJwks) {
  ASSERT_EQ(Run(RunInspect, {"--jwks", Jwks(key_), "--output", "json", dir_.Write("ar", Results())}), kExitDone);
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["files"][0]["signature_verified"], true);
  EXPECT_EQ(json["files"][0]["kind"], "attestation-results");
}

TEST_F(InspectTest, RefusesASignatureOfAnotherKey) {
  EXPECT_EQ(Run(RunInspect,
                {"--jwks", Jwks(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)), dir_.Write("ar", Results())}),
            kExitRefused);
  EXPECT_THAT(out_.str(), HasSubstr("REFUSED: SIGNATURE_INVALID"));
}

TEST_F(InspectTest, ReadsCertificatesAndEvidence) {
  crypto::SystemRandom random;
  const DevSnpChain chain = *DevSnpChain::Generate(absl::Now(), random);
  ASSERT_EQ(Run(RunInspect, {dir_.Write("vcek.der", chain.vcek_der())}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("signature NOT verified"));
  DevSnpReportParams params;
  params.report_data = std::string(64, 'd');
  params.measurement = std::string(48, 'm');
  ASSERT_EQ(Run(RunInspect, {dir_.Write("report.bin", *chain.MakeReport(params))}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("Evidence, format sev-snp"));
  EXPECT_THAT(out_.str(), HasSubstr("measurement: 6d6d6d"));
  EXPECT_THAT(out_.str(), HasSubstr("signature NOT verified"));
}

// A line of a Verifier that lies must not become a line of ours, nor drive the terminal.
TEST_F(InspectTest, ShowsControlCharactersAndLineBreaksAndNeverSendsThem) {
  const std::string forged =
      "payroll\n  signature valid under key k1\x1b[2J\xc2\x9b"
      "31m";
  const nlohmann::json claims = {{"iss", forged}, {"sub", forged}, {"jti", forged}, {"document", forged}};
  for (const char* typ : {"wit+jwt", "twi-policy+jws", "twi-grant+jwt", "other+jwt"}) {
    const auto jws = jose::SignJws(key_, "k1", typ, claims.dump());
    ASSERT_OK(jws);
    ASSERT_EQ(Run(RunInspect, {dir_.Write("jws", *jws)}), kExitDone) << err_.str();
    EXPECT_THAT(out_.str(), Not(HasSubstr("\n  signature valid"))) << typ;
    EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b"))) << typ;
    EXPECT_THAT(out_.str(), Not(HasSubstr("\xc2\x9b"))) << typ;
    ASSERT_EQ(Run(RunInspect, {"--output", "json", dir_.Write("jws", *jws)}), kExitDone);
    EXPECT_THAT(out_.str(), Not(HasSubstr("\xc2\x9b"))) << typ;
    EXPECT_EQ(nlohmann::json::parse(out_.str())["files"][0]["claims"], claims) << "the same for a program";
  }
}

TEST_F(InspectTest, NamesInCertificatesAreOneLine) {
  crypto::CertificateTemplate t;
  t.serial = "\x01";
  t.issuer_der = t.subject_der = crypto::NameFromCommonName("x\n  signature verified\x1b[2J");
  t.not_before = absl::Now() - absl::Hours(1);
  t.not_after = absl::Now() + absl::Hours(1);
  t.subject_spki = key_.public_key().spki();
  t.key_usage = crypto::kKeyUsageDigitalSignature;
  const auto der = crypto::SignCertificate(t, key_);
  ASSERT_OK(der);
  ASSERT_EQ(Run(RunInspect, {dir_.Write("c.der", *der)}), kExitDone) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("x\\x0a  signature verified\\x1b[2J\n"));
}

TEST_F(InspectTest, NeverShowsAPrivateKey) {
  const SecretBytes pem = key_.ToPem();
  ASSERT_EQ(Run(RunInspect, {dir_.Write("key.pem", pem.reveal())}), kExitDone);
  EXPECT_EQ(out_.str(), "a private key; it is not shown\n");
}

TEST_F(InspectTest, RefusesWhatIsNothing) {
  EXPECT_EQ(Run(RunInspect, {dir_.Write("x", "nothing of the kind")}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("x: not recognised (19 bytes): "));
  EXPECT_EQ(Run(RunInspect, {dir_.Write("x", "aaaa.bbbb.cccc")}), kExitRefused);
  EXPECT_THAT(err_.str(), HasSubstr("JWS_MALFORMED"));
  EXPECT_EQ(Run(RunInspect, {dir_.File("absent")}), kExitUsage);
  EXPECT_EQ(Run(RunInspect, {}), kExitUsage);
  EXPECT_EQ(Run(RunInspect, {"--jwks", dir_.Write("j", "{}"), dir_.Write("ar", Results())}), kExitRefused);
}

// The size of an SEV-SNP report is not the form of one.
TEST_F(InspectTest, RandomBytesAreNoEvidence) {
  std::string bytes;
  for (std::uint32_t i = 0; i < 1184; ++i) bytes += static_cast<char>((i + 1) * 2654435761u >> 24);
  EXPECT_EQ(Run(RunInspect, {dir_.Write("x", bytes)}), kExitUsage);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("x: not recognised (1184 bytes): of sev-snp in its size or first bytes"));
  EXPECT_THAT(err_.str(), HasSubstr("version"));
}

// One file of a set is recognised; what is missing is said.
TEST_F(InspectTest, AQuoteWithoutItsSignatureIsIncomplete) {
  ASSERT_OK_AND_ASSIGN(const v1::TpmEvidence evidence,
                       verifier::BuildTpmEvidence(key_, "binding", {{7, std::string(32, 'p')}}));
  EXPECT_EQ(Run(RunInspect, {dir_.Write("quote", evidence.quote())}), kExitRefused);
  EXPECT_THAT(err_.str(), HasSubstr("no file holds a TPMT_SIGNATURE"));
}

TEST_F(InspectTest, ExplainsOneReasonOrAll) {
  ASSERT_EQ(Run(RunExplain, {"results_replayed"}), kExitDone);
  EXPECT_THAT(out_.str(), HasSubstr("RESULTS_REPLAYED\n  These Attestation Results were used before"));
  ASSERT_EQ(Run(RunExplain, {"DENY_REASON_KEY_UNKNOWN", "--output", "json"}), kExitDone);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["reasons"][0]["number"], 170);
  ASSERT_EQ(Run(RunExplain, {}), kExitDone);
  EXPECT_THAT(out_.str(), HasSubstr("AGENT_HOOK_FAILED"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("UNSPECIFIED")));
}

TEST_F(InspectTest, ExplainRefusesAnUnknownName) {
  EXPECT_EQ(Run(RunExplain, {"BECAUSE"}), kExitUsage);
  EXPECT_EQ(Run(RunExplain, {"UNSPECIFIED"}), kExitUsage);
}

TEST_F(InspectTest, IssuanceInWords) {
  v1::GetIssuanceResponse record;
  record.set_serial("00ff");
  record.set_workload_identifier("spiffe://example.org/payroll/worker");
  record.set_mechanism("D");
  record.set_policy_name("payroll");
  record.set_policy_version(3);
  EXPECT_THAT(IssuanceText(record),
              HasSubstr("credential 00ff says that its holder is spiffe://example.org/payroll/worker"));
  EXPECT_THAT(IssuanceText(record), HasSubstr("a Workload Owner provisioned it"));
  EXPECT_THAT(IssuanceText(record), HasSubstr("not at issuance"));
  EXPECT_THAT(IssuanceText(record), Not(AnyOf(HasSubstr("in the Key Store\n"), HasSubstr("release policy"))))
      << "a record of before there was one in it";
  record.set_public_key_sha256("aa11");
  record.set_key_id("0011");
  record.set_release_policy_sha256("bb22");
  EXPECT_THAT(IssuanceText(record), HasSubstr("SHA-256 aa11, 0011 in the Key Store\n"));
  EXPECT_THAT(IssuanceText(record), HasSubstr("that meet release policy SHA-256 bb22, in a counter-signature\n"));
}

TEST_F(InspectTest, IssuanceRefusesNoneOrBothIds) {
  const std::string config = dir_.Write("c.yaml", "credential_authority_rp_id: x:y\n");
  EXPECT_EQ(Run(RunIssuance, {"--config", config}), kExitUsage);
  EXPECT_EQ(Run(RunIssuance, {"--config", config, "--serial", "00", "--jti", "x"}), kExitUsage);
  EXPECT_EQ(Run(RunIssuance, {"--config", config, "--serial", "00"}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("tls"));
}

}  // namespace
}  // namespace twi::twictl
