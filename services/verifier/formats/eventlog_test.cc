#include "services/verifier/formats/eventlog.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/crypto/test_vectors.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

using testing::StatusIs;

std::string Le(std::uint64_t value, int size) {
  std::string out;
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string Sha1Event(std::uint32_t pcr, std::uint32_t type, absl::string_view digest, absl::string_view data) {
  return absl::StrCat(Le(pcr, 4), Le(type, 4), digest, Le(data.size(), 4), data);
}

std::string Header(std::uint32_t algorithms = 2) {
  const std::string data =
      absl::StrCat(absl::string_view("Spec ID Event03\0", 16), Le(0, 4), Le(0x02000200, 4), Le(algorithms, 4),
                   Le(kTpmAlgSha1, 2), Le(20, 2), Le(kTpmAlgSha256, 2), Le(32, 2), Le(0, 1));
  return Sha1Event(0, kEvNoAction, std::string(20, '\0'), data);
}

std::string Event(std::uint32_t pcr, std::uint32_t type, absl::string_view data) {
  return absl::StrCat(Le(pcr, 4), Le(type, 4), Le(2, 4), Le(kTpmAlgSha1, 2),
                      crypto::Hash(crypto::HashAlgorithm::kSha1, data), Le(kTpmAlgSha256, 2), crypto::Sha256(data),
                      Le(data.size(), 4), data);
}

TEST(EventLogTest, ReplaysEveryBank) {
  const std::string bytes =
      absl::StrCat(Header(), Event(4, 13, "loader"), Event(4, 13, "kernel"), Event(7, 1, "secure boot"));
  ASSERT_OK_AND_ASSIGN(const EventLog log, ParseEventLog(bytes));
  EXPECT_TRUE(log.crypto_agile);
  EXPECT_EQ(log.events.size(), 4u);
  EXPECT_EQ(log.end, bytes.size());
  ASSERT_OK_AND_ASSIGN(const auto pcrs, ReplayEventLog(log, kTpmAlgSha256));
  const std::string once = crypto::Sha256(absl::StrCat(std::string(32, '\0'), crypto::Sha256("loader")));
  EXPECT_EQ(pcrs.at(4), crypto::Sha256(absl::StrCat(once, crypto::Sha256("kernel"))));
  EXPECT_EQ(pcrs.count(0), 0u);
  ASSERT_OK_AND_ASSIGN(const auto sha1, ReplayEventLog(log, kTpmAlgSha1));
  EXPECT_EQ(sha1.at(7).size(), 20u);
}

TEST(EventLogTest, StartupLocalityIsWherePcr0Starts) {
  const std::string locality = absl::StrCat(absl::string_view("StartupLocality\0", 16), Le(3, 1));
  ASSERT_OK_AND_ASSIGN(const EventLog log, ParseEventLog(absl::StrCat(Header(), Event(0, kEvNoAction, locality),
                                                                      Event(0, 8, "crtm"), Event(1, 1, "x"))));
  ASSERT_OK_AND_ASSIGN(const auto pcrs, ReplayEventLog(log, kTpmAlgSha256));
  EXPECT_EQ(pcrs.at(0), crypto::Sha256(absl::StrCat(std::string(31, '\0'), "\3", crypto::Sha256("crtm"))));
  EXPECT_EQ(pcrs.at(1), crypto::Sha256(absl::StrCat(std::string(32, '\0'), crypto::Sha256("x"))));
}

TEST(EventLogTest, ReadsTheOlderSha1Log) {
  const std::string digest = crypto::Hash(crypto::HashAlgorithm::kSha1, "a");
  ASSERT_OK_AND_ASSIGN(const EventLog log,
                       ParseEventLog(absl::StrCat(Sha1Event(0, 8, digest, "a"), Sha1Event(1, 9, digest, "a"))));
  EXPECT_FALSE(log.crypto_agile);
  EXPECT_OK(ReplayEventLog(log, kTpmAlgSha1));
  EXPECT_THAT(ReplayEventLog(log, kTpmAlgSha256), StatusIs(v1::DENY_REASON_EVENT_LOG_MISMATCH));
}

TEST(EventLogTest, RefusesToReplayABankWithoutDigests) {
  const std::string sha1_only =
      absl::StrCat(Le(2, 4), Le(1, 4), Le(1, 4), Le(kTpmAlgSha1, 2), std::string(20, 'd'), Le(0, 4));
  ASSERT_OK_AND_ASSIGN(const EventLog log, ParseEventLog(absl::StrCat(Header(), sha1_only)));
  EXPECT_OK(ReplayEventLog(log, kTpmAlgSha1));
  EXPECT_THAT(ReplayEventLog(log, kTpmAlgSha256), StatusIs(v1::DENY_REASON_EVENT_LOG_MISMATCH));
  EXPECT_THAT(ReplayEventLog(log, kTpmAlgSha384), StatusIs(v1::DENY_REASON_EVENT_LOG_MISMATCH));
}

TEST(EventLogTest, RefusesEveryCut) {
  const std::string header = Header();
  const std::string bytes = absl::StrCat(header, Event(4, 13, "loader"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    if (size == header.size()) continue;  // a log of no events
    EXPECT_THAT(ParseEventLog(bytes.substr(0, size)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << size;
  }
}

TEST(EventLogTest, RefusesCountsAndSizesBeyondTheBuffer) {
  EXPECT_THAT(ParseEventLog(Header(0xffffffff)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseEventLog(Header(0)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseEventLog(Header(1)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  for (const std::size_t at : {8u, 12u, 8u + 4 + 22 + 34}) {  // digests.count, hashAlg, eventSize
    std::string event = Event(4, 13, "loader");
    event[at] = '\x7f';
    EXPECT_THAT(ParseEventLog(absl::StrCat(Header(), event)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << at;
  }
  EXPECT_THAT(ParseEventLog(std::string(kMaxEventLog + 1, '\0')), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(EventLogTest, RefusesDuplicateAlgorithmAndPcrThatDoesNotExist) {
  const std::string twice = absl::StrCat(Le(2, 4), Le(1, 4), Le(2, 4), Le(kTpmAlgSha1, 2), std::string(20, 'd'),
                                         Le(kTpmAlgSha1, 2), std::string(20, 'd'), Le(0, 4));
  EXPECT_THAT(ParseEventLog(absl::StrCat(Header(), twice)), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_THAT(ParseEventLog(absl::StrCat(Header(), Event(24, 1, "x"))), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  EXPECT_OK(ParseEventLog(absl::StrCat(Header(), Event(0xffffffff, kEvNoAction, "x"))));
}

TEST(EventLogTest, RefusesTooManyEvents) {
  std::string bytes = Header();
  for (std::size_t i = 0; i < kMaxEvents; ++i)
    absl::StrAppend(&bytes, Le(1, 4), Le(kEvNoAction, 4), Le(0, 4), Le(0, 4));
  EXPECT_THAT(ParseEventLog(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST(EventLogTest, RefusesPaddingUnlessAllowed) {
  for (const char fill : {'\0', '\xff'}) {
    const std::string bytes = absl::StrCat(Header(), Event(1, 1, "x"), std::string(40, fill));
    EXPECT_THAT(ParseEventLog(bytes), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
    ASSERT_OK_AND_ASSIGN(const EventLog log, ParseEventLog(bytes, Padding::kAllowed));
    EXPECT_EQ(log.end, bytes.size() - 40);
    EXPECT_THAT(ParseEventLog(bytes + "x", Padding::kAllowed), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
  }
}

// Registers as the manifest gives them: expected_pcrs or replay {bank: {index: hex}}, or rtmr {"rtmr0": hex} for a TD's
// log.
void ExpectRegisters(const EventLog& log, const nlohmann::json& fields, const std::string& file) {
  const std::map<std::string, std::uint16_t> banks = {
      {"sha1", kTpmAlgSha1}, {"sha256", kTpmAlgSha256}, {"sha384", kTpmAlgSha384}};
  for (const char* name : {"expected_pcrs", "replay"}) {
    if (!fields.contains(name)) continue;
    for (const auto& [bank, expected] : fields[name].items()) {
      ASSERT_OK_AND_ASSIGN(const auto pcrs, ReplayEventLog(log, banks.at(bank)));
      for (const auto& [index, value] : expected.items())
        EXPECT_EQ(ToHex(pcrs.at(std::stoul(index))), value.get<std::string>()) << file << " " << bank << " " << index;
    }
  }
  if (!fields.contains("rtmr")) return;
  ASSERT_OK_AND_ASSIGN(const auto registers, ReplayEventLog(log, kTpmAlgSha384));
  for (const auto& [name, value] : fields["rtmr"].items()) {
    EXPECT_EQ(ToHex(registers.at(std::stoul(name.substr(4)) + 1)), value.get<std::string>()) << file << " " << name;
  }
}

TEST(EventLogTest, Vectors) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  const nlohmann::json manifest = nlohmann::json::parse(testing::ReadVector("eventlog/manifest.json"));
  nlohmann::json good_cos113;
  int rows = 0;
  for (const nlohmann::json& row : manifest) {
    const std::string file = row["file"], verdict = row["verdict"];
    if (verdict == "support") continue;
    ++rows;
    const std::string bytes = testing::ReadVector("eventlog/" + file);
    const auto log =
        ParseEventLog(bytes, absl::StrContains(file, "cos113") || row["fields"].contains("rtmr") ? Padding::kAllowed
                                                                                                 : Padding::kRefused);
    if (file == "ccel-gcp-cos113.bin") good_cos113 = row["fields"];
    if (file == "tampered/cos113.digest-bit.bin") {  // parses, but no longer replays to the quote's registers
      ASSERT_OK(log) << file;
      ASSERT_OK_AND_ASSIGN(const auto registers, ReplayEventLog(*log, kTpmAlgSha384));
      bool differs = false;
      for (const auto& [name, value] : good_cos113["rtmr"].items())
        differs |= ToHex(registers.at(std::stoul(name.substr(4)) + 1)) != value.get<std::string>();
      EXPECT_TRUE(differs);
    } else if (verdict == "reject") {
      EXPECT_THAT(log, StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << file;
    } else {
      ASSERT_OK(log) << file;
      const nlohmann::json& fields = row["fields"];
      EXPECT_EQ(log->events.size(), fields["events"].get<std::size_t>()) << file;
      EXPECT_EQ(log->crypto_agile, fields.value("crypto_agile", true)) << file;
      EXPECT_EQ(log->end, fields.value("end_offset", bytes.size())) << file;
      ExpectRegisters(*log, fields, file);
    }
  }
  EXPECT_GE(rows, 20);
}

}  // namespace
}  // namespace twi::verifier
