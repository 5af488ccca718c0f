#include "common/attested_tls/relying_party.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/client/key_source.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

std::vector<std::string> ChecksMade(const AttestedPeer& peer, const RelyingParty& self) {
  std::vector<std::string> checks = {
      absl::StrCat("CertificateVerify: the peer holds the private key of leaf ", ToHex(peer.key_sha256)),
      absl::StrCat("Attestation Results: signed by a published key of ", self.verifier_id),
      absl::StrCat("Attestation Results: for relying party ", self.rp_id),
      absl::StrCat("Attestation Results: issued ",
                   absl::FormatTime(absl::RFC3339_sec, peer.results.issued_at, absl::UTCTimeZone()),
                   ", not expired, status affirming"),
      "Attestation Results: akpub and cnf are the leaf's key",
      absl::StrCat("binding: the Verifier's nonce, role ", RoleName(peer.role), ", relying party and leaf"),
  };
  checks.push_back(
      peer.profile == Profile::kSession
          ? "binding: the exporter of this connection and our own leaf (a relay does not pass)"
          : "NOT CHECKED in profile handshake: that the Evidence was made for this connection (a relay passes)");
  return checks;
}

// What MatchResultsToRequest calls BINDING_MISMATCH, by its own name where the results themselves tell what is wrong.
absl::Status MatchSession(const AttestationResults& results, const v1::Binding& binding,
                          const ReceivedEvidence& received) {
  if (!ConstantTimeEqual(results.nonce, binding.nonce()))
    return Deny(v1::DENY_REASON_ATTESTED_TLS_STALE_NONCE, "the results are of another session: of another nonce");
  const Role other = received.role == Role::kServer ? Role::kClient : Role::kServer;
  if (results.target == BindingTarget(received.profile, other))
    return Deny(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE, "the results are of Evidence of the other role");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AttestedPeer> AppraisePeer(const RelyingParty& self, const VerifierSession& session,
                                          const ReceivedEvidence& received, const Clock& clock, absl::Time deadline) {
  if (std::find(session.media_types.begin(), session.media_types.end(), received.media_type) ==
      session.media_types.end()) {
    return Deny(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED,
                absl::StrCat("the Verifier does not take ", received.media_type));
  }
  AttestedPeer peer;
  peer.profile = received.profile;
  peer.role = received.role;
  peer.key_sha256 = crypto::Sha256(received.leaf_spki);
  const v1::Binding binding = MakeBinding(received.profile, received.role, session.nonce, self.rp_id,
                                          {received.leaf_spki, received.exporter, received.own_key_sha256});
  TWI_ASSIGN_OR_RETURN(peer.results_jws,
                       self.verifier->Submit(session, received.media_type, received.evidence, binding, deadline));
  TWI_ASSIGN_OR_RETURN(const RelyingParty::Keyset keys,
                       self.results_keys(client::UnverifiedKid(peer.results_jws), deadline));
  ResultsExpectation expectation;
  expectation.audience = self.rp_id;
  expectation.issuer = self.verifier_id;
  expectation.now = clock.Now();
  TWI_ASSIGN_OR_RETURN(peer.results, ValidateResults(peer.results_jws, *keys, expectation));
  if (!ConstantTimeEqual(peer.results.key_spki, received.leaf_spki))
    return Deny(v1::DENY_REASON_RESULTS_KEY_MISMATCH, "the results name another key than the leaf's");
  TWI_RETURN_IF_ERROR(MatchSession(peer.results, binding, received));
  TWI_RETURN_IF_ERROR(MatchResultsToRequest(peer.results, binding, peer.key_sha256));
  peer.checks = ChecksMade(peer, self);
  TWI_RETURN_IF_ERROR(self.accept(peer, deadline));
  return peer;
}

}  // namespace twi::atls
