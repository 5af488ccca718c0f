#include "services/verifier/formats/tpm_endorsement.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/tpm_anchors.h"

namespace twi::verifier {
namespace {

// Google's certificates have an empty subject and a critical subjectAltName (directoryName with the TPM's model, TCG EK
// profile 3.2.9). It says which TPM model this is, restricts nothing, and we read nothing from it.
constexpr char kSubjectAltName[] = "2.5.29.17";

// common/crypto's reason for a path, in the words of Evidence.
absl::Status AsEndorsement(const absl::Status& status) {
  switch (DenyReasonOf(status)) {
    case v1::DENY_REASON_ENDORSEMENT_EXPIRED:
    case v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN:
      return status;
    default:
      return Deny(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, status.message());
  }
}

absl::Status CheckRevocation(const std::vector<crypto::Certificate>& path, const TrustStore& trust, absl::Time now) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    for (const crypto::Crl& crl : trust.crls) {
      if (crl.issuer_der != path[i].issuer_der) continue;
      // A CRL that its named issuer did not sign is refused, not skipped: the operator put it here for a reason.
      if (!crypto::VerifyCrlSignature(crl, path[i + 1].public_key).ok())
        return Deny(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, "CRL is not signed by its issuer");
      // RFC 5280 6.3.3 (f). An issuer without keyUsage may do everything (4.2.1.3).
      if (path[i + 1].key_usage.has_value() && (*path[i + 1].key_usage & crypto::kKeyUsageCrlSign) == 0)
        return Deny(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, "the CRL's issuer has a keyUsage without cRLSign");
      if (now < crl.this_update || now >= crl.next_update)
        return Deny(v1::DENY_REASON_ENDORSEMENT_EXPIRED, "CRL is not in time");
      if (std::find(crl.revoked_serials.begin(), crl.revoked_serials.end(), path[i].serial) !=
          crl.revoked_serials.end()) {
        return Deny(v1::DENY_REASON_ENDORSEMENT_REVOKED,
                    absl::StrCat("certificate ", ToHex(path[i].serial), " is revoked"));
      }
    }
  }
  return absl::OkStatus();
}

std::vector<crypto::Certificate> ParseBuiltinAnchors() {
  std::vector<crypto::Certificate> anchors;
  for (const char* pem : {kGoogleEkRoot1Pem, kGoogleEkAkCaRootPem}) {
    const auto parsed = crypto::ParseCertificates(pem);
    if (parsed.ok())
      anchors.insert(anchors.end(), parsed->begin(),
                     parsed->end());  // that both parse and have the pinned hash is a test
  }
  return anchors;
}

}  // namespace

const std::set<std::string>& BuiltinTpmAnchors() {
  static const std::set<std::string>& anchors =
      *new std::set<std::string>{*FromHex(kGoogleEkRoot1Sha256), *FromHex(kGoogleEkAkCaRootSha256)};
  return anchors;
}

const std::vector<crypto::Certificate>& BuiltinTpmAnchorCertificates() {
  static const std::vector<crypto::Certificate>& anchors = *new std::vector<crypto::Certificate>(ParseBuiltinAnchors());
  return anchors;
}

absl::StatusOr<TpmEndorsement> VerifyTpmCertificate(const crypto::Certificate& leaf,
                                                    const std::vector<crypto::Certificate>& offered,
                                                    const TrustStore& trust, absl::Time now) {
  if (leaf.is_ca) return Deny(v1::DENY_REASON_ENDORSEMENT_MISMATCH, "the key's certificate is one of a CA");
  std::vector<crypto::Certificate> intermediates = offered;
  intermediates.insert(intermediates.end(), trust.intermediates.begin(), trust.intermediates.end());
  std::vector<crypto::Certificate> anchors = trust.anchors;
  const auto pinned = [&trust](const crypto::Certificate& candidate) {
    return trust.anchor_sha256.count(candidate.sha256()) > 0;
  };
  const std::vector<crypto::Certificate>& builtin = BuiltinTpmAnchorCertificates();
  std::copy_if(intermediates.begin(), intermediates.end(), std::back_inserter(anchors), pinned);
  std::copy_if(builtin.begin(), builtin.end(), std::back_inserter(anchors), pinned);
  crypto::PathOptions options;
  options.now = now;
  options.handled_critical_oids = {kSubjectAltName};

  TpmEndorsement endorsement;
  auto path = crypto::BuildPath(leaf, intermediates, anchors, options);
  if (!path.ok()) return AsEndorsement(path.status());
  TWI_RETURN_IF_ERROR(CheckRevocation(*path, trust, now));
  endorsement.path = *std::move(path);
  return endorsement;
}

}  // namespace twi::verifier
