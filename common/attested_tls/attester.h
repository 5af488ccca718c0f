// The attester side: holds the TLS identity key (TIK) and makes Evidence about it. The TLS stack gets this handle,
// never the key. An interface because it stands at a hardware boundary.
#ifndef TWI_COMMON_ATTESTED_TLS_ATTESTER_H_
#define TWI_COMMON_ATTESTED_TLS_ATTESTER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/attested_tls/cmw.h"
#include "common/crypto/keys.h"
#include "common/crypto/random.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::atls {

// Thread-safe.
class Attester {
 public:
  virtual ~Attester() = default;
  virtual const std::string& key_spki() const = 0;    // of TIK, DER, P-256
  virtual const std::string& key_sha256() const = 0;  // of key_spki()
  // sign(TIK, hs): ECDSA, DER, over exactly the content that RFC 8446 section 4.4.3 lays down for CertificateVerify;
  // anything else is not signed (ATTESTED_TLS_HANDSHAKE_FAILED), so the key makes nothing but TLS 1.3 handshakes.
  virtual absl::StatusOr<std::string> SignHandshake(absl::string_view content) const = 0;
  // A self-issued leaf for TIK, DER, with `kat` when given (leaf.h).
  virtual absl::StatusOr<std::string> MakeLeaf(const std::optional<CmwRecord>& kat, absl::Time now) const = 0;
  // attest_key(nonce, TIK): Evidence whose freshness field is the binding's value. Blocks, for as long as the TEE or
  // TPM takes. ATTESTER_FAILED.
  virtual absl::StatusOr<CmwRecord> AttestKey(const v1::Binding& binding) const = 0;
};

using MakeEvidence = std::function<absl::StatusOr<v1::Evidence>(const v1::Binding&)>;  // thread-safe

// An Attester with a fresh TIK in memory whose Evidence comes from `make_evidence`. `random` must outlive it.
absl::StatusOr<std::shared_ptr<const Attester>> MakeAttester(MakeEvidence make_evidence, crypto::Random& random);
// The same with a given TIK. For tests: who has the key besides its attester can pass for it (README.md).
std::shared_ptr<const Attester> MakeAttesterWithKey(crypto::PrivateKey key, MakeEvidence make_evidence,
                                                    crypto::Random& random);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_ATTESTER_H_
