#include "integration_tests/containers/held_credential.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/config/read_file.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/secret/secret_bytes.h"
#include "common/status/status_macros.h"
#include "integration_tests/containers/held_wit.h"

namespace twi::containers {
namespace {

struct Files {
  std::string key, chain, bundle, anchors;  // no anchors: nobody asked for them
  std::optional<std::string> wit, wit_bundle;
};

absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::string& path, std::size_t max_bytes) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::nullopt;
  return config::ReadFile(path, {max_bytes});
}

absl::StatusOr<Files> ReadVersion(const std::string& version, const std::string& anchors_file) {
  Files files;
  if (!anchors_file.empty()) {
    absl::StatusOr<std::string> anchors = config::ReadFile(anchors_file, {64 << 10});
    if (!anchors.ok() || anchors->empty())
      return absl::InvalidArgumentError(absl::StrCat(anchors_file, ": no anchors"));
    files.anchors = *std::move(anchors);
  }
  TWI_ASSIGN_OR_RETURN(files.key, config::ReadFile(version + "/key.pem", {16 << 10, config::kPrivateFile}));
  TWI_ASSIGN_OR_RETURN(files.chain, config::ReadFile(version + "/chain.pem", {64 << 10}));
  TWI_ASSIGN_OR_RETURN(files.bundle, config::ReadFile(version + "/bundle.pem", {64 << 10}));
  TWI_ASSIGN_OR_RETURN(files.wit, ReadIfThere(version + "/wit.jwt", 16 << 10));
  TWI_ASSIGN_OR_RETURN(files.wit_bundle, ReadIfThere(version + "/wit-bundle.json", 128 << 10));
  if (files.wit.has_value() != files.wit_bundle.has_value())
    return absl::InvalidArgumentError("of wit.jwt and wit-bundle.json one is there without the other");
  return files;
}

absl::Status Judge(Files& files, absl::Time now, HeldCredential& held) {
  const SecretBytes secret = SecretBytes::CopyOf(files.key);
  Wipe(files.key);
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey key, crypto::PrivateKey::FromPem(secret));
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> chain, crypto::ParseCertificates(files.chain));
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> bundle, crypto::ParseCertificates(files.bundle));
  if (chain.empty() || chain[0].uri_sans.size() != 1) return absl::InvalidArgumentError("no leaf with one URI SAN");
  const crypto::Certificate& leaf = chain[0];
  held.serial = ToHex(leaf.serial);
  held.spiffe_id = leaf.uri_sans[0];
  held.not_after = leaf.not_after;
  if (!(key.public_key() == leaf.public_key)) return absl::InvalidArgumentError("the key is not the certificate's");
  if (files.wit.has_value()) {
    TWI_ASSIGN_OR_RETURN(held.wit_not_after,
                         VerifyHeldWit(*files.wit, *files.wit_bundle, leaf.public_key, held.spiffe_id));
  }
  if (leaf.not_after <= now) {
    held.state = "expired";
    return absl::OkStatus();
  }
  crypto::PathOptions options;
  options.now = now;
  const std::vector<crypto::Certificate> intermediates(chain.begin() + 1, chain.end());
  TWI_RETURN_IF_ERROR(crypto::BuildPath(leaf, intermediates, bundle, options).status());
  if (!files.anchors.empty()) {
    TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> anchors, crypto::ParseCertificates(files.anchors));
    TWI_RETURN_IF_ERROR(crypto::BuildPath(leaf, intermediates, anchors, options).status());
  }
  if (held.wit_not_after.has_value() && *held.wit_not_after <= now) {
    held.state = "expired";
    held.detail =
        absl::StrCat("the WIT, at ", absl::FormatTime(absl::RFC3339_sec, *held.wit_not_after, absl::UTCTimeZone()));
    return absl::OkStatus();
  }
  held.state = "valid";
  return absl::OkStatus();
}

}  // namespace

std::string VersionInForce(const std::string& directory) {
  char target[PATH_MAX];
  const ssize_t size = readlink((directory + "/..data").c_str(), target, sizeof target);
  return size > 0 && size < PATH_MAX ? absl::StrCat(directory, "/", std::string(target, static_cast<std::size_t>(size)))
                                     : std::string();
}

HeldCredential LookAtCredential(const std::string& directory, const std::string& anchors_file, absl::Time now) {
  HeldCredential held;
  for (std::string version = VersionInForce(directory), next; !version.empty(); version = next) {
    absl::StatusOr<Files> files = ReadVersion(version, anchors_file);
    next = VersionInForce(directory);
    if (next != version) continue;  // replaced while it was read: a file that was not found, a WIT too, was there once
    if (!files.ok() && absl::StrContains(files.status().message(), "No such file")) return held;
    const absl::Status judged = files.ok() ? Judge(*files, now, held) : files.status();
    if (!judged.ok()) {
      held.state = "broken";
      held.detail = std::string(judged.message());
    }
    return held;
  }
  return held;
}

}  // namespace twi::containers
