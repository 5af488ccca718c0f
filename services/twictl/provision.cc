#include "services/twictl/provision.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/anticipated_results/anticipated_results.h"
#include "common/crypto/csr.h"
#include "common/crypto/x509.h"
#include "common/jose/json.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/key_store/release_policy.h"
#include "services/twictl/connection.h"
#include "services/twictl/input_files.h"
#include "services/twictl/output_files.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxAnticipated = 64 * 1024;

absl::StatusOr<v1::CredentialKeyType> KeyTypeNamed(const std::string& name) {
  static const auto* const kTypes =
      new std::map<std::string, v1::CredentialKeyType>{{"p256", v1::CREDENTIAL_KEY_TYPE_P256},
                                                       {"p384", v1::CREDENTIAL_KEY_TYPE_P384},
                                                       {"ed25519", v1::CREDENTIAL_KEY_TYPE_ED25519},
                                                       {"rsa3072", v1::CREDENTIAL_KEY_TYPE_RSA3072}};
  const auto found = kTypes->find(name);
  if (found == kTypes->end())
    return absl::InvalidArgumentError(absl::StrCat("--key-type ", name, ": expected p256, p384, ed25519 or rsa3072"));
  return found->second;
}

// A JSON string is a CEL string literal, and a JSON string is a YAML scalar.
std::string Equals(const char* path, const json& literal) { return absl::StrCat(path, " == ", literal.dump()); }
std::string Condition(const char* name, const std::string& expression) {
  return absl::StrCat("- name: ", name, "\n  expression: ", json(expression).dump(), "\n");
}

// The Claims Mapper names the reason only. The policy compiled here, with the same code, so what is wrong with it is
// what it leaves open.
absl::Status ExplainRefusedPlan(const absl::Status& refused) {
  if (DenyReasonOf(refused) != v1::DENY_REASON_RELEASE_POLICY_INVALID) return refused;
  return WithContext(
      refused,
      "the release policy would give the key to workloads of which the planned credential need not be "
      "true: pin in --release-policy (== \"...\") each value of `results` that a claim is computed from, "
      "or take the claim out of the Claims Mapper Policy that accepts anticipated results; and repeat "
      "that policy's conditions on results.software. The Claims Mapper's log names each");
}

absl::Status MatchCsr(const v1::ProvisionKeyResponse& made) {
  TWI_ASSIGN_OR_RETURN(const crypto::Csr csr, crypto::ParseAndVerifyCsr(made.csr()));
  if (csr.public_key.spki() != made.public_key())
    return Deny(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH,
                "the Key Store's CSR is of another key than the one that it names");
  return absl::OkStatus();
}

absl::Status MatchIssued(const v1::WorkloadCredential& credential, const std::string& spki,
                         const std::string& identifier, absl::Time now) {
  if (credential.x509_chain().empty() || credential.x509_bundle().empty())
    return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "the credential has no certificate, or no trust bundle");
  std::vector<crypto::Certificate> chain, bundle;
  for (const std::string& der : credential.x509_chain()) {
    TWI_ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::ParseCertificate(der));
    chain.push_back(std::move(certificate));
  }
  for (const std::string& der : credential.x509_bundle()) {
    TWI_ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::ParseCertificate(der));
    bundle.push_back(std::move(certificate));
  }
  const crypto::Certificate& leaf = chain.front();
  if (leaf.public_key.spki() != spki)
    return Deny(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH,
                "the credential is for another key than the one that was provisioned");
  if (leaf.uri_sans != std::vector<std::string>{identifier}) {
    return Deny(
        v1::DENY_REASON_CREDENTIAL_INVALID,
        absl::StrCat("the credential is for ", absl::StrJoin(leaf.uri_sans, ", "), ", planned was ", identifier));
  }
  crypto::PathOptions options;
  options.now = now;
  const auto path = crypto::BuildPath(leaf, {chain.begin() + 1, chain.end()}, bundle, options);
  return path.ok() ? absl::OkStatus()
                   : Deny(v1::DENY_REASON_CREDENTIAL_INVALID,
                          absl::StrCat("not signed by the bundle that came with it: ", path.status().message()));
}

std::string Pem(const google::protobuf::RepeatedPtrField<std::string>& certificates) {
  std::string pem;
  for (const std::string& der : certificates) pem += crypto::CertificateToPem(der);
  return pem;
}

