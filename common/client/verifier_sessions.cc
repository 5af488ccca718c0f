#include "common/client/verifier_sessions.h"

#include <mutex>
#include <optional>
#include <utility>

#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/code_points.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::client {
namespace {

// EncryptedEvidence in proto/twi/v1/evidence.proto: info and aad stand there.
constexpr char kInfo[] = "twi/v1/encrypted-evidence";
constexpr absl::Duration kMaxKeyAge = absl::Minutes(5);
constexpr std::size_t kNonceSize = 32;

class RpcVerifierSessions final : public atls::VerifierSessions {
 public:
  RpcVerifierSessions(VerifierClient& verifier, crypto::Random& random, const Clock& clock)
      : verifier_(verifier), random_(random), clock_(clock) {}

  // The key is asked for here, so that a Verifier that is not there ends the handshake before the peer has attested.
  absl::StatusOr<atls::VerifierSession> NewSession(absl::Time deadline) override {
    TWI_RETURN_IF_ERROR(Keys(deadline).status());
    return atls::VerifierSession{"", random_.Bytes(kNonceSize), {atls::kEvidenceMediaType}};
  }

  absl::StatusOr<std::string> Submit(const atls::VerifierSession& session, absl::string_view media_type,
                                     absl::string_view evidence, const v1::Binding& binding,
                                     absl::Time deadline) override {
    if (media_type != atls::kEvidenceMediaType || binding.nonce() != session.nonce)
      return Deny(v1::DENY_REASON_INTERNAL, "Evidence of a media type, or for a nonce, that was not asked for");
    TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse keys, Keys(deadline));
    TWI_ASSIGN_OR_RETURN(crypto::HpkeSealed sealed, crypto::HpkeSeal(keys.encryption_key_spki(), kInfo,
                                                                     BindingValue64(binding), std::string(evidence)));
    TWI_ASSIGN_OR_RETURN(const atls::AttestedKeySubject subject, atls::ReadSubject(binding.subject()));
    v1::AppraiseForRelyingPartyRequest request;
    request.mutable_encrypted_evidence()->set_kid(keys.encryption_key_id());
    request.mutable_encrypted_evidence()->set_enc(std::move(sealed.enc));
    request.mutable_encrypted_evidence()->set_ciphertext(std::move(sealed.ciphertext));
    *request.mutable_binding() = binding;
    request.set_channel_key_sha256(crypto::Sha256(subject.spki));  // TLS proves it to us in this handshake
    absl::StatusOr<v1::AppraiseResponse> response = verifier_.AppraiseForRelyingParty(request, deadline);
    if (!response.ok()) {
      const std::lock_guard<std::mutex> lock(mutex_);
      keys_.reset();  // it may have been rotated
      return response.status();
    }
    return std::move(*response->mutable_attestation_results());
  }

 private:
  absl::StatusOr<v1::GetVerifierKeysResponse> Keys(absl::Time deadline) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (keys_.has_value() && clock_.Now() - fetched_ < kMaxKeyAge) return *keys_;
    }
    const absl::Time now = clock_.Now();
    TWI_ASSIGN_OR_RETURN(v1::GetVerifierKeysResponse keys, verifier_.GetVerifierKeys(deadline));
    const std::lock_guard<std::mutex> lock(mutex_);
    keys_ = keys;
    fetched_ = now;
    return keys;
  }

  VerifierClient& verifier_;
  crypto::Random& random_;
  const Clock& clock_;
  std::mutex mutex_;  // guards all below
  std::optional<v1::GetVerifierKeysResponse> keys_;
  absl::Time fetched_ = absl::InfinitePast();
};

}  // namespace

std::unique_ptr<atls::VerifierSessions> MakeVerifierSessions(VerifierClient& verifier, crypto::Random& random,
                                                             const Clock& clock) {
  return std::make_unique<RpcVerifierSessions>(verifier, random, clock);
}

}  // namespace twi::client
