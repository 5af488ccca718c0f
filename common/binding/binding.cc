#include "common/binding/binding.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/uri.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

constexpr std::size_t kMinNonce = 8;
constexpr std::size_t kMaxNonce = 128;
constexpr std::size_t kMaxSubject = 4096;

void AppendLen32(std::string& out, absl::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((size >> shift) & 0xff));
  out.append(part.data(), part.size());
}

absl::Status ValidateUri(absl::string_view name, absl::string_view uri) {
  if (uri.empty()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("binding.", name, " is empty"));
  if (uri.size() > kMaxUri) {
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE,
                absl::StrCat("binding.", name, " has ", uri.size(), " bytes, at most ", kMaxUri));
  }
  if (!IsAbsoluteUri(uri))
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("binding.", name, " is not an absolute URI"));
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateBinding(const v1::Binding& binding) {
  if (binding.profile() != v1::BINDING_PROFILE_TACRA_2) {
    return Deny(v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED,
                absl::StrCat("binding.profile is ", binding.profile(), ", only TACRA_2 is served"));
  }
  if (binding.nonce().empty()) return Deny(v1::DENY_REASON_CHALLENGE_MISSING, "binding.nonce is empty");
  if (binding.nonce().size() < kMinNonce || binding.nonce().size() > kMaxNonce) {
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED,
                absl::StrCat("binding.nonce has ", binding.nonce().size(), " bytes, 8..128 are allowed"));
  }
  TWI_RETURN_IF_ERROR(ValidateUri("target", binding.target()));
  TWI_RETURN_IF_ERROR(ValidateUri("rp_id", binding.rp_id()));
  if (binding.subject().empty()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "binding.subject is empty");
  if (binding.subject().size() > kMaxSubject) {
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE,
                absl::StrCat("binding.subject has ", binding.subject().size(), " bytes, at most ", kMaxSubject));
  }
  return absl::OkStatus();
}

std::string BindingInput(const v1::Binding& binding) {
  std::string input;
  input.reserve(16 + binding.nonce().size() + binding.target().size() + binding.rp_id().size() +
                binding.subject().size());
  AppendLen32(input, binding.nonce());
  AppendLen32(input, binding.target());
  AppendLen32(input, binding.rp_id());
  AppendLen32(input, binding.subject());
  return input;
}

std::string BindingValue64(const v1::Binding& binding) { return crypto::Sha512(BindingInput(binding)); }

std::string BindingValue32(const v1::Binding& binding) { return crypto::Sha256(BindingInput(binding)); }

absl::Status MatchBinding(const v1::Binding& binding, absl::string_view freshness) {
  const std::string expected = freshness.size() == 32 ? BindingValue32(binding) : BindingValue64(binding);
  if (!ConstantTimeEqual(expected, freshness)) {
    return Deny(v1::DENY_REASON_BINDING_MISMATCH,
                absl::StrCat("the freshness field (", freshness.size(),
                             " bytes) is not the binding of this nonce, target, rp_id and subject"));
  }
  return absl::OkStatus();
}

}  // namespace twi
