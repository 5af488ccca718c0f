#include "services/verifier/formats/snp_endorsement.h"

#include "gtest/gtest.h"
#include "services/verifier/formats/snp_anchors.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::verifier {
namespace {

using testing::DerIa5String;
using testing::DerInteger;
using testing::SnpChain;
using testing::SnpChainOptions;

absl::StatusOr<SnpEndorsement> ParseWith(const std::string& suffix, const std::string& value,
                                         SnpProduct product = SnpProduct::kMilan, bool vlek = false) {
  SnpChainOptions options;
  options.product = product;
  options.vlek = vlek;
  options.override_extensions[suffix] = value;
  return ParseSnpEndorsement(SnpChain(options).leaf());
}

void ExpectMalformed(const absl::StatusOr<SnpEndorsement>& endorsement) {
  ASSERT_FALSE(endorsement.ok());
  EXPECT_EQ(DenyReasonOf(endorsement.status()), v1::DENY_REASON_ENDORSEMENT_MALFORMED) << endorsement.status();
}

TEST(SnpEndorsement, ReadsVcekAndVlek) {
  const auto vcek = ParseWith("3.8", DerInteger(0xd1));
  ASSERT_TRUE(vcek.ok()) << vcek.status();
  EXPECT_EQ(vcek->product_name, "Milan-B0");
  EXPECT_EQ(vcek->product, SnpProduct::kMilan);
  EXPECT_EQ(vcek->tcb.ucode, 0xd1);
  EXPECT_FALSE(vcek->is_vlek());
  const auto vlek = ParseWith("5", DerIa5String("CN=cc-us-east-2.example"), SnpProduct::kGenoa, true);
  ASSERT_TRUE(vlek.ok()) << vlek.status();
  EXPECT_TRUE(vlek->is_vlek());
  EXPECT_EQ(vlek->csp_id, "CN=cc-us-east-2.example");
}

TEST(SnpEndorsement, ReadsHwidInBothEncodings) {
  const std::string hwid(64, 'x');
  EXPECT_EQ(ParseWith("4", hwid)->hwid, hwid);
  EXPECT_EQ(ParseWith("4", std::string("\x04\x40") + hwid)->hwid, hwid);
  EXPECT_EQ(ParseWith("4", std::string("\x04\x08") + "12345678", SnpProduct::kTurin)->hwid, "12345678");
}

TEST(SnpEndorsement, RefusesBadIntegers) {
  for (const std::string& bad :
       {std::string("\x02\x01\xd1"), std::string("\x02\x02\x00\x51", 4), std::string("\x02\x02\x01\x00", 4),
        std::string("\x02\x00", 2), std::string("\x04\x01\x03"), std::string("\x02\x01\x03\x00", 4),
        std::string("\x03", 1)}) {
    ExpectMalformed(ParseWith("3.8", bad));
  }
}

TEST(SnpEndorsement, RefusesMissingAndForeignExtensions) {
  for (const char* required : {"2", "3.1", "3.2", "3.3", "3.8", "4"}) ExpectMalformed(ParseWith(required, ""));
  ExpectMalformed(ParseWith("3.9", "", SnpProduct::kTurin));        // Turin has an FMC
  ExpectMalformed(ParseWith("3.9", DerInteger(0)));                 // Milan has none
  ExpectMalformed(ParseWith("3.4", DerInteger(1)));                 // reserved
  ExpectMalformed(ParseWith("5", DerIa5String("CN=csp.example")));  // HWID and CSP_ID
  EXPECT_TRUE(ParseWith("3.4", DerInteger(0)).ok());
}

TEST(SnpEndorsement, RefusesBadProductAndHwid) {
  for (const char* name : {"Milano", "Rome", "Genoa ", "\x01"}) ExpectMalformed(ParseWith("2", DerIa5String(name)));
  ExpectMalformed(ParseWith("2", std::string("\x16\x06Milan", 7)));
  ExpectMalformed(ParseWith("2", std::string("\x0c\x05Milan", 7)));
  ExpectMalformed(ParseWith("4", std::string(63, 'x')));
  ExpectMalformed(ParseWith("4", std::string(64, 'x'), SnpProduct::kTurin));
  ExpectMalformed(ParseWith("4", std::string("\x04\x41") + std::string(64, 'x')));
}

TEST(SnpAnchors, CertificatesAreThoseOfThePins) {
  ASSERT_EQ(BuiltinSnpAnchorCertificates().size(), 3u);
  ASSERT_EQ(BuiltinSnpAnchors().size(), 3u);
  for (const crypto::Certificate& ark : BuiltinSnpAnchorCertificates()) {
    EXPECT_EQ(BuiltinSnpAnchors().count(ark.sha256()), 1u) << ark.subject_common_name;
    EXPECT_TRUE(crypto::VerifyCertificateSignature(ark, ark.public_key).ok()) << ark.subject_common_name;
    EXPECT_FALSE(IsSnpEndorsement(ark));
  }
}

}  // namespace
}  // namespace twi::verifier
