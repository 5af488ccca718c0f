// What SNP reports travel in: certificate table, configfs-tsm report in JSON and CBOR; and the path cache.
#include "common/encoding/encoding.h"
#include "common/snp_cert_table/snp_cert_table.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"
#include "services/verifier/formats/snp_path_cache.h"
#include "services/verifier/formats/snp_tsm_report.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::verifier {
namespace {

const char kVcek[] = "63da758de6644564adc5f4b93be8accd";
const char kAsk[] = "4ab7b379bbac4fe4a02f05aef327c782";

std::string U32(std::uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string Entry(const char* guid, std::uint32_t offset, std::uint32_t length) {
  return FromHex(guid).value() + U32(offset) + U32(length);
}
const std::string kEnd(24, '\0');

TEST(SnpCertTable, ReadsEntries) {
  const std::string table = Entry(kVcek, 72, 4) + Entry(kAsk, 76, 3) + kEnd + "vcekask";
  const auto entries = ParseSnpCertTable(table);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].what, "VCEK");
  EXPECT_EQ((*entries)[0].guid, "63da758d-e664-4564-adc5-f4b93be8accd");
  EXPECT_EQ((*entries)[0].data, "vcek");
  EXPECT_EQ((*entries)[1].data, "ask");
  EXPECT_TRUE(LooksLikeSnpCertTable(table));
  EXPECT_TRUE(ParseSnpCertTable(kEnd)->empty());
}

TEST(SnpCertTable, RefusesBadTables) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += Entry("ffffffffffffffffffffffffffffffff", 17 * 24 + 24 + i, 1);
  for (const std::string& bad : {std::string("short"), Entry(kVcek, 48, 1), Entry(kVcek, 48, 5) + kEnd + "vcek",
                                 Entry(kVcek, 47, 2) + kEnd + "vcek", Entry(kVcek, 48, 0) + kEnd + "vcek",
                                 Entry(kVcek, 0xffffffff, 0xffffffff) + kEnd + "vcek",
                                 Entry(kVcek, 72, 4) + Entry(kAsk, 75, 2) + kEnd + "vcekask",
                                 Entry(kVcek, 72, 4) + Entry(kVcek, 76, 3) + kEnd + "vcekask",
                                 many + kEnd + std::string(17, 'x'), std::string(65 * 1024, '\0')}) {
    EXPECT_EQ(DenyReasonOf(ParseSnpCertTable(bad).status()), v1::DENY_REASON_ENDORSEMENT_MALFORMED) << bad.size();
  }
}

TEST(TsmReport, ReadsJson) {
  const auto report =
      ParseTsmReportJson(R"({"auxblob":"AAE","outblob":"_-8","provider":"sev_guest\n","generation":3})");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->provider, "sev_guest");
  EXPECT_EQ(report->outblob, "\xff\xef");
  EXPECT_EQ(report->auxblob, std::string("\0\1", 2));
}

TEST(TsmReport, RefusesBadJson) {
  for (const char* bad :
       {"", "[]", "{}", "1", R"("outblob")", R"({"outblob":"AAE"})", R"({"provider":"sev_guest"})",
        R"({"provider":"sev_guest","outblob":"A+E"})", R"({"provider":"sev_guest","outblob":"AAE="})",
        R"({"provider":"sev_guest","outblob":"AAF"})", R"({"provider":"sev_guest","outblob":7})",
        R"({"provider":"sev_guest","outblob":"AAE","outblob":"AAE"})",
        R"({"provider":"sev_guest","outblob":"AAE","x":{}})", R"({"provider":"sev_guest","outblob":"AAE","x":[]})",
        R"({"provider":"sev_guest","outblob":"AAE"}x)", R"({"provider":"sev_guest","outblob":"AAE")"}) {
    EXPECT_EQ(DenyReasonOf(ParseTsmReportJson(bad).status()), v1::DENY_REASON_EVIDENCE_MALFORMED) << bad;
  }
  // A parser that takes NUL for the end of the text would not see the rest.
  const std::string good = R"({"provider":"sev_guest","outblob":"AAE"})";
  ASSERT_TRUE(ParseTsmReportJson(good).ok());
  for (const std::string& behind :
       {std::string(1, '\0'), std::string("\0{", 2), std::string("{}"), std::string("\xff")})
    EXPECT_EQ(DenyReasonOf(ParseTsmReportJson(good + behind).status()), v1::DENY_REASON_EVIDENCE_MALFORMED);
  EXPECT_FALSE(ParseTsmReportJson(std::string(300 * 1024, ' ')).ok());
  EXPECT_FALSE(ParseTsmReportJson(std::string(100000, '[')).ok());
}

std::string Hex(const char* hex) { return FromHex(hex).value(); }
const char kProvider[] = "6870726f7669646572697365765f6775657374";  // "provider": "sev_guest"
const char kOutblob[] = "676f7574626c6f62420102";                   // "outblob": h'0102'

TEST(TsmReport, ReadsCbor) {
  const auto report = ParseTsmReportCbor(Hex("a3") + Hex(kProvider) + Hex(kOutblob) + Hex("616e182a"));  // "n": 42
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->provider, "sev_guest");
  EXPECT_EQ(report->outblob, "\x01\x02");
  EXPECT_EQ(report->auxblob, "");
}

TEST(TsmReport, RefusesBadCbor) {
  const std::string good = Hex("a2") + Hex(kProvider) + Hex(kOutblob);
  for (const std::string& bad :
       {std::string(), Hex("a2") + Hex(kProvider), good + "x", Hex("bf") + Hex(kProvider) + Hex(kOutblob) + Hex("ff"),
        Hex("b802") + Hex(kProvider) + Hex(kOutblob), Hex("a3") + Hex(kProvider) + Hex(kOutblob) + Hex(kOutblob),
        Hex("a3") + Hex(kProvider) + Hex(kOutblob) + Hex("616180"),
        Hex("a2") + Hex(kProvider) + Hex("676f7574626c6f625bffffffffffffffff"),
        Hex("a2") + Hex(kProvider) + Hex("676f7574626c6f62620102"), Hex("a1") + Hex(kOutblob),
        Hex("a1") + Hex(kProvider), Hex("bbffffffffffffffff"), Hex("a10101"), Hex("80"),
        Hex("a2") + Hex(kProvider) + Hex("676f7574626c6f6258020102")}) {
    EXPECT_EQ(DenyReasonOf(ParseTsmReportCbor(bad).status()), v1::DENY_REASON_EVIDENCE_MALFORMED) << ToHex(bad);
  }
}

TEST(SnpPathCache, KeepsWhatIsInTimeAndDropsTheOldest) {
  const testing::SnpChain chain;
  const absl::Time now = testing::TestTime();
  const auto path = std::make_shared<const SnpVerifiedPath>(
      SnpVerifiedPath{chain.leaf(), {}, "ARK-Milan", false, now, now + absl::Hours(1)});
  SnpPathCache cache(2);
  cache.Put("a", path);
  cache.Put("b", path);
  EXPECT_NE(cache.Find("a", now), nullptr);  // now "b" is the oldest
  cache.Put("c", path);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find("b", now), nullptr);
  EXPECT_NE(cache.Find("c", now), nullptr);
  EXPECT_EQ(cache.Find("a", now + absl::Hours(2)), nullptr);
  EXPECT_EQ(cache.Find("a", now), nullptr) << "an entry out of time is dropped";
  EXPECT_EQ(cache.Find("c", now - absl::Seconds(1)), nullptr);
}

}  // namespace
}  // namespace twi::verifier
