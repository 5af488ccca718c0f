// Path building (RFC 5280 6.1 without policies and name constraints): depth first from the leaf, with a bound on
// signature checks.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_extensions.h"
#include "common/status/deny.h"

namespace twi::crypto {
namespace {

constexpr int kMaxSignatureChecks = 64;
constexpr std::uint16_t kKeyCertSign = 1 << 5;

class PathBuilder {
 public:
  PathBuilder(const std::vector<Certificate>& intermediates, const std::vector<Certificate>& anchors,
              const PathOptions& options)
      : intermediates_(intermediates), anchors_(anchors), options_(options) {}

  absl::StatusOr<std::vector<Certificate>> Build(const Certificate& leaf) {
    path_.push_back(&leaf);
    bool found = false;
    if (const absl::Status usable = CheckAny(leaf); !usable.ok()) {
      failure_ = usable;
    } else {
      found = IsAnchor(leaf) || Extend(leaf);
    }
    if (!found) {
      return !failure_.ok() ? failure_
                            : Deny(v1::DENY_REASON_TRUST_ANCHOR_UNKNOWN,
                                   absl::StrCat("no path from \"", leaf.subject_common_name,
                                                "\" to a pinned anchor; issuer is \"", leaf.issuer_common_name, "\""));
    }
    std::vector<Certificate> result;
    for (const Certificate* cert : path_) result.push_back(*cert);
    return result;
  }

 private:
  // Tries every issuer of `cert` (the end of path_), anchors first. True: path_ is complete.
  bool Extend(const Certificate& cert) {
    if (path_.size() >= options_.max_depth) {
      Note(Deny(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, absl::StrCat("path is longer than ", options_.max_depth)));
      return false;
    }
    absl::Status refused;  // why the first candidate of the right name was not taken
    for (const Certificate& anchor : anchors_) {
      if (!TryIssuer(cert, anchor, &refused)) continue;
      path_.push_back(&anchor);
      return true;
    }
    bool has_issuer = false;
    for (const Certificate& issuer : intermediates_) {
      if (IsAnchor(issuer) || !TryIssuer(cert, issuer, &refused)) continue;
      has_issuer = true;
      path_.push_back(&issuer);
      if (Extend(issuer)) return true;
      path_.pop_back();
    }
    // A foreign root that has the name of one of ours is an unknown anchor, not a broken path.
    if (!has_issuer && cert.issuer_der != cert.subject_der) Note(refused);
    return false;
  }

  // May `issuer` stand behind `cert`? Names first, then the cheap checks, the signature last.
  bool TryIssuer(const Certificate& cert, const Certificate& issuer, absl::Status* refused) {
    if (cert.issuer_der != issuer.subject_der || InPath(issuer)) return false;
    absl::Status status = CheckAny(issuer);
    if (status.ok()) status = CheckIssuer(issuer);
    if (status.ok() && signature_checks_++ >= kMaxSignatureChecks) {
      status = Deny(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID, "too many candidate issuers");
    }
    if (status.ok() && !VerifyCertificateSignature(cert, issuer.public_key).ok()) {
      status = Deny(
          v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID,
          absl::StrCat("\"", cert.subject_common_name, "\" is not signed by \"", issuer.subject_common_name, "\""));
    }
    if (refused->ok()) *refused = status;
    return status.ok();
  }

  // What every certificate of a path must meet.
  absl::Status CheckAny(const Certificate& cert) const {
    if (options_.now < cert.not_before || options_.now > cert.not_after) {
      return Deny(v1::DENY_REASON_ENDORSEMENT_EXPIRED,
                  absl::StrCat("\"", cert.subject_common_name, "\" is valid from ",
                               absl::FormatTime(cert.not_before, absl::UTCTimeZone()), " to ",
                               absl::FormatTime(cert.not_after, absl::UTCTimeZone())));
    }
    for (const Extension& e : cert.extensions) {
      const bool handled_by_caller =
          std::find(options_.handled_critical_oids.begin(), options_.handled_critical_oids.end(), e.oid) !=
          options_.handled_critical_oids.end();
      // Name constraints are not implemented, so they are never ignored, not even when not marked critical.
      if (!handled_by_caller && (e.oid == kOidNameConstraints || (e.critical && !IsKnown(e.oid)))) {
        return Deny(
            v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID,
            absl::StrCat("\"", cert.subject_common_name, "\" has the extension ", e.oid, ", which is not handled"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckIssuer(const Certificate& issuer) const {
    const auto refuse = [&](absl::string_view why) {
      return Deny(v1::DENY_REASON_ENDORSEMENT_CHAIN_INVALID,
                  absl::StrCat("issuer \"", issuer.subject_common_name, "\" ", why));
    };
    if (!issuer.is_ca) return refuse("is not a CA (basicConstraints)");
    if (issuer.key_usage && (*issuer.key_usage & kKeyCertSign) == 0)
      return refuse("may not sign certificates (keyUsage)");
    if (issuer.path_len && IntermediatesBelow() > *issuer.path_len)
      return refuse("has a pathLenConstraint that this path exceeds");
    return absl::OkStatus();
  }

  // Intermediates between the issuer to be added and the leaf, without self-issued ones (RFC 5280 6.1.4 (l)).
  int IntermediatesBelow() const {
    int count = 0;
    for (std::size_t i = 1; i < path_.size(); ++i) count += path_[i]->issuer_der != path_[i]->subject_der ? 1 : 0;
    return count;
  }

  // Policies put no limit on a path unless the caller asks for some, which ours never do; so certificatePolicies counts
  // as known.
  static bool IsKnown(absl::string_view oid) {
    return oid == kOidBasicConstraints || oid == kOidKeyUsage || oid == kOidExtendedKeyUsage ||
           oid == kOidSubjectAltName || oid == kOidCertificatePolicies;
  }

  bool IsAnchor(const Certificate& cert) const {
    return std::any_of(anchors_.begin(), anchors_.end(),
                       [&](const Certificate& anchor) { return anchor.der == cert.der; });
  }

  // The same certificate, or the same name and key (RFC 4158 2.4.2): a loop.
  bool InPath(const Certificate& cert) const {
    return std::any_of(path_.begin(), path_.end(), [&](const Certificate* c) {
      return c == &cert || c->der == cert.der ||
             (c->subject_der == cert.subject_der && c->public_key == cert.public_key);
    });
  }

  // Keeps the first reason: the best explanation when no path is found.
  void Note(const absl::Status& status) {
    if (!status.ok() && failure_.ok()) failure_ = status;
  }

  const std::vector<Certificate>& intermediates_;
  const std::vector<Certificate>& anchors_;
  const PathOptions& options_;
  std::vector<const Certificate*> path_;
  int signature_checks_ = 0;
  absl::Status failure_;
};

}  // namespace

absl::StatusOr<std::vector<Certificate>> BuildPath(const Certificate& leaf,
                                                   const std::vector<Certificate>& intermediates,
                                                   const std::vector<Certificate>& anchors,
                                                   const PathOptions& options) {
  return PathBuilder(intermediates, anchors, options).Build(leaf);
}

}  // namespace twi::crypto
