#include "common/attested_tls/endpoint.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/attested_tls/connection.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

absl::Status Invalid(absl::string_view detail) { return Deny(v1::DENY_REASON_CONFIG_INVALID, detail); }

absl::Status ValidateSettings(const Settings& s) {
  const std::set<Profile> profiles(s.profiles.begin(), s.profiles.end());
  if (profiles.empty() || profiles.size() != s.profiles.size())
    return Invalid("attested TLS: expected at least one profile, each once");
  if (s.role == Role::kServer && s.attester == nullptr) return Invalid("attested TLS: a server needs an attester");
  if (s.role == Role::kClient && s.relying_party == nullptr)
    return Invalid("attested TLS: a client needs a Verifier: without one it would talk to anybody");
  if (s.attester != nullptr && s.attester_workers == nullptr) return Invalid("attested TLS: an attester needs workers");
  if (s.relying_party != nullptr &&
      (s.verifier_workers == nullptr || s.relying_party->verifier == nullptr || !s.relying_party->results_keys ||
       !s.relying_party->accept || s.relying_party->rp_id.empty() || s.relying_party->rp_id.size() > kMaxRelyingParty ||
       s.relying_party->verifier_id.empty())) {
    return Invalid("attested TLS: a relying party needs a Verifier, its keys and identity, an rp_id and a policy");
  }
  if (s.handshake_timeout <= absl::ZeroDuration() || s.appraisal_timeout <= absl::ZeroDuration())
    return Invalid("attested TLS: timeouts must be positive");
  return absl::OkStatus();
}

class EndpointImpl final : public Endpoint {
 public:
  EndpointImpl(Settings settings, const Clock& clock) : core_(std::move(settings), clock) {}

  absl::Status Prepare() {
    if (core_.settings.attester != nullptr) {
      TWI_ASSIGN_OR_RETURN(core_.handle, MakeHandle(*core_.settings.attester));
    }
    TWI_ASSIGN_OR_RETURN(core_.ctx, MakeTlsContext(core_.settings.role, core_.settings.relying_party != nullptr));
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Connection>> Open(int socket, std::function<void()> wake, absl::Time now) override {
    if (socket < 0 || !wake) return Deny(v1::DENY_REASON_INTERNAL, "attested TLS: no socket or no wake");
    return std::unique_ptr<Connection>(std::make_unique<ConnectionImpl>(core_, socket, std::move(wake), now));
  }

 private:
  EndpointCore core_;
};

}  // namespace

bool EndpointCore::Accepts(Profile profile) const {
  return std::count(settings.profiles.begin(), settings.profiles.end(), profile) != 0;
}

absl::StatusOr<UniqueX509> EndpointCore::PlainLeaf(absl::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (leaf_ == nullptr || now - leaf_made_ > kLeafLifetime / 2 || now < leaf_made_) {
    TWI_ASSIGN_OR_RETURN(const std::string der, settings.attester->MakeLeaf(std::nullopt, now));
    TWI_ASSIGN_OR_RETURN(leaf_, ParseX509(der));
    leaf_made_ = now;
  }
  X509_up_ref(leaf_.get());
  return UniqueX509(leaf_.get());
}

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Make(Settings settings, const Clock& clock) {
  TWI_RETURN_IF_ERROR(ValidateSettings(settings));
  auto endpoint = std::make_unique<EndpointImpl>(std::move(settings), clock);
  TWI_RETURN_IF_ERROR(endpoint->Prepare());
  return std::unique_ptr<Endpoint>(std::move(endpoint));
}

}  // namespace twi::atls
