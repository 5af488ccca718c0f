#include "common/snp_cert_table/snp_cert_table.h"

#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

std::string Le32(std::uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string Entry(const std::string& guid_hex, std::uint32_t offset, std::uint32_t length) {
  return FromHex(guid_hex).value() + Le32(offset) + Le32(length);
}

const char kVcekHex[] = "63da758de6644564adc5f4b93be8accd";
const char kAskHex[] = "4ab7b379bbac4fe4a02f05aef327c782";
const std::string kEnd(24, '\0');

DenyReason Reason(const std::string& table) { return DenyReasonOf(ParseSnpCertTable(table).status()); }

TEST(SnpCertTable, SplitsEntries) {
  const auto parsed = ParseSnpCertTable(Entry(kVcekHex, 72, 4) + Entry(kAskHex, 76, 3) + kEnd + "vcekask");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 2u);
  EXPECT_EQ((*parsed)[0].what, "VCEK");
  EXPECT_EQ((*parsed)[0].data, "vcek");
  EXPECT_EQ((*parsed)[1].what, "ASK");
  EXPECT_EQ((*parsed)[1].data, "ask");
}

TEST(SnpCertTable, EmptyAndPaddedTablesHaveNoEntries) {
  EXPECT_EQ(ParseSnpCertTable("")->size(), 0u);
  EXPECT_EQ(ParseSnpCertTable(std::string(4096, '\0'))->size(), 0u);  // what a host without certificates gives
}

TEST(SnpCertTable, UnknownGuidIsNotACertificate) {
  const auto parsed = ParseSnpCertTable(Entry("00112233445566778899aabbccddeeff", 48, 4) + kEnd + "what");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[0].what, "");
}

TEST(SnpCertTable, RefusesMissingEnd) {
  EXPECT_EQ(Reason(Entry(kVcekHex, 24, 4) + "vcek"), v1::DENY_REASON_ENDORSEMENT_MALFORMED);
}

TEST(SnpCertTable, RefusesOffsetsOutside) {
  EXPECT_EQ(Reason(Entry(kVcekHex, 49, 4) + kEnd + "vcek"),
            v1::DENY_REASON_ENDORSEMENT_MALFORMED);  // one byte past the end
  EXPECT_EQ(Reason(Entry(kVcekHex, 0xffffffff, 4) + kEnd + "vcek"),
            v1::DENY_REASON_ENDORSEMENT_MALFORMED);  // would wrap
  EXPECT_EQ(Reason(Entry(kVcekHex, 48, 0xffffffff) + kEnd + "vcek"),
            v1::DENY_REASON_ENDORSEMENT_MALFORMED);  // would wrap
  EXPECT_EQ(Reason(Entry(kVcekHex, 0, 4) + kEnd + "vcek"),
            v1::DENY_REASON_ENDORSEMENT_MALFORMED);  // overlaps the entries
}

TEST(SnpCertTable, RefusesEmptyCertificateAndTooMany) {
  EXPECT_EQ(Reason(Entry(kVcekHex, 48, 0) + kEnd + "vcek"), v1::DENY_REASON_ENDORSEMENT_MALFORMED);
  std::string many;
  for (int i = 0; i < 17; ++i) many += Entry(kVcekHex, 24 * 18, 1);
  EXPECT_EQ(Reason(many + kEnd + "x"), v1::DENY_REASON_ENDORSEMENT_MALFORMED);
  EXPECT_EQ(Reason(std::string(64 * 1024 + 1, '\0')), v1::DENY_REASON_ENDORSEMENT_MALFORMED);
}

}  // namespace
}  // namespace twi
