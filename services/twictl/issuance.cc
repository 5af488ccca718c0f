#include "services/twictl/issuance.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/client/credential_authority_client.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "services/twictl/connection.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {
namespace {

std::string Time(std::int64_t unix_seconds) {
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(unix_seconds), absl::UTCTimeZone());
}

const char* MechanismInWords(const std::string& mechanism) {
  static const auto* const kWords = new std::map<std::string, const char*>{
      {"A", "the Verifier asked for it (A)"},
      {"B", "the workload brought Attestation Results (B)"},
      {"C", "the workload brought Evidence, which the Credential Authority had appraised (C)"},
      {"D", "a Workload Owner provisioned it, for a key in the Key Store (D)"}};
  const auto found = kWords->find(mechanism);
  return found == kWords->end() ? "by an unknown mechanism" : found->second;
}

absl::StatusOr<Shown> Issuance(const Flags& flags) {
  v1::GetIssuanceRequest request;
  if (flags.Has("--serial") == flags.Has("--jti"))
    return absl::InvalidArgumentError("expected one of --serial and --jti");
  // Upper case is how `openssl x509 -serial` prints it.
  const std::string id = absl::AsciiStrToLower(flags.Has("--serial") ? flags.Get("--serial") : flags.Get("--jti"));
  if (!FromHex(id).ok() || id.empty()) return absl::InvalidArgumentError("expected the hex digits of a serial or jti");
  if (flags.Has("--serial")) request.set_serial(id);
  if (flags.Has("--jti")) request.set_jti(id);
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connect(flags));
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer peer,
                       NeedPeer(connection->config.has_credential_authority(),
                                connection->config.credential_authority(), "credential_authority"));
  TWI_ASSIGN_OR_RETURN(const auto authority,
                       client::MakeCredentialAuthorityClient(peer, *connection->identity, connection->clock));
  TWI_ASSIGN_OR_RETURN(const v1::GetIssuanceResponse record, authority->GetIssuance(request, connection->deadline));
  Shown shown;
  std::string text;
  google::protobuf::util::JsonPrintOptions names;
  names.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(record, &text, names).ok())
    return Deny(v1::DENY_REASON_INTERNAL, "the record has no JSON form");
  shown.json = nlohmann::json::parse(text, nullptr, false);
  shown.text = IssuanceText(record);
  return shown;
}

}  // namespace

std::string IssuanceText(const v1::GetIssuanceResponse& r) {
  std::string text =
      absl::StrCat("credential ", r.serial(), " says that its holder is ", r.workload_identifier(), "\n");
  absl::StrAppend(&text, "  issued        ", Time(r.issued_unix()), ", good until ", Time(r.not_after_unix()), "\n");
  absl::StrAppend(&text, "  how           ", MechanismInWords(r.mechanism()), "; asked by ", r.requester(), "\n");
  absl::StrAppend(&text, "  for           ", r.target(), "\n");
  absl::StrAppend(&text, "  trace id      ", r.trace_id(), "\n");
  absl::StrAppend(&text, "  key           SHA-256 ", r.public_key_sha256());
  if (!r.key_id().empty()) absl::StrAppend(&text, ", ", r.key_id(), " in the Key Store");
  absl::StrAppend(&text, "\n");
  absl::StrAppend(&text, "  identity by   policy ", r.policy_name(), "@", r.policy_version(), " (SHA-256 ",
                  r.policy_sha256(), "), in a signed grant\n");
  if (r.attestation_results_sha256().empty()) {
    absl::StrAppend(&text,
                    "  attested      not at issuance: the Key Store releases the key to attested workloads only\n");
    if (!r.release_policy_sha256().empty()) {
      absl::StrAppend(&text, "                that meet release policy SHA-256 ", r.release_policy_sha256(),
                      ", in a counter-signature\n");
    }
  } else {
    absl::StrAppend(&text, "  attested      Attestation Results ", r.attestation_results_jti(), " (SHA-256 ",
                    r.attestation_results_sha256(), ")\n");
    absl::StrAppend(&text, "                from Evidence SHA-256 ", r.evidence_sha256(), ", appraised by ",
                    r.appraisal_policy_ids(), "\n");
  }
  if (!r.jti().empty()) absl::StrAppend(&text, "  WIT           jti ", r.jti(), "\n");
  return text;
}

int RunIssuance(const Args& args) {
  std::vector<FlagSpec> specs = ConnectionFlags();
  specs.insert(specs.begin() + 1, {{"--serial", "HEX", "of the X.509 form"}, {"--jti", "ID", "of the WIT"}});
  return RunFramed(
      {"issuance", "Asks the Credential Authority why a credential exists.", std::move(specs), 0, Issuance}, args);
}

}  // namespace twi::twictl
