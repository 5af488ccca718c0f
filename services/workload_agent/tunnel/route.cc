#include "services/workload_agent/tunnel/route.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

using config::DurationOr;
using config::Expect;
using config::ExpectWithin;
using config::v1::AttestedTls;
using config::v1::AttestedTlsLimits;

constexpr std::uint32_t kDefaultConnections = 1024, kMostConnections = 20'000;
// Each connection of a stranger may hold a session at the Verifier, which gives all that one SPIFFE ID asks for, our
// egresses too, 1000 at a time (services/verifier/rest.md, max_sessions_per_client).
constexpr std::uint32_t kDefaultChallenged = 512;
constexpr absl::Duration kLeast = absl::Milliseconds(100);
// For each egress; a name is looked up in milliseconds, or not at all.
constexpr int kResolveThreads = 2;
constexpr std::size_t kResolveQueued = 1024;

absl::Duration HandshakeTimeout(const AttestedTlsLimits& l) {
  return DurationOr(l.has_handshake_timeout(), l.handshake_timeout(), absl::Seconds(10));
}
absl::Duration AppraisalTimeout(const AttestedTlsLimits& l) {
  return DurationOr(l.has_appraisal_timeout(), l.appraisal_timeout(), std::min(absl::Seconds(5), HandshakeTimeout(l)));
}
absl::Duration IdleTimeout(const AttestedTlsLimits& l) {
  return DurationOr(l.has_idle_timeout(), l.idle_timeout(), absl::Minutes(5));
}

absl::Status ValidateLimits(const AttestedTlsLimits& limits, const std::string& field) {
  TWI_RETURN_IF_ERROR(
      Expect(limits.max_connections() <= kMostConnections, field + ".max_connections", "at most 20000"));
  TWI_RETURN_IF_ERROR(ExpectWithin(HandshakeTimeout(limits), kLeast, absl::Minutes(5), field + ".handshake_timeout"));
  TWI_RETURN_IF_ERROR(ExpectWithin(AppraisalTimeout(limits), kLeast, absl::Minutes(5), field + ".appraisal_timeout"));
  TWI_RETURN_IF_ERROR(
      Expect(AppraisalTimeout(limits) <= HandshakeTimeout(limits), field + ".appraisal_timeout",
             absl::StrCat("at most handshake_timeout, which is ", absl::FormatDuration(HandshakeTimeout(limits)))));
  return ExpectWithin(IdleTimeout(limits), kLeast, absl::Hours(24), field + ".idle_timeout");
}

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '-' || c == '_';
  });
}

// What ingress and egress have in common.
template <typename Tunnel>
absl::Status ValidateTunnel(const Tunnel& tunnel, const std::string& field, std::set<std::string>& names,
                            std::set<std::string>& listens) {
  TWI_RETURN_IF_ERROR(Expect(IsName(tunnel.name()), field + ".name", "1..64 of a-z, 0-9, '-' and '_'"));
  TWI_RETURN_IF_ERROR(Expect(names.insert(tunnel.name()).second, field + ".name", "each name once"));
  TWI_RETURN_IF_ERROR(ParseProfiles(tunnel.profiles(), field + ".profiles").status());
  const absl::StatusOr<Address> listen = ParseAddress(tunnel.listen());
  TWI_RETURN_IF_ERROR(Expect(listen.ok(), field + ".listen", "a numeric ADDRESS:PORT, or unix:/path"));
  const bool any_port = !listen->is_unix && PortOfAddress(*listen) == 0;
  const std::string place(reinterpret_cast<const char*>(&listen->storage), listen->size);
  TWI_RETURN_IF_ERROR(Expect(any_port || listens.insert(place).second, field + ".listen", "each address once"));
  return ValidateLimits(tunnel.limits(), field + ".limits");
}

atls::Settings SettingsOf(const AttestedTlsLimits& limits, std::vector<atls::Profile> profiles, const RouteDeps& deps) {
  atls::Settings settings;
  settings.profiles = std::move(profiles);
  settings.attester = deps.attester;
  settings.attester_workers = deps.attester_workers;
  settings.verifier_workers = deps.verifier_workers;
  settings.handshake_timeout = HandshakeTimeout(limits);
  settings.appraisal_timeout = AppraisalTimeout(limits);
  return settings;
}

template <typename Tunnel>
absl::StatusOr<std::shared_ptr<Route>> MakeRoute(const Tunnel& tunnel, bool ingress,
                                                 std::shared_ptr<const atls::RelyingParty> party,
                                                 const RouteDeps& deps) {
  auto route = std::make_shared<Route>();
  route->ingress = ingress;
  route->name = tunnel.name();
  route->listen = tunnel.listen();
  TWI_ASSIGN_OR_RETURN(route->address, ParseAddress(tunnel.listen()));
  route->max_connections = tunnel.limits().max_connections();
  if (route->max_connections == 0)
    route->max_connections = ingress && party != nullptr ? kDefaultChallenged : kDefaultConnections;
  route->handshake_timeout = HandshakeTimeout(tunnel.limits());
  route->idle_timeout = IdleTimeout(tunnel.limits());
  route->clock = &deps.clock;
  TWI_ASSIGN_OR_RETURN(std::vector<atls::Profile> profiles, ParseProfiles(tunnel.profiles(), "profiles"));
  atls::Settings settings = SettingsOf(tunnel.limits(), std::move(profiles), deps);
  settings.role = ingress ? atls::Role::kServer : atls::Role::kClient;
  settings.relying_party = std::move(party);
  TWI_ASSIGN_OR_RETURN(route->endpoint, atls::Endpoint::Make(std::move(settings), deps.clock));
  route->outcomes = server::MakeRpcMetrics(
      deps.metrics, absl::StrCat(ingress ? "attested_tls_ingress:" : "attested_tls_egress:", route->name));
  return route;
}

}  // namespace

