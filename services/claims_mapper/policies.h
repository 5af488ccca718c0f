// The policies in force: loaded from the store at start, replaced one by one when an owner signs a new version. The one
// place where a policy takes effect.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_POLICIES_H_
#define TWI_SERVICES_CLAIMS_MAPPER_POLICIES_H_

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/claims_mapper/owners.h"
#include "services/claims_mapper/policy_snapshot.h"
#include "services/claims_mapper/policy_store.h"

namespace twi::claims_mapper {

// A policy whose signature, document and entitlement are right; its version is not decided yet.
struct CheckedPolicy {
  PolicyPtr policy;
  StoredPolicy stored;
};

// Checks everything about a signed policy but its version. In this order: signed by the owner whom it names
// (VerifyPolicySignature: POLICY_OWNER_UNKNOWN, POLICY_SIGNATURE_INVALID, POLICY_MALFORMED); the document
// (ParseMappingPolicy: POLICY_MALFORMED); the document says the same name, version and owner as the signature
// (POLICY_MALFORMED); the owner may grant the identifier and the DNS names (IDENTIFIER_NOT_ALLOWED). `source` is what
// errors call the document.
absl::StatusOr<CheckedPolicy> CheckPolicy(absl::string_view jws, absl::string_view source, const Owners& owners,
                                          absl::Time now);

// Thread-safe. Mapping never waits for a policy that is being loaded.
class Policies {
 public:
  // Loads what is in force in the store. A stored policy that is no longer right (its owner was taken out of the
  // config, or has another key) is left out and logged as an error.
  static absl::StatusOr<std::unique_ptr<Policies>> Open(PolicyStore& store, std::shared_ptr<const Owners> owners);

  PolicySnapshot::Ptr snapshot() const;
  std::shared_ptr<const Owners> owners() const;

  // Checks, records (on disk), then puts in force. On any error what was in force stays. `caller`: SPIFFE ID that must
  // be the policy's owner (PEER_NOT_ALLOWED).
  absl::StatusOr<PolicyPtr> Put(absl::string_view jws, absl::string_view caller, absl::Time now);
  // A policy file: the same without a caller, and a statement that was loaded before is no error and changes nothing.
  absl::Status PutFile(const std::string& path, absl::Time now);

  // Other owners from a changed config: what is in force is checked against them, as Open does.
  absl::Status SetOwners(std::shared_ptr<const Owners> owners);

 private:
  explicit Policies(PolicyStore& store) : store_(store) {}
  absl::StatusOr<PolicySnapshot::Ptr> LoadAll(const Owners& owners);
  absl::StatusOr<PolicyPtr> PutChecked(CheckedPolicy checked, absl::Time now);  // with writer_ held
  void Publish(PolicySnapshot::Ptr snapshot, std::shared_ptr<const Owners> owners);

  PolicyStore& store_;
  std::mutex writer_;         // one change at a time; taken before mutex_
  mutable std::mutex mutex_;  // guards the two below, for the moment of a copy
  PolicySnapshot::Ptr snapshot_;
  std::shared_ptr<const Owners> owners_;
};

// A signed policy from a file: at most kMaxSignedPolicy bytes, white space around it is ignored. CONFIG_INVALID.
absl::StatusOr<std::string> ReadSignedPolicyFile(const std::string& path);

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_POLICIES_H_
