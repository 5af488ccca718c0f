// Issues Workload Credentials for tests: right ones, and wrong in one thing each.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TESTING_FAKE_ISSUER_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TESTING_FAKE_ISSUER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_builder.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/workload_credential.pb.h"

namespace twi::agent::testing {

constexpr char kIdentifier[] = "spiffe://example.org/payroll";

class FakeIssuer {
 public:
  explicit FakeIssuer(absl::Time now);

  // What a credential differs in from a right one: changed just before signing.
  struct Changes {
    std::function<void(crypto::CertificateTemplate&)> certificate;
    std::function<void(nlohmann::json&)> wit_claims;
    std::string wit_typ = "wit+jwt";
    bool with_wit = true;
    const FakeIssuer* wit_issuer = nullptr;  // whose WIT and bundle stand in it instead
  };
  // Valid from a minute before `now` for an hour.
  v1::WorkloadCredential Issue(const crypto::PublicKey& key, const Changes& changes) const;
  v1::WorkloadCredential Issue(const crypto::PublicKey& key) const { return Issue(key, Changes()); }

  std::vector<crypto::Certificate> anchors() const { return {root_}; }
  std::string wit_bundle() const;

 private:
  const absl::Time now_;
  crypto::PrivateKey root_key_, wit_key_;
  crypto::Certificate root_;
};

}  // namespace twi::agent::testing

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TESTING_FAKE_ISSUER_H_
