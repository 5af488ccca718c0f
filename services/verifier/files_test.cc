// Evidence and endorsements in files: what is recognised, what is refused.
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"
#include "services/verifier/distinguished_name.h"
#include "services/verifier/endorsement_files.h"
#include "services/verifier/evidence_files.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::verifier {
namespace {

using testing::SnpChain;
using testing::SnpChainOptions;
using testing::TestTime;

const SnpChain& Chain() {
  static const SnpChain* const chain = new SnpChain();
  return *chain;
}

EvidenceFile ReportFile() { return {"report.bin", Chain().Report()}; }
EvidenceFile LeafFile() { return {"vcek.der", Chain().leaf().der}; }

std::string U32(std::uint32_t v) {
  return {static_cast<char>(v), static_cast<char>(v >> 8), static_cast<char>(v >> 16), static_cast<char>(v >> 24)};
}

std::string CertTable() {
  const std::string &ask = Chain().ask().der, &leaf = Chain().leaf().der;
  return FromHex("4ab7b379bbac4fe4a02f05aef327c782").value() + U32(72) + U32(static_cast<std::uint32_t>(ask.size())) +
         FromHex("63da758de6644564adc5f4b93be8accd").value() + U32(static_cast<std::uint32_t>(72 + ask.size())) +
         U32(static_cast<std::uint32_t>(leaf.size())) + std::string(24, '\0') + ask + leaf;
}

DenyReason ReasonOf(const EvidenceFile& main, const std::vector<EvidenceFile>& companions = {},
                    EvidenceFormat format = EvidenceFormat::kAuto) {
  return DenyReasonOf(LoadEvidence(main, companions, format).status());
}

TEST(LoadEvidence, RecognisesSnpReports) {
  for (EvidenceFormat format : {EvidenceFormat::kAuto, EvidenceFormat::kSnp}) {
    const auto loaded = LoadEvidence(ReportFile(), {LeafFile()}, format);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ASSERT_EQ(loaded->snp.size(), 1u);
    EXPECT_EQ(loaded->snp[0].report().size(), kSnpReportSize);
    EXPECT_EQ(loaded->evidence_name, "report.bin");
    EXPECT_EQ(loaded->companions.size(), 1u);
  }
  // One that was cut is still a report, for VerifySnp to refuse by name.
  const auto cut = LoadEvidence({"x", Chain().Report().substr(0, 700)}, {}, EvidenceFormat::kAuto);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->snp.size(), 1u);
}

TEST(LoadEvidence, ReadsTsmReportWithItsTable) {
  const std::string json = "{\"provider\":\"sev_guest\\n\",\"outblob\":\"" + ToBase64Url(Chain().Report()) +
                           "\",\"auxblob\":\"" + ToBase64Url(CertTable()) + "\"}";
  const auto loaded = LoadEvidence({"report.json", json}, {}, EvidenceFormat::kAuto);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->snp.size(), 1u);
  EXPECT_EQ(loaded->snp[0].certificates_size(), 2);
  EXPECT_EQ(loaded->envelope["entries"].size(), 2u);
}

TEST(LoadEvidence, RefusesBadTsmReports) {
  const std::string report = ToBase64Url(Chain().Report());
  EXPECT_EQ(ReasonOf({"x", "{\"provider\":\"tdx_guest\",\"outblob\":\"" + report + "\"}"}),
            v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED);
  EXPECT_EQ(ReasonOf({"x", "{\"provider\":\"sev_guest\",\"outblob\":\"" + report}), v1::DENY_REASON_EVIDENCE_MALFORMED);
  EXPECT_EQ(ReasonOf({"x", "{\"provider\":\"sev_guest\",\"outblob\":\"" + report + "\",\"auxblob\":\"AAAA\"}"}),
            v1::DENY_REASON_ENDORSEMENT_MALFORMED);
}

TEST(LoadEvidence, TakesACompanionWithItsEvidence) {
  const auto loaded = LoadEvidence(LeafFile(), {{"ask.der", Chain().ask().der}, ReportFile()}, EvidenceFormat::kAuto);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->snp.size(), 1u);
  EXPECT_EQ(loaded->evidence_name, "report.bin");
  ASSERT_EQ(loaded->companions.size(), 2u);
  EXPECT_EQ(loaded->companions[1].name, "vcek.der");
}

TEST(LoadEvidence, TakesACertificateAloneForItself) {
  const auto loaded = LoadEvidence(LeafFile(), {{"ask.der", Chain().ask().der}}, EvidenceFormat::kAuto);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->endorsement.size(), 1u);
  const auto table = LoadEvidence({"table", CertTable()}, {}, EvidenceFormat::kAuto);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->endorsement.front().der, Chain().leaf().der) << "the leaf first";
}

TEST(LoadEvidence, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ReasonOf({"x", ""}), v1::DENY_REASON_EVIDENCE_MALFORMED);
  EXPECT_EQ(ReasonOf({"x", "some text"}), v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED);
  EXPECT_EQ(ReasonOf({"x", "some text"}, {ReportFile()}), v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED)
      << "an unknown file is no companion";
  EXPECT_EQ(ReasonOf(ReportFile(), {}, EvidenceFormat::kTpm), v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED);
  EXPECT_EQ(ReasonOf(LeafFile(), {}, EvidenceFormat::kSnp), v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED);
  EXPECT_EQ(ReasonOf({"x", std::string("\x30\x82\x01\x00zz", 6)}), v1::DENY_REASON_ENDORSEMENT_MALFORMED);
}

