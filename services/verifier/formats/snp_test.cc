// VerifySnp: each check accepts what it should and refuses once, by name.
#include "services/verifier/formats/snp.h"

#include <algorithm>

#include "common/encoding/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::verifier {
namespace {

using testing::DerInteger;
using testing::SnpChain;
using testing::SnpChainOptions;
using testing::TestTime;

const SnpChain& Milan() {
  static const SnpChain* const chain = new SnpChain();
  return *chain;
}

std::vector<std::string> Reasons(const EvidenceResult& result) {
  std::vector<std::string> names;
  for (const Finding& finding : result.findings) names.push_back(DenyReasonName(finding.reason) + " " + finding.claim);
  return names;
}

EvidenceResult Verify(const SnpChain& chain, const std::string& report) {
  return VerifySnp(chain.Evidence(report), chain.PinnedByCertificate(), TestTime());
}

// The report with one field changed, signed again, gives exactly this finding.
void ExpectOnly(const std::string& report, const std::string& finding) {
  EXPECT_EQ(Reasons(Verify(Milan(), report)), std::vector<std::string>{finding});
}

TEST(VerifySnp, AcceptsEveryVersionProductAndKey) {
  for (SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    for (bool vlek : {false, true}) {
      SnpChainOptions options;
      options.product = product;
      options.vlek = vlek;
      const SnpChain chain(options);
      for (std::uint32_t version : {2u, 3u, 5u}) {
        if (version == 2 && product == SnpProduct::kTurin) continue;  // came after version 2
        const EvidenceResult result = Verify(chain, chain.Report(version));
        EXPECT_TRUE(result.authentic()) << SnpProductName(product) << version << vlek
                                        << ::testing::PrintToString(Reasons(result));
        EXPECT_EQ(result.claims.claims["product"], SnpProductName(product));
      }
    }
  }
}

TEST(VerifySnp, FillsClaims) {
  const EvidenceResult result = Verify(Milan(), Milan().Report(3));
  ASSERT_TRUE(result.authentic());
  EXPECT_EQ(result.claims.format, "sev-snp");
  EXPECT_EQ(result.claims.freshness, std::string(64, 'd'));
  EXPECT_EQ(result.claims.measurement_key, "sev-snp:" + ToHex(std::string(48, 'm')));
  EXPECT_EQ(result.claims.attestation_key_sha256, Milan().leaf().public_key.spki_sha256());
  EXPECT_FALSE(result.claims.insecure);
  const nlohmann::json& claims = result.claims.claims;
  EXPECT_EQ(claims["policy"], "0x30000");
  EXPECT_EQ(claims["cpuid_fms"], "190101");
  EXPECT_EQ(claims["signing_key"], "VCEK");
  EXPECT_EQ(claims["debug"], false);
  EXPECT_EQ(claims["reported_tcb"], (nlohmann::json{{"bl", 3}, {"tee", 0}, {"snp", 8}, {"ucode", 0xd1}}));
}

TEST(VerifySnp, DecodesTurinTcbInItsOrder) {
  SnpChainOptions options;
  options.product = SnpProduct::kTurin;
  const SnpChain chain(options);
  const EvidenceResult result = Verify(chain, chain.Report(5));
  EXPECT_EQ(result.claims.claims["reported_tcb"],
            (nlohmann::json{{"fmc", 1}, {"bl", 3}, {"tee", 0}, {"snp", 8}, {"ucode", 0xd1}}));
}

TEST(VerifySnp, RefusesWrongSizes) {
  const std::string report = Milan().Report();
  for (const std::string& bytes :
       {std::string(), report.substr(0, 0x2a0), report.substr(0, 1183), report + std::string(1, '\0')}) {
    EXPECT_EQ(Reasons(Verify(Milan(), bytes)), std::vector<std::string>{"EVIDENCE_MALFORMED report"});
  }
}

TEST(VerifySnp, RefusesUnknownVersions) {
  for (char version : {0, 1, 4, 6, 99})
    ExpectOnly(Milan().With(Milan().Report(2), 0, std::string(1, version)), "EVIDENCE_VERSION_UNSUPPORTED version");
}

TEST(VerifySnp, RefusesReservedRangesByVersion) {
  const struct {
    std::uint32_t version;
    std::size_t offset;
    const char* claim;
  } cases[] = {
      {2, 0x4c, "report[0x4c..0x50)"},    {2, 0x188, "report[0x188..0x1a0)"}, {3, 0x18b, "report[0x18b..0x1a0)"},
      {3, 0x1eb, "report[0x1eb..0x1ec)"}, {3, 0x1ef, "report[0x1ef..0x1f0)"}, {3, 0x1f8, "report[0x1f8..0x208)"},
      {5, 0x208, "report[0x208..0x2a0)"}, {5, 0x29f, "report[0x208..0x2a0)"}, {5, 0x4a0 - 1, "report[0x330..0x4a0)"}};
  for (const auto& c : cases)
    ExpectOnly(Milan().With(Milan().Report(c.version), c.offset, "\x01"), std::string("EVIDENCE_MALFORMED ") + c.claim);
  EXPECT_TRUE(Verify(Milan(), Milan().With(Milan().Report(5), 0x1f8, "\x01")).authentic())
      << "version 5 has mitigation vectors there";
}

TEST(VerifySnp, RefusesBadForm) {
  const std::string report = Milan().Report();
  ExpectOnly(Milan().With(report, 0x34, "\x02"), "EVIDENCE_MALFORMED signature_algo");
  ExpectOnly(Milan().With(report, 0x0a, "\x01"), "EVIDENCE_MALFORMED policy");
  ExpectOnly(Milan().With(report, 0x0f, "\x80"), "EVIDENCE_MALFORMED policy");
  ExpectOnly(Milan().With(report, 0x30, "\x04"), "EVIDENCE_MALFORMED vmpl");
  ExpectOnly(Milan().With(report, 0x30, "\xff\xff\xff\xff"), "EVIDENCE_MALFORMED vmpl");
  ExpectOnly(Milan().With(report, 0x48, "\x20"), "EVIDENCE_MALFORMED key_info");
  ExpectOnly(Milan().With(report, 0x48, "\x02"), "EVIDENCE_UNSIGNED key_info.mask_chip_key");
  ExpectOnly(Milan().With(report, 0x48, "\x1c"), "EVIDENCE_UNSIGNED signing_key");
  ExpectOnly(Milan().With(report, 0x48, "\x08"), "EVIDENCE_MALFORMED signing_key");
  ExpectOnly(Milan().With(report, 0x3a, "\x01"), "EVIDENCE_MALFORMED current_tcb");
}

TEST(VerifySnp, RefusesUnknownProcessor) {
  EXPECT_EQ(Reasons(Verify(Milan(), Milan().With(Milan().Report(), 0x188, "\x1b"))),
            std::vector<std::string>{"EVIDENCE_VERSION_UNSUPPORTED cpuid_fms"});
}

TEST(VerifySnp, RefusesCertificateOfAnotherProduct) {
  SnpChainOptions options;
  options.product = SnpProduct::kGenoa;
  const SnpChain genoa(options);
  EXPECT_EQ(Reasons(Verify(genoa, genoa.With(genoa.Report(3), 0x189, "\x01"))),
            std::vector<std::string>{"ENDORSEMENT_MISMATCH product"});
  options = {};
  options.issuer_common_name = "SEV-Genoa";
  const SnpChain odd(options);
  EXPECT_EQ(Reasons(Verify(odd, odd.Report())), std::vector<std::string>{"ENDORSEMENT_MISMATCH certificate.issuer"});
}

TEST(VerifySnp, RefusesAnchorThatIsNoArk) {
  SnpChainOptions options;
  options.root_common_name = "EK/AK CA Root";  // pinned, but for another format
  const SnpChain odd(options);
  EXPECT_EQ(Reasons(Verify(odd, odd.Report())), std::vector<std::string>{"ENDORSEMENT_MISMATCH certificate.anchor"});
  TrustStore insecure;  // development chains have names of their own
  insecure.insecure_anchors.push_back(odd.ark());
  EXPECT_TRUE(VerifySnp(odd.Evidence(odd.Report()), insecure, TestTime()).authentic());
  TrustStore ask;
  ask.anchors.push_back(Milan().ask());
  EXPECT_TRUE(VerifySnp(Milan().Evidence(Milan().Report()), ask, TestTime()).authentic());
}

TEST(VerifySnp, RefusesOtherTcbThanCertified) {
  ExpectOnly(Milan().With(Milan().Report(), 0x187, "\xd2"), "TCB_TOO_LOW reported_tcb.ucode");
  ExpectOnly(Milan().With(Milan().Report(), 0x186, "\x07"), "ENDORSEMENT_MISMATCH reported_tcb.snp");
  EXPECT_TRUE(Verify(Milan(), Milan().With(Milan().Report(), 0x3f, "\xff")).authentic())
      << "current_tcb may be above reported_tcb";
}

TEST(VerifySnp, RefusesOtherChip) {
  ExpectOnly(Milan().With(Milan().Report(), 0x1df, "x"), "ENDORSEMENT_MISMATCH chip_id");
  ExpectOnly(Milan().With(Milan().Report(), 0x1a0, std::string(64, '\0')), "ENDORSEMENT_MISMATCH chip_id");
  SnpChainOptions options;
  options.product = SnpProduct::kTurin;
  const SnpChain turin(options);
  EXPECT_EQ(Reasons(Verify(turin, turin.With(turin.Report(5), 0x1a8, "x"))),
            std::vector<std::string>{"ENDORSEMENT_MISMATCH chip_id"});
  options = {};
  options.vlek = true;
  const SnpChain vlek(options);
  EXPECT_EQ(Reasons(Verify(vlek, vlek.With(vlek.Report(), 0x1a0, "x"))),
            std::vector<std::string>{"ENDORSEMENT_MISMATCH chip_id"});
}

TEST(VerifySnp, RefusesOtherKindOfKey) {
  ExpectOnly(Milan().With(Milan().Report(), 0x48, "\x04"), "ENDORSEMENT_MISMATCH signing_key");
}

TEST(VerifySnp, RefusesKeyThatIsNotP384) {
  SnpChainOptions options;
  options.leaf_key = crypto::KeyType::kP256;
  const SnpChain chain(options);
  EXPECT_EQ(Reasons(Verify(chain, chain.Report())),
            std::vector<std::string>{"ENDORSEMENT_MISMATCH certificate.public_key"});
}

TEST(VerifySnp, RefusesMissingAndMalformedCertificates) {
  v1::SnpEvidence evidence;
  evidence.set_report(Milan().Report());
  EXPECT_EQ(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime())),
            std::vector<std::string>{"ENDORSEMENT_MISSING certificate"});
  evidence.add_certificates(Milan().leaf().der);
  EXPECT_EQ(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime())),
            std::vector<std::string>{"ENDORSEMENT_MISSING vcek.issuer"});
  evidence.add_certificates(Milan().ask().der);
  evidence.add_certificates("no certificate");
  EXPECT_EQ(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime())),
            std::vector<std::string>{"ENDORSEMENT_MALFORMED certificates[2]"});
  evidence.mutable_certificates()->RemoveLast();
  while (evidence.certificates_size() < 9) evidence.add_certificates(Milan().ask().der);
  EXPECT_EQ(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime()))[0],
            "ENDORSEMENT_MALFORMED certificates");
  SnpChainOptions options;
  options.override_extensions["3.3"] = "";
  const SnpChain without_spl(options);
  EXPECT_EQ(Reasons(Verify(without_spl, without_spl.Report())),
            std::vector<std::string>{"ENDORSEMENT_MALFORMED certificate"});
}

