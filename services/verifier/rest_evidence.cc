#include "services/verifier/rest_evidence.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/cmw/cmw.h"
#include "common/http/media_type.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/formats/snp_tsm_report.h"

namespace twi::verifier {
namespace {

constexpr char kEvidence[] = "application/vnd.twi.evidence+protobuf";
constexpr char kTsmCbor[] = "application/vnd.veraison.tsm-report+cbor";
constexpr char kTsmJson[] = "application/vnd.veraison.tsm-report+json";
constexpr char kBound[] = "application/vnd.twi.bound-evidence+protobuf";
constexpr char kCmw[] = "application/cmw";
constexpr char kVeraisonCmw[] = "application/vnd.veraison.cmw";

absl::Status Unsupported(absl::string_view media_type) {
  return Deny(v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED, absl::StrCat("Evidence of media type ", media_type));
}

// The name, when the type has no parameters: none of ours has any.
absl::StatusOr<std::string> NameOf(absl::string_view media_type) {
  TWI_ASSIGN_OR_RETURN(http::MediaType type, http::ParseMediaType(media_type));
  if (!type.parameters.empty()) return Unsupported(media_type);
  return std::move(type.name);
}

absl::StatusOr<Submission> ReadPlain(const std::string& name, absl::string_view bytes) {
  if (bytes.size() > kMaxEvidence) return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "Evidence of over 256 KiB");
  Submission submission;
  submission.bytes = std::string(bytes);
  if (name == kEvidence) {
    if (!submission.evidence.ParseFromString(submission.bytes))
      return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "no twi.v1.Evidence");
    return submission;
  }
  if (name != kTsmCbor && name != kTsmJson) return Unsupported(name);
  TWI_ASSIGN_OR_RETURN(const TsmReport tsm, name == kTsmCbor ? ParseTsmReportCbor(bytes) : ParseTsmReportJson(bytes));
  TWI_ASSIGN_OR_RETURN(*submission.evidence.mutable_sev_snp(), SnpEvidenceOf(tsm));
  return submission;
}

absl::StatusOr<Submission> ReadPlainOrBound(const std::string& name, absl::string_view bytes) {
  if (name != kBound) return ReadPlain(name, bytes);
  v1::BoundEvidence bound;
  if (!bound.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "no twi.v1.BoundEvidence");
  if (!bound.has_binding()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "bound Evidence without a binding");
  TWI_ASSIGN_OR_RETURN(const std::string inner, NameOf(bound.media_type()));
  TWI_ASSIGN_OR_RETURN(Submission submission, ReadPlain(inner, bound.evidence()));
  submission.binding = bound.binding();
  return submission;
}

// The serialization of a CMW, or none when it is not one.
enum class Cmw { kNone, kCbor, kJson };
Cmw CmwOf(absl::string_view name, absl::string_view body) {
  for (const absl::string_view base : {absl::string_view(kVeraisonCmw), absl::string_view(kCmw)}) {
    if (name == absl::StrCat(base, "+cbor")) return Cmw::kCbor;
    if (name == absl::StrCat(base, "+json")) return Cmw::kJson;
    if (name == base) return absl::StartsWith(body, "[") || absl::StartsWith(body, "{") ? Cmw::kJson : Cmw::kCbor;
  }
  return Cmw::kNone;
}

}  // namespace

const std::vector<std::string>& SubmissionMediaTypes() {
  static const auto* types = [] {
    auto* all = new std::vector<std::string>{kEvidence, kTsmCbor, kTsmJson, kBound};
    for (const char* base : {kCmw, kVeraisonCmw}) {
      for (const char* suffix : {"+cbor", "+json", ""}) all->push_back(absl::StrCat(base, suffix));
    }
    return all;
  }();
  return *types;
}

absl::StatusOr<Submission> ReadSubmission(absl::string_view content_type, absl::string_view body) {
  if (content_type.empty()) return Unsupported("none");
  if (body.size() > kMaxSubmission) return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "a body of over 512 KiB");
  TWI_ASSIGN_OR_RETURN(const std::string name, NameOf(content_type));
  const Cmw cmw = CmwOf(name, body);
  if (cmw == Cmw::kNone) return ReadPlainOrBound(name, body);
  TWI_ASSIGN_OR_RETURN(const CmwRecord record,
                       cmw == Cmw::kCbor ? ReadCmwCbor(body) : ReadCmwJson(body, kMaxSubmission));
  TWI_ASSIGN_OR_RETURN(const std::string inner, NameOf(record.media_type));
  return ReadPlainOrBound(inner, record.value);  // and never another CMW: that has no plain type
}

}  // namespace twi::verifier
