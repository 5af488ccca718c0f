#include "services/twictl/dev_deployment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/read_file.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/claims_mapper/mapping_policy.h"
#include "services/twictl/dev_pki.h"
#include "services/twictl/output_files.h"
#include "services/twictl/policy.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {
namespace {

constexpr char kSummary[] =
    "Makes a development PKI and distributes it into one folder per service, each with what that service alone may "
    "see. Does nothing when it was done before. Not for production.";
constexpr char kOwnerPrefix[] = "spiffe://example.org/owner/";
constexpr char kComplete[] = "pki/complete";
constexpr std::size_t kMaxFile = 64 << 10;
constexpr const char* kServices[] = {"verifier", "claims-mapper", "credential-authority", "key-store"};
constexpr const char* kRelyingParties[] = {"relying-party-payroll", "relying-party-ledger"};

absl::Status Failed(absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::StatusOr<bool> Exists(const std::string& path) {
  if (access(path.c_str(), F_OK) == 0) return true;
  if (errno != ENOENT) return Failed(path);
  return false;
}

// Folders and files that were made, in order; given to the user at the end, innermost first: until then they are ours
// to write to, and no capability but CAP_CHOWN is needed.
class Deployment {
 public:
  Deployment(std::string out, uid_t user) : out_(std::move(out)), user_(user) {}

  absl::Status Directory(const std::string& name) {
    const std::string path = absl::StrCat(out_, "/", name);
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed(path);
    if (chmod(path.c_str(), 0700) != 0) return Failed(path);
    made_.push_back(path);
    return absl::OkStatus();
  }
  absl::Status Copy(const std::string& from, const std::string& to, mode_t mode) {
    TWI_ASSIGN_OR_RETURN(std::string content, config::ReadFile(absl::StrCat(out_, "/pki/made/", from), {kMaxFile}));
    made_.push_back(absl::StrCat(out_, "/", to));
    const absl::Status written = WriteNewFile(made_.back(), content, mode);
    Wipe(content);
    return written;
  }
  // For a tool that would make the file with a mode that lets others write to it.
  absl::Status EmptyFile(const std::string& name) {
    made_.push_back(absl::StrCat(out_, "/", name));
    return WriteNewFile(made_.back(), "", kPublicFile);
  }
  absl::Status Service(const std::string& name) {
    TWI_RETURN_IF_ERROR(Directory(name));
    TWI_RETURN_IF_ERROR(Copy(absl::StrCat("tls/", name, ".pem"), name + "/tls.pem", kPublicFile));
    TWI_RETURN_IF_ERROR(Copy(absl::StrCat("tls/", name, ".key.pem"), name + "/tls.key.pem", kSecretFile));
    TWI_RETURN_IF_ERROR(Copy("tls/ca.pem", name + "/ca.pem", kPublicFile));
    return Copy(absl::StrCat("keys/", name, ".root"), name + "/storage.root", kSecretFile);
  }
  // Whom the Verifier and its REST front know as a relying party of attested TLS.
  absl::Status RelyingParty(const std::string& name) {
    TWI_RETURN_IF_ERROR(Directory(name));
    TWI_RETURN_IF_ERROR(Copy(absl::StrCat("tls/", name, ".pem"), name + "/tls.pem", kPublicFile));
    TWI_RETURN_IF_ERROR(Copy(absl::StrCat("tls/", name, ".key.pem"), name + "/tls.key.pem", kSecretFile));
    return Copy("tls/ca.pem", name + "/ca.pem", kPublicFile);
  }
  absl::Status Agent() {
    TWI_RETURN_IF_ERROR(Directory("agent"));
    TWI_RETURN_IF_ERROR(Copy("tls/ca.pem", "agent/ca.pem", kPublicFile));
    TWI_RETURN_IF_ERROR(Directory("agent/dev-snp"));
    for (const char* file : {"ark.pem", "ask.pem", "vcek.pem"})
      TWI_RETURN_IF_ERROR(Copy(absl::StrCat("dev-snp/", file), absl::StrCat("agent/dev-snp/", file), kPublicFile));
    return Copy("dev-snp/vcek.key.pem", "agent/dev-snp/vcek.key.pem", kSecretFile);
  }
  absl::Status Owner() {
    TWI_RETURN_IF_ERROR(Directory("owner"));
    TWI_RETURN_IF_ERROR(Copy("tls/ca.pem", "owner/ca.pem", kPublicFile));
    TWI_RETURN_IF_ERROR(Copy("owners/payroll.pem", "owner/payroll.pem", kPublicFile));
    return Copy("owners/payroll.key.pem", "owner/payroll.key.pem", kSecretFile);
  }
  // `twictl policy sign`, with the key of the policy's owner.
  absl::Status SignPolicy(const std::string& file) {
    TWI_ASSIGN_OR_RETURN(const std::string document, config::ReadFile(file, {kMaxFile}));
    TWI_ASSIGN_OR_RETURN(const auto policy, claims_mapper::ParseMappingPolicy(document, file));
    absl::string_view owner = policy->owner;
    if (!absl::ConsumePrefix(&owner, kOwnerPrefix) || (owner != "payroll" && owner != "ledger"))
      return absl::InvalidArgumentError(absl::StrCat(file, ": owner ", policy->owner, ": expected payroll or ledger"));
    const std::string key = absl::StrCat(out_, "/pki/made/owners/", owner, ".key.pem"),
                      signed_policy = absl::StrCat(out_, "/claims-mapper/", policy->name, ".jws");
    std::ostringstream out, err;
    if (RunPolicy({{"sign", "--policy", file, "--key", key, "--out", signed_policy}, out, err}) != kExitDone)
      return Deny(v1::DENY_REASON_CONFIG_INVALID, err.str());
    made_.push_back(signed_policy);
    return absl::OkStatus();
  }
  // The last step. What it leaves says to the next run that all was done.
  absl::Status HandOver() const {
    for (auto path = made_.rbegin(); path != made_.rend(); ++path)
      if (user_ != geteuid() && lchown(path->c_str(), user_, user_) != 0) return Failed(*path);
    return WriteNewFile(absl::StrCat(out_, "/", kComplete), "", kPublicFile);
  }

 private:
  const std::string out_;
  const uid_t user_;
  std::vector<std::string> made_;
};

absl::Status Fill(Deployment& deployment, const Flags& flags) {
  for (const char* service : kServices) TWI_RETURN_IF_ERROR(deployment.Service(service));
  for (const char* party : kRelyingParties) TWI_RETURN_IF_ERROR(deployment.RelyingParty(party));
  TWI_RETURN_IF_ERROR(deployment.Copy("dev-snp/ark.pem", "verifier/dev-snp-ark.pem", kPublicFile));
  for (const char* owner : {"payroll", "ledger"})
    TWI_RETURN_IF_ERROR(deployment.Copy(absl::StrCat("owners/", owner, ".pub.pem"),
                                        absl::StrCat("claims-mapper/", owner, ".pub.pem"), kPublicFile));
  for (const std::string& policy : flags.All("--policy")) TWI_RETURN_IF_ERROR(deployment.SignPolicy(policy));
  TWI_RETURN_IF_ERROR(deployment.Agent());
  TWI_RETURN_IF_ERROR(deployment.Owner());
  for (const std::string& name : flags.All("--empty")) TWI_RETURN_IF_ERROR(deployment.Directory(name));
  for (const std::string& name : flags.All("--empty-file")) TWI_RETURN_IF_ERROR(deployment.EmptyFile(name));
  return deployment.HandOver();
}

absl::StatusOr<Shown> DevDeployment(const Flags& flags) {
  const std::string out = flags.Get("--out"), pki = out + "/pki/made";
  std::uint32_t user = geteuid();
  if (flags.Has("--user") && !absl::SimpleAtoi(flags.Get("--user"), &user))
    return absl::InvalidArgumentError("--user: expected a number");
  for (const char* flag : {"--empty", "--empty-file"})
    for (const std::string& name : flags.All(flag))
      if (name.empty() || name[0] == '/' || name[0] == '.' || absl::StrContains(name, "..") ||
          name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-/.") != std::string::npos)
        return absl::InvalidArgumentError(absl::StrCat(flag, " ", name, ": expected a name of a-z, 0-9, - and /"));
  TWI_ASSIGN_OR_RETURN(const bool complete, Exists(absl::StrCat(out, "/", kComplete)));
  if (complete)
    return Shown{{{"directory", out}, {"made", false}}, absl::StrCat(out, " was made before; nothing is changed\n")};
  TWI_ASSIGN_OR_RETURN(const bool begun, Exists(pki));
  if (begun) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat(out, " was begun by a run that did not finish (there is no ", kComplete,
                             "): empty it, or remove its volumes, and begin anew"));
  }
  if (mkdir((out + "/pki").c_str(), 0700) != 0 && errno != EEXIST) return Failed(out + "/pki");
  std::ostringstream said, err;
  std::vector<std::string> wanted = {"--out", pki, "--owner", "payroll", "--owner", "ledger"};
  for (const char* service : kServices) wanted.insert(wanted.end(), {"--service", service});
  for (const char* party : kRelyingParties) wanted.insert(wanted.end(), {"--service", party});
  if (RunDevPki({wanted, said, err}) != kExitDone) return Deny(v1::DENY_REASON_CONFIG_INVALID, err.str());
  Deployment deployment(out, user);
  TWI_RETURN_IF_ERROR(Fill(deployment, flags));
  return Shown{{{"directory", out}, {"made", true}}, absl::StrCat("made ", out, ", for development only\n")};
}

}  // namespace

int RunDevDeployment(const Args& args) {
  return RunFramed({"dev-deployment",
                    kSummary,
                    {{"--out", "DIR", "holds the folders", false, true},
                     {"--user", "UID", "whose the folders are afterwards; default: who calls"},
                     {"--policy", "FILE", "a Claims Mapper Policy of payroll or ledger, to be signed", true},
                     {"--empty", "NAME", "an empty folder besides: a store, a place for credentials", true},
                     {"--empty-file", "NAME/FILE", "an empty file in such a folder, mode 0644", true},
                     OutputFlag(),
                     HelpFlag()},
                    0,
                    DevDeployment},
                   args);
}

}  // namespace twi::twictl
