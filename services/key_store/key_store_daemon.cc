#include "services/key_store/key_store_daemon.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/client/verifier_client.h"
#include "common/config/load_yaml.h"
#include "common/metrics/watch_store.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/database.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/twi/config/v1/key_store.pb.h"
#include "services/key_store/key_store_service.h"

namespace twi::key_store {
namespace {

using config::v1::KeyStoreConfig;

absl::Duration DurationOr(const google::protobuf::Duration& duration, bool set, absl::Duration otherwise) {
  return set ? absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()) : otherwise;
}

absl::Duration ResultsAge(const KeyStoreConfig& c) {
  return DurationOr(c.max_results_age(), c.has_max_results_age(), absl::Minutes(10));
}
absl::Duration KeyRefresh(const KeyStoreConfig& c) {
  return DurationOr(c.verifier_keys().refresh(), c.verifier_keys().has_refresh(), absl::Minutes(5));
}
std::uint64_t MaxRefusals(const KeyStoreConfig& c) {
  return c.max_refusal_records() == 0 ? 1000000 : c.max_refusal_records();
}

absl::Status Need(bool good, absl::string_view field, absl::string_view expected) {
  return good ? absl::OkStatus() : config::ConfigError("", field, expected);
}

absl::Status NeedUri(const std::string& uri, absl::string_view field) {
  return Need(
      uri.size() <= 2048 && uri.find(':') != std::string::npos && uri.find_first_of(" \t\r\n") == std::string::npos,
      field, "an absolute URI");
}

absl::Status Validate(const google::protobuf::Message& message) {
  const auto& c = static_cast<const KeyStoreConfig&>(message);
  TWI_RETURN_IF_ERROR(Need(c.has_server(), "server", "a section"));
  TWI_RETURN_IF_ERROR(Need(!c.storage().database_file().empty(), "storage.database_file", "a file"));
  TWI_RETURN_IF_ERROR(Need(!c.storage().root_key_file().empty(), "storage.root_key_file",
                           "a file: Credential Keys are sealed under it"));
  TWI_RETURN_IF_ERROR(NeedUri(c.rp_id(), "rp_id"));
  TWI_RETURN_IF_ERROR(Need(ValidateWorkloadIdentifier(c.issuer()).ok(), "issuer", "the SPIFFE ID of this Key Store"));
  TWI_RETURN_IF_ERROR(Need(c.verifier_keys().has_peer(), "verifier_keys.peer", "the Verifier"));
  TWI_RETURN_IF_ERROR(
      Need(KeyRefresh(c) >= absl::Seconds(5) && KeyRefresh(c) <= absl::Hours(24), "verifier_keys.refresh", "5s..24h"));
  TWI_RETURN_IF_ERROR(
      Need(ValidateWorkloadIdentifier(c.verifier_issuer()).ok(), "verifier_issuer", "the Verifier's SPIFFE ID"));
  TWI_RETURN_IF_ERROR(
      Need(ResultsAge(c) >= absl::Seconds(10) && ResultsAge(c) <= absl::Hours(1), "max_results_age", "10s..1h"));
  TWI_RETURN_IF_ERROR(Need(MaxRefusals(c) >= 1000, "max_refusal_records", "at least 1000"));
  TWI_RETURN_IF_ERROR(Need(!c.owners().empty(), "owners", "at least one SPIFFE ID"));
  std::set<std::string> seen;
  for (const std::string& owner : c.owners()) {
    TWI_RETURN_IF_ERROR(Need(ValidateWorkloadIdentifier(owner).ok() && seen.insert(owner).second, "owners",
                             absl::StrCat("SPIFFE IDs, each once; got ", owner)));
  }
  return absl::OkStatus();
}

class Daemon final : public server::Running {
 public:
  static absl::StatusOr<std::unique_ptr<server::Running>> Start(const google::protobuf::Message& message) {
    auto daemon = std::make_unique<Daemon>();
    TWI_RETURN_IF_ERROR(daemon->Assemble(static_cast<const KeyStoreConfig&>(message)));
    return std::unique_ptr<server::Running>(std::move(daemon));
  }
  void Drain() override { server_->Drain(); }
  int port() const override { return server_->port(); }
  // Nothing but `log` changes while it runs (certificate files reload by themselves); whoever wants another config is
  // told that it is not in force.
  absl::Status Reload(const google::protobuf::Message& message) override {
    auto wanted = static_cast<const KeyStoreConfig&>(message);
    wanted.clear_log();
    if (google::protobuf::util::MessageDifferencer::Equals(wanted, config_)) return absl::OkStatus();
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                "the config differs from the one at start in more than `log`: restart the Key Store");
  }

