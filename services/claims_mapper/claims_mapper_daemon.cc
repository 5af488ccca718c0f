#include "services/claims_mapper/claims_mapper_daemon.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/client/fetch_keys.h"
#include "common/client/verifier_client.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/config/refresh.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/daemon_store.h"
#include "common/server/server.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/rotation.h"
#include "services/claims_mapper/claims_mapper_service.h"

namespace twi::claims_mapper {
namespace {

using config::v1::ClaimsMapperConfig;

using config::Expect;

absl::Duration GrantLifetime(const ClaimsMapperConfig& c) {
  return config::DurationOr(c.has_grant_lifetime(), c.grant_lifetime(), absl::Minutes(2));
}
absl::Duration ResultsMaxAge(const ClaimsMapperConfig& c) {
  return config::DurationOr(c.has_results_max_age(), c.results_max_age(), absl::Minutes(10));
}

absl::Status ValidateAskers(const ClaimsMapperConfig& c) {
  TWI_RETURN_IF_ERROR(config::ExpectSpiffeIds(c.verifiers(), "verifiers"));
  TWI_RETURN_IF_ERROR(config::ExpectSpiffeIds(c.credential_authorities(), "credential_authorities"));
  TWI_RETURN_IF_ERROR(config::ExpectSpiffeIds(c.operators(), "operators"));
  for (int i = 0; i < c.verifiers_size(); ++i) {
    TWI_RETURN_IF_ERROR(
        Expect(c.verifiers(i) == c.verifier_keys().peer().spiffe_id(), absl::StrCat("verifiers[", i, "]"),
               absl::StrCat("the Verifier of verifier_keys, whose results are mapped, got ", c.verifiers(i))));
  }
  return Expect(!c.verifiers().empty() || !c.credential_authorities().empty(), "verifiers",
                "at least one peer that may ask, here or in credential_authorities");
}

absl::Status ValidateFields(const ClaimsMapperConfig& c) {
  TWI_RETURN_IF_ERROR(
      Expect(ValidateWorkloadIdentifier(c.issuer()).ok(), "issuer", "the SPIFFE ID of this Claims Mapper"));
  TWI_RETURN_IF_ERROR(Expect(c.has_verifier_keys(), "verifier_keys", "a section with the Verifier, got nothing"));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(GrantLifetime(c), absl::Seconds(10), absl::Minutes(15), "grant_lifetime"));
  TWI_RETURN_IF_ERROR(Expect(storage::RotationOf(c.grant_keys()).overlap >= GrantLifetime(c), "grant_keys.overlap",
                             "at least grant_lifetime: what a key signed outlives it"));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(ResultsMaxAge(c), absl::Seconds(10), absl::Hours(1), "results_max_age"));
  TWI_RETURN_IF_ERROR(Expect(!c.relying_parties().empty(), "relying_parties", "at least one rp_id"));
  for (int i = 0; i < c.relying_parties_size(); ++i)
    TWI_RETURN_IF_ERROR(config::ExpectUri(c.relying_parties(i), absl::StrCat("relying_parties[", i, "]")));
  return ValidateAskers(c);
}

