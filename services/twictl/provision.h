// `twictl provision`: mechanism D, provisioning, by the Workload Owner. The whole sequence:
// services/key_store/provision_key.h.
#ifndef TWI_SERVICES_TWICTL_PROVISION_H_
#define TWI_SERVICES_TWICTL_PROVISION_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/client/claims_mapper_client.h"
#include "common/client/credential_authority_client.h"
#include "common/client/key_store_client.h"
#include "common/time/clock.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/key_store.pb.h"
#include "proto/twi/v1/workload_credential.pb.h"
#include "services/twictl/commands.h"

namespace twi::twictl {

// provision --config FILE --anticipated FILE --target URI --out DIR [--release-policy FILE] [--key-type p256]
// Makes DIR with what the workload needs, all of it public: key-id, chain.pem, bundle.pem, wit.jwt and wit-bundle.json
// (unless the key type has no WIT), release-policy.yaml.
int RunProvision(const Args& args);

struct ProvisionDeps {
  client::ClaimsMapperClient& claims_mapper;
  client::KeyStoreClient& key_store;
  client::CredentialAuthorityClient& credential_authority;
  std::string rp_id;  // of the Credential Authority, from our config
  const Clock& clock;
  absl::Time deadline;
};

struct ProvisionWish {
  std::string anticipated_json;  // the `results` object that the workload is expected to have
  std::string release_policy;    // YAML; made from the anticipated results when empty
  std::string target;
  v1::CredentialKeyType key_type = v1::CREDENTIAL_KEY_TYPE_UNSPECIFIED;
};

struct Provisioned {
  std::string key_id, workload_identifier, release_policy;
  v1::WorkloadCredential credential;
};

// Checked here: the anticipated results against the schema (REQUEST_MALFORMED); the release policy with the Key Store's
// code (RELEASE_POLICY_INVALID), and that the anticipated results meet it (RELEASE_POLICY_REFUSED: such a key could
// never be opened); the CSR is of the key that the Key Store names (CSR_*, CREDENTIAL_KEY_MISMATCH); the credential
// carries that key (CREDENTIAL_KEY_MISMATCH) and the planned identifier, and is signed by the bundle that came with it
// (CREDENTIAL_INVALID). Whether the bundle is to be trusted, the workload's config says. That the release policy keeps
// the key for workloads of which the planned claims are true, the Claims Mapper checks (RELEASE_POLICY_INVALID), and
// the Credential Authority that the key has that very policy.
absl::StatusOr<Provisioned> Provision(const ProvisionDeps& deps, const ProvisionWish& wish);

// A release policy that pins what the anticipated results say of the software: its name and vendor, and the measurement
// if there is one; not its version, so that an authorized update keeps its key. RELEASE_POLICY_INVALID when they say
// nothing of it.
absl::StatusOr<std::string> MakeReleasePolicy(const nlohmann::json& anticipated);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_PROVISION_H_