absl::StatusOr<std::vector<atls::Profile>> ParseProfiles(const google::protobuf::RepeatedPtrField<std::string>& names,
                                                         const std::string& field) {
  if (names.empty()) return std::vector<atls::Profile>{atls::Profile::kSession};
  std::vector<atls::Profile> profiles;
  for (const std::string& name : names) {
    const atls::Profile profile =
        name == ProfileName(atls::Profile::kSession) ? atls::Profile::kSession : atls::Profile::kHandshake;
    TWI_RETURN_IF_ERROR(Expect(name == ProfileName(profile), field, "session or handshake"));
    TWI_RETURN_IF_ERROR(Expect(std::count(profiles.begin(), profiles.end(), profile) == 0, field, "each profile once"));
    profiles.push_back(profile);
  }
  return profiles;
}

absl::Status ValidateAttestedTls(const AttestedTls& config) {
  const std::string section = "attested_tls";
  std::set<std::string> names, listens;
  const bool mapper = config.relying_party().has_claims_mapper();
  bool needs_party = !config.egress().empty();
  for (int i = 0; i < config.ingress_size(); ++i) {
    const config::v1::AttestedTlsIngress& ingress = config.ingress(i);
    const std::string field = absl::StrCat(section, ".ingress[", i, "]");
    TWI_RETURN_IF_ERROR(ValidateTunnel(ingress, field, names, listens));
    const absl::StatusOr<Address> forward = ParseAddress(ingress.forward());
    TWI_RETURN_IF_ERROR(Expect(forward.ok() && forward->is_loopback, field + ".forward",
                               "a loopback ADDRESS:PORT, or unix:/path: what leaves here is plaintext"));
    needs_party |= ingress.has_client();
    if (ingress.has_client()) TWI_RETURN_IF_ERROR(ValidatePeerPolicy(ingress.client(), mapper, field + ".client"));
  }
  for (int i = 0; i < config.egress_size(); ++i) {
    const config::v1::AttestedTlsEgress& egress = config.egress(i);
    const std::string field = absl::StrCat(section, ".egress[", i, "]");
    TWI_RETURN_IF_ERROR(ValidateTunnel(egress, field, names, listens));
    TWI_RETURN_IF_ERROR(Expect(ParseAddress(egress.listen())->is_loopback, field + ".listen",
                               "a loopback ADDRESS:PORT, or unix:/path: what enters here is plaintext"));
    TWI_RETURN_IF_ERROR(Expect(ValidateHostPort(egress.connect()).ok(), field + ".connect", "HOST:PORT"));
    TWI_RETURN_IF_ERROR(Expect(egress.has_server(), field + ".server", "a policy on whom to accept"));
    TWI_RETURN_IF_ERROR(ValidatePeerPolicy(egress.server(), mapper, field + ".server"));
  }
  TWI_RETURN_IF_ERROR(Expect(!names.empty(), section, "an ingress or an egress"));
  TWI_RETURN_IF_ERROR(Expect(!needs_party || config.has_relying_party(), section + ".relying_party",
                             "a section: a tunnel demands an attested peer"));
  TWI_RETURN_IF_ERROR(Expect(needs_party || !config.has_relying_party(), section + ".relying_party",
                             "nothing: there is no egress, and no ingress has a policy (client) on whom to accept"));
  return config.has_relying_party() ? ValidateRelyingParty(config.relying_party(), section + ".relying_party")
                                    : absl::OkStatus();
}

absl::StatusOr<std::vector<std::shared_ptr<const Route>>> MakeRoutes(const AttestedTls& config, const RouteDeps& deps) {
  std::shared_ptr<Trust> trust;
  if (config.has_relying_party()) {
    TWI_ASSIGN_OR_RETURN(trust, Trust::Make(config.relying_party(), deps.clock));
  }
  std::vector<std::shared_ptr<const Route>> routes;
  for (const config::v1::AttestedTlsIngress& ingress : config.ingress()) {
    std::shared_ptr<const atls::RelyingParty> party;
    if (ingress.has_client()) {
      TWI_ASSIGN_OR_RETURN(party, trust->RelyingPartyFor(ingress.client()));
    }
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<Route> route, MakeRoute(ingress, true, std::move(party), deps));
    TWI_ASSIGN_OR_RETURN(route->forward, ParseAddress(ingress.forward()));
    routes.push_back(std::move(route));
  }
  for (const config::v1::AttestedTlsEgress& egress : config.egress()) {
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<const atls::RelyingParty> party, trust->RelyingPartyFor(egress.server()));
    TWI_ASSIGN_OR_RETURN(std::shared_ptr<Route> route, MakeRoute(egress, false, std::move(party), deps));
    route->connect = egress.connect();
    const absl::StatusOr<Address> numeric = ParseAddress(egress.connect());
    if (numeric.ok()) route->peers = {*numeric};
    route->resolve = ResolveHostPort;
    route->resolve_workers =
        std::make_shared<atls::Workers>(kResolveThreads, kResolveQueued, atls::Workers::AtEnd::kAbandon);
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace twi::agent
