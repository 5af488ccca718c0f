#include <cstdint>
#include <cstdlib>
#include <vector>

#include "common/crypto/x509.h"
#include "common/server/verify_peer.h"
#include "common/spiffe/spiffe_id.h"

namespace {

// Of the corpus: its key is gone.
constexpr char kAnchor[] = R"(-----BEGIN CERTIFICATE-----
MIIBPzCB5qADAgECAgEBMAoGCCqGSM49BAMCMBYxFDASBgNVBAMMC1RXSSBmdXp6
IENBMCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAWMRQwEgYDVQQD
DAtUV0kgZnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMjRq8WkMk+s
JSDeIj78aOdOFxKbL5ySTsn8nk9gon4Gxg8FIviBx4j+iVo5WB5mIcbpAxGhbDPp
1jMpACs4jXOjIzAhMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoG
CCqGSM49BAMCA0gAMEUCIBsAqZIK+6NAwweetq/sJR4k7V3jIxaH47WgK9UlO0ye
AiEA3hCg4eFDww5f30wbpuxAAF7H9TR/8I8fK6DcCXtZhGA=
-----END CERTIFICATE-----
)";

void CheckId(absl::string_view text) {
  const auto id = twi::ParseSpiffeId(text);
  if (id.ok() && "spiffe://" + id->trust_domain + id->path != text) std::abort();
  if (twi::ValidateWorkloadIdentifier(text).ok() && (!id.ok() || id->path.empty())) std::abort();
}

}  // namespace

// A peer's certificate in DER, or a SPIFFE ID.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using twi::server::PeerIdentity;
  static const auto* const anchors =
      new std::vector<twi::crypto::Certificate>(twi::crypto::ParseCertificates(kAnchor).value());
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  CheckId(input);
  const std::string pem = twi::crypto::CertificateToPem(input);
  for (const bool allow_attested_key : {false, true}) {
    twi::server::VerifyPeerOptions options;
    options.allow_attested_key = allow_attested_key;
    options.now = absl::FromUnixSeconds(1795262400);
    const auto peer = twi::server::VerifyPeer(pem, pem, *anchors, options);
    if (!peer.ok()) continue;
    if (peer->identity.key_sha256.size() != 32 || peer->not_after < options.now) std::abort();
    if (peer->identity.kind == PeerIdentity::Kind::kSpiffeId) {
      if (!twi::ValidateWorkloadIdentifier(peer->identity.spiffe_id).ok()) std::abort();
    } else if (!allow_attested_key || !peer->identity.spiffe_id.empty()) {
      std::abort();
    }
  }
  return 0;
}
