#include "common/attested_tls/wire.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/presentation.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

absl::Status BadExtension(absl::string_view detail) {
  return Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID, detail);
}
absl::Status BadFrame(absl::string_view detail) { return Deny(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID, detail); }

// RFC 9110 section 8.3.1 in characters only: visible ASCII and the space that may precede a parameter.
bool IsMediaType(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxMediaType && text.find('/') != absl::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool ReadChallengeParts(absl::string_view body, Challenge& challenge) {
  PartReader in(body);
  absl::string_view nonce, types, party;
  if (!in.Vector(1, kMinNonce, kMaxNonce, nonce) || !in.Vector(2, 2, kMaxMediaTypes * (1 + kMaxMediaType), types) ||
      !in.Vector(2, 1, kMaxRelyingParty, party) || !in.AtEnd()) {
    return false;
  }
  challenge.nonce = std::string(nonce);
  challenge.relying_party = std::string(party);
  PartReader list(types);
  while (!list.AtEnd()) {
    absl::string_view type;
    if (challenge.media_types.size() == kMaxMediaTypes || !list.Vector(1, 1, kMaxMediaType, type) ||
        !IsMediaType(type)) {
      return false;
    }
    challenge.media_types.emplace_back(type);
  }
  return true;
}

bool KnownProfile(std::size_t value) {
  return value == static_cast<std::size_t>(Profile::kSession) || value == static_cast<std::size_t>(Profile::kHandshake);
}

std::size_t MaxBody(FrameType type) {
  switch (type) {
    case FrameType::kChallenge:
      return kMaxExtension;
    case FrameType::kEvidence:
      return kMaxEvidence + 1024;
    case FrameType::kAccepted:
      return 0;
    case FrameType::kRefused:
      return kMaxReason;
  }
  return 0;
}

}  // namespace

std::string WriteChallenge(const Challenge& challenge) {
  std::string out, types;
  AppendVector(out, challenge.nonce, 1);
  for (const std::string& type : challenge.media_types) AppendVector(types, type, 1);
  AppendVector(out, types, 2);
  AppendVector(out, challenge.relying_party, 2);
  return out;
}

absl::StatusOr<Challenge> ReadChallenge(absl::string_view body) {
  Challenge challenge;
  if (body.size() > kMaxExtension || !ReadChallengeParts(body, challenge)) return BadExtension("malformed challenge");
  return challenge;
}

std::string WriteHelloRequest(const HelloRequest& request) {
  std::string out, profiles;
  for (const Profile profile : request.profiles) profiles.push_back(static_cast<char>(profile));
  AppendVector(out, profiles, 1);
  AppendVector(out, request.challenge.has_value() ? WriteChallenge(*request.challenge) : "", 2);
  return out;
}

absl::StatusOr<HelloRequest> ReadHelloRequest(absl::string_view body) {
  PartReader in(body);
  absl::string_view profiles, challenge;
  if (body.size() > kMaxExtension || !in.Vector(1, 1, 2, profiles) || !in.Vector(2, 0, kMaxExtension, challenge) ||
      !in.AtEnd()) {
    return BadExtension("malformed attested-key-ext-req");
  }
  HelloRequest request;
  for (const char c : profiles) {
    const auto profile = static_cast<Profile>(c);
    if (!KnownProfile(static_cast<unsigned char>(c)) ||
        std::count(request.profiles.begin(), request.profiles.end(), profile) != 0)
      return BadExtension("attested-key-ext-req offers a profile twice, or one that is not known");
    request.profiles.push_back(profile);
  }
  if (challenge.empty()) return request;
  if (std::count(request.profiles.begin(), request.profiles.end(), Profile::kHandshake) == 0)
    return BadExtension("attested-key-ext-req has a challenge without the profile that uses it");
  TWI_ASSIGN_OR_RETURN(request.challenge, ReadChallenge(challenge));
  return request;
}

std::string WriteHelloProvide(const HelloProvide& provide) {
  std::string out(1, static_cast<char>(provide.profile));
  AppendVector(out, provide.media_type, 1);
  return out;
}

absl::StatusOr<HelloProvide> ReadHelloProvide(absl::string_view body) {
  PartReader in(body);
  std::size_t profile = 0;
  absl::string_view media_type;
  if (!in.Uint(1, profile) || !KnownProfile(profile) || !in.Vector(1, 0, kMaxMediaType, media_type) || !in.AtEnd() ||
      (!media_type.empty() && !IsMediaType(media_type))) {
    return BadExtension("malformed attested-key-ext-provide");
  }
  if (profile == static_cast<std::size_t>(Profile::kSession) && !media_type.empty())
    return BadExtension("attested-key-ext-provide names a KAT in profile session, which has none");
  return HelloProvide{static_cast<Profile>(profile), std::string(media_type)};
}

std::string WriteMediaType(absl::string_view media_type) {
  std::string out;
  AppendVector(out, media_type, 1);
  return out;
}

