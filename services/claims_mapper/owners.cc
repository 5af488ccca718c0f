#include "services/claims_mapper/owners.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::claims_mapper {
namespace {

constexpr std::size_t kMaxDnsName = 253;
constexpr std::size_t kMaxLabel = 63;

bool IsPrefix(absl::string_view prefix, absl::string_view trust_domain) {
  if (!absl::EndsWith(prefix, "/")) return false;
  const absl::StatusOr<SpiffeId> id = ParseSpiffeId(prefix.substr(0, prefix.size() - 1));
  return id.ok() && id->trust_domain == trust_domain && !id->path.empty() &&
         !absl::StartsWith(prefix, ReservedPrefix(trust_domain));
}

absl::Status ReadOwner(const config::v1::WorkloadOwner& config, absl::string_view trust_domain, absl::string_view name,
                       const std::string& path, std::vector<Owner>& owners) {
  const absl::StatusOr<SpiffeId> id = ParseSpiffeId(config.spiffe_id());
  if (!id.ok() || id->path.empty()) return config::ConfigError(name, path + ".spiffe_id", "a SPIFFE ID with a path");
  for (const Owner& known : owners) {
    if (known.spiffe_id == config.spiffe_id()) return config::ConfigError(name, path + ".spiffe_id", "each owner once");
  }
  if (config.identifier_prefixes().empty())
    return config::ConfigError(name, path + ".identifier_prefixes", "at least one prefix");
  for (const std::string& prefix : config.identifier_prefixes()) {
    if (!IsPrefix(prefix, trust_domain)) {
      return config::ConfigError(
          name, path + ".identifier_prefixes",
          absl::StrCat("spiffe://", trust_domain, "/SEGMENT/, ending with '/', not below /twi/; got ", prefix));
    }
  }
  for (const std::string& suffix : config.dns_suffixes()) {
    absl::string_view dns_name = suffix;
    absl::ConsumePrefix(&dns_name, ".");
    if (!IsDnsName(dns_name))
      return config::ConfigError(name, path + ".dns_suffixes",
                                 absl::StrCat("\".example.org\" or \"host.example.org\"; got ", suffix));
  }
  if (config.public_key_file().empty()) return config::ConfigError(name, path + ".public_key_file", "a file");
  const absl::StatusOr<std::string> pem = config::ReadFile(config.public_key_file(), {8 * 1024});
  if (!pem.ok()) return config::AtField(path + ".public_key_file", pem.status());
  const absl::StatusOr<crypto::PublicKey> key = crypto::PublicKey::FromPem(*pem);
  if (!key.ok() || key->type() != crypto::KeyType::kP256) {
    return config::ConfigError(name, path + ".public_key_file",
                               absl::StrCat("a P-256 public key, PEM; ", config.public_key_file(), " holds none"));
  }
  owners.push_back({config.spiffe_id(),
                    *key,
                    {config.identifier_prefixes().begin(), config.identifier_prefixes().end()},
                    {config.dns_suffixes().begin(), config.dns_suffixes().end()}});
  return absl::OkStatus();
}

bool MayName(const Owner& owner, absl::string_view dns_name) {
  for (const std::string& suffix : owner.dns_suffixes) {
    if (dns_name == suffix || (absl::StartsWith(suffix, ".") && absl::EndsWith(dns_name, suffix))) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Owners>> Owners::FromConfig(const config::v1::ClaimsMapperConfig& config,
                                                                 absl::string_view name) {
  if (!ParseSpiffeId(absl::StrCat("spiffe://", config.trust_domain())).ok() ||
      absl::StrContains(config.trust_domain(), '/')) {
    return config::ConfigError(name, "trust_domain", "the name of a trust domain, like example.org");
  }
  if (config.owners().empty()) return config::ConfigError(name, "owners", "at least one Workload Owner");
  std::vector<Owner> owners;
  for (int i = 0; i < config.owners_size(); ++i) {
    TWI_RETURN_IF_ERROR(
        ReadOwner(config.owners(i), config.trust_domain(), name, absl::StrCat("owners[", i, "]"), owners));
  }
  return std::make_shared<const Owners>(config.trust_domain(), std::move(owners));
}

Owners::Owners(std::string trust_domain, std::vector<Owner> owners) : trust_domain_(std::move(trust_domain)) {
  for (Owner& owner : owners) {
    std::string id = owner.spiffe_id;
    owners_.emplace(std::move(id), std::move(owner));
  }
}

const Owner* Owners::Find(absl::string_view spiffe_id) const {
  const auto found = owners_.find(std::string(spiffe_id));
  return found == owners_.end() ? nullptr : &found->second;
}

absl::Status Owners::CheckEntitlement(const Owner& owner, const std::string& workload_identifier,
                                      const std::vector<std::string>& dns_names) const {
  std::vector<std::string> problems;
  const absl::StatusOr<SpiffeId> id = ParseSpiffeId(workload_identifier);
  if (!id.ok()) return id.status();
  if (id->trust_domain != trust_domain_)
    problems.push_back(absl::StrCat(workload_identifier, " is not of the trust domain ", trust_domain_));
  if (absl::StartsWith(workload_identifier, ReservedPrefix(trust_domain_))) {
    problems.push_back(absl::StrCat(workload_identifier, " is reserved for TWI's own services"));
  }
  bool within = false;
  for (const std::string& prefix : owner.identifier_prefixes)
    within = within || (absl::StartsWith(workload_identifier, prefix) && workload_identifier != prefix);
  if (!within) {
    problems.push_back(absl::StrCat(workload_identifier, " is under none of the prefixes of ", owner.spiffe_id, ": ",
                                    absl::StrJoin(owner.identifier_prefixes, ", ")));
  }
  for (const std::string& dns_name : dns_names) {
    if (!MayName(owner, dns_name))
      problems.push_back(absl::StrCat("DNS name ", dns_name, " is not within the dns_suffixes of ", owner.spiffe_id));
  }
  if (problems.empty()) return absl::OkStatus();
  return Deny(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED, absl::StrJoin(problems, "; "));
}

bool IsDnsName(absl::string_view name) {
  if (name.size() > kMaxDnsName || !absl::StrContains(name, '.')) return false;
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || label.size() > kMaxLabel || absl::StartsWith(label, "-") || absl::EndsWith(label, "-"))
      return false;
    for (char c : label) {
      if (!absl::ascii_islower(static_cast<unsigned char>(c)) && !absl::ascii_isdigit(static_cast<unsigned char>(c)) &&
          c != '-')
        return false;
    }
  }
  return true;
}

}  // namespace twi::claims_mapper