// P8: everything in it is public, so that any way to the workload is fine.
absl::Status WriteProvisioned(const Provisioned& provisioned, const std::string& directory) {
  TWI_RETURN_IF_ERROR(MakeNewDirectory(directory, 0755));
  std::vector<std::pair<const char*, std::string>> files = {{"chain.pem", Pem(provisioned.credential.x509_chain())},
                                                            {"bundle.pem", Pem(provisioned.credential.x509_bundle())},
                                                            {"release-policy.yaml", provisioned.release_policy},
                                                            {"key-id", provisioned.key_id + "\n"}};
  if (!provisioned.credential.wit().empty()) {
    files.emplace_back("wit.jwt", provisioned.credential.wit() + "\n");
    files.emplace_back("wit-bundle.json", provisioned.credential.wit_bundle() + "\n");
  }
  for (const auto& [name, content] : files)
    TWI_RETURN_IF_ERROR(WriteNewFile(absl::StrCat(directory, "/", name), content, kPublicFile));
  return absl::OkStatus();
}

absl::StatusOr<ProvisionWish> ReadWish(const Flags& flags) {
  ProvisionWish wish;
  wish.target = flags.Get("--target");
  TWI_ASSIGN_OR_RETURN(wish.key_type, KeyTypeNamed(flags.Get("--key-type", "p256")));
  TWI_ASSIGN_OR_RETURN(const verifier::EvidenceFile anticipated, ReadInputFile(flags.Get("--anticipated")));
  wish.anticipated_json = anticipated.bytes;
  if (flags.Has("--release-policy")) {
    TWI_ASSIGN_OR_RETURN(const verifier::EvidenceFile policy, ReadInputFile(flags.Get("--release-policy")));
    if (policy.bytes.empty()) return Deny(v1::DENY_REASON_RELEASE_POLICY_INVALID, "the release policy is empty");
    wish.release_policy = policy.bytes;
  }
  return wish;
}

absl::StatusOr<Shown> RunOnce(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const ProvisionWish wish, ReadWish(flags));
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connect(flags));
  const config::v1::TwictlConfig& c = connection->config;
  if (c.credential_authority_rp_id().empty())
    return Deny(v1::DENY_REASON_CONFIG_INVALID, "credential_authority_rp_id: expected a URI");
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer mapper_peer,
                       NeedPeer(c.has_claims_mapper(), c.claims_mapper(), "claims_mapper"));
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer store_peer, NeedPeer(c.has_key_store(), c.key_store(), "key_store"));
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer authority_peer,
                       NeedPeer(c.has_credential_authority(), c.credential_authority(), "credential_authority"));
  TWI_ASSIGN_OR_RETURN(const auto mapper,
                       client::MakeClaimsMapperClient(mapper_peer, *connection->identity, connection->clock));
  TWI_ASSIGN_OR_RETURN(const auto store,
                       client::MakeKeyStoreClient(store_peer, *connection->identity, connection->clock));
  TWI_ASSIGN_OR_RETURN(const auto authority,
                       client::MakeCredentialAuthorityClient(authority_peer, *connection->identity, connection->clock));
  const ProvisionDeps deps{
      *mapper, *store, *authority, c.credential_authority_rp_id(), connection->clock, connection->deadline};
  TWI_ASSIGN_OR_RETURN(const Provisioned provisioned, Provision(deps, wish));
  TWI_RETURN_IF_ERROR(WriteProvisioned(provisioned, flags.Get("--out")));
  Shown shown;
  shown.json = {{"key_id", provisioned.key_id},
                {"workload_identifier", provisioned.workload_identifier},
                {"target", wish.target},
                {"serial", provisioned.credential.serial()},
                {"jti", provisioned.credential.jti()},
                {"not_after", provisioned.credential.not_after_unix()},
                {"directory", flags.Get("--out")}};
  shown.text = absl::StrCat(
      "provisioned ", provisioned.workload_identifier, "\n  key ", provisioned.key_id, " in the Key Store, for ",
      wish.target, "\n  credential ", provisioned.credential.serial(), ", good until ",
      absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(provisioned.credential.not_after_unix()),
                       absl::UTCTimeZone()),
      "\n  files in ", flags.Get("--out"), "\n");
  return shown;
}

}  // namespace

