#include "services/workload_agent/acquisition.h"

#include <utility>

#include "common/status/status_macros.h"

namespace twi::agent {

v1::Binding MakeBinding(const AcquisitionTerms& terms, absl::string_view nonce, absl::string_view subject) {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(std::string(nonce));
  binding.set_target(terms.target);
  binding.set_rp_id(terms.rp_id);
  binding.set_subject(std::string(subject));
  return binding;
}

absl::StatusOr<AcquiredCredential> MatchCredential(crypto::PrivateKey key, v1::WorkloadCredential credential, Wit wit,
                                                   std::string wit_bundle, const AcquisitionTerms& terms,
                                                   absl::Time now) {
  CredentialExpectation expectation;
  expectation.wit_bundle = std::move(wit_bundle);
  expectation.wit_required = wit == Wit::kAskedFor;
  expectation.anchors = terms.anchors;
  expectation.workload_identifier = terms.workload_identifier;
  expectation.now = now;
  TWI_ASSIGN_OR_RETURN(CredentialFacts facts, ValidateCredential(credential, key.public_key(), expectation));
  return AcquiredCredential{std::move(key), std::move(credential), std::move(facts), std::move(expectation.wit_bundle)};
}

}  // namespace twi::agent
