#include "common/storage/sealed.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/mounted_secret.h"
#include "common/crypto/aead.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/hkdf.h"
#include "common/storage/private_file.h"

namespace twi::storage {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kSaltSize = 32;
constexpr std::size_t kMaxKeyFile = 2 * kKeySize + 1;  // hex and a newline

absl::Status BadKeyFile(absl::string_view file, absl::string_view why) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(file, ": ", why));
}

absl::StatusOr<std::string> Resolve(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", strerror(errno)));
  }
  return std::string(resolved);
}

// Ends in '/'.
std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// The database may not exist yet, or be a symbolic link: the folder of its name and the folder of the file both count.
absl::Status RequireApart(const std::string& key, const std::string& database) {
  TWI_ASSIGN_OR_RETURN(const std::string name_folder, Resolve(FolderOf(database)));
  std::string folders[] = {absl::StrCat(name_folder, "/"), absl::StrCat(name_folder, "/")};
  if (const absl::StatusOr<std::string> file = Resolve(database); file.ok()) folders[1] = FolderOf(*file);
  for (const std::string& folder : folders) {
    if (absl::StartsWith(key, folder == "//" ? "/" : folder))
      return BadKeyFile(key, "lies in or below the folder of the database");
  }
  return absl::OkStatus();
}

// A link of the operator's may come to lead elsewhere; a root key is never exchanged under the database that it seals.
absl::Status RequireNoLink(const std::string& file) {
  struct stat info;
  if (lstat(file.c_str(), &info) != 0) return BadKeyFile(file, strerror(errno));
  return S_ISLNK(info.st_mode) ? BadKeyFile(file, "is a symbolic link") : absl::OkStatus();
}

// The file's bytes; the file that was looked at is the file that is read.
absl::StatusOr<SecretBytes> ReadPrivate(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return BadKeyFile(file, strerror(errno));
  struct stat info;
  std::string why = fstat(fd, &info) != 0 ? strerror(errno) : config::IsMountedSecret(info) ? "" : WhyNotPrivate(info);
  if (why.empty() && (info.st_size < static_cast<off_t>(kKeySize) || info.st_size > static_cast<off_t>(kMaxKeyFile))) {
    why = "is neither 32 raw bytes nor 64 hex digits";
  }
  SecretBytes bytes(why.empty() ? static_cast<std::size_t>(info.st_size) : 0);
  if (why.empty() && read(fd, bytes.mutable_data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    why = "cannot be read";
  close(fd);
  if (!why.empty()) return BadKeyFile(file, why);
  return bytes;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::StatusOr<SecretBytes> ParseKey(const std::string& file, SecretBytes bytes) {
  if (bytes.size() == kKeySize) return bytes;
  const absl::string_view hex = absl::StripSuffix(bytes.reveal(), "\n");
  SecretBytes key(kKeySize);
  bool good = hex.size() == 2 * kKeySize;
  for (std::size_t i = 0; good && i < kKeySize; ++i) {
    const int high = HexDigit(hex[2 * i]), low = HexDigit(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    if (good) key.mutable_data()[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (!good) return BadKeyFile(file, "is neither 32 raw bytes nor 64 hex digits");
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sealer>> Sealer::FromConfig(const config::v1::Storage& config) {
  if (config.root_key_file().empty()) return BadKeyFile("", "is required");
  if (config.database_file().empty()) return Deny(v1::DENY_REASON_CONFIG_INVALID, "database_file is required");
  const std::string& file = config.root_key_file();
  TWI_RETURN_IF_ERROR(RequireNoLink(file));
  TWI_ASSIGN_OR_RETURN(const std::string resolved, Resolve(file));
  TWI_RETURN_IF_ERROR(RequireApart(resolved, config.database_file()));
  TWI_ASSIGN_OR_RETURN(SecretBytes bytes, ReadPrivate(file));
  TWI_ASSIGN_OR_RETURN(SecretBytes key, ParseKey(file, std::move(bytes)));
  return FromKey(std::move(key));
}

absl::StatusOr<std::unique_ptr<Sealer>> Sealer::FromKey(SecretBytes root_key32) {
  if (root_key32.size() != kKeySize) return Deny(v1::DENY_REASON_CONFIG_INVALID, "the root key is not 32 bytes");
  // A file that lost its content in a crash reads as zeros.
  if (ConstantTimeEqual(root_key32, SecretBytes(kKeySize)))
    return Deny(v1::DENY_REASON_CONFIG_INVALID, "the root key is 32 zero bytes");
  return std::unique_ptr<Sealer>(new Sealer(std::move(root_key32)));
}

absl::StatusOr<std::string> Sealer::Seal(absl::string_view context, const SecretBytes& plaintext,
                                         crypto::Random& random) const {
  if (context.empty()) return Deny(v1::DENY_REASON_INTERNAL, "sealed without a context");
  const std::string salt = random.Bytes(kSaltSize);
  if (salt.size() != kSaltSize) return Deny(v1::DENY_REASON_INTERNAL, "no salt");
  const SecretBytes data_key = HkdfSha256(root_key_, salt, context);
  TWI_ASSIGN_OR_RETURN(const std::string box, crypto::AeadSeal(data_key, context, plaintext.reveal(), random));
  return absl::StrCat(salt, box);
}

absl::StatusOr<SecretBytes> Sealer::Open(absl::string_view context, absl::string_view sealed) const {
  if (context.empty()) return Deny(v1::DENY_REASON_INTERNAL, "opened without a context");
  if (sealed.size() < kSaltSize) return Deny(v1::DENY_REASON_DECRYPTION_FAILED, "sealed bytes are too short");
  const SecretBytes data_key = HkdfSha256(root_key_, sealed.substr(0, kSaltSize), context);
  return crypto::AeadOpen(data_key, context, sealed.substr(kSaltSize));
}

}  // namespace twi::storage