TEST(VerifySnp, TakesCertificatesFromTheOperator) {
  v1::SnpEvidence evidence;
  evidence.set_report(Milan().Report());
  TrustStore trust = Milan().PinnedByHash();
  trust.intermediates = {Milan().ask(), Milan().leaf(), Milan().ark()};
  EXPECT_TRUE(VerifySnp(evidence, trust, TestTime()).authentic());
}

TEST(VerifySnp, PicksTheCertificateThatFits) {
  const SnpChain other;  // same product and TCB, same HWID: only the key differs
  v1::SnpEvidence evidence = Milan().Evidence(Milan().Report());
  SnpChainOptions options;
  options.override_extensions["4"] = std::string(64, 'z');
  evidence.add_certificates(SnpChain(options).leaf().der);
  std::reverse(evidence.mutable_certificates()->begin(), evidence.mutable_certificates()->end());
  EXPECT_TRUE(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime()).authentic());
}

TEST(VerifySnp, RefusesRootThatIsNotPinned) {
  const SnpChain other;
  v1::SnpEvidence evidence = other.Evidence(other.Report());
  evidence.add_certificates(other.ark().der);  // bringing the root along does not make it trusted
  EXPECT_EQ(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime())),
            std::vector<std::string>{"TRUST_ANCHOR_UNKNOWN vcek.path"});
  TrustStore real;
  real.anchor_sha256 = BuiltinSnpAnchors();
  EXPECT_EQ(Reasons(VerifySnp(evidence, real, TestTime())), std::vector<std::string>{"TRUST_ANCHOR_UNKNOWN vcek.path"});
  EXPECT_EQ(Reasons(VerifySnp(evidence, TrustStore(), TestTime())),
            std::vector<std::string>{"TRUST_ANCHOR_UNKNOWN vcek.path"});
}

