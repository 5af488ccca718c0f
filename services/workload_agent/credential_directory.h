// Where the workload reads its credential. The files change together or not at all, as Kubernetes does it for mounted
// secrets:
//   DIR/key.pem -> ..data/key.pem      DIR/..data -> ..v7      DIR/..v7/{key.pem,chain.pem,...}
// A new version is written beside the old one and made durable; then one rename(2) swaps the symlink ..data. A reader
// that wants files of one version opens ..data once and reads relative to it; a crash at any moment leaves the old
// version or the new one.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_CREDENTIAL_DIRECTORY_H_
#define TWI_SERVICES_WORKLOAD_AGENT_CREDENTIAL_DIRECTORY_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"

namespace twi::agent {

// One file: a plain name (letters, digits, '.', '-'; not starting with a dot) and its bytes.
struct CredentialFile {
  std::string name;
  SecretBytes content;
};

// Not thread-safe; one process at a time (an flock on DIR/..lock says so).
class CredentialDirectory {
 public:
  // Creates `path` (0700; its parent must exist) or takes what is there: a directory of our own user that group and
  // others may not write to, not a symlink. What a killed predecessor left half done is removed. CONFIG_INVALID, also
  // when another agent holds the directory.
  static absl::StatusOr<std::unique_ptr<CredentialDirectory>> Open(const std::string& path);
  ~CredentialDirectory();
  CredentialDirectory(const CredentialDirectory&) = delete;
  CredentialDirectory& operator=(const CredentialDirectory&) = delete;

  // Installs `files` as the new version (directories 0700, files 0600); a file that the last version had and this one
  // has not is gone afterwards. STORAGE_FAILED: then the old version is still in force.
  absl::Status Replace(const std::vector<CredentialFile>& files);

  // Takes the credential away: no version is in force, none is left. Needs no space on the disk. STORAGE_FAILED.
  absl::Status Withdraw();

  const std::string& path() const { return path_; }

 private:
  CredentialDirectory(std::string path, int directory, int lock)
      : path_(std::move(path)), directory_(directory), lock_(lock) {}
  absl::Status WriteVersion(const std::string& version, const std::vector<CredentialFile>& files);
  absl::Status Swap(const std::string& link, const std::string& target);
  absl::Status LinkNames(const std::vector<CredentialFile>& files);
  absl::Status RemoveLeftovers();

  const std::string path_;
  const int directory_;  // fd
  const int lock_;       // fd
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_CREDENTIAL_DIRECTORY_H_
