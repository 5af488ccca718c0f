#include "common/metrics/table.h"

namespace twi::metrics {

const std::vector<Family>& Families() {
  static const auto* const families = new std::vector<Family>{
      // Every daemon.
      {"twi_build_info", Type::kGauge, "service,version", "Always 1; which daemon and release this is."},
      {"twi_ready", Type::kGauge, "", "1 when a readiness probe would be answered with yes, else 0."},
      {"twi_rpc_requests_total", Type::kCounter, "outcome,rpc",
       "RPCs that were answered, by outcome: OK or the reason of the refusal."},
      {"twi_rpc_duration_seconds", Type::kHistogram, "rpc", "Time from arrival to answer."},
      {"twi_rpc_in_flight", Type::kGauge, "", "Requests that are being worked on."},
      {"twi_refusals_total", Type::kCounter, "reason",
       "Refused RPCs by reason, all RPCs together; every reason of the closed list is there from the start."},
      {"twi_handshakes_refused_total", Type::kCounter, "",
       "TLS handshakes refused because of the client's certificate."},
      {"twi_certificate_expiry_timestamp_seconds", Type::kGauge, "",
       "End of validity of this daemon's own TLS certificate, Unix time; where an agent has two, of the first to end."},
      // Daemons with a store.
      {"twi_store_commit_duration_seconds", Type::kHistogram, "",
       "Time of one group commit, from its first statement until it is on disk."},
      {"twi_store_commit_writes_total", Type::kCounter, "", "Writes that were stored by group commits."},
      {"twi_store_commit_failures_total", Type::kCounter, "", "Group commits of which nothing was stored."},
      // Daemons that issue challenges: verifier, credential-authority.
      {"twi_challenges_remembered", Type::kGauge, "", "Used challenges that are remembered until they expire."},
      {"twi_challenges_capacity", Type::kGauge, "", "How many can be remembered; beyond it requests are OVERLOADED."},
      {"twi_challenges_evicted_total", Type::kCounter, "", "Used challenges that were forgotten because they expired."},
      // verifier.
      {"twi_evidence_appraised_total", Type::kCounter, "chip_family,format,outcome",
       "Evidence that was appraised, by outcome: OK or the first finding's reason."},
      // credential-authority.
      {"twi_issuing_certificate_expiry_timestamp_seconds", Type::kGauge, "",
       "First end of validity in the issuing certificate's chain, Unix time."},
      // workload-agent.
      {"twi_credential_acquisitions_total", Type::kCounter, "mechanism,outcome",
       "Attempts to acquire the credential, by outcome: OK or the reason of the refusal."},
      {"twi_credential_acquisition_duration_seconds", Type::kHistogram, "mechanism",
       "Time of one attempt, from Evidence to installed credential or refusal."},
      {"twi_credential_renewal_failures_total", Type::kCounter, "mechanism",
       "Attempts that failed while a credential was held."},
      {"twi_credential_expiry_timestamp_seconds", Type::kGauge, "",
       "End of validity of the credential that is held, Unix time; 0 while there is none. Lifetime left: this minus "
       "time()."},
  };
  return *families;
}

const Family* FindFamily(absl::string_view name) {
  for (const Family& family : Families()) {
    if (name == family.name) return &family;
  }
  return nullptr;
}

}  // namespace twi::metrics
