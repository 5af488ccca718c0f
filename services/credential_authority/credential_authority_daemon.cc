#include "services/credential_authority/credential_authority_daemon.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "common/client/fetch_keys.h"
#include "common/client/key_store_client.h"
#include "common/config/refresh.h"
#include "common/metrics/watch_challenges.h"
#include "common/server/daemon_store.h"
#include "common/server/server.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/credential_authority/authority_config.h"
#include "services/credential_authority/credential_authority_service.h"
#include "services/credential_authority/issuance_record.h"

namespace twi::credential_authority {
namespace {

using config::v1::CredentialAuthorityConfig;

class Daemon final : public server::Running {
 public:
  static absl::StatusOr<std::unique_ptr<server::Running>> Start(const google::protobuf::Message& message) {
    auto daemon = std::make_unique<Daemon>();
    TWI_RETURN_IF_ERROR(daemon->Assemble(static_cast<const CredentialAuthorityConfig&>(message)));
    return std::unique_ptr<server::Running>(std::move(daemon));
  }
  void Drain() override { server_->Drain(); }
  int port() const override { return server_->port(); }
  // Nothing but `log` changes while it runs: everything else decides what is issued. Certificates are re-read by
  // themselves.
  absl::Status Reload(const google::protobuf::Message&) override { return absl::OkStatus(); }

 private:
  absl::Status Assemble(const CredentialAuthorityConfig& c) {
    server::SetBuildInfo(metrics_, "credential-authority");
    // WIT keys are published for a day after they stop signing: the longest life of a credential.
    TWI_ASSIGN_OR_RETURN(store_, server::DaemonStore::Open(c.storage(), {kAuthoritySchema, kIssuanceSchema}, "wit",
                                                           config::v1::SigningKeys(), random_, metrics_, clock_.Now()));
    TWI_ASSIGN_OR_RETURN(X509Authority x509,
                         LoadX509Authority(c, *store_->database, *store_->sealer, random_, clock_.Now()));
    x509_ = std::make_unique<X509Authority>(std::move(x509));
    supplied_ = !c.issuing().supplied_key_file().empty();
    absl::Time end = absl::InfiniteFuture();
    for (const crypto::Certificate& certificate : x509_->chain) end = std::min(end, certificate.not_after);
    metrics_.GaugeOf("twi_issuing_certificate_expiry_timestamp_seconds")
        .Set(static_cast<double>(absl::ToUnixSeconds(end)));
    challenges_ = std::make_unique<Challenges>(Challenges::Options{ChallengeLifetime(c)}, random_);
    challenge_samples_ = metrics::WatchChallenges(metrics_, *challenges_);
    TWI_RETURN_IF_ERROR(ConnectPeers(c));
    deps_ = std::make_unique<AuthorityDeps>(
        AuthorityDeps{clock_,
                      random_,
                      *store_->database,
                      *x509_,
                      *store_->keys,
                      *challenges_,
                      c.rp_id(),
                      c.trust_domain(),
                      c.issuer(),
                      std::set<std::string>(c.targets().begin(), c.targets().end()),
                      std::set<std::string>(c.mechanisms().begin(), c.mechanisms().end()),
                      MaxLifetime(c),
                      Backdate(c),
                      MaxResultsAge(c),
                      std::set<std::string>(c.operators().begin(), c.operators().end()),
                      c.verifier_issuer(),
                      c.grant_keys().peer().spiffe_id(),
                      c.key_store_issuer(),
                      verifier_keys_.get(),
                      grant_keys_.get(),
                      key_store_keys_.get(),
                      claims_mapper_.get(),
                      verifier_.get(),
                      policy_versions_.get()});
    const server::MakeService make = [this](server::Gate& gate) {
      return std::make_unique<CredentialAuthorityService>(gate, *deps_);
    };
    TWI_ASSIGN_OR_RETURN(server_,
                         server::Server::Start(c.server(), clock_,
                                               server::OneService(v1::CredentialAuthority::service_full_name(), make),
                                               {[this] { return Ready(); }, nullptr}, &metrics_));
    return absl::OkStatus();
  }

