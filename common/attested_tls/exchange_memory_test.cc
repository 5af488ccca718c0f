// What a peer can make us keep in the exchange, by what it sends: the heap of 64 connections, raw peers included, which
// keep nothing of what they send. The figures are printed (README, "Bounds").
#include <malloc.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "common/attested_tls/session_attacks_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

constexpr int kConnections = 64;
constexpr std::size_t kLargest = kMaxEvidence + 1024;  // body of an evidence frame
constexpr int kOfOpenSsl = 24;                         // KiB: its buffer of one record, and change

std::size_t HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

class ExchangeMemoryTest : public SessionAttackTest {
 protected:
  struct Meeting {
    SocketPair pair;
    std::unique_ptr<End> server;
    std::unique_ptr<RawPeer> client;
  };
  // Handshakes are done, and the server's challenge is with the client, who has answered `first`.
  void MeetAll(const Settings& server, absl::string_view first) {
    for (int i = 0; i < kConnections; ++i) {
      meetings_.push_back(std::make_unique<Meeting>());
      Meeting& m = *meetings_.back();
      m.server = std::make_unique<End>(server, m.pair.fd(0), clock_, waker_);
      m.client = std::make_unique<RawPeer>(SessionClient(key_), m.pair.fd(1));
      ASSERT_TRUE(DriveUntil(
          waker_, {m.pair.fd(0), m.pair.fd(1)},
          [&m, this] {
            m.server->Advance(clock_.Now());
            m.client->Step();
          },
          [&m] { return m.client->NextFrame().has_value(); }));
      m.client->Send(first);
      m.server->Advance(clock_.Now());
      ASSERT_THAT((*m.server)->why(), IsOk());
    }
  }
  // Each client sends the header of the largest evidence frame, and all of its body but the last byte. KiB that one
  // takes of the heap.
  double SendEvidenceWithoutEnd() {
    const std::size_t before = HeapBytes();
    for (const auto& m : meetings_)
      m->client->Send(WriteFrame(FrameType::kEvidence, std::string(kLargest, 'x')).substr(0, kFrameHeader));
    for (std::size_t left = kLargest - 1; left > 0;) {
      const std::string piece(std::min<std::size_t>(left, 16'000), 'x');
      left -= piece.size();
      for (const auto& m : meetings_) {
        if (!m->client->failed()) m->client->Send(piece);
        do {
          m->server->Advance(clock_.Now());
        } while (m->server->progress().again);
      }
    }
    const std::size_t after = HeapBytes();
    return after < before ? 0 : (after - before) / 1024.0 / kConnections;
  }
  std::vector<std::unique_ptr<Meeting>> meetings_;
};

TEST_F(ExchangeMemoryTest, EvidenceThatNobodyAskedForIsNotKept) {
  MeetAll(Server(kSessionOnly), nothing_demanded_);
  const double kib = SendEvidenceWithoutEnd();
  std::printf("257 KiB of Evidence that nobody asked for: %.1f KiB each\n", kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kib, kOfOpenSsl);
#endif
  for (const auto& m : meetings_)
    EXPECT_THAT((*m->server)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID));
}

TEST_F(ExchangeMemoryTest, EvidenceBeforeTheChallengeIsNotKept) {
  MeetAll(ChallengingServer(kSessionOnly), "");
  const double kib = SendEvidenceWithoutEnd();
  std::printf("257 KiB of Evidence before the challenge: %.1f KiB each\n", kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kib, kOfOpenSsl);
#endif
  for (const auto& m : meetings_)
    EXPECT_THAT((*m->server)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID));
}

TEST_F(ExchangeMemoryTest, AChallengingServerKeepsOneFrameOfEvidence) {
  MeetAll(ChallengingServer(kSessionOnly), nothing_demanded_);
  const double kib = SendEvidenceWithoutEnd();
  std::printf("257 KiB of Evidence for a server that challenges: %.1f KiB each\n", kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kib, kLargest / 1024 + kOfOpenSsl);
#endif
  for (const auto& m : meetings_) EXPECT_THAT((*m->server)->why(), IsOk());
}

}  // namespace
}  // namespace twi::atls
