// From the body of a REST submission to Evidence: which format it is, is said by its media type, never guessed.
#ifndef TWI_SERVICES_VERIFIER_REST_EVIDENCE_H_
#define TWI_SERVICES_VERIFIER_REST_EVIDENCE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::verifier {

constexpr std::size_t kMaxSubmission = 512 * 1024;  // bytes of a body: Evidence of 256 KiB in base64, and what wraps it

struct Submission {
  v1::Evidence evidence;
  std::string bytes;                   // the Evidence as submitted, without what wraps it: at most 256 KiB
  std::optional<v1::Binding> binding;  // of twi.v1.BoundEvidence; without it the freshness field must be the nonce
};

// The session's `accept`, in the order of our preference:
//   application/vnd.twi.evidence+protobuf          serialized twi.v1.Evidence: sev-snp, tpm2
//   application/vnd.veraison.tsm-report+cbor       configfs-tsm report: sev-snp
//   application/vnd.veraison.tsm-report+json
//   application/vnd.twi.bound-evidence+protobuf    serialized twi.v1.BoundEvidence around one of the three
//   application/{cmw,vnd.veraison.cmw}[+cbor|+json]  CMW record around one of the four; the first byte says which
//                                                    serialization when the type does not
const std::vector<std::string>& SubmissionMediaTypes();

// `content_type` is the header's value. REQUEST_MALFORMED, MEDIA_TYPE_UNSUPPORTED, EVIDENCE_MALFORMED,
// EVIDENCE_FORMAT_UNSUPPORTED, ENDORSEMENT_MALFORMED, REQUEST_TOO_LARGE.
absl::StatusOr<Submission> ReadSubmission(absl::string_view content_type, absl::string_view body);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_REST_EVIDENCE_H_
