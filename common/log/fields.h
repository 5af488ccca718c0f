// The names of log fields: one list, so that the same thing has the same name in every daemon's log (style H28).
#ifndef TWI_COMMON_LOG_FIELDS_H_
#define TWI_COMMON_LOG_FIELDS_H_

namespace twi::log::fields {

// Requests and decisions.
constexpr char kTraceId[] = "trace_id";  // W3C Trace Context: the same in every daemon's lines about one acquisition
constexpr char kRpc[] = "rpc";
constexpr char kPeer[] = "peer";
constexpr char kReason[] = "reason";      // DenyReasonName
constexpr char kDetail[] = "detail";      // everything that was wrong: for the operator only
constexpr char kSentence[] = "sentence";  // DenyReasonSentence
constexpr char kMechanism[] = "mechanism";
constexpr char kWorkloadIdentifier[] = "workload_identifier";
constexpr char kTarget[] = "target";
constexpr char kRpId[] = "rp_id";
constexpr char kResultsId[] = "results_id";  // jti of the Attestation Results
constexpr char kResultsDigest[] = "results_sha256";
constexpr char kEvidenceDigest[] = "evidence_sha256";
constexpr char kEvidenceFormat[] = "evidence_format";
constexpr char kGrantId[] = "grant_id";  // jti of the grant
constexpr char kPolicy[] = "policy";     // name@version
constexpr char kPolicyDigest[] = "policy_sha256";
constexpr char kOwner[] = "owner";
constexpr char kSerial[] = "serial";
constexpr char kTokenId[] = "token_id";  // jti of a WIT
constexpr char kKeyId[] = "key_id";
constexpr char kKid[] = "kid";
constexpr char kNotAfter[] = "not_after";

// Life of a daemon.
constexpr char kVersion[] = "version";
constexpr char kConfig[] = "config";
constexpr char kField[] = "field";  // path of a config field
constexpr char kFile[] = "file";
constexpr char kPort[] = "port";
constexpr char kListen[] = "listen";
constexpr char kSignal[] = "signal";
constexpr char kCount[] = "count";

}  // namespace twi::log::fields

#endif  // TWI_COMMON_LOG_FIELDS_H_
