#include "services/claims_mapper/claims_mapper_daemon.h"

#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/client/channel.h"
#include "common/client/verifier_client.h"
#include "common/config/load_yaml.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/metrics/watch_store.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "common/storage/signing_keys.h"
#include "services/claims_mapper/claims_mapper_service.h"

namespace twi::claims_mapper {
namespace {

using config::v1::ClaimsMapperConfig;

absl::Duration DurationOr(const google::protobuf::Duration& duration, bool set, absl::Duration otherwise) {
  return set ? absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()) : otherwise;
}

absl::Duration GrantLifetime(const ClaimsMapperConfig& c) {
  return DurationOr(c.grant_lifetime(), c.has_grant_lifetime(), absl::Minutes(2));
}
absl::Duration ResultsMaxAge(const ClaimsMapperConfig& c) {
  return DurationOr(c.results_max_age(), c.has_results_max_age(), absl::Minutes(10));
}
absl::Duration KeyRefresh(const ClaimsMapperConfig& c) {
  return DurationOr(c.verifier_keys().refresh(), c.verifier_keys().has_refresh(), absl::Minutes(5));
}

absl::Status Need(bool good, absl::string_view field, absl::string_view expected) {
  return good ? absl::OkStatus() : config::ConfigError("", field, expected);
}

absl::Status NeedSpiffeIds(const google::protobuf::RepeatedPtrField<std::string>& ids, const std::string& field) {
  std::set<std::string> seen;
  for (const std::string& id : ids) {
    TWI_RETURN_IF_ERROR(Need(ValidateWorkloadIdentifier(id).ok() && seen.insert(id).second, field,
                             absl::StrCat("SPIFFE IDs, each once; got ", id)));
  }
  return absl::OkStatus();
}

absl::Status ValidateFields(const ClaimsMapperConfig& c) {
  TWI_RETURN_IF_ERROR(Need(c.has_server(), "server", "a section"));
  TWI_RETURN_IF_ERROR(Need(!c.storage().database_file().empty(), "storage.database_file", "a file"));
  TWI_RETURN_IF_ERROR(Need(!c.storage().root_key_file().empty(), "storage.root_key_file", "a file"));
  TWI_RETURN_IF_ERROR(
      Need(ValidateWorkloadIdentifier(c.issuer()).ok(), "issuer", "the SPIFFE ID of this Claims Mapper"));
  TWI_RETURN_IF_ERROR(Need(c.verifier_keys().has_peer(), "verifier_keys.peer", "the Verifier"));
  TWI_RETURN_IF_ERROR(Need(ValidateWorkloadIdentifier(c.verifier_keys().peer().spiffe_id()).ok(),
                           "verifier_keys.peer.spiffe_id", "the Verifier's SPIFFE ID"));
  TWI_RETURN_IF_ERROR(
      Need(KeyRefresh(c) >= absl::Seconds(5) && KeyRefresh(c) <= absl::Hours(24), "verifier_keys.refresh", "5s..24h"));
  TWI_RETURN_IF_ERROR(Need(GrantLifetime(c) >= absl::Seconds(10) && GrantLifetime(c) <= absl::Minutes(15),
                           "grant_lifetime", "10s..15m"));
  TWI_RETURN_IF_ERROR(
      Need(ResultsMaxAge(c) >= absl::Seconds(10) && ResultsMaxAge(c) <= absl::Hours(1), "results_max_age", "10s..1h"));
  TWI_RETURN_IF_ERROR(Need(!c.relying_parties().empty(), "relying_parties", "at least one rp_id"));
  for (const std::string& rp_id : c.relying_parties()) {
    TWI_RETURN_IF_ERROR(Need(rp_id.find(':') != std::string::npos && rp_id.size() <= 2048, "relying_parties",
                             absl::StrCat("URIs; got ", rp_id)));
  }
  TWI_RETURN_IF_ERROR(NeedSpiffeIds(c.verifiers(), "verifiers"));
  TWI_RETURN_IF_ERROR(NeedSpiffeIds(c.credential_authorities(), "credential_authorities"));
  for (const std::string& verifier : c.verifiers()) {
    TWI_RETURN_IF_ERROR(Need(verifier == c.verifier_keys().peer().spiffe_id(), "verifiers",
                             absl::StrCat("the Verifier of verifier_keys, whose results are mapped; got ", verifier)));
  }
  return Need(!c.verifiers().empty() || !c.credential_authorities().empty(), "verifiers, credential_authorities",
              "at least one peer that may ask");
}

std::shared_ptr<const MapperSettings> SettingsOf(const ClaimsMapperConfig& c) {
  auto settings = std::make_shared<MapperSettings>();
  settings->issuer = c.issuer();
  settings->verifier = c.verifier_keys().peer().spiffe_id();
  settings->relying_parties = {c.relying_parties().begin(), c.relying_parties().end()};
  settings->verifiers = {c.verifiers().begin(), c.verifiers().end()};
  settings->credential_authorities = {c.credential_authorities().begin(), c.credential_authorities().end()};
  settings->grant_lifetime = GrantLifetime(c);
  settings->results_max_age = ResultsMaxAge(c);
  return settings;
}

class Daemon final : public server::Running {
 public:
  Daemon(const Clock& clock, crypto::Random& random) : clock_(clock), random_(random) {}

