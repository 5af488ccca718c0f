// A Claims Mapper Policy as its Workload Owner signed it: JWS ES256, typ twi-policy+jws, kid = RFC 7638 thumbprint of
// the owner's key. Payload, all required and nothing else:
//   {"document": the YAML text, "sha256": hex of its SHA-256, "name", "version", "owner": as in the document, "iat":
//   NumericDate}
// The canonical bytes of a policy are the very bytes of the document that the owner signed; nobody writes the YAML
// anew.
#ifndef TWI_COMMON_POLICY_SIGNATURE_POLICY_SIGNATURE_H_
#define TWI_COMMON_POLICY_SIGNATURE_POLICY_SIGNATURE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"

namespace twi {

constexpr char kPolicyTyp[] = "twi-policy+jws";
constexpr std::size_t kMaxPolicyDocument = 128 * 1024;  // bytes of YAML
constexpr std::size_t kMaxSignedPolicy = 256 * 1024;    // bytes of JWS

struct SignedPolicy {
  std::string document;  // YAML, UTF-8, as signed
  std::string sha256;    // of `document`, 32 bytes
  std::string name;      // these three are what the payload says: whoever reads the document must compare
  std::uint64_t version = 0;
  std::string owner;     // SPIFFE ID
  absl::Time signed_at;  // `iat`, whole seconds
};

// Signs; `policy.sha256` is computed here. `key` must be P-256. POLICY_MALFORMED when a field is missing or too long,
// or the document is not UTF-8.
absl::StatusOr<std::string> SignPolicy(const SignedPolicy& policy, const crypto::PrivateKey& key);

// The key with which `owner` signs, or nothing when there is no such owner.
using OwnerKey = std::function<std::optional<crypto::PublicKey>(absl::string_view owner)>;

// Checks, in this order: size; the owner that the payload names is known (POLICY_OWNER_UNKNOWN); signed by that owner's
// key and no other (POLICY_SIGNATURE_INVALID); exactly the members above with their types and limits, sha256 is the
// document's, iat not more than 5 minutes after `now` (POLICY_MALFORMED). The caller still checks: the document parses,
// and says the same name, version and owner; the version against the one in force.
absl::StatusOr<SignedPolicy> VerifyPolicySignature(absl::string_view jws, const OwnerKey& owner_key, absl::Time now);

}  // namespace twi

#endif  // TWI_COMMON_POLICY_SIGNATURE_POLICY_SIGNATURE_H_