absl::StatusOr<std::string> MakeReleasePolicy(const json& anticipated) {
  std::string conditions = Condition("status", Equals("results.status", anticipated.value("status", "affirming")));
  const json software = anticipated.value("software", json());
  const json attester = anticipated.value("attester", json::object());
  const bool named = software.is_object() && software.contains("name"), measured = attester.contains("measurement");
  if (!named && !measured)
    return Deny(v1::DENY_REASON_RELEASE_POLICY_INVALID,
                "the anticipated results name neither software nor a measurement: give --release-policy");
  if (named) {
    absl::StrAppend(&conditions, Condition("software", Equals("results.software.name", software.at("name"))));
    if (software.contains("vendor"))
      absl::StrAppend(&conditions, Condition("vendor", Equals("results.software.vendor", software.at("vendor"))));
  }
  if (measured)
    absl::StrAppend(&conditions,
                    Condition("measurement", Equals("results.attester.measurement", attester.at("measurement"))));
  return absl::StrCat("description: made by twictl provision from the anticipated Attestation Results\nconditions:\n",
                      conditions);
}

absl::StatusOr<Provisioned> Provision(const ProvisionDeps& deps, const ProvisionWish& wish) {
  TWI_ASSIGN_OR_RETURN(const json anticipated, jose::ParseJson(wish.anticipated_json, kMaxAnticipated));
  TWI_RETURN_IF_ERROR(ValidateAnticipatedResults(anticipated));

  // P2 before anything is asked of anyone: a policy that is wrong now is wrong for the life of the key.
  Provisioned done;
  done.release_policy = wish.release_policy;
  if (done.release_policy.empty()) {
    TWI_ASSIGN_OR_RETURN(done.release_policy, MakeReleasePolicy(anticipated));
  }
  TWI_ASSIGN_OR_RETURN(const key_store::ReleasePolicy policy, key_store::ReleasePolicy::Compile(done.release_policy));
  if (const absl::Status met = policy.MatchObject(anticipated); !met.ok())
    return WithContext(met, "the anticipated results do not meet the release policy");

  v1::PlanClaimsRequest wanted;  // P1
  wanted.set_anticipated_results_json(wish.anticipated_json);
  wanted.set_rp_id(deps.rp_id);
  wanted.set_release_policy(done.release_policy);
  const absl::StatusOr<v1::PlanClaimsResponse> plan = deps.claims_mapper.PlanClaims(wanted, deps.deadline);
  if (!plan.ok()) return ExplainRefusedPlan(plan.status());

  v1::ProvisionKeyRequest provision;
  provision.set_key_type(wish.key_type);
  provision.set_release_policy(done.release_policy);
  provision.set_target(wish.target);
  TWI_ASSIGN_OR_RETURN(const v1::ProvisionKeyResponse made, deps.key_store.ProvisionKey(provision, deps.deadline));
  TWI_RETURN_IF_ERROR(MatchCsr(made));

  v1::IssueForOwnerRequest issue;  // P6
  issue.set_csr(made.csr());
  issue.set_counter_signature(made.counter_signature());
  issue.set_grant(plan->grant());
  TWI_ASSIGN_OR_RETURN(const v1::IssueResponse issued, deps.credential_authority.IssueForOwner(issue, deps.deadline));
  TWI_RETURN_IF_ERROR(
      MatchIssued(issued.credential(), made.public_key(), plan->workload_identifier(), deps.clock.Now()));
  done.key_id = made.key_id();
  done.workload_identifier = plan->workload_identifier();
  done.credential = issued.credential();
  return done;
}

int RunProvision(const Args& args) {
  std::vector<FlagSpec> specs = ConnectionFlags();
  const std::vector<FlagSpec> own = {
      {"--anticipated", "FILE", "JSON: the results object that the workload is expected to have", false, true},
      {"--target", "URI", "what the credential is for", false, true},
      {"--out", "DIR", "is made; must not exist", false, true},
      {"--release-policy", "FILE",
       "YAML ReleasePolicy; made from --anticipated when left out. It can never be changed"},
      {"--key-type", "p256|p384|ed25519|rsa3072", "default p256"}};
  specs.insert(specs.begin() + 1, own.begin(), own.end());
  return RunFramed(
      {"provision", "Mechanism D, by the Workload Owner: has a key made in the Key Store and gets its credential.",
       std::move(specs), 0, RunOnce},
      args);
}

}  // namespace twi::twictl
