// A Verifier's parts put together as its daemon does it, with a clock and a chip that the test holds.
#ifndef TWI_SERVICES_VERIFIER_TESTING_VERIFIER_UNDER_TEST_H_
#define TWI_SERVICES_VERIFIER_TESTING_VERIFIER_UNDER_TEST_H_

#include <memory>
#include <string>

#include "common/attestation_results/attestation_results.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/temp_dir.h"
#include "services/verifier/testing/snp_builder.h"
#include "services/verifier/verify_request.h"

namespace twi::verifier {

constexpr char kVerifierId[] = "spiffe://test.example/twi/verifier";
constexpr char kAuthorityId[] = "spiffe://test.example/twi/credential-authority";
constexpr char kOtherAuthorityId[] = "spiffe://test.example/twi/other-authority";
constexpr char kRpId[] = "https://ca.test.example";
constexpr char kOtherRpId[] = "https://other.test.example";    // of kOtherAuthorityId
constexpr char kKeyStoreRpId[] = "https://keys.test.example";  // nobody asks on a workload's behalf
constexpr char kTarget[] = "https://payroll.test.example";

// A policy document compiled; a document that does not compile ends the test program.
CompiledEvidencePolicy PolicyFromYaml(const std::string& document);
// Reference values of one file.
ReferenceValueIndex ReferencesFromYaml(const std::string& document);
// The measurement of SnpChain's reports as "payroll" 1.2.0, vouched for until 2030.
extern const char kPayrollReference[];

class VerifierUnderTest {
 public:
  explicit VerifierUnderTest(absl::Time now);

  // A binding with a fresh challenge to `channel`, and SNP Evidence over a binding.
  v1::Binding NewBinding(const std::string& channel, const std::string& subject, const std::string& rp_id = kRpId);
  v1::Evidence EvidenceOver(const v1::Binding& binding) const;
  v1::Evidence EvidenceWith(const v1::Binding& binding, std::size_t offset, const std::string& bytes) const;
  v1::EncryptedEvidence Encrypt(absl::string_view evidence, const v1::Binding& binding) const;

  // What a relying party makes of signed results.
  absl::StatusOr<AttestationResults> Validate(const std::string& jws, const std::string& rp_id = kRpId) const;

  ::twi::testing::FakeClock clock;
  ::twi::testing::FakeRandom random;
  ::twi::testing::TempDir dir;
  testing::SnpChain chain;
  std::unique_ptr<storage::Sealer> sealer;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<storage::SigningKeys> results_keys;
  std::unique_ptr<EncryptionKey> encryption_key;
  std::unique_ptr<Challenges> challenges;
  std::shared_ptr<AppraisalRules> rules;
  std::unique_ptr<VerifierDeps> deps;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_TESTING_VERIFIER_UNDER_TEST_H_