std::shared_ptr<const MapperSettings> SettingsOf(const ClaimsMapperConfig& c) {
  auto settings = std::make_shared<MapperSettings>();
  settings->issuer = c.issuer();
  settings->verifier = c.verifier_keys().peer().spiffe_id();
  settings->relying_parties = {c.relying_parties().begin(), c.relying_parties().end()};
  settings->verifiers = {c.verifiers().begin(), c.verifiers().end()};
  settings->credential_authorities = {c.credential_authorities().begin(), c.credential_authorities().end()};
  settings->operators = {c.operators().begin(), c.operators().end()};
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
    server::SetBuildInfo(metrics_, "claims-mapper");
    TWI_ASSIGN_OR_RETURN(store_, server::DaemonStore::Open(c.storage(), {kPoliciesSchema}, "grant", c.grant_keys(),
                                                           random_, metrics_, clock_.Now()));
    policy_store_ = std::make_unique<PolicyStore>(*store_->database);
    TWI_ASSIGN_OR_RETURN(policies_, Policies::Open(*policy_store_, std::move(owners)));
    TWI_RETURN_IF_ERROR(LoadFiles(c));
    LogPolicies();
    if (!fetch) {
      TWI_ASSIGN_OR_RETURN(fetch, FetchFromVerifier(c));
    }
    verifier_keys_ =
        std::make_unique<client::KeySource>(std::move(fetch), config::RefreshOf(c.verifier_keys()), clock_);
    deps_ = std::make_unique<MapperDeps>(MapperDeps{clock_, random_, *policies_, *policy_store_, *verifier_keys_,
                                                    *store_->keys, [this] { return Settings(); }});
    const server::MakeService make = [this](server::Gate& gate) {
      return std::make_unique<ClaimsMapperService>(gate, *deps_);
    };
    TWI_ASSIGN_OR_RETURN(
        server_,
        server::Server::Start(c.server(), clock_, server::OneService(v1::ClaimsMapper::service_full_name(), make),
                              {[this] { return store_->Ready(clock_.Now()); }, nullptr}, &metrics_));
    return absl::OkStatus();
  }

  void Drain() override { server_->Drain(); }
  int port() const override { return server_->port(); }

  // All of it or nothing. Everything that can be seen beforehand is checked before the first change; when the store
  // then refuses a policy file, the owners that were in force are put back, and the rest was not touched. (A file of
  // the same reload that was recorded before that one stays: signed, newer than what was there, and one day loaded.)
  absl::Status Reload(const google::protobuf::Message& message) override {
    const auto& c = static_cast<const ClaimsMapperConfig&>(message);
    TWI_RETURN_IF_ERROR(ValidateConfig(c, clock_.Now()));
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<const Owners> owners, Owners::FromConfig(c, ""));
    const std::shared_ptr<const Owners> before = policies_->owners();
    TWI_RETURN_IF_ERROR(policies_->SetOwners(std::move(owners)));
    if (const absl::Status loaded = LoadFiles(c); !loaded.ok()) {
      const absl::Status back = policies_->SetOwners(before);
      if (back.ok()) return loaded;
      return WithContext(loaded, absl::StrCat("the owners could not be put back (", back.message(), ")"));
    }
    SetSettings(SettingsOf(c));
    LogPolicies();
    return absl::OkStatus();
  }

 private:
  void LogPolicies() const {
    log::Info("policies_in_force", {{log::fields::kCount, absl::StrCat(policies_->snapshot()->size())}});
  }

  // A file that is older than what the store has in force changes nothing, and is no reason not to start or to reload.
  // Every other fault is.
  absl::Status LoadFiles(const ClaimsMapperConfig& c) {
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
    return client::VerifierKeysOf(*verifier_);
  }

  std::shared_ptr<const MapperSettings> Settings() {
    const std::lock_guard<std::mutex> lock(settings_mutex_);
    return settings_;
  }

  void SetSettings(std::shared_ptr<const MapperSettings> settings) {
    const std::lock_guard<std::mutex> lock(settings_mutex_);
    settings_ = std::move(settings);
  }

  // In order of construction; destroyed in reverse, the server first.
  const Clock& clock_;
  crypto::Random& random_;
  std::mutex settings_mutex_;
  std::shared_ptr<const MapperSettings> settings_;
  metrics::Metrics metrics_;
  std::unique_ptr<server::DaemonStore> store_;
  std::unique_ptr<PolicyStore> policy_store_;
  std::unique_ptr<Policies> policies_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<client::VerifierClient> verifier_;
  std::unique_ptr<client::KeySource> verifier_keys_;
  std::unique_ptr<MapperDeps> deps_;
  std::unique_ptr<server::Server> server_;
};

absl::Status CheckPolicyFile(const std::string& file, const Owners& owners, absl::Time now) {
  TWI_ASSIGN_OR_RETURN(const std::string jws, ReadSignedPolicyFile(file));
  const absl::StatusOr<CheckedPolicy> checked = CheckPolicy(jws, file, owners, now);
  return checked.ok() ? absl::OkStatus() : WithContext(checked.status(), file);
}

}  // namespace

absl::Status ValidateConfig(const ClaimsMapperConfig& config, absl::Time now) {
  TWI_RETURN_IF_ERROR(ValidateFields(config));
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<const Owners> owners, Owners::FromConfig(config, ""));
  for (int i = 0; i < config.policy_files_size(); ++i) {
    TWI_RETURN_IF_ERROR(
        config::AtField(absl::StrCat("policy_files[", i, "]"), CheckPolicyFile(config.policy_files(i), *owners, now)));
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
  spec.common = {{v1::ClaimsMapper::service_full_name()}, "issuer"};
  spec.reloadable = {"owners",    "policy_files",   "relying_parties", "verifiers", "credential_authorities",
                     "operators", "grant_lifetime", "results_max_age"};
  spec.validate = [](const google::protobuf::Message& message) {
    return ValidateConfig(static_cast<const ClaimsMapperConfig&>(message), clock.Now());
  };
  spec.start = [](const google::protobuf::Message& message) {
    return StartClaimsMapper(static_cast<const ClaimsMapperConfig&>(message), clock, random, nullptr);
  };
  return spec;
}

}  // namespace twi::claims_mapper
