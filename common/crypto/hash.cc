#include "common/crypto/hash.h"

#include <cstdint>

#include "openssl/digest.h"
#include "openssl/hmac.h"
#include "openssl/sha.h"

namespace twi::crypto {
namespace {

const std::uint8_t* In(absl::string_view data) { return reinterpret_cast<const std::uint8_t*>(data.data()); }
std::uint8_t* Out(std::string& out) { return reinterpret_cast<std::uint8_t*>(&out[0]); }

std::string Sha1(absl::string_view data) {
  std::string out(SHA_DIGEST_LENGTH, '\0');
  SHA1(In(data), data.size(), Out(out));
  return out;
}

}  // namespace

std::string Sha256(absl::string_view data) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(In(data), data.size(), Out(out));
  return out;
}

std::string Sha384(absl::string_view data) {
  std::string out(SHA384_DIGEST_LENGTH, '\0');
  SHA384(In(data), data.size(), Out(out));
  return out;
}

std::string Sha512(absl::string_view data) {
  std::string out(SHA512_DIGEST_LENGTH, '\0');
  SHA512(In(data), data.size(), Out(out));
  return out;
}

std::string Hash(HashAlgorithm algorithm, absl::string_view data) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      return Sha1(data);
    case HashAlgorithm::kSha256:
      return Sha256(data);
    case HashAlgorithm::kSha384:
      return Sha384(data);
    case HashAlgorithm::kSha512:
      return Sha512(data);
  }
  return "";
}

std::size_t HashSize(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      return SHA_DIGEST_LENGTH;
    case HashAlgorithm::kSha256:
      return SHA256_DIGEST_LENGTH;
    case HashAlgorithm::kSha384:
      return SHA384_DIGEST_LENGTH;
    case HashAlgorithm::kSha512:
      return SHA512_DIGEST_LENGTH;
  }
  return 0;
}

std::string HmacSha256(const SecretBytes& key, absl::string_view data) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  unsigned size = 0;
  // HMAC reads a null key as "the key of last time"; there is none here, and an empty SecretBytes has a null pointer.
  static constexpr char kNoKey[] = "";
  const char* key_data = key.empty() ? kNoKey : key.reveal().data();
  if (HMAC(EVP_sha256(), key_data, key.size(), In(data), data.size(), Out(out), &size) == nullptr) return "";
  return out;
}

}  // namespace twi::crypto