TEST(VerifySnp, DevelopmentChainIsMarked) {
  TrustStore trust;
  trust.insecure_anchors.push_back(Milan().ark());
  const EvidenceResult result = VerifySnp(Milan().Evidence(Milan().Report()), trust, TestTime());
  EXPECT_TRUE(result.authentic());
  EXPECT_TRUE(result.claims.insecure);
  const EvidenceResult again = VerifySnp(Milan().Evidence(Milan().Report()), trust, TestTime());  // from the cache
  EXPECT_TRUE(again.claims.insecure);
  EXPECT_FALSE(Verify(Milan(), Milan().Report()).claims.insecure);
}

TEST(VerifySnp, RefusesOutOfTimeAlsoWhenCached) {
  const v1::SnpEvidence evidence = Milan().Evidence(Milan().Report());
  ASSERT_TRUE(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime()).authentic());
  for (absl::Time time : {TestTime() - absl::Hours(24 * 365 * 3), TestTime() + absl::Hours(24 * 365 * 10)}) {
    EXPECT_EQ(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), time)),
              std::vector<std::string>{"ENDORSEMENT_EXPIRED vcek.path"});
  }
}

TEST(VerifySnp, CachedPathIsNotReusedUnderOtherTrust) {
  const v1::SnpEvidence evidence = Milan().Evidence(Milan().Report());
  ASSERT_TRUE(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime()).authentic());
  EXPECT_FALSE(VerifySnp(evidence, TrustStore(), TestTime()).authentic());
  TrustStore revoking = Milan().PinnedByCertificate();
  revoking.crls.push_back(Milan().ArkCrl({"\x02"}, TestTime() - absl::Hours(1), TestTime() + absl::Hours(1)));
  EXPECT_FALSE(VerifySnp(evidence, revoking, TestTime()).authentic());
}

