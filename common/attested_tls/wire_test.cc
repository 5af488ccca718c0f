#include "common/attested_tls/wire.h"

#include "common/testing/matchers.h"
#include "gtest/gtest.h"

namespace twi::atls {
namespace {

using ::twi::testing::IsOk;
using ::twi::testing::StatusIs;

const auto kBadExtension = StatusIs(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
const auto kBadFrame = StatusIs(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);

Challenge SomeChallenge() {
  return {std::string(32, 'n'), {kEvidenceMediaType, "application/eat+cwt"}, "https://rp.example.org"};
}

TEST(WireTest, HelloRequestReadsBackAsWritten) {
  const HelloRequest request{{Profile::kSession, Profile::kHandshake}, SomeChallenge()};
  ASSERT_OK_AND_ASSIGN(const HelloRequest read, ReadHelloRequest(WriteHelloRequest(request)));
  EXPECT_EQ(read.profiles, request.profiles);
  EXPECT_EQ(read.challenge->nonce, request.challenge->nonce);
  EXPECT_EQ(read.challenge->media_types, request.challenge->media_types);
  EXPECT_EQ(read.challenge->relying_party, "https://rp.example.org");
}

TEST(WireTest, HelloRequestOfProfileSessionIsFourBytes) {
  EXPECT_EQ(WriteHelloRequest({{Profile::kSession}, std::nullopt}), std::string("\x01\x01\x00\x00", 4));
}

TEST(WireTest, RefusesEveryTruncationAndSurplusOfHelloRequest) {
  const std::string whole = WriteHelloRequest({{Profile::kHandshake}, SomeChallenge()});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(ReadHelloRequest(whole.substr(0, size)), kBadExtension) << size;
  EXPECT_THAT(ReadHelloRequest(whole + "x"), kBadExtension);
}

TEST(WireTest, RefusesUnknownAndDoubleProfiles) {
  EXPECT_THAT(ReadHelloRequest(std::string("\x01\x03\x00\x00", 4)), kBadExtension);
  EXPECT_THAT(ReadHelloRequest(std::string("\x02\x01\x01\x00\x00", 5)), kBadExtension);
  EXPECT_THAT(ReadHelloRequest(std::string("\x00\x00\x00", 3)), kBadExtension);
  EXPECT_THAT(ReadHelloRequest(WriteHelloRequest({{Profile::kSession}, SomeChallenge()})), kBadExtension);
}

TEST(WireTest, RefusesChallengesBeyondTheirLimits) {
  const auto refused = [](Challenge c) { EXPECT_THAT(ReadChallenge(WriteChallenge(c)), kBadExtension); };
  Challenge c = SomeChallenge();
  c.nonce = std::string(7, 'n');
  refused(c);
  c.nonce = std::string(129, 'n');
  refused(c);
  c = SomeChallenge();
  c.media_types.clear();
  refused(c);
  c.media_types.assign(17, "a/b");
  refused(c);
  c.media_types = {"no slash"};
  refused(c);
  c.media_types = {"a/b\n"};
  refused(c);
  c = SomeChallenge();
  c.relying_party.clear();
  refused(c);
  c.relying_party = std::string(2049, 'r');
  refused(c);
}

TEST(WireTest, HelloProvideReadsBackAndRefusesNonsense) {
  ASSERT_OK_AND_ASSIGN(const HelloProvide read, ReadHelloProvide(WriteHelloProvide({Profile::kHandshake, "a/b"})));
  EXPECT_EQ(read.profile, Profile::kHandshake);
  EXPECT_EQ(read.media_type, "a/b");
  EXPECT_THAT(ReadHelloProvide(""), kBadExtension);
  EXPECT_THAT(ReadHelloProvide(std::string("\x09\x00", 2)), kBadExtension);
  EXPECT_THAT(ReadHelloProvide(WriteHelloProvide({Profile::kSession, "a/b"})), kBadExtension);
  EXPECT_THAT(ReadHelloProvide(std::string("\x02\x05"
                                           "a/b",
                                           5)),
              kBadExtension);
}

TEST(WireTest, MediaTypeReadsBackAndRefusesNonsense) {
  EXPECT_EQ(*ReadMediaType(WriteMediaType("a/b")), "a/b");
  EXPECT_THAT(ReadMediaType(""), kBadExtension);
  EXPECT_THAT(ReadMediaType(WriteMediaType("")), kBadExtension);
  EXPECT_THAT(ReadMediaType(WriteMediaType("a/b") + "x"), kBadExtension);
}

EvidenceFrame SomeEvidence() {
  return {Role::kServer,
          std::string(32, 'e'),
          std::string(32, 'o'),
          std::string(32, 'p'),
          std::string(32, 'n'),
          kEvidenceMediaType,
          "evidence"};
}

TEST(WireTest, EvidenceReadsBackAsWritten) {
  ASSERT_OK_AND_ASSIGN(const EvidenceFrame read, ReadEvidence(WriteEvidence(SomeEvidence())));
  EXPECT_EQ(read.role, Role::kServer);
  EXPECT_EQ(read.exporter, std::string(32, 'e'));
  EXPECT_EQ(read.own_key_sha256, std::string(32, 'o'));
  EXPECT_EQ(read.peer_key_sha256, std::string(32, 'p'));
  EXPECT_EQ(read.nonce, std::string(32, 'n'));
  EXPECT_EQ(read.media_type, kEvidenceMediaType);
  EXPECT_EQ(read.evidence, "evidence");
}

TEST(WireTest, RefusesEveryTruncationAndSurplusOfEvidence) {
  const std::string whole = WriteEvidence(SomeEvidence());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(ReadEvidence(whole.substr(0, size)), kBadFrame) << size;
  EXPECT_THAT(ReadEvidence(whole + "x"), kBadFrame);
  std::string role = whole;
  role[0] = 3;
  EXPECT_THAT(ReadEvidence(role), kBadFrame);
}

TEST(WireTest, RefusesHugeEvidence) {
  EvidenceFrame evidence = SomeEvidence();
  evidence.evidence.assign(kMaxEvidence + 1, 'x');
  EXPECT_THAT(ReadEvidence(WriteEvidence(evidence)), StatusIs(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE));
}

TEST(FrameReaderTest, CutsFramesOutOfSingleBytesAndNeverAsksForMore) {
  const std::string stream = WriteFrame(FrameType::kChallenge, "") + WriteFrame(FrameType::kRefused, "TIMEOUT");
  FrameReader reader;
  std::vector<Frame> frames;
  for (const char c : stream) {
    ASSERT_GE(reader.Needs(), 1u);
    ASSERT_OK(reader.Append(std::string(1, c)));
    ASSERT_OK_AND_ASSIGN(std::optional<Frame> frame, reader.Next());
    if (frame.has_value()) frames.push_back(*frame);
  }
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].type, FrameType::kChallenge);
  EXPECT_EQ(frames[1].body, "TIMEOUT");
  EXPECT_TRUE(reader.empty());
}

TEST(FrameReaderTest, NeedsExactlyTheRestOfTheFrame) {
  FrameReader reader;
  EXPECT_EQ(reader.Needs(), 4u);
  ASSERT_OK(reader.Append(WriteFrame(FrameType::kRefused, "ABC").substr(0, 5)));
  EXPECT_EQ(reader.Needs(), 2u);
}

TEST(FrameReaderTest, TellsTheTypeFromTheFirstByte) {
  FrameReader reader;
  EXPECT_EQ(reader.type(), std::nullopt);
  ASSERT_OK(reader.Append("\x02"));
  EXPECT_EQ(reader.type(), FrameType::kEvidence);
}

TEST(FrameReaderTest, RefusesUnknownTypesAndLengthsFromTheHeaderAlone) {
  EXPECT_THAT(FrameReader().Append(std::string("\x00", 1)), kBadFrame);
  EXPECT_THAT(FrameReader().Append("GET / HTTP/1.1"), kBadFrame);
  EXPECT_THAT(FrameReader().Append(std::string("\x03\x00\x00\x01", 4)), kBadFrame);  // accepted has no body
  EXPECT_THAT(FrameReader().Append(std::string("\x01\x00\x20\x01", 4)), kBadFrame);  // challenge over 8 KiB
  EXPECT_THAT(FrameReader().Append("\x02\xFF\xFF\xFF"), StatusIs(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE));
  EXPECT_THAT(FrameReader().Append(std::string("\x02\x04\x00\x00", 4)), IsOk());
}

TEST(WireTest, APeersReasonIsANameOrInternal) {
  EXPECT_EQ(ReasonText("BINDING_MISMATCH"), "BINDING_MISMATCH");
  EXPECT_EQ(ReasonText(""), "INTERNAL");
  EXPECT_EQ(ReasonText("a sentence"), "INTERNAL");
  EXPECT_EQ(ReasonText(std::string(65, 'A')), "INTERNAL");
}

}  // namespace
}  // namespace twi::atls
