// Every constant of the wire format that is private use or ours to choose, in one place (README.md, "Code points").
#ifndef TWI_COMMON_ATTESTED_TLS_CODE_POINTS_H_
#define TWI_COMMON_ATTESTED_TLS_CODE_POINTS_H_

#include <cstddef>
#include <cstdint>

namespace twi::atls {

// TLS extension type `attested_key`, of the range for private use (RFC 8447 section 7: first byte 255). One code point
// for attested-key-ext-req and attested-key-ext-provide: TLS 1.3 pairs a response with its request by type.
constexpr std::uint16_t kExtensionType = 0xFFA7;

enum class Profile : std::uint8_t { kSession = 1, kHandshake = 2 };
enum class Role : std::uint8_t { kClient = 1, kServer = 2 };
// As config, log and the binding's target write them.
constexpr const char* ProfileName(Profile profile) { return profile == Profile::kSession ? "session" : "handshake"; }
constexpr const char* RoleName(Role role) { return role == Role::kServer ? "server" : "client"; }

// Frames of the session exchange.
enum class FrameType : std::uint8_t { kChallenge = 1, kEvidence = 2, kAccepted = 3, kRefused = 4 };

// RFC 8446 section 7.5, without a context; taken only once the handshake has completed.
constexpr char kExporterLabel[] = "EXPORTER-twi-attested-tls-v1";
constexpr std::size_t kExporterSize = 32;

// draft-ietf-rats-msg-wrap section 6.1: the X.509 extension that carries the KAT.
constexpr char kCmwOid[] = "1.3.6.1.5.5.7.1.35";  // id-pe-cmw

// The media type of Evidence as our attester makes it: a serialized twi.v1.Evidence.
constexpr char kEvidenceMediaType[] = "application/vnd.twi.evidence+protobuf";

// Sizes in bytes.
constexpr std::size_t kMinNonce = 8, kMaxNonce = 128;
constexpr std::size_t kMaxMediaType = 255, kMaxMediaTypes = 16;
constexpr std::size_t kMaxRelyingParty = 2048;
constexpr std::size_t kMaxLeaf = 16 * 1024;       // a leaf certificate with its KAT
constexpr std::size_t kMaxEvidence = 256 * 1024;  // in an evidence frame
constexpr std::size_t kMaxExtension = 8 * 1024;
constexpr std::size_t kMaxClientHello = 16 * 1024;  // the handshake message, its header included
constexpr std::size_t kFrameHeader = 4;             // type(1), length(3)
constexpr std::size_t kMaxReason = 64;

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_CODE_POINTS_H_
