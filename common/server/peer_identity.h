// Who called: taken from the channel, never from the request (architecture section 2).
#ifndef TWI_COMMON_SERVER_PEER_IDENTITY_H_
#define TWI_COMMON_SERVER_PEER_IDENTITY_H_

#include <cstdint>
#include <string>

namespace twi::server {

struct PeerIdentity {
  enum class Kind {
    kSpiffeId,     // certificate chains to our trust bundle and carries exactly one URI SAN
    kAttestedKey,  // fresh self-signed certificate: TLS proved possession of the key, nothing else is known
    kLocalUser,    // Unix socket: the kernel named the process's user (SO_PEERCRED)
  };
  Kind kind = Kind::kAttestedKey;
  std::string spiffe_id;   // kSpiffeId only
  std::string key_sha256;  // 32 bytes: SHA-256 of the certificate's SubjectPublicKeyInfo; both TLS kinds
  std::uint32_t uid = 0;   // kLocalUser only

  // "spiffe://...", "attested_key:<hex>" or "uid:1000": for records and logs.
  std::string ToString() const;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_PEER_IDENTITY_H_