absl::StatusOr<std::string> ReadMediaType(absl::string_view body) {
  PartReader in(body);
  absl::string_view type;
  if (!in.Vector(1, 1, kMaxMediaType, type) || !in.AtEnd() || !IsMediaType(type))
    return BadExtension("malformed attested-key-ext-provide in the client's Certificate");
  return std::string(type);
}

std::string WriteEvidence(const EvidenceFrame& e) {
  std::string out(1, static_cast<char>(e.role));
  absl::StrAppend(&out, e.exporter, e.own_key_sha256, e.peer_key_sha256);
  AppendVector(out, e.nonce, 1);
  AppendVector(out, e.media_type, 1);
  AppendVector(out, e.evidence, 3);
  return out;
}

absl::StatusOr<EvidenceFrame> ReadEvidence(absl::string_view body) {
  PartReader in(body);
  std::size_t role = 0;
  absl::string_view exporter, own, peer, nonce, type, evidence;
  if (!in.Uint(1, role) || !in.Fixed(kExporterSize, exporter) || !in.Fixed(32, own) || !in.Fixed(32, peer) ||
      !in.Vector(1, kMinNonce, kMaxNonce, nonce) || !in.Vector(1, 1, kMaxMediaType, type) ||
      !in.Vector(3, 1, 0xFFFFFF, evidence) || !in.AtEnd() || !IsMediaType(type) ||
      (role != static_cast<std::size_t>(Role::kClient) && role != static_cast<std::size_t>(Role::kServer))) {
    return BadFrame("malformed evidence frame");
  }
  if (evidence.size() > kMaxEvidence)
    return Deny(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE, "Evidence over 256 KiB in an evidence frame");
  return EvidenceFrame{static_cast<Role>(role), std::string(exporter), std::string(own),     std::string(peer),
                       std::string(nonce),      std::string(type),     std::string(evidence)};
}

std::string WriteFrame(FrameType type, absl::string_view body) {
  std::string out(1, static_cast<char>(type));
  AppendVector(out, body, 3);
  return out;
}

std::string WriteRefused(absl::string_view reason) {
  return WriteFrame(FrameType::kRefused, reason.substr(0, kMaxReason));
}

std::size_t FrameReader::BodySize() const {
  std::size_t size = 0;
  PartReader(absl::string_view(buffer_).substr(1)).Uint(3, size);
  return size;
}

absl::Status FrameReader::CheckHeader() const {
  if (buffer_.empty()) return absl::OkStatus();
  const auto type = static_cast<unsigned char>(buffer_[0]);
  if (type < static_cast<unsigned char>(FrameType::kChallenge) ||
      type > static_cast<unsigned char>(FrameType::kRefused))
    return BadFrame(absl::StrCat("frame type ", type, " is not of the session exchange"));
  if (buffer_.size() < kFrameHeader) return absl::OkStatus();
  const std::size_t size = BodySize();
  if (size <= MaxBody(static_cast<FrameType>(type))) return absl::OkStatus();
  const std::string detail =
      absl::StrCat("a frame of type ", type, " and ", size, " bytes, at most ", MaxBody(static_cast<FrameType>(type)));
  return static_cast<FrameType>(type) == FrameType::kEvidence
             ? Deny(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE, detail)
             : BadFrame(detail);
}

// Twice what is there, as a string grows, but never more than the frame takes.
void FrameReader::MakeRoom(std::size_t size) {
  if (size <= buffer_.capacity() || buffer_.size() < kFrameHeader) return;
  std::string larger;
  larger.reserve(std::max(size, std::min(2 * size, kFrameHeader + BodySize())));
  buffer_.swap(larger.append(buffer_));
}

absl::Status FrameReader::Append(absl::string_view bytes) {
  MakeRoom(buffer_.size() + bytes.size());
  buffer_.append(bytes.data(), bytes.size());
  return CheckHeader();
}

std::optional<FrameType> FrameReader::type() const {
  if (buffer_.empty()) return std::nullopt;
  return static_cast<FrameType>(buffer_[0]);
}

std::size_t FrameReader::Needs() const {
  if (buffer_.size() < kFrameHeader) return kFrameHeader - buffer_.size();
  const std::size_t whole = kFrameHeader + BodySize();
  return buffer_.size() >= whole ? 0 : whole - buffer_.size();
}

absl::StatusOr<std::optional<Frame>> FrameReader::Next() {
  TWI_RETURN_IF_ERROR(CheckHeader());
  if (Needs() > 0) return std::optional<Frame>();
  std::string rest = buffer_.substr(kFrameHeader + BodySize());
  Frame frame{*type(), ""};
  buffer_.resize(kFrameHeader + BodySize());
  frame.body = std::move(buffer_.erase(0, kFrameHeader));
  buffer_ = std::move(rest);
  return std::optional<Frame>(std::move(frame));
}

std::string ReasonText(absl::string_view body) {
  const bool known = !body.empty() && body.size() <= kMaxReason && std::all_of(body.begin(), body.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return known ? std::string(body) : "INTERNAL";
}

}  // namespace twi::atls