TEST(EndorsementFiles, SortsCertificatesFromOthers) {
  TrustStore trust;
  ASSERT_TRUE(AddEndorsementFiles({LeafFile(),
                                   {"ask.pem", crypto::CertificateToPem(Chain().ask().der)},
                                   {"table", CertTable()},
                                   {"key", Chain().leaf().public_key.spki()},
                                   {"x", "text"}},
                                  trust)
                  .ok());
  EXPECT_EQ(trust.intermediates.size(), 4u);
  EXPECT_TRUE(trust.anchors.empty());
  EXPECT_TRUE(trust.crls.empty());
}

TEST(EndorsementFiles, PemInsideAnotherFormatIsNoCertificate) {
  const std::string pem = crypto::CertificateToPem(Chain().ask().der);
  EXPECT_EQ(EndorsementKindOf(pem), EndorsementKind::kCertificates);
  EXPECT_EQ(EndorsementKindOf("subject: ASK\n" + pem), EndorsementKind::kCertificates)
      << "text before it, as openssl writes";
  EXPECT_EQ(EndorsementKindOf(std::string("\xd9\x01\xf5\xa1\x00\n", 6) + pem), EndorsementKind::kNone);
  EXPECT_EQ(EndorsementKindOf("{\"x5c\":\"" + pem + "\"}"), EndorsementKind::kNone);
}

TEST(EndorsementFiles, RefusesWhatDoesNotParse) {
  for (const std::string& bad :
       {Chain().leaf().der.substr(0, 300),
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        std::string("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), CertTable().substr(0, 200)}) {
    TrustStore trust;
    EXPECT_EQ(DenyReasonOf(AddEndorsementFiles({{"bad", bad}}, trust)), v1::DENY_REASON_ENDORSEMENT_MALFORMED);
  }
}

TEST(EndorsementFiles, PinsRootsOnly) {
  TrustStore trust;
  const std::string both = crypto::CertificateToPem(Chain().ask().der) + crypto::CertificateToPem(Chain().ark().der);
  ASSERT_TRUE(AddTrustAnchorFile({"chain.pem", both}, trust).ok());
  ASSERT_EQ(trust.anchors.size(), 1u);
  EXPECT_EQ(trust.anchors[0].der, Chain().ark().der);
  EXPECT_EQ(trust.intermediates.size(), 1u);
  TrustStore none;
  EXPECT_FALSE(
      AddTrustAnchorFile(
          {"x", crypto::CertificateToPem(Chain().ask().der) + crypto::CertificateToPem(Chain().leaf().der)}, none)
          .ok());
  EXPECT_FALSE(AddTrustAnchorFile({"x", "text"}, none).ok());
  EXPECT_TRUE(none.anchors.empty());
}

TEST(VerifyEndorsement, AcceptsAndRefuses) {
  TrustStore trust = Chain().PinnedByCertificate();
  EXPECT_FALSE(VerifyEndorsement({Chain().leaf()}, trust, TestTime()).authentic()) << "no ASK";
  trust.intermediates.push_back(Chain().ask());
  const EvidenceResult result = VerifyEndorsement({Chain().leaf()}, trust, TestTime());
  EXPECT_TRUE(result.authentic());
  EXPECT_EQ(result.claims.claims["issuer"], "CN=SEV-Milan");
  EXPECT_EQ(result.claims.claims["extensions"]["3.8"], "020200d1");
  EXPECT_FALSE(VerifyEndorsement({SnpChain().leaf()}, trust, TestTime()).authentic()) << "same names, other keys";
  EXPECT_FALSE(VerifyEndorsement({}, trust, TestTime()).authentic());
  SnpChainOptions options;
  options.override_extensions["3.1"] = "x";
  const SnpChain malformed(options);
  TrustStore other = malformed.PinnedByCertificate();
  other.intermediates.push_back(malformed.ask());
  ASSERT_FALSE(VerifyEndorsement({malformed.leaf()}, other, TestTime()).findings.empty());
  EXPECT_EQ(VerifyEndorsement({malformed.leaf()}, other, TestTime()).findings[0].reason,
            v1::DENY_REASON_ENDORSEMENT_MALFORMED);
}

TEST(NameToText, FollowsRfc4514) {
  EXPECT_EQ(NameToText(FromHex("3000").value()), "");
  EXPECT_EQ(NameToText(crypto::NameFromCommonName("#a+b, c ")), "CN=\\#a\\+b\\, c\\ ");
  // C=US, O="A, B": most specific first.
  EXPECT_EQ(NameToText(FromHex("301c310b3009060355040613025553310d300b060355040a1304412c2042").value()),
            "O=A\\, B,C=US");
}

TEST(NameToText, SurvivesBadBytes) {
  for (const char* bad : {"", "30", "3001", "310030", "30023100ff", "3004310230ff", "30820001", "300431023000"}) {
    EXPECT_EQ(NameToText(FromHex(bad).value()), "(malformed name)") << bad;
  }
}

}  // namespace
}  // namespace twi::verifier
