#include "common/attested_tls/testing/fake_tee.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls::testing {
namespace {

constexpr char kReport[] = "fake report|";

}  // namespace

MakeEvidence FakeTee(const std::string& tag) {
  return [tag](const v1::Binding& binding) -> absl::StatusOr<v1::Evidence> {
    TWI_RETURN_IF_ERROR(ValidateBinding(binding));
    v1::Evidence evidence;
    evidence.mutable_sev_snp()->set_report(absl::StrCat(kReport, tag, "|", BindingValue64(binding)));
    return evidence;
  };
}

std::shared_ptr<const Attester> AttesterWithKey(crypto::PrivateKey key, MakeEvidence make_evidence) {
  static twi::testing::FakeRandom random(77);
  return MakeAttesterWithKey(std::move(key), std::move(make_evidence), random);
}

FakeVerifier::FakeVerifier()
    : media_types({kEvidenceMediaType}),
      key_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
      foreign_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)) {
  auto keys = std::make_shared<jose::JwkSet>();
  keys->keys.push_back({"k1", "ES256", "sig", key_.public_key()});
  keys_ = std::move(keys);
}

void FakeVerifier::Hold() {
  const std::lock_guard<std::mutex> lock(mutex_);
  held_ = true;
}

void FakeVerifier::Release() {
  const std::lock_guard<std::mutex> lock(mutex_);
  held_ = false;
  released_.notify_all();
}

absl::Status FakeVerifier::AwaitRelease(absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  ++waiting_;
  released_.wait(lock, [this] { return !held_; });
  --waiting_;
  if (clock != nullptr && clock->Now() >= deadline) return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, "no answer in time");
  return absl::OkStatus();
}

int FakeVerifier::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return waiting_;
}

int FakeVerifier::sessions() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sessions_;
}

int FakeVerifier::submissions() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return submissions_;
}
int FakeVerifier::ended() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ended_;
}

int FakeVerifier::open_sessions() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(open_.size());
}

void FakeVerifier::End(const VerifierSession& session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++ended_;
  open_.erase(session.id);
}

absl::StatusOr<VerifierSession> FakeVerifier::NewSession(absl::Time deadline) {
  TWI_RETURN_IF_ERROR(AwaitRelease(deadline));
  if (fail) TWI_RETURN_IF_ERROR(fail("NewSession"));
  const std::lock_guard<std::mutex> lock(mutex_);
  VerifierSession session{absl::StrCat("session/", ++sessions_), random_.Bytes(32), media_types};
  open_[session.id] = session.nonce;
  return session;
}

absl::StatusOr<std::string> FakeVerifier::Submit(const VerifierSession& session, absl::string_view media_type,
                                                 absl::string_view evidence, const v1::Binding& binding,
                                                 absl::Time deadline) {
  TWI_RETURN_IF_ERROR(AwaitRelease(deadline));
  if (fail) TWI_RETURN_IF_ERROR(fail("Submit"));
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++submissions_;
    const auto open = open_.find(session.id);
    if (open == open_.end() || open->second != binding.nonce())
      return Deny(v1::DENY_REASON_CHALLENGE_UNKNOWN, "no such session, or not its nonce");
    open_.erase(open);
  }
  v1::Evidence parsed;
  const std::string prefix = absl::StrCat(kReport, kTrustedTag, "|");
  if (media_type != kEvidenceMediaType || !parsed.ParseFromArray(evidence.data(), static_cast<int>(evidence.size())))
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "no Evidence");
  const std::string& report = parsed.sev_snp().report();
  if (!absl::StartsWith(report, prefix)) return Deny(v1::DENY_REASON_MEASUREMENT_UNKNOWN, "an unknown TEE");
  TWI_RETURN_IF_ERROR(MatchBinding(binding, report.substr(prefix.size())));
  TWI_ASSIGN_OR_RETURN(const AttestedKeySubject subject, ReadSubject(binding.subject()));
  AttestationResults r;
  r.issuer = kVerifierId;
  r.build = "fake";
  r.audience = binding.rp_id();
  r.jti = ToBase64Url(random_.Bytes(16));
  r.issued_at = clock_.Now();
  r.expires_at = clock_.Now() + absl::Minutes(5);
  r.status = EarStatus::kAffirming;
  r.trustworthiness = {{"hardware", 2}, {"executables", 3}};
  r.appraisal_policy_ids = {"policy@sha256:00"};
  r.key_spki = subject.spki;
  r.nonce = binding.nonce();
  r.target = binding.target();
  r.reported_binding = report.substr(prefix.size());
  r.channel_key_sha256 = crypto::Sha256(subject.spki);
  r.evidence_sha256 = crypto::Sha256(evidence);
  r.software = {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", "Payroll Inc"}};
  r.attester_claims = {{"format", "fake"}};
  if (tamper) tamper(r);
  return SignResults(r, foreign_key ? foreign_ : key_, foreign_key ? "k2" : "k1");
}

RelyingParty TrustingParty(std::shared_ptr<FakeVerifier> verifier, const std::string& rp_id) {
  RelyingParty party;
  party.results_keys = [keys = verifier->keys()](absl::string_view,
                                                 absl::Time) -> absl::StatusOr<RelyingParty::Keyset> { return keys; };
  party.verifier = std::move(verifier);
  party.verifier_id = kVerifierId;
  party.rp_id = rp_id;
  party.accept = [](AttestedPeer&, absl::Time) { return absl::OkStatus(); };
  return party;
}

}  // namespace twi::atls::testing
