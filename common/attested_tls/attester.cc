#include "common/attested_tls/attester.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/attested_tls/code_points.h"
#include "common/attested_tls/leaf.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

// RFC 8446 section 4.4.3: 64 spaces, context string, a zero byte, the transcript hash (SHA-256 or SHA-384).
bool IsCertificateVerifyContent(absl::string_view content) {
  for (const char* context : {"TLS 1.3, server CertificateVerify", "TLS 1.3, client CertificateVerify"}) {
    const std::string prefix = absl::StrCat(std::string(64, ' '), context, std::string(1, '\0'));
    if (absl::StartsWith(content, prefix))
      return content.size() == prefix.size() + 32 || content.size() == prefix.size() + 48;
  }
  return false;
}

class KeyAttester final : public Attester {
 public:
  KeyAttester(crypto::PrivateKey key, MakeEvidence make_evidence, crypto::Random& random)
      : key_(std::move(key)), make_evidence_(std::move(make_evidence)), random_(random) {}

  const std::string& key_spki() const override { return key_.public_key().spki(); }
  const std::string& key_sha256() const override { return key_.public_key().spki_sha256(); }

  absl::StatusOr<std::string> SignHandshake(absl::string_view content) const override {
    if (!IsCertificateVerifyContent(content))
      return Deny(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, "asked to sign what is no CertificateVerify");
    return key_.Sign(crypto::SignatureAlgorithm::kEcdsaP256Sha256, content);
  }

  absl::StatusOr<std::string> MakeLeaf(const std::optional<CmwRecord>& kat, absl::Time now) const override {
    return atls::MakeLeaf(key_, kat, now, random_);
  }

  absl::StatusOr<CmwRecord> AttestKey(const v1::Binding& binding) const override {
    TWI_ASSIGN_OR_RETURN(const v1::Evidence evidence, make_evidence_(binding));
    return CmwRecord{kEvidenceMediaType, evidence.SerializeAsString()};
  }

 private:
  const crypto::PrivateKey key_;
  const MakeEvidence make_evidence_;
  crypto::Random& random_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Attester>> MakeAttester(MakeEvidence make_evidence, crypto::Random& random) {
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
  return MakeAttesterWithKey(std::move(key), std::move(make_evidence), random);
}

std::shared_ptr<const Attester> MakeAttesterWithKey(crypto::PrivateKey key, MakeEvidence make_evidence,
                                                    crypto::Random& random) {
  return std::make_shared<KeyAttester>(std::move(key), std::move(make_evidence), random);
}

}  // namespace twi::atls