  absl::Status Assemble(const ClaimsMapperConfig& c, client::KeySource::Fetch fetch) {
    SetSettings(SettingsOf(c));
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<const Owners> owners, Owners::FromConfig(c, ""));
    TWI_ASSIGN_OR_RETURN(sealer_, storage::Sealer::FromConfig(c.storage()));
    TWI_ASSIGN_OR_RETURN(database_, storage::Database::Open(c.storage().database_file(),
                                                            {storage::kSigningKeysSchema, kPoliciesSchema}));
    server::SetBuildInfo(metrics_, "claims-mapper");
    metrics::WatchStore(metrics_, *database_);
    TWI_ASSIGN_OR_RETURN(
        grant_keys_, storage::SigningKeys::Load(*database_, *sealer_, random_, "grant", c.grant_keys(), clock_.Now()));
    store_ = std::make_unique<PolicyStore>(*database_);
    TWI_ASSIGN_OR_RETURN(policies_, Policies::Open(*store_, std::move(owners)));
    TWI_RETURN_IF_ERROR(LoadFilesAtStart(c));
    if (!fetch) {
      TWI_ASSIGN_OR_RETURN(fetch, FetchFromVerifier(c));
    }
    verifier_keys_ = std::make_unique<client::KeySource>(std::move(fetch), KeyRefresh(c), clock_);
    deps_ = std::make_unique<MapperDeps>(
        MapperDeps{clock_, random_, *policies_, *store_, *verifier_keys_, *grant_keys_, [this] { return Settings(); }});
    TWI_ASSIGN_OR_RETURN(server_, server::Server::Start(
                                      c.server(), clock_,
                                      [this](server::Gate& gate) {
                                        std::vector<server::NamedService> services;
                                        services.push_back({std::make_unique<ClaimsMapperService>(gate, *deps_),
                                                            v1::ClaimsMapper::service_full_name()});
                                        return services;
                                      },
                                      {[this] { return Ready(); }, nullptr}, &metrics_));
    return absl::OkStatus();
  }

  void Drain() override { server_->Drain(); }
  int port() const override { return server_->port(); }

