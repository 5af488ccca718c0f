#include "services/twictl/policy.h"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/client/claims_mapper_client.h"
#include "common/config/read_file.h"
#include "common/crypto/keys.h"
#include "common/encoding/encoding.h"
#include "common/policy_signature/policy_signature.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"
#include "services/claims_mapper/mapping_policy.h"
#include "services/twictl/connection.h"
#include "services/twictl/flags.h"
#include "services/twictl/printable.h"

namespace twi::twictl {
namespace {

using claims_mapper::MappingPolicy;
using nlohmann::json;

using Specs = std::vector<FlagSpec>;

// What a subcommand did: as JSON, and as text for a person.
struct Done {
  json shown;
  std::string text;
};

struct Subcommand {
  const char* name;
  const char* summary;
  Specs specs;
  absl::StatusOr<Done> (*run)(const Flags& flags);
};

struct CheckedDocument {
  std::string document;
  std::shared_ptr<const MappingPolicy> policy;
};

absl::StatusOr<CheckedDocument> ReadPolicy(const std::string& path) {
  CheckedDocument checked;
  TWI_ASSIGN_OR_RETURN(checked.document, config::ReadFile(path, {kMaxPolicyDocument}));
  TWI_ASSIGN_OR_RETURN(checked.policy, claims_mapper::ParseMappingPolicy(checked.document, path));
  return checked;
}

json Describe(const MappingPolicy& policy) {
  return {{"name", policy.name},
          {"version", policy.version},
          {"owner", policy.owner},
          {"sha256", ToHex(policy.sha256)},
          {"workload_identifier", policy.workload_identifier}};
}

absl::StatusOr<Done> Check(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const CheckedDocument checked, ReadPolicy(flags.Get("--policy")));
  const MappingPolicy& policy = *checked.policy;
  return Done{Describe(policy),
              absl::StrCat(policy.Label(), " of ", policy.owner, " is good: grants ", policy.workload_identifier,
                           " for at most ", absl::FormatDuration(policy.max_lifetime))};
}

absl::StatusOr<crypto::PrivateKey> ReadKey(const std::string& path) {
  TWI_ASSIGN_OR_RETURN(std::string pem, config::ReadFile(path, {16 * 1024, config::kPrivateFile}));
  const SecretBytes secret = SecretBytes::CopyOf(pem);
  Wipe(pem);
  return crypto::PrivateKey::FromPem(secret);
}

// By rename: a reader, or a Claims Mapper that reloads, sees the old or the new file.
absl::Status WriteFile(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << content;
    file.close();
    if (!file) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(fresh, ": cannot be written"));
  }
  if (chmod(fresh.c_str(), 0644) != 0 || std::rename(fresh.c_str(), path.c_str()) != 0) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": cannot be replaced"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Done> Sign(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const CheckedDocument checked, ReadPolicy(flags.Get("--policy")));
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey key, ReadKey(flags.Get("--key")));
  SignedPolicy statement;
  statement.document = checked.document;
  statement.name = checked.policy->name;
  statement.version = checked.policy->version;
  statement.owner = checked.policy->owner;
  statement.signed_at = SystemClock().Now();
  TWI_ASSIGN_OR_RETURN(const std::string jws, SignPolicy(statement, key));
  TWI_RETURN_IF_ERROR(WriteFile(flags.Get("--out"), jws + "\n"));
  json shown = Describe(*checked.policy);
  shown["signed"] = flags.Get("--out");
  return Done{std::move(shown), absl::StrCat("signed ", checked.policy->Label(), " of ", checked.policy->owner, ": ",
                                             flags.Get("--out"))};
}

struct Mapper {
  std::unique_ptr<Connection> connection;
  std::unique_ptr<client::ClaimsMapperClient> client;
};

absl::StatusOr<Mapper> ConnectMapper(const Flags& flags) {
  Mapper mapper;
  TWI_ASSIGN_OR_RETURN(mapper.connection, Connect(flags));
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer peer,
                       NeedPeer(mapper.connection->config.has_claims_mapper(),
                                mapper.connection->config.claims_mapper(), "claims_mapper"));
  TWI_ASSIGN_OR_RETURN(mapper.client,
                       client::MakeClaimsMapperClient(peer, *mapper.connection->identity, mapper.connection->clock));
  return mapper;
}