TEST(VerifySnp, HonoursCrls) {
  const v1::SnpEvidence evidence = Milan().Evidence(Milan().Report());
  const absl::Time before = TestTime() - absl::Hours(1), after = TestTime() + absl::Hours(1);
  TrustStore trust = Milan().PinnedByCertificate();
  trust.crls = {Milan().ArkCrl({"\x07"}, before, after)};
  EXPECT_TRUE(VerifySnp(evidence, trust, TestTime()).authentic());
  EXPECT_EQ(Reasons(VerifySnp(evidence, trust, TestTime() + absl::Hours(2))),
            std::vector<std::string>{"ENDORSEMENT_EXPIRED crl of ARK-Milan"});
  EXPECT_TRUE(VerifySnp(evidence, trust, after - absl::Seconds(1)).authentic());
  EXPECT_EQ(Reasons(VerifySnp(evidence, trust, after)),
            std::vector<std::string>{"ENDORSEMENT_EXPIRED crl of ARK-Milan"})
      << "nextUpdate is the first moment without it, also from the cache";
  trust.crls = {Milan().ArkCrl({"\x02"}, before, after)};
  EXPECT_EQ(Reasons(VerifySnp(evidence, trust, TestTime())),
            std::vector<std::string>{"ENDORSEMENT_REVOKED SEV-Milan.serial"});
  trust.crls = {SnpChain().ArkCrl({}, before, after)};  // same name, another key
  EXPECT_EQ(Reasons(VerifySnp(evidence, trust, TestTime())),
            std::vector<std::string>{"ENDORSEMENT_CHAIN_INVALID crl of ARK-Milan"});
  SnpChainOptions genoa;
  genoa.product = SnpProduct::kGenoa;
  trust.crls = {SnpChain(genoa).ArkCrl({"\x02"}, before, after)};  // of another issuer: not about this path
  EXPECT_TRUE(VerifySnp(evidence, trust, TestTime()).authentic());
}

