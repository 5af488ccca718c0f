#include "services/verifier/verifier_daemon.h"

#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/config/checks.h"
#include "common/http/server.h"
#include "common/log/log.h"
#include "common/metrics/watch_challenges.h"
#include "common/server/daemon_store.h"
#include "common/server/metrics.h"
#include "common/server/server.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/rotation.h"
#include "proto/twi/config/v1/verifier.pb.h"
#include "services/verifier/count_evidence.h"
#include "services/verifier/rest_service.h"
#include "services/verifier/verifier_service.h"

namespace twi::verifier {
namespace {

using config::v1::VerifierConfig;

using config::Expect;

absl::Duration ResultsLifetime(const VerifierConfig& c) {
  return config::DurationOr(c.has_results_lifetime(), c.results_lifetime(), absl::Minutes(5));
}
absl::Duration ChallengeLifetime(const VerifierConfig& c) {
  return config::DurationOr(c.has_challenge_lifetime(), c.challenge_lifetime(), absl::Minutes(2));
}

absl::Status ValidateRelyingParties(const VerifierConfig& c) {
  TWI_RETURN_IF_ERROR(Expect(!c.relying_parties().empty(), "relying_parties", "at least one"));
  std::set<std::string> rp_ids;
  for (int i = 0; i < c.relying_parties_size(); ++i) {
    const config::v1::RelyingParty& party = c.relying_parties(i);
    const std::string field = absl::StrCat("relying_parties[", i, "]");
    TWI_RETURN_IF_ERROR(config::ExpectUri(party.rp_id(), field + ".rp_id"));
    TWI_RETURN_IF_ERROR(Expect(rp_ids.insert(party.rp_id()).second, field + ".rp_id", "each once"));
    TWI_RETURN_IF_ERROR(Expect(party.spiffe_id().empty() || ValidateWorkloadIdentifier(party.spiffe_id()).ok(),
                               field + ".spiffe_id", "a SPIFFE ID, or nothing"));
  }
  return absl::OkStatus();
}

absl::Status Validate(const google::protobuf::Message& message) {
  const auto& c = static_cast<const VerifierConfig&>(message);
  TWI_RETURN_IF_ERROR(Expect(ValidateWorkloadIdentifier(c.issuer()).ok(), "issuer", "the Verifier's SPIFFE ID"));
  TWI_RETURN_IF_ERROR(ValidateRelyingParties(c));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(ResultsLifetime(c), absl::Seconds(10), absl::Hours(1), "results_lifetime"));
  TWI_RETURN_IF_ERROR(Expect(storage::RotationOf(c.results_keys()).overlap >= ResultsLifetime(c),
                             "results_keys.overlap", "at least results_lifetime: what a key signed outlives it"));
  TWI_RETURN_IF_ERROR(
      config::ExpectWithin(ChallengeLifetime(c), absl::Seconds(1), absl::Minutes(10), "challenge_lifetime"));
  TWI_RETURN_IF_ERROR(Expect(c.has_claims_mapper() || !c.has_credential_authority(), "credential_authority",
                             "claims_mapper beside it (mechanism A), or neither"));
  TWI_RETURN_IF_ERROR(Expect(c.has_credential_authority() || !c.has_claims_mapper(), "claims_mapper",
                             "credential_authority beside it (mechanism A), or neither"));
  if (c.has_rest()) TWI_RETURN_IF_ERROR(CheckRestConfig(c.rest()).status());
  TWI_RETURN_IF_ERROR(Expect(c.has_appraisal(), "appraisal", "a section, got nothing"));
  return LoadAppraisalRules(c.appraisal()).status();
}

class Daemon final : public server::Running {
 public:
  static absl::StatusOr<std::unique_ptr<server::Running>> Start(const google::protobuf::Message& message) {
    const auto& c = static_cast<const VerifierConfig&>(message);
    auto daemon = std::make_unique<Daemon>();
    TWI_RETURN_IF_ERROR(daemon->Assemble(c));
    return std::unique_ptr<server::Running>(std::move(daemon));
  }
  // Both at once: each may take its own drain_timeout.
  void Drain() override {
    const std::future<void> rest = std::async([this] {
      if (rest_server_ != nullptr) rest_server_->Drain();
    });
    server_->Drain();
    rest.wait();
  }
  int port() const override { return server_->port(); }

  // Policy, reference values and trust take effect together or not at all; the rest of the config needs a restart.
  absl::Status Reload(const google::protobuf::Message& message) override {
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<const AppraisalRules> rules,
                         LoadAppraisalRules(static_cast<const VerifierConfig&>(message).appraisal()));
    log::Info("appraisal rules in force",
              {{"policy", rules->policy.id}, {"count", absl::StrCat(rules->references.size())}});
    const std::lock_guard<std::mutex> lock(rules_mutex_);
    rules_ = std::move(rules);
    return absl::OkStatus();
  }