absl::StatusOr<Done> Put(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(flags.Get("--signed"), {kMaxSignedPolicy + 64}));
  TWI_ASSIGN_OR_RETURN(const Mapper mapper, ConnectMapper(flags));
  TWI_ASSIGN_OR_RETURN(const v1::PutPolicyResponse put,
                       mapper.client->PutPolicy(absl::StripAsciiWhitespace(text), mapper.connection->deadline));
  return Done{{{"name", put.name()}, {"version", put.version()}, {"sha256", put.sha256()}},
              absl::StrCat(put.name(), "@", put.version(), " is in force")};
}

absl::StatusOr<Done> List(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const Mapper mapper, ConnectMapper(flags));
  Done done{json{{"policies", json::array()}}, ""};
  std::string after;
  do {
    TWI_ASSIGN_OR_RETURN(const v1::ListPoliciesResponse page,
                         mapper.client->ListPolicies(after, mapper.connection->deadline));
    for (const v1::PolicyInfo& policy : page.policies()) {
      done.shown["policies"].push_back({{"name", policy.name()},
                                        {"version", policy.version()},
                                        {"owner", policy.owner()},
                                        {"sha256", policy.sha256()},
                                        {"workload_identifier", policy.workload_identifier()},
                                        {"document", policy.document()}});
      absl::StrAppend(&done.text, done.text.empty() ? "" : "\n", policy.name(), "@", policy.version(), "  ",
                      policy.workload_identifier(), "  of ", policy.owner());
    }
    if (!page.next().empty() && page.next() <= after)
      return Deny(v1::DENY_REASON_INTERNAL, "the Claims Mapper's pages do not go forward");
    after = page.next();
  } while (!after.empty());
  if (done.text.empty()) done.text = "no policy is in force";
  return done;
}

FlagSpec PolicyFlag() { return {"--policy", "FILE", "YAML MappingPolicy", false, true}; }
FlagSpec OutputFlag() { return {"--output", "text|json", "default text"}; }
FlagSpec HelpFlag() { return {"--help", "", "this text"}; }

Specs WithConnection(Specs specs) {
  for (const FlagSpec& spec : ConnectionFlags()) specs.push_back(spec);
  return specs;
}

const std::vector<Subcommand>& Subcommands() {
  static const auto* const subcommands = new std::vector<Subcommand>{
      {"check",
       "checks a policy as the Claims Mapper does, and sends nothing",
       {PolicyFlag(), OutputFlag(), HelpFlag()},
       Check},
      {"sign",
       "checks and signs a policy",
       {PolicyFlag(),
        {"--key", "FILE", "the owner's P-256 key, PEM, private to its user", false, true},
        {"--out", "FILE", "the signed policy", false, true},
        OutputFlag(),
        HelpFlag()},
       Sign},
      {"put", "loads a signed policy into the Claims Mapper",
       WithConnection({{"--signed", "FILE", "made by policy sign", false, true}}), Put},
      {"list", "the policies in force", WithConnection({}), List},
  };
  return *subcommands;
}

int RunSubcommand(const Subcommand& subcommand, const Args& args) {
  const std::string command = absl::StrCat("policy ", subcommand.name);
  const std::vector<std::string> words(args.words.begin() + 1, args.words.end());
  for (const std::string& word : words) {
    if (word != "--help") continue;
    args.out << Usage(command, subcommand.summary, subcommand.specs);
    return kExitDone;
  }
  const absl::StatusOr<Flags> flags = Flags::Parse(subcommand.specs, words);
  const absl::StatusOr<bool> as_json = flags.ok() ? WantsJson(*flags) : flags.status();
  if (!as_json.ok()) {
    args.err << "twictl " << command << ": " << std::string(as_json.status().message()) << "\n\n"
             << Usage(command, subcommand.summary, subcommand.specs);
    return kExitUsage;
  }
  const absl::StatusOr<Done> done = subcommand.run(*flags);
  if (!done.ok()) return ShowRefusal(args, command.c_str(), *as_json, done.status());
  args.out << (*as_json ? done->shown.dump(2, ' ', true, json::error_handler_t::replace) : PrintableLines(done->text))
           << "\n";
  return kExitDone;
}

}  // namespace

int RunPolicy(const Args& args) {
  for (const Subcommand& subcommand : Subcommands()) {
    if (!args.words.empty() && args.words[0] == subcommand.name) return RunSubcommand(subcommand, args);
  }
  const bool help = !args.words.empty() && args.words[0] == "--help";
  std::ostream& stream = help ? args.out : args.err;
  stream << "usage: twictl policy COMMAND [FLAGS]\n";
  for (const Subcommand& subcommand : Subcommands())
    stream << "  " << subcommand.name << "  " << subcommand.summary << "\n";
  return help ? kExitDone : kExitUsage;
}

}  // namespace twi::twictl
