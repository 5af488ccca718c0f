// The workload's part of the mechanisms, by hand: Evidence as a test wants it, and each mechanism in one call for tests
// that are about something else.
#ifndef TWI_INTEGRATION_TESTS_ACQUISITION_H_
#define TWI_INTEGRATION_TESTS_ACQUISITION_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/attestation_results/attestation_results.h"
#include "common/crypto/keys.h"
#include "common/dev_snp/dev_snp.h"
#include "integration_tests/caller.h"
#include "integration_tests/deployment.h"

namespace twi::integration {

enum class Tee { kSevSnp, kTpm2 };
std::string TeeName(Tee tee);

// A Credential Key and its Credential Request.
struct Requester {
  Requester();
  crypto::PrivateKey key;
  std::string csr;
};

v1::Binding MakeBinding(const std::string& nonce, const std::string& subject, const std::string& rp_id = kAuthorityRpId,
                        const std::string& target = kTarget);

// A development report over the binding, of image payroll-1.2.0 unless `params` says otherwise (its report_data is
// overwritten).
v1::Evidence SnpEvidence(const Deployment& deployment, const v1::Binding& binding, DevSnpReportParams params);
v1::Evidence SnpEvidence(const Deployment& deployment, const v1::Binding& binding,
                         const std::string& image = "payroll-1.2.0");
// A quote by the software TPM.
v1::Evidence TpmEvidence(const Deployment& deployment, const v1::Binding& binding);
v1::Evidence Attest(const Deployment& deployment, Tee tee, const v1::Binding& binding);

// HPKE to the Verifier, as evidence.proto says.
v1::EncryptedEvidence EncryptToVerifier(const v1::Evidence& evidence, const v1::Binding& binding,
                                        const v1::GetVerifierKeysResponse& keys);

// A challenge, Evidence over it, Attestation Results: what B and D begin with.
struct Attested {
  v1::Binding binding;
  v1::Evidence evidence;
  std::string results;  // JWS
};
absl::StatusOr<Attested> AttestAndAppraise(const Deployment& deployment, Caller& caller, Tee tee,
                                           const std::string& subject, const std::string& rp_id = kAuthorityRpId,
                                           const std::string& target = kTarget);

// Validated as a relying party does, with the keys that the Verifier publishes now.
absl::StatusOr<AttestationResults> ReadResults(Caller& caller, const std::string& results, const std::string& audience);

v1::IssueFromResultsRequest RequestFromResults(const Attested& attested);

// A whole acquisition. `caller` is the workload.
absl::StatusOr<v1::WorkloadCredential> AcquireByA(const Deployment& deployment, Caller& caller,
                                                  const Requester& requester, Tee tee = Tee::kSevSnp);
absl::StatusOr<v1::WorkloadCredential> AcquireByB(const Deployment& deployment, Caller& caller,
                                                  const Requester& requester, Tee tee = Tee::kSevSnp);
absl::StatusOr<v1::WorkloadCredential> AcquireByC(const Deployment& deployment, Caller& caller,
                                                  const Requester& requester, Tee tee = Tee::kSevSnp);

// The credential that mechanism A's results contain.
absl::StatusOr<v1::WorkloadCredential> CredentialIn(const AttestationResults& results);

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_ACQUISITION_H_
