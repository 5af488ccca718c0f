// A TEE and a Verifier without hardware or daemon: the "report" is the tag of the TEE and the binding's 64-byte value,
// and the Verifier believes every report of a tag that it knows. Everything after that (Attestation Results, binding,
// keys) is real.
#ifndef TWI_COMMON_ATTESTED_TLS_TESTING_FAKE_TEE_H_
#define TWI_COMMON_ATTESTED_TLS_TESTING_FAKE_TEE_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/attested_tls/attester.h"
#include "common/attested_tls/relying_party.h"
#include "common/crypto/keys.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"

namespace twi::atls::testing {

constexpr char kVerifierId[] = "spiffe://example.org/twi/verifier";
constexpr char kRpId[] = "https://client.example.org";
constexpr char kServerRpId[] = "https://server.example.org";
constexpr char kTrustedTag[] = "payroll 1.2.0";

// Evidence of the fake TEE with this tag.
MakeEvidence FakeTee(const std::string& tag = kTrustedTag);

// An attester whose TLS identity key the test (an attacker, say) knows as well.
std::shared_ptr<const Attester> AttesterWithKey(crypto::PrivateKey key, MakeEvidence make_evidence);

class FakeVerifier final : public VerifierSessions {
 public:
  FakeVerifier();
  ~FakeVerifier() override { Release(); }

  absl::StatusOr<VerifierSession> NewSession(absl::Time deadline) override;
  absl::StatusOr<std::string> Submit(const VerifierSession& session, absl::string_view media_type,
                                     absl::string_view evidence, const v1::Binding& binding,
                                     absl::Time deadline) override;
  void End(const VerifierSession& session) override;
  std::shared_ptr<const jose::JwkSet> keys() const { return keys_; }

  // What goes wrong. Set before use.
  std::function<void(AttestationResults&)> tamper;           // before signing
  std::function<absl::Status(absl::string_view call)> fail;  // "NewSession", "Submit"
  bool foreign_key = false;                                  // signs with a key that nobody published
  const Clock* clock = nullptr;  // by it a call that returns too late says so, as the HTTPS client does
  std::vector<std::string> media_types;
  // From now on calls do not return (a silent Verifier); Release lets them go on.
  void Hold();
  void Release();
  int sessions() const;
  int submissions() const;
  int ended() const;  // calls of End
  int open_sessions() const;
  int waiting() const;  // calls that do not return now

 private:
  absl::Status AwaitRelease(absl::Time deadline);

  const crypto::PrivateKey key_, foreign_;
  std::shared_ptr<const jose::JwkSet> keys_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable released_;
  bool held_ = false;
  int sessions_ = 0, submissions_ = 0, ended_ = 0, waiting_ = 0;
  std::map<std::string, std::string> open_;  // id -> nonce; each session once
  twi::testing::FakeRandom random_;
  twi::testing::FakeClock clock_;
};

// A relying party that trusts `verifier` and accepts every affirming peer. `results_keys` etc. may be changed.
RelyingParty TrustingParty(std::shared_ptr<FakeVerifier> verifier, const std::string& rp_id = kRpId);

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_TESTING_FAKE_TEE_H_
