#include "common/server/verify_peer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/crypto/x509_builder.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

constexpr char kEkuAny[] = "2.5.29.37.0";

absl::Status Unauthenticated(absl::string_view why) { return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED, why); }

// X509-SVID sections 4 and 5: what the leaf may be used for.
absl::Status CheckUsage(const crypto::Certificate& leaf, PeerRole role) {
  if (leaf.is_ca) return Unauthenticated("the peer's certificate is a CA's");
  if (leaf.key_usage.has_value() && (*leaf.key_usage & crypto::kKeyUsageDigitalSignature) == 0) {
    return Unauthenticated("keyUsage of the peer's certificate has no digitalSignature");
  }
  if (leaf.key_usage.has_value() &&
      (*leaf.key_usage & (crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign)) != 0) {
    return Unauthenticated("keyUsage of the peer's certificate permits signing certificates or CRLs");
  }
  const std::vector<std::string>& ekus = leaf.extended_key_usage;
  const char* needed = role == PeerRole::kClient ? crypto::kEkuClientAuth : crypto::kEkuServerAuth;
  const auto has = [&](absl::string_view oid) { return std::find(ekus.begin(), ekus.end(), oid) != ekus.end(); };
  if (!ekus.empty() && !has(needed) && !has(kEkuAny)) {
    return Unauthenticated(absl::StrCat("extendedKeyUsage of the peer's certificate lacks ", needed));
  }
  return absl::OkStatus();
}

absl::StatusOr<VerifiedPeer> VerifyAttestedKey(const crypto::Certificate& leaf, bool alone, absl::Time now) {
  if (!alone) return Unauthenticated("a self-signed certificate came with others");
  if (leaf.issuer_der != leaf.subject_der || !crypto::VerifyCertificateSignature(leaf, leaf.public_key).ok()) {
    return Unauthenticated("the certificate has no URI SAN and is not signed by its own key");
  }
  if (now < leaf.not_before || now > leaf.not_after)
    return Unauthenticated("the self-signed certificate is not valid at this time");
  VerifiedPeer peer;
  peer.identity.kind = PeerIdentity::Kind::kAttestedKey;
  peer.identity.key_sha256 = leaf.public_key.spki_sha256();
  peer.not_after = leaf.not_after;
  return peer;
}

absl::StatusOr<VerifiedPeer> VerifySpiffe(const crypto::Certificate& leaf,
                                          const std::vector<crypto::Certificate>& others,
                                          const std::vector<crypto::Certificate>& anchors,
                                          const VerifyPeerOptions& options) {
  const absl::StatusOr<std::string> id = SpiffeIdOf(leaf);
  if (!id.ok()) return Unauthenticated(id.status().message());
  TWI_RETURN_IF_ERROR(CheckUsage(leaf, options.role));
  crypto::PathOptions path_options;
  path_options.now = options.now;
  const auto path = crypto::BuildPath(leaf, others, anchors, path_options);
  if (!path.ok()) return Unauthenticated(absl::StrCat(*id, ": ", path.status().message()));
  VerifiedPeer peer;
  peer.identity.kind = PeerIdentity::Kind::kSpiffeId;
  peer.identity.spiffe_id = *id;
  peer.identity.key_sha256 = leaf.public_key.spki_sha256();
  peer.not_after = absl::InfiniteFuture();
  for (const crypto::Certificate& certificate : *path) peer.not_after = std::min(peer.not_after, certificate.not_after);
  return peer;
}

}  // namespace

absl::StatusOr<std::string> SpiffeIdOf(const crypto::Certificate& certificate) {
  if (certificate.uri_sans.size() != 1) {
    return Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED,
                absl::StrCat("expected exactly one URI SAN, got ", certificate.uri_sans.size()));
  }
  const absl::Status id = ValidateWorkloadIdentifier(certificate.uri_sans[0]);
  if (!id.ok()) return Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED, absl::StrCat("the URI SAN is ", id.message()));
  return certificate.uri_sans[0];
}

absl::StatusOr<VerifiedPeer> VerifyPeer(absl::string_view leaf_pem, absl::string_view chain_pem,
                                        const std::vector<crypto::Certificate>& anchors,
                                        const VerifyPeerOptions& options) {
  const auto leaves = crypto::ParseCertificates(leaf_pem);
  if (!leaves.ok()) return Unauthenticated(leaves.status().message());
  if (leaves->size() != 1) return Unauthenticated("the peer presented no certificate");
  const crypto::Certificate& leaf = leaves->front();
  std::vector<crypto::Certificate> others;
  if (!chain_pem.empty()) {
    auto chain = crypto::ParseCertificates(chain_pem);
    if (!chain.ok()) return Unauthenticated(chain.status().message());
    for (crypto::Certificate& certificate : *chain) {
      if (certificate.der != leaf.der) others.push_back(std::move(certificate));
    }
  }
  if (leaf.uri_sans.empty() && options.allow_attested_key) return VerifyAttestedKey(leaf, others.empty(), options.now);
  return VerifySpiffe(leaf, others, anchors, options);
}

}  // namespace twi::server