 private:
  absl::Status Assemble(const VerifierConfig& c) {
    TWI_RETURN_IF_ERROR(Reload(c));
    server::SetBuildInfo(metrics_, "verifier");
    TWI_ASSIGN_OR_RETURN(store_, server::DaemonStore::Open(c.storage(), {kEncryptionKeySchema}, "results",
                                                           c.results_keys(), random_, metrics_, clock_.Now()));
    TWI_ASSIGN_OR_RETURN(EncryptionKey encryption_key,
                         EncryptionKey::Load(*store_->database, *store_->sealer, random_));
    encryption_key_ = std::make_unique<EncryptionKey>(std::move(encryption_key));
    challenges_ = std::make_unique<Challenges>(Challenges::Options{ChallengeLifetime(c)}, random_);
    challenge_samples_ = metrics::WatchChallenges(metrics_, *challenges_);
    std::map<std::string, std::string> parties;
    for (const config::v1::RelyingParty& party : c.relying_parties()) parties[party.rp_id()] = party.spiffe_id();
    deps_ = std::make_unique<VerifierDeps>(
        VerifierDeps{clock_, random_, *challenges_, *store_->keys, *encryption_key_, c.issuer(), ResultsLifetime(c),
                     std::move(parties), [this] { return Rules(); },
                     [this](const Appraisal& appraisal) { evidence_.Count(appraisal); }});
    if (c.has_claims_mapper()) {
      TWI_ASSIGN_OR_RETURN(identity_, client::Identity::FromFiles(c.server().tls()));
      TWI_ASSIGN_OR_RETURN(claims_mapper_, client::MakeClaimsMapperClient(c.claims_mapper(), *identity_, clock_));
      TWI_ASSIGN_OR_RETURN(credential_authority_,
                           client::MakeCredentialAuthorityClient(c.credential_authority(), *identity_, clock_));
    }
    const server::MakeService make = [this](server::Gate& gate) {
      return std::make_unique<VerifierService>(gate, *deps_, claims_mapper_.get(), credential_authority_.get());
    };
    TWI_ASSIGN_OR_RETURN(
        server_, server::Server::Start(c.server(), clock_, server::OneService(v1::Verifier::service_full_name(), make),
                                       {[this] { return Ready(); }, nullptr}, &metrics_));
    return c.has_rest() ? StartRest(c.rest()) : absl::OkStatus();
  }

  absl::Status StartRest(const config::v1::VerifierRest& c) {
    TWI_ASSIGN_OR_RETURN(const RestSettings settings, CheckRestConfig(c));
    rest_ = std::make_unique<RestService>(*deps_, settings, [this] { return Ready(); });
    TWI_ASSIGN_OR_RETURN(rest_server_,
                         http::Server::Start(c.http(), clock_, rest_->Routes(), {"rest.http", CountRest()}));
    return absl::OkStatus();
  }

  // A REST request counts like an RPC, as rpc="rest:ROUTE".
  http::OnOutcome CountRest() {
    std::map<std::string, std::shared_ptr<server::RpcMetrics>> routes;
    for (const std::string& name : RestRouteNames())
      routes.emplace(name, server::MakeRpcMetrics(metrics_, absl::StrCat("rest:", name)));
    return [routes = std::move(routes)](const std::string& route, v1::DenyReason outcome, absl::Duration took) {
      routes.at(route)->Count(outcome, took);
    };
  }

  std::shared_ptr<const AppraisalRules> Rules() {
    const std::lock_guard<std::mutex> lock(rules_mutex_);
    return rules_;
  }

  // For health probes: the store answers, and holds what signs.
  absl::Status Ready() { return store_->Ready(clock_.Now()); }

  // In order of construction; destroyed in reverse, the servers first.
  SystemClock clock_;
  crypto::SystemRandom random_;
  std::mutex rules_mutex_;
  std::shared_ptr<const AppraisalRules> rules_;
  metrics::Metrics metrics_;
  EvidenceCounter evidence_{metrics_};
  std::unique_ptr<server::DaemonStore> store_;
  std::unique_ptr<EncryptionKey> encryption_key_;
  std::unique_ptr<Challenges> challenges_;
  std::vector<metrics::Metrics::Token> challenge_samples_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<client::ClaimsMapperClient> claims_mapper_;
  std::unique_ptr<client::CredentialAuthorityClient> credential_authority_;
  std::unique_ptr<VerifierDeps> deps_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<RestService> rest_;
  std::unique_ptr<http::Server> rest_server_;
};

}  // namespace

server::DaemonSpec VerifierSpec() {
  server::DaemonSpec spec;
  spec.name = "verifier";
  spec.summary = "Appraises Evidence and emits Attestation Results (RFC 9334).";
  spec.config = std::make_unique<VerifierConfig>();
  spec.common = {{v1::Verifier::service_full_name()}, "issuer"};
  spec.reloadable = {"appraisal"};
  spec.validate = Validate;
  spec.start = Daemon::Start;
  return spec;
}

}  // namespace twi::verifier
