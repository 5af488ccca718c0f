// Every message of attested TLS as bytes (README.md, "Wire format"), in the presentation language of RFC 8446 section
// 3. Plain functions over values; no TLS library. Readers take the whole input: a missing, surplus or overlong part is
// refused, before anything is allocated for it.
#ifndef TWI_COMMON_ATTESTED_TLS_WIRE_H_
#define TWI_COMMON_ATTESTED_TLS_WIRE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attested_tls/code_points.h"

namespace twi::atls {

// What a relying party asks with: the Verifier's nonce, the media types of Evidence that the Verifier takes, and who
// asks (`aud` of the Attestation Results).
struct Challenge {
  std::string nonce;                     // 8..128 bytes
  std::vector<std::string> media_types;  // 1..16, each 1..255 visible ASCII characters
  std::string relying_party;             // 1..2048 bytes, a URI
};

// attested-key-ext-req, in the ClientHello.
struct HelloRequest {
  std::vector<Profile> profiles;       // offered: 1..2, each once; the server chooses
  std::optional<Challenge> challenge;  // to the server; only with kHandshake among the profiles
};

// attested-key-ext-provide, in EncryptedExtensions.
struct HelloProvide {
  Profile profile = Profile::kSession;  // selected
  std::string media_type;               // of the KAT in the server's Certificate; empty when there is none
};

// The extension's bodies by message. Readers: ATTESTED_TLS_EXTENSION_INVALID.
std::string WriteHelloRequest(const HelloRequest& request);
absl::StatusOr<HelloRequest> ReadHelloRequest(absl::string_view body);
std::string WriteHelloProvide(const HelloProvide& provide);
absl::StatusOr<HelloProvide> ReadHelloProvide(absl::string_view body);
// In CertificateRequest (attested-key-ext-req of the server), and as body of a challenge frame.
std::string WriteChallenge(const Challenge& challenge);
absl::StatusOr<Challenge> ReadChallenge(absl::string_view body);
// In the client's Certificate (attested-key-ext-provide of the client).
std::string WriteMediaType(absl::string_view media_type);
absl::StatusOr<std::string> ReadMediaType(absl::string_view body);

// Body of an evidence frame: what the sender says that its Evidence is bound to, so that a mismatch has a name, and the
// Evidence. The statement proves nothing by itself: the binding is recomputed from the receiver's own values.
struct EvidenceFrame {
  Role role = Role::kServer;    // of the sender
  std::string exporter;         // 32 bytes
  std::string own_key_sha256;   // 32 bytes, of the sender's leaf
  std::string peer_key_sha256;  // 32 bytes, of the receiver's leaf; zeros when it has none
  std::string nonce;            // of the challenge
  std::string media_type;
  std::string evidence;  // 1..256 KiB
};
std::string WriteEvidence(const EvidenceFrame& evidence);
// ATTESTED_TLS_FRAME_INVALID, ATTESTED_TLS_EVIDENCE_TOO_LARGE.
absl::StatusOr<EvidenceFrame> ReadEvidence(absl::string_view body);

// A frame: type(1), length(3, big endian), body.
struct Frame {
  FrameType type;
  std::string body;
};
std::string WriteFrame(FrameType type, absl::string_view body);
// `reason`: a DenyReason's name, as the peer may know it.
std::string WriteRefused(absl::string_view reason);

// Cuts frames out of a stream. Holds at most one frame, and nothing once it is taken.
class FrameReader {
 public:
  // Appends what was read. ATTESTED_TLS_FRAME_INVALID for an unknown type or a length over the type's limit
  // (ATTESTED_TLS_EVIDENCE_TOO_LARGE for evidence), as soon as the header is there; then the reader is used up.
  absl::Status Append(absl::string_view bytes);
  // Of the frame whose beginning is there: whoever does not want it need not wait for the rest.
  std::optional<FrameType> type() const;
  // The next whole frame, if there is one. Status as Append.
  absl::StatusOr<std::optional<Frame>> Next();
  // How many more bytes are needed at least for the next frame: what a caller may read without taking bytes that are
  // not the exchange's. 0 when a whole frame is there.
  std::size_t Needs() const;
  bool empty() const { return buffer_.empty(); }

 private:
  void MakeRoom(std::size_t size);
  absl::Status CheckHeader() const;
  std::size_t BodySize() const;  // once the header is there
  std::string buffer_;
};

// A peer's reason: 1..64 characters A-Z, 0-9 and '_'; what is not becomes "INTERNAL".
std::string ReasonText(absl::string_view body);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_WIRE_H_