 private:
  absl::Status Assemble(const KeyStoreConfig& c) {
    config_ = c;
    config_.clear_log();
    TWI_ASSIGN_OR_RETURN(sealer_, storage::Sealer::FromConfig(c.storage()));
    TWI_ASSIGN_OR_RETURN(database_, storage::Database::Open(
                                        c.storage().database_file(),
                                        {storage::kSigningKeysSchema, kCredentialKeysSchema, kReleaseRecordsSchema}));
    server::SetBuildInfo(metrics_, "key-store");
    metrics::WatchStore(metrics_, *database_);
    TWI_ASSIGN_OR_RETURN(signing_keys_, storage::SigningKeys::Load(*database_, *sealer_, random_, "key-store",
                                                                   c.signing_keys(), clock_.Now()));
    keys_ = std::make_unique<SealedStore>(*database_, *sealer_, random_);
    records_ = std::make_unique<ReleaseRecords>(*database_, MaxRefusals(c));
    TWI_ASSIGN_OR_RETURN(identity_, client::Identity::FromFiles(c.server().tls()));
    TWI_ASSIGN_OR_RETURN(verifier_, client::MakeVerifierClient(c.verifier_keys().peer(), *identity_, clock_));
    verifier_keys_ = std::make_unique<client::KeySource>(
        [this](absl::Time deadline) { return FetchVerifierKeys(deadline); }, KeyRefresh(c), clock_);
    deps_ = std::make_unique<KeyStoreDeps>(KeyStoreDeps{clock_,
                                                        random_,
                                                        *keys_,
                                                        *records_,
                                                        policies_,
                                                        *signing_keys_,
                                                        *verifier_keys_,
                                                        c.rp_id(),
                                                        c.issuer(),
                                                        c.verifier_issuer(),
                                                        ResultsAge(c),
                                                        {c.owners().begin(), c.owners().end()}});
    TWI_ASSIGN_OR_RETURN(
        server_,
        server::Server::Start(
            c.server(), clock_,
            [this](server::Gate& gate) {
              std::vector<server::NamedService> services;
              services.push_back({std::make_unique<KeyStoreService>(gate, *deps_), v1::KeyStore::service_full_name()});
              return services;
            },
            {[this] { return Ready(); }, nullptr}, &metrics_));
    return absl::OkStatus();
  }

  absl::StatusOr<jose::JwkSet> FetchVerifierKeys(absl::Time deadline) {
    TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse keys, verifier_->GetVerifierKeys(deadline));
    return jose::JwkSetFromText(keys.jwks());
  }

  // For health probes: the store answers, and holds what signs.
  absl::Status Ready() {
    TWI_RETURN_IF_ERROR(database_->Ping());
    return signing_keys_->StillStored(clock_.Now());
  }

  // In order of construction; destroyed in reverse, the server first.
  KeyStoreConfig config_;
  SystemClock clock_;
  crypto::SystemRandom random_;
  ReleasePolicyCache policies_;
  metrics::Metrics metrics_;
  std::unique_ptr<storage::Sealer> sealer_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::SigningKeys> signing_keys_;
  std::unique_ptr<SealedStore> keys_;
  std::unique_ptr<ReleaseRecords> records_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<client::VerifierClient> verifier_;
  std::unique_ptr<client::KeySource> verifier_keys_;
  std::unique_ptr<KeyStoreDeps> deps_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

server::DaemonSpec KeyStoreSpec() {
  server::DaemonSpec spec;
  spec.name = "key-store";
  spec.summary = "Holds Credential Keys and releases each under its release policy (mechanism D).";
  spec.config = std::make_unique<KeyStoreConfig>();
  spec.validate = Validate;
  spec.start = Daemon::Start;
  return spec;
}

}  // namespace twi::key_store
