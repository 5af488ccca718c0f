#include "services/claims_mapper/mapping_policy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/conditions/conditions.h"
#include "common/config/load_yaml.h"
#include "common/crypto/hash.h"
#include "common/policy_signature/policy_signature.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "proto/twi/config/v1/mapping_policy.pb.h"
#include "services/claims_mapper/owners.h"

namespace twi::claims_mapper {
namespace {

constexpr int kMaxConditions = 64;
constexpr int kMaxClaims = 64;
constexpr int kMaxDnsNames = 16;
constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxClaimName = 64;
constexpr std::size_t kMaxConstant = 1024;

// Collects every problem with its place, so that the owner mends one document, not one line per upload (style H4).
class Problems {
 public:
  explicit Problems(absl::string_view source) : source_(source) {}
  bool Need(bool good, absl::string_view path, absl::string_view expected) {
    if (!good) list_.emplace_back(config::ConfigError(source_, path, expected).message());
    return good;
  }
  absl::Status status() const {
    return list_.empty() ? absl::OkStatus() : Deny(v1::DENY_REASON_POLICY_MALFORMED, absl::StrJoin(list_, "; "));
  }

 private:
  std::string source_;
  std::vector<std::string> list_;
};

bool IsPolicyName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '-' || c == '.' || c == '/';
  });
}

bool IsClaimName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxClaimName && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '_';
  });
}

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

bool IsLifetime(absl::Duration duration) { return duration >= kMinCredentialLife && duration <= kMaxCredentialLife; }

v1::InputKind InputKindOf(absl::string_view word) {
  if (word == "evidence") return v1::INPUT_KIND_EVIDENCE;
  if (word == "attestation_results") return v1::INPUT_KIND_ATTESTATION_RESULTS;
  if (word == "anticipated") return v1::INPUT_KIND_ANTICIPATED;
  return v1::INPUT_KIND_UNSPECIFIED;
}

// May a claim have this type? Dyn is looked at when the claim is computed.
bool IsClaimType(const cel::Type& type) {
  using Kind = cel::Type::Kind;
  if (type.is_dyn() || type.kind() == Kind::kString || type.kind() == Kind::kBool || type.kind() == Kind::kInt)
    return true;
  return type.kind() == Kind::kList && (type.element().is_dyn() || type.element().kind() == Kind::kString);
}

struct Compiled {
  cel::Program program;
  bool uses_evidence;
};

class Reader {
 public:
  Reader(const config::v1::MappingPolicy& document, absl::string_view source) : in_(document), problems_(source) {}

  absl::StatusOr<std::shared_ptr<const MappingPolicy>> Read(std::string sha256) {
    auto policy = std::make_shared<MappingPolicy>();
    policy->sha256 = std::move(sha256);
    ReadHead(*policy);
    ReadMatch(*policy);
    ReadLimits(*policy);  // before the claims, which may cut the lifetime
    ReadClaims(*policy);
    const absl::Status status = problems_.status();
    if (!status.ok()) return status;
    return policy;
  }

 private:
  void ReadHead(MappingPolicy& out) {
    problems_.Need(IsPolicyName(in_.name()), "name", "1..128 of a-z 0-9 - . /");
    problems_.Need(in_.version() > 0 && in_.version() <= INT64_MAX, "version", "a whole number above 0");
    problems_.Need(
        in_.rollback_from() == 0 || (in_.rollback_from() > in_.version() && in_.rollback_from() <= INT64_MAX),
        "rollback_from", "the version in force, above `version`");
    problems_.Need(ValidateWorkloadIdentifier(in_.owner()).ok(), "owner", "the SPIFFE ID of the Workload Owner");
    problems_.Need(ValidateWorkloadIdentifier(in_.workload_identifier()).ok(), "workload_identifier",
                   "a SPIFFE ID with a path");
    problems_.Need(!in_.accepts().empty(), "accepts", "at least one of evidence, attestation_results, anticipated");
    for (int i = 0; i < in_.accepts_size(); ++i) {
      const v1::InputKind kind = InputKindOf(in_.accepts(i));
      problems_.Need(kind != v1::INPUT_KIND_UNSPECIFIED && out.accepts.insert(kind).second,
                     absl::StrCat("accepts[", i, "]"), "evidence, attestation_results or anticipated, each once");
    }
    out.name = in_.name();
    out.version = in_.version();
    out.rollback_from = in_.rollback_from();
    out.owner = in_.owner();
    out.workload_identifier = in_.workload_identifier();
    evidence_only_ = out.accepts == std::set<v1::InputKind>{v1::INPUT_KIND_EVIDENCE};
  }

  void ReadMatch(MappingPolicy& out) {
    problems_.Need(!in_.match().empty() && in_.match_size() <= kMaxConditions, "match", "1..64 conditions");
    std::set<std::string> names;
    for (int i = 0; i < in_.match_size(); ++i) {
      const config::v1::NamedCondition& condition = in_.match(i);
      const std::string path = absl::StrCat("match[", i, "]");
      problems_.Need(
          !condition.name().empty() && condition.name().size() <= kMaxName && names.insert(condition.name()).second,
          path + ".name", "a name of 1..128 bytes, each once");
      std::optional<Compiled> compiled = Compile(condition.expression(), cel::Type::Bool(), path + ".expression");
      if (!compiled.has_value()) continue;
      for (cel::RequiredLiteral& required : compiled->program.RequiredEqualities()) {
        problems_.Need(!required.alternatives.empty(), path + ".expression",
                       "a condition that can be true, and `in []` cannot");
        out.required.push_back(std::move(required));
      }
      out.match.push_back({condition.name(), std::move(compiled->program), compiled->uses_evidence});
    }
  }

