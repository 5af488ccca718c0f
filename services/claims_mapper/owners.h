// The Workload Owners that this Claims Mapper knows: their keys, and what each may grant. Immutable; from config.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_OWNERS_H_
#define TWI_SERVICES_CLAIMS_MAPPER_OWNERS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/keys.h"
#include "proto/twi/config/v1/claims_mapper.pb.h"

namespace twi::claims_mapper {

struct Owner {
  std::string spiffe_id;
  crypto::PublicKey key;  // P-256
  std::vector<std::string> identifier_prefixes;
  std::vector<std::string> dns_suffixes;
};

class Owners {
 public:
  // Reads the key files. Checks: at least one owner; IDs of the trust domain, each once; keys P-256; prefixes
  // "spiffe://<trust_domain>/<segment>/...", ending with '/', not under /twi/; DNS suffixes. CONFIG_INVALID with every
  // problem of form; `name` is the config file's.
  static absl::StatusOr<std::shared_ptr<const Owners>> FromConfig(const config::v1::ClaimsMapperConfig& config,
                                                                  absl::string_view name);
  // For tests, and whoever has the keys already.
  Owners(std::string trust_domain, std::vector<Owner> owners);

  const Owner* Find(absl::string_view spiffe_id) const;  // null: unknown
  const std::string& trust_domain() const { return trust_domain_; }

  // May `owner` grant this identifier and these DNS names? IDENTIFIER_NOT_ALLOWED with every one that it may not.
  absl::Status CheckEntitlement(const Owner& owner, const std::string& workload_identifier,
                                const std::vector<std::string>& dns_names) const;

 private:
  std::string trust_domain_;
  std::map<std::string, Owner> owners_;
};

// Lower-case DNS name of two or more labels (RFC 1123), no wildcard, no trailing dot, at most 253 bytes.
bool IsDnsName(absl::string_view name);

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_OWNERS_H_
