// The leaf certificate of attested TLS: self-issued for the TLS identity key (TIK); in profile `handshake` it carries
// the key attestation token (KAT), Evidence as a CMW in id-pe-cmw. Nobody vouches for the leaf but the Evidence.
#ifndef TWI_COMMON_ATTESTED_TLS_LEAF_H_
#define TWI_COMMON_ATTESTED_TLS_LEAF_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/attested_tls/cmw.h"
#include "common/crypto/keys.h"
#include "common/crypto/random.h"

namespace twi::atls {

constexpr absl::Duration kLeafLifetime = absl::Hours(24);

// From five minutes before `now`, for kLeafLifetime. ATTESTED_TLS_EVIDENCE_TOO_LARGE when it would be over kMaxLeaf.
absl::StatusOr<std::string> MakeLeaf(const crypto::PrivateKey& key, const std::optional<CmwRecord>& kat, absl::Time now,
                                     crypto::Random& random);

struct Leaf {
  std::string spki;  // DER
  std::string key_sha256;
  std::optional<CmwRecord> kat;
};
// Checks: at most kMaxLeaf bytes (ATTESTED_TLS_EVIDENCE_TOO_LARGE); one certificate; P-256; issuer = subject and signed
// by its own key; valid at `now`; no CA; digitalSignature; id-pe-cmw not critical, at most once, well-formed
// (ATTESTED_TLS_KAT_MALFORMED). ATTESTED_TLS_CERTIFICATE_INVALID for the rest.
absl::StatusOr<Leaf> ReadLeaf(absl::string_view der, absl::Time now);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_LEAF_H_
