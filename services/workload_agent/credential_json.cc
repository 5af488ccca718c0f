#include "services/workload_agent/credential_json.h"

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "google/protobuf/util/json_util.h"

namespace twi::agent {
namespace {

constexpr std::size_t kMaxCredentialJson = 128 * 1024;

}  // namespace

absl::StatusOr<v1::WorkloadCredential> CredentialFromJson(const std::string& text) {
  if (text.size() > kMaxCredentialJson)
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, absl::StrCat("twi_workload_credential of ", text.size(), " bytes"));
  v1::WorkloadCredential credential;
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &credential);
  if (!parsed.ok())
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, absl::StrCat("twi_workload_credential: ", parsed.ToString()));
  return credential;
}

}  // namespace twi::agent