  void ReadLimits(MappingPolicy& out) {
    out.max_lifetime = kDefaultCredentialLife;
    if (in_.limits().has_max_lifetime()) {
      out.max_lifetime = DurationOf(in_.limits().max_lifetime());
      problems_.Need(IsLifetime(out.max_lifetime), "limits.max_lifetime", "1m..24h");
    }
    problems_.Need(in_.limits().dns_names_size() <= kMaxDnsNames, "limits.dns_names", "at most 16 names");
    std::set<std::string> names;
    for (int i = 0; i < in_.limits().dns_names_size(); ++i) {
      const std::string& name = in_.limits().dns_names(i);
      problems_.Need(IsDnsName(name) && names.insert(name).second, absl::StrCat("limits.dns_names[", i, "]"),
                     "a lower-case DNS name without wildcard, each once");
      out.dns_names.push_back(name);
    }
  }

  void ReadClaims(MappingPolicy& out) {
    problems_.Need(in_.claims_size() <= kMaxClaims, "claims", "at most 64 claims");
    std::set<std::string> names;
    for (int i = 0; i < in_.claims_size(); ++i) {
      const config::v1::Claim& claim = in_.claims(i);
      const std::string path = absl::StrCat("claims[", i, "]");
      problems_.Need(IsClaimName(claim.name()) && names.insert(claim.name()).second, path + ".name",
                     "1..64 of a-z 0-9 _, each once");
      MappedClaim mapped;
      mapped.name = claim.name();
      ReadClaimValue(claim, path, mapped);
      if (claim.has_volatile_for()) {
        mapped.volatile_for = DurationOf(claim.volatile_for());
        problems_.Need(IsLifetime(mapped.volatile_for), path + ".volatile_for", "1m..24h");
        out.max_lifetime = std::min(out.max_lifetime, mapped.volatile_for);
      }
      out.claims.push_back(std::move(mapped));
    }
  }

  void ReadClaimValue(const config::v1::Claim& claim, const std::string& path, MappedClaim& out) {
    switch (claim.value_case()) {
      case config::v1::Claim::kConstant:
        problems_.Need(claim.constant().size() <= kMaxConstant, path + ".constant", "at most 1024 bytes");
        out.constant = claim.constant();
        return;
      case config::v1::Claim::kConstantBool:
        out.constant = claim.constant_bool();
        return;
      case config::v1::Claim::kConstantInt:
        out.constant = claim.constant_int();
        return;
      case config::v1::Claim::kExpression: {
        std::optional<Compiled> compiled = Compile(claim.expression(), cel::Type::Dyn(), path + ".expression");
        if (!compiled.has_value()) return;
        problems_.Need(IsClaimType(compiled->program.deduced_type()), path + ".expression",
                       absl::StrCat("string, bool, int or list of strings, and this gives ",
                                    compiled->program.deduced_type().ToString()));
        out.program = std::move(compiled->program);
        return;
      }
      case config::v1::Claim::VALUE_NOT_SET:
        problems_.Need(false, path, "one of constant, constant_bool, constant_int, expression");
    }
  }

  // Compiled over `results` alone when that is possible, so that it is known which expressions need `evidence`.
  std::optional<Compiled> Compile(const std::string& source, const cel::Type& result, const std::string& path) {
    if (!problems_.Need(!source.empty(), path, "a CEL expression")) return std::nullopt;
    cel::Declarations declarations;
    declarations.variables = {{"results", ResultsType()}};
    declarations.result = result;
    absl::StatusOr<cel::Program> program = cel::Compile(source, declarations);
    if (program.ok()) return Compiled{*std::move(program), false};
    declarations.variables.emplace("evidence", EvidenceType());
    absl::StatusOr<cel::Program> with_evidence = cel::Compile(source, declarations);
    if (with_evidence.ok() && evidence_only_) return Compiled{*std::move(with_evidence), true};
    const absl::string_view hint =
        with_evidence.ok() ? " (`evidence` may be used only when accepts is [evidence] and nothing else)" : "";
    const absl::Status& error = with_evidence.ok() ? program.status() : with_evidence.status();
    problems_.Need(false, path,
                   absl::StrCat("a CEL expression of type ", result.ToString(), "; at ", error.message(), hint));
    return std::nullopt;
  }

  const config::v1::MappingPolicy& in_;
  Problems problems_;
  bool evidence_only_ = false;
};

}  // namespace

std::string MappingPolicy::Label() const { return absl::StrCat(name, "@", version); }

absl::StatusOr<std::shared_ptr<const MappingPolicy>> ParseMappingPolicy(absl::string_view document,
                                                                        absl::string_view source) {
  if (document.size() > kMaxPolicyDocument) {
    return Deny(v1::DENY_REASON_POLICY_MALFORMED,
                absl::StrCat(source, ": ", document.size(), " bytes, at most ", kMaxPolicyDocument));
  }
  config::v1::MappingPolicy parsed;
  if (const absl::Status form = config::ParseYaml(document, source, parsed); !form.ok()) {
    return Deny(
        DenyReasonOf(form) == v1::DENY_REASON_CONFIG_INVALID ? v1::DENY_REASON_POLICY_MALFORMED : DenyReasonOf(form),
        form.message());
  }
  return Reader(parsed, source).Read(crypto::Sha256(document));
}

}  // namespace twi::claims_mapper