  absl::Status Reload(const google::protobuf::Message& message) override {
    const auto& c = static_cast<const ClaimsMapperConfig&>(message);
    TWI_RETURN_IF_ERROR(ValidateFields(c));
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<const Owners> owners, Owners::FromConfig(c, ""));
    TWI_RETURN_IF_ERROR(policies_->SetOwners(std::move(owners)));
    SetSettings(SettingsOf(c));
    std::vector<std::string> problems;
    absl::Status first;
    for (const std::string& file : c.policy_files()) {  // each on its own: a bad one keeps no other from taking effect
      const absl::Status put = policies_->PutFile(file, clock_.Now());
      if (put.ok()) continue;
      if (first.ok()) first = put;
      problems.emplace_back(put.message());
    }
    return first.ok() ? first : Deny(DenyReasonOf(first), absl::StrJoin(problems, " | "));
  }

 private:
  // A file that is older than what the store has in force changes nothing, and is no reason not to start. Every other
  // fault is.
  absl::Status LoadFilesAtStart(const ClaimsMapperConfig& c) {
    for (const std::string& file : c.policy_files()) {
      const absl::Status put = policies_->PutFile(file, clock_.Now());
      if (DenyReasonOf(put) == v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER) {
        log::Warn("policy_file_not_newer",
                  {{log::fields::kFile, file}, {log::fields::kDetail, std::string(put.message())}});
        continue;
      }
      TWI_RETURN_IF_ERROR(put);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<client::KeySource::Fetch> FetchFromVerifier(const ClaimsMapperConfig& c) {
    TWI_ASSIGN_OR_RETURN(identity_, client::Identity::FromFiles(c.server().tls()));
    TWI_ASSIGN_OR_RETURN(verifier_, client::MakeVerifierClient(c.verifier_keys().peer(), *identity_, clock_));
    return client::KeySource::Fetch([this](absl::Time deadline) -> absl::StatusOr<jose::JwkSet> {
      TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse keys, verifier_->GetVerifierKeys(deadline));
      return jose::JwkSetFromText(keys.jwks());
    });
  }

  std::shared_ptr<const MapperSettings> Settings() {
    const std::lock_guard<std::mutex> lock(settings_mutex_);
    return settings_;
  }

  void SetSettings(std::shared_ptr<const MapperSettings> settings) {
    const std::lock_guard<std::mutex> lock(settings_mutex_);
    settings_ = std::move(settings);
  }

  // For health probes: the store answers, and holds what signs.
  absl::Status Ready() {
    TWI_RETURN_IF_ERROR(database_->Ping());
    return grant_keys_->StillStored(clock_.Now());
  }

  // In order of construction; destroyed in reverse, the server first.
  const Clock& clock_;
  crypto::Random& random_;
  std::mutex settings_mutex_;
  std::shared_ptr<const MapperSettings> settings_;
  metrics::Metrics metrics_;
  std::unique_ptr<storage::Sealer> sealer_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::SigningKeys> grant_keys_;
  std::unique_ptr<PolicyStore> store_;
  std::unique_ptr<Policies> policies_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<client::VerifierClient> verifier_;
  std::unique_ptr<client::KeySource> verifier_keys_;
  std::unique_ptr<MapperDeps> deps_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

absl::Status ValidateConfig(const ClaimsMapperConfig& config, absl::Time now) {
  TWI_RETURN_IF_ERROR(ValidateFields(config));
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<const Owners> owners, Owners::FromConfig(config, ""));
  for (const std::string& file : config.policy_files()) {
    TWI_ASSIGN_OR_RETURN(const std::string jws, ReadSignedPolicyFile(file));
    const absl::StatusOr<CheckedPolicy> checked = CheckPolicy(jws, file, *owners, now);
    if (!checked.ok()) return WithContext(checked.status(), file);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<server::Running>> StartClaimsMapper(const ClaimsMapperConfig& config, const Clock& clock,
                                                                   crypto::Random& random,
                                                                   client::KeySource::Fetch fetch_verifier_keys) {
  TWI_RETURN_IF_ERROR(ValidateFields(config));
  auto daemon = std::make_unique<Daemon>(clock, random);
  TWI_RETURN_IF_ERROR(daemon->Assemble(config, std::move(fetch_verifier_keys)));
  return std::unique_ptr<server::Running>(std::move(daemon));
}

server::DaemonSpec ClaimsMapperSpec() {
  static SystemClock clock;
  static crypto::SystemRandom random;
  server::DaemonSpec spec;
  spec.name = "claims-mapper";
  spec.summary =
      "Maps attested compositions to stable identities and claims, under the Workload Owners' signed policies.";
  spec.config = std::make_unique<ClaimsMapperConfig>();
  spec.validate = [](const google::protobuf::Message& message) {
    return ValidateConfig(static_cast<const ClaimsMapperConfig&>(message), clock.Now());
  };
  spec.start = [](const google::protobuf::Message& message) {
    return StartClaimsMapper(static_cast<const ClaimsMapperConfig&>(message), clock, random, nullptr);
  };
  return spec;
}

}  // namespace twi::claims_mapper
