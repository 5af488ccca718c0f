#include "services/key_store/key_store_daemon.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/client/channel.h"
#include "common/client/fetch_keys.h"
#include "common/client/verifier_client.h"
#include "common/config/checks.h"
#include "common/config/refresh.h"
#include "common/counter_signature/counter_signature.h"
#include "common/server/daemon_store.h"
#include "common/server/server.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/rotation.h"
#include "proto/twi/config/v1/key_store.pb.h"
#include "services/key_store/key_store_service.h"

namespace twi::key_store {
namespace {

using config::v1::KeyStoreConfig;

using config::Expect;

absl::Duration ResultsAge(const KeyStoreConfig& c) {
  return config::DurationOr(c.has_max_results_age(), c.max_results_age(), absl::Minutes(10));
}
std::uint64_t MaxRefusals(const KeyStoreConfig& c) {
  return c.max_refusal_records() == 0 ? 1000 : c.max_refusal_records();
}

absl::Status Validate(const google::protobuf::Message& message) {
  const auto& c = static_cast<const KeyStoreConfig&>(message);
  TWI_RETURN_IF_ERROR(config::ExpectUri(c.rp_id(), "rp_id"));
  TWI_RETURN_IF_ERROR(Expect(ValidateWorkloadIdentifier(c.issuer()).ok(), "issuer", "the SPIFFE ID of this Key Store"));
  TWI_RETURN_IF_ERROR(Expect(c.has_verifier_keys(), "verifier_keys", "a section with the Verifier, got nothing"));
  TWI_RETURN_IF_ERROR(
      Expect(ValidateWorkloadIdentifier(c.verifier_issuer()).ok(), "verifier_issuer", "the Verifier's SPIFFE ID"));
  // A Verifier's `issuer` is its certificate's SPIFFE ID, so these are one or no results ever count.
  TWI_RETURN_IF_ERROR(Expect(c.verifier_issuer() == c.verifier_keys().peer().spiffe_id(), "verifier_issuer",
                             absl::StrCat("verifier_keys.peer.spiffe_id, ", c.verifier_keys().peer().spiffe_id())));
  TWI_RETURN_IF_ERROR(Expect(storage::RotationOf(c.signing_keys()).overlap >= CounterSignatureExpectation().max_age,
                             "signing_keys.overlap",
                             "at least 24h, the life of a counter-signature: what a key signed outlives it"));
  TWI_RETURN_IF_ERROR(config::ExpectWithin(ResultsAge(c), absl::Seconds(10), absl::Hours(1), "max_results_age"));
  TWI_RETURN_IF_ERROR(
      Expect(MaxRefusals(c) >= 100 && MaxRefusals(c) <= 100000, "max_refusal_records", "100 to 100000"));
  TWI_RETURN_IF_ERROR(Expect(!c.owners().empty(), "owners", "at least one SPIFFE ID"));
  return config::ExpectSpiffeIds(c.owners(), "owners");
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
  // Nothing but `log` changes while it runs; certificate files reload by themselves.
  absl::Status Reload(const google::protobuf::Message&) override { return absl::OkStatus(); }

 private:
  absl::Status Assemble(const KeyStoreConfig& c) {
    server::SetBuildInfo(metrics_, "key-store");
    TWI_ASSIGN_OR_RETURN(
        store_, server::DaemonStore::Open(c.storage(), {kCredentialKeysSchema, kReleaseRecordsSchema}, "key-store",
                                          c.signing_keys(), random_, metrics_, clock_.Now()));
    keys_ = std::make_unique<SealedStore>(*store_->database, *store_->sealer, random_);
    records_ = std::make_unique<ReleaseRecords>(*store_->database, MaxRefusals(c));
    TWI_ASSIGN_OR_RETURN(identity_, client::Identity::FromFiles(c.server().tls()));
    TWI_ASSIGN_OR_RETURN(verifier_, client::MakeVerifierClient(c.verifier_keys().peer(), *identity_, clock_));
    verifier_keys_ = std::make_unique<client::KeySource>(client::VerifierKeysOf(*verifier_),
                                                         config::RefreshOf(c.verifier_keys()), clock_);
    deps_ = std::make_unique<KeyStoreDeps>(KeyStoreDeps{clock_,
                                                        random_,
                                                        *keys_,
                                                        *records_,
                                                        policies_,
                                                        *store_->keys,
                                                        *verifier_keys_,
                                                        c.rp_id(),
                                                        c.issuer(),
                                                        c.verifier_issuer(),
                                                        ResultsAge(c),
                                                        {c.owners().begin(), c.owners().end()}});
    const server::MakeService make = [this](server::Gate& gate) {
      return std::make_unique<KeyStoreService>(gate, *deps_);
    };
    TWI_ASSIGN_OR_RETURN(
        server_, server::Server::Start(c.server(), clock_, server::OneService(v1::KeyStore::service_full_name(), make),
                                       {[this] { return store_->Ready(clock_.Now()); }, nullptr}, &metrics_));
    return absl::OkStatus();
  }

  // In order of construction; destroyed in reverse, the server first.
  SystemClock clock_;
  crypto::SystemRandom random_;
  ReleasePolicyCache policies_;
  metrics::Metrics metrics_;
  std::unique_ptr<server::DaemonStore> store_;
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
  spec.common = {{v1::KeyStore::service_full_name()}, "issuer"};
  spec.validate = Validate;
  spec.start = Daemon::Start;
  return spec;
}

}  // namespace twi::key_store