  absl::Status ConnectPeers(const CredentialAuthorityConfig& c) {
    TWI_ASSIGN_OR_RETURN(identity_, client::Identity::FromFiles(c.server().tls()));
    TWI_ASSIGN_OR_RETURN(claims_mapper_, client::MakeClaimsMapperClient(c.claims_mapper(), *identity_, clock_));
    policy_versions_ = std::make_unique<PolicyVersions>(*claims_mapper_, clock_);
    TWI_ASSIGN_OR_RETURN(grant_source_, client::MakeClaimsMapperClient(c.grant_keys().peer(), *identity_, clock_));
    grant_keys_ = std::make_unique<client::KeySource>(
        [this](absl::Time deadline) { return grant_source_->GetGrantKeys(deadline); },
        config::RefreshOf(c.grant_keys()), clock_);
    if (c.has_verifier()) {
      TWI_ASSIGN_OR_RETURN(verifier_, client::MakeVerifierClient(c.verifier(), *identity_, clock_));
    }
    if (c.has_verifier_keys()) {
      TWI_ASSIGN_OR_RETURN(verifier_source_, client::MakeVerifierClient(c.verifier_keys().peer(), *identity_, clock_));
      verifier_keys_ = std::make_unique<client::KeySource>(client::VerifierKeysOf(*verifier_source_),
                                                           config::RefreshOf(c.verifier_keys()), clock_);
    }
    if (c.has_key_store_keys()) {
      TWI_ASSIGN_OR_RETURN(key_store_source_,
                           client::MakeKeyStoreClient(c.key_store_keys().peer(), *identity_, clock_));
      key_store_keys_ = std::make_unique<client::KeySource>(client::KeyStoreKeysOf(*key_store_source_),
                                                            config::RefreshOf(c.key_store_keys()), clock_);
    }
    return absl::OkStatus();
  }

  // For health probes: the store answers, and holds what signs.
  absl::Status Ready() {
    const absl::Time now = clock_.Now();
    TWI_RETURN_IF_ERROR(store_->Ready(now));
    return AuthorityUsable(*x509_, supplied_, *store_->database, now);
  }

  // In order of construction; destroyed in reverse, the server first.
  SystemClock clock_;
  crypto::SystemRandom random_;
  metrics::Metrics metrics_;
  std::unique_ptr<server::DaemonStore> store_;  // its keys sign WITs
  std::unique_ptr<X509Authority> x509_;
  bool supplied_ = false;  // x509_ is from files, not from the store
  std::unique_ptr<Challenges> challenges_;
  std::vector<metrics::Metrics::Token> challenge_samples_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<client::ClaimsMapperClient> claims_mapper_, grant_source_;
  std::unique_ptr<client::VerifierClient> verifier_, verifier_source_;
  std::unique_ptr<client::KeyStoreClient> key_store_source_;
  std::unique_ptr<PolicyVersions> policy_versions_;
  std::unique_ptr<client::KeySource> verifier_keys_, grant_keys_, key_store_keys_;
  std::unique_ptr<AuthorityDeps> deps_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

server::DaemonSpec CredentialAuthoritySpec() {
  server::DaemonSpec spec;
  spec.name = "credential-authority";
  spec.summary = "Issues Workload Credentials (X.509 and WIT) to attested workloads.";
  spec.config = std::make_unique<CredentialAuthorityConfig>();
  spec.common.services = {v1::CredentialAuthority::service_full_name()};
  spec.validate = [](const google::protobuf::Message& message) {
    const auto& config = static_cast<const CredentialAuthorityConfig&>(message);
    TWI_RETURN_IF_ERROR(ValidateConfig(config));
    return CheckSupplied(config.issuing(), SystemClock().Now());
  };
  spec.start = Daemon::Start;
  return spec;
}

}  // namespace twi::credential_authority
