#include "services/verifier/formats/snp_path.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "services/verifier/formats/snp_anchors.h"

namespace twi::verifier {
namespace {

constexpr char kSource[] = "RFC 5280 section 6.1";

using Certificates = std::vector<crypto::Certificate>;

bool SelfIssued(const crypto::Certificate& certificate) { return certificate.issuer_der == certificate.subject_der; }

Certificates IssuerPool(const Certificates& offered, const TrustStore& trust) {
  Certificates pool = offered;
  pool.insert(pool.end(), trust.intermediates.begin(), trust.intermediates.end());
  pool.insert(pool.end(), BuiltinSnpAnchorCertificates().begin(), BuiltinSnpAnchorCertificates().end());
  return pool;
}

Certificates PinnedAnchors(const Certificates& pool, const TrustStore& trust) {
  Certificates anchors = trust.anchors;
  for (const crypto::Certificate& certificate : pool) {
    if (trust.anchor_sha256.count(certificate.sha256()) != 0) anchors.push_back(certificate);
  }
  return anchors;
}

std::string Describe(const crypto::Certificate& certificate) {
  return absl::StrCat(certificate.subject_common_name, " (sha256 ", ToHex(certificate.sha256()), ")");
}

// Development certificates say in their names what they are (common/dev_snp). A name decides nothing: it only picks the
// reason that tells the operator most.
bool SaysDevelopment(const crypto::Certificate& certificate) {
  return absl::StartsWith(certificate.subject_common_name, "TWI DEVELOPMENT ");
}

// Why no path to a trusted anchor was found: the same search with every self-issued certificate as an anchor tells an
// unknown root from a broken chain.
Finding ExplainNoPath(const crypto::Certificate& leaf, const Certificates& pool, const Certificates& anchors,
                      const absl::Status& error, const crypto::PathOptions& options, const std::string& claim) {
  if (std::any_of(pool.begin(), pool.end(), SaysDevelopment)) {
    return {v1::DENY_REASON_INSECURE_EVIDENCE_NOT_ALLOWED, absl::StrCat(claim, ".path"), "a development chain",
            "a chain of the vendor, or one that config names in insecure_dev_snp_anchor_files", "trust anchors"};
  }
  Certificates roots;
  std::copy_if(pool.begin(), pool.end(), std::back_inserter(roots), SelfIssued);
  absl::StatusOr<Certificates> unpinned = crypto::BuildPath(leaf, pool, roots, options);
  if (unpinned.ok()) {
    return {v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN, absl::StrCat(claim, ".path"), Describe(unpinned->back()),
            "a path that ends in a pinned anchor", "trust anchors"};
  }
  for (const absl::Status& status : {error, unpinned.status()}) {
    if (DenyReasonOf(status) == v1::DENY_REASON_ENDORSEMENT_EXPIRED) {
      return {v1::DENY_REASON_ENDORSEMENT_EXPIRED, absl::StrCat(claim, ".path"), std::string(status.message()),
              absl::StrCat("valid at ", absl::FormatTime(absl::RFC3339_sec, options.now, absl::UTCTimeZone())),
              kSource};
    }
  }
  const auto is_issuer = [&leaf](const crypto::Certificate& c) { return c.subject_der == leaf.issuer_der; };
  if (std::none_of(pool.begin(), pool.end(), is_issuer) && std::none_of(anchors.begin(), anchors.end(), is_issuer)) {
    return {
        v1::DENY_REASON_ENDORSEMENT_MISSING, absl::StrCat(claim, ".issuer"), "not supplied, not configured",
        absl::StrCat("the certificate of ", leaf.issuer_common_name.empty() ? "the issuer" : leaf.issuer_common_name),
        kSource};
  }
  return {v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, absl::StrCat(claim, ".path"),
          std::string(unpinned.status().message()), "a valid path to a pinned anchor", kSource};
}

// One CRL against the certificate that its issuer signed.
void CheckCrl(const crypto::Crl& crl, const crypto::Certificate& issuer, const crypto::Certificate& certificate,
              absl::Time now, SnpPath& result) {
  const std::string claim = absl::StrCat("crl of ", issuer.subject_common_name);
  if (!crypto::VerifyCrlSignature(crl, issuer.public_key).ok()) {
    result.findings.push_back({v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, claim, "signature not valid",
                               "signed by the issuer", "RFC 5280 section 6.3"});
    return;
  }
  if (issuer.key_usage.has_value() && !(*issuer.key_usage & (1u << 6))) {
    result.findings.push_back({v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, claim, "issuer without cRLSign",
                               "keyUsage cRLSign", "RFC 5280 section 6.3.3 (f)"});
    return;
  }
  if (now < crl.this_update || now >= crl.next_update) {
    result.findings.push_back(
        {v1::DENY_REASON_ENDORSEMENT_EXPIRED, claim,
         absl::StrCat(absl::FormatTime(absl::RFC3339_sec, crl.this_update, absl::UTCTimeZone()), " .. ",
                      absl::FormatTime(absl::RFC3339_sec, crl.next_update, absl::UTCTimeZone())),
         absl::StrCat("in time at ", absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone())),
         "RFC 5280 section 6.3"});
  }
  if (std::count(crl.revoked_serials.begin(), crl.revoked_serials.end(), certificate.serial) != 0) {
    result.findings.push_back({v1::DENY_REASON_ENDORSEMENT_REVOKED,
                               absl::StrCat(certificate.subject_common_name, ".serial"), ToHex(certificate.serial),
                               "not on its issuer's CRL", claim});
  }
  result.not_before = std::max(result.not_before, crl.this_update);
  result.not_after = std::min(result.not_after, crl.next_update - absl::Nanoseconds(1));
}

}  // namespace

SnpPath VerifySnpPath(const crypto::Certificate& leaf, const std::vector<crypto::Certificate>& offered,
                      const TrustStore& trust, absl::Time now, const std::string& claim) {
  SnpPath result;
  result.not_before = absl::InfinitePast();
  result.not_after = absl::InfiniteFuture();
  const Certificates pool = IssuerPool(offered, trust);
  const Certificates anchors = PinnedAnchors(pool, trust);
  crypto::PathOptions options;
  options.now = now;
  absl::StatusOr<Certificates> path = crypto::BuildPath(leaf, pool, anchors, options);
  if (!path.ok() && !trust.insecure_anchors.empty()) {
    absl::StatusOr<Certificates> development = crypto::BuildPath(leaf, pool, trust.insecure_anchors, options);
    if (development.ok()) {
      path = std::move(development);
      result.insecure = true;
    }
  }
  if (!path.ok()) {
    result.findings.push_back(ExplainNoPath(leaf, pool, anchors, path.status(), options, claim));
    return result;
  }
  result.path = *std::move(path);
  for (const crypto::Certificate& certificate : result.path) {
    result.not_before = std::max(result.not_before, certificate.not_before);
    result.not_after = std::min(result.not_after, certificate.not_after);
  }
  for (std::size_t i = 0; i + 1 < result.path.size(); ++i) {
    for (const crypto::Crl& crl : trust.crls) {
      if (crl.issuer_der == result.path[i + 1].subject_der)
        CheckCrl(crl, result.path[i + 1], result.path[i], now, result);
    }
  }
  return result;
}

}  // namespace twi::verifier
