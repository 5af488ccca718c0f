// Every bit of a Credential Request flipped before anybody vouches for it, so that nothing but the request itself can
// give it away: it does not parse, its key is none, or that key did not sign it (Proof-of-Possession).
#include <functional>
#include <set>

#include "common/crypto/csr.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/stand_in_verifier.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

constexpr std::size_t kWithinSignature = 60;  // a DER signature by P-256 is longer, and a request ends in it

// `send`: brings the changed request before whoever has to refuse it.
void ExpectEveryBitRefused(const std::string& csr, const std::function<absl::Status(const std::string&)>& send) {
  const std::set<int> of_the_request = {v1::DENY_REASON_CSR_MALFORMED, v1::DENY_REASON_CSR_KEY_NOT_ALLOWED,
                                        v1::DENY_REASON_CSR_SIGNATURE_INVALID};
  std::set<int> seen;
  for (std::size_t bit = 0; bit < csr.size() * 8; ++bit) {
    std::string flipped = csr;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const absl::Status refused = send(flipped);
    seen.insert(DenyReasonOf(refused));
    if (bit / 8 >= csr.size() - kWithinSignature) {
      EXPECT_THAT(refused, StatusIs(v1::DENY_REASON_CSR_SIGNATURE_INVALID)) << "byte " << bit / 8 << " bit " << bit % 8;
    }
    EXPECT_EQ(of_the_request.count(DenyReasonOf(refused)), 1u)
        << "byte " << bit / 8 << " bit " << bit % 8 << ": " << refused;
  }
  EXPECT_EQ(seen, of_the_request) << "each of them is what some bit leads to";
}

class CsrTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>();
    verifier_ = std::make_unique<StandInVerifier>(*deployment_);
    for (const char* daemon : {kClaimsMapper, kCredentialAuthority, kKeyStore}) deployment_->Start(daemon);
  }
  static void TearDownTestSuite() {
    deployment_.reset();
    verifier_.reset();
  }

  // Good results over this request, whatever it is, that name the key of the requester.
  Attested Attest(const std::string& csr) {
    const v1::Binding binding = MakeBinding("0123456789abcdef", csr);
    return {binding,
            {},
            verifier_->Sign(verifier_->Results(binding, requester_.key.public_key().spki(), workload_.key_sha256()))};
  }

  inline static std::unique_ptr<Deployment> deployment_;
  inline static std::unique_ptr<StandInVerifier> verifier_;
  const Requester requester_;
  Caller workload_ = Caller::Workload(*deployment_);
};

TEST_F(CsrTest, IssueFromResultsRefusesEveryFlippedBit) {
  const auto send = [&](const std::string& csr) {
    return workload_.IssueFromResults(RequestFromResults(Attest(csr))).status();
  };
  EXPECT_OK(send(requester_.csr));
  ExpectEveryBitRefused(requester_.csr, send);
}

// The request comes before the grant, so there is none here: what is not refused as a request would be refused as that.
TEST_F(CsrTest, IssueForVerifierRefusesEveryFlippedBit) {
  Caller verifier = Caller::Holder(*deployment_, "tls/verifier");
  const auto send = [&](const std::string& csr) {
    const Attested attested = Attest(csr);
    v1::IssueForVerifierRequest request;
    request.set_attestation_results(attested.results);
    *request.mutable_binding() = attested.binding;
    return verifier.IssueForVerifier(request).status();
  };
  EXPECT_THAT(send(requester_.csr), StatusIs(v1::DENY_REASON_GRANT_MALFORMED));
  ExpectEveryBitRefused(requester_.csr, send);
}

// No Evidence covers a request of mechanism D. One that verified all the same would meet the counter-signature next.
TEST_F(CsrTest, IssueForOwnerRefusesEveryFlippedBit) {
  Caller owner = Caller::Holder(*deployment_, "owners/payroll");
  v1::ProvisionKeyRequest provision;
  provision.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
  provision.set_release_policy(deployment_->Read("config/release_policy.yaml"));
  provision.set_target(kTarget);
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse made, owner.ProvisionKey(provision));
  const auto send = [&](const std::string& csr) {
    v1::IssueForOwnerRequest request;
    request.set_csr(csr);
    request.set_counter_signature(made.counter_signature());
    return owner.IssueForOwner(request).status();
  };
  EXPECT_THAT(send(made.csr()), StatusIs(v1::DENY_REASON_GRANT_MALFORMED)) << "the request itself is good";
  EXPECT_THAT(send(requester_.csr), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
  ExpectEveryBitRefused(made.csr(), send);
}

// A good request of another key than the attested one.
TEST_F(CsrTest, RefusesTheRequestOfAnotherKey) {
  const Requester other;
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(Attest(other.csr))),
              StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH));
}

}  // namespace
}  // namespace twi::integration