TEST(VerifySnp, RefusesACrlByAnIssuerThatMayNotSignCrls) {
  SnpChainOptions options;
  options.ark_may_sign_crls = false;
  const SnpChain chain(options);
  TrustStore trust = chain.PinnedByCertificate();
  EXPECT_TRUE(VerifySnp(chain.Evidence(chain.Report()), trust, TestTime()).authentic());
  trust.crls = {chain.ArkCrl({}, TestTime() - absl::Hours(1), TestTime() + absl::Hours(1))};
  EXPECT_EQ(Reasons(VerifySnp(chain.Evidence(chain.Report()), trust, TestTime())),
            std::vector<std::string>{"ENDORSEMENT_CHAIN_INVALID crl of ARK-Milan"});
}

TEST(VerifySnp, RefusesACertificateOver16KiB) {
  v1::SnpEvidence evidence = Milan().Evidence(Milan().Report());
  const std::string pem = crypto::CertificateToPem(Milan().leaf().der);
  evidence.set_certificates(0, std::string(16 * 1024 - pem.size(), '\n') + pem);
  EXPECT_TRUE(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime()).authentic());
  evidence.set_certificates(0, "\n" + evidence.certificates(0));
  EXPECT_THAT(Reasons(VerifySnp(evidence, Milan().PinnedByCertificate(), TestTime())),
              ::testing::Contains("ENDORSEMENT_MALFORMED certificates[0]"));
}

TEST(VerifySnp, RefusesEveryFlippedByteOfTheReport) {
  const std::string report = Milan().Report(5);
  for (std::size_t i = 0; i < report.size(); ++i) {
    std::string flipped = report;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x40);
    EXPECT_FALSE(Verify(Milan(), flipped).authentic()) << "byte " << i;
  }
}

TEST(VerifySnp, RefusesSignaturesOutOfForm) {
  const std::string report = Milan().Report();
  const auto with = [&report](std::size_t offset, const std::string& bytes) {
    std::string changed = report;
    return changed.replace(offset, bytes.size(), bytes);
  };
  std::string big_endian = report;
  std::reverse(big_endian.begin() + 0x2a0, big_endian.begin() + 0x2d0);
  std::reverse(big_endian.begin() + 0x2e8, big_endian.begin() + 0x318);
  for (const std::string& bad : {with(0x2a0, std::string(144, '\0')), with(0x2a0, std::string(48, '\xff')),
                                 with(0x2d0, "\x01"), with(0x2e8 + 71, "\x01"), big_endian}) {
    EXPECT_EQ(Reasons(Verify(Milan(), bad)), std::vector<std::string>{"EVIDENCE_SIGNATURE_INVALID report.signature"});
  }
}

TEST(VerifySnp, NamesEverythingThatIsWrong) {
  std::string report = Milan().With(Milan().Report(), 0x187, "\xd2");
  report[0x4c] = 1;
  EXPECT_EQ(Reasons(Verify(Milan(), report)),
            (std::vector<std::string>{"EVIDENCE_MALFORMED report[0x4c..0x50)", "TCB_TOO_LOW reported_tcb.ucode",
                                      "EVIDENCE_SIGNATURE_INVALID report.signature"}));
}

}  // namespace
}  // namespace twi::verifier
