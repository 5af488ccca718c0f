// Requests for ca.issue, each with a CSR, Attestation Results and a grant of its own, made before the measurement.
#ifndef TWI_INTEGRATION_TESTS_BENCH_ISSUE_REQUESTS_H_
#define TWI_INTEGRATION_TESTS_BENCH_ISSUE_REQUESTS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/random.h"
#include "proto/twi/v1/claims_mapper.pb.h"
#include "proto/twi/v1/credential_authority.pb.h"

namespace twi::bench {

struct PreparedIssue {
  v1::IssueForVerifierRequest request;
  std::string key_spki;  // of the CSR
};

// Signs as the Verifier and the Claims Mapper of a development deployment. Results and grants are as large as those of
// mechanism A with SNP Evidence.
class IssueRequests {
 public:
  IssueRequests();

  // For the X.509 form, or both. Valid from `now` for 5 minutes. 256 Credential Keys are used in turn; nonce, results
  // and grant are new each time.
  PreparedIssue Make(bool wit, absl::Time now);
  const crypto::PublicKey& results_key() const { return results_key_.public_key(); }
  const crypto::PublicKey& grant_key() const { return grant_key_.public_key(); }
  v1::PolicyInfo policy() const;  // that the grants name

 private:
  struct Client {
    std::string csr, spki, spki_sha256;
  };
  std::string MakeResults(const v1::Binding& binding, const Client& client, absl::Time now);
  std::string MakeGrant(const std::string& results, const Client& client, absl::Time now);

  crypto::SystemRandom random_;
  const crypto::PrivateKey results_key_, grant_key_;
  const std::string results_kid_, grant_kid_;
  std::vector<Client> clients_;
  std::size_t next_ = 0;
};

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_ISSUE_REQUESTS_H_
