#include "common/attested_tls/attested_key.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/crypto/keys.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

constexpr std::size_t kHash = 32;

void AppendLen32(std::string& out, absl::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((size >> shift) & 0xFF));
  out.append(part.data(), part.size());
}

bool TakeLen32(absl::string_view& in, std::string& part) {
  if (in.size() < 4) return false;
  std::uint32_t size = 0;
  for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(in[i]);
  if (in.size() - 4 < size) return false;
  part = std::string(in.substr(4, size));
  in.remove_prefix(4 + size);
  return true;
}

}  // namespace

std::string BindingTarget(Profile profile, Role role) {
  return absl::StrCat("twi-atls-v1:", profile == Profile::kSession ? "session" : "handshake", ":",
                      role == Role::kServer ? "server" : "client");
}

bool IsBindingTarget(absl::string_view target) {
  for (const Profile profile : {Profile::kSession, Profile::kHandshake}) {
    for (const Role role : {Role::kClient, Role::kServer}) {
      if (target == BindingTarget(profile, role)) return true;
    }
  }
  return false;
}

std::string WriteSubject(const AttestedKeySubject& subject) {
  std::string out;
  AppendLen32(out, subject.spki);
  AppendLen32(out, subject.exporter);
  AppendLen32(out, subject.peer_key_sha256);
  return out;
}

absl::StatusOr<AttestedKeySubject> ReadSubject(absl::string_view subject) {
  AttestedKeySubject read;
  if (!TakeLen32(subject, read.spki) || !TakeLen32(subject, read.exporter) ||
      !TakeLen32(subject, read.peer_key_sha256) || !subject.empty() ||
      (read.exporter.size() != kExporterSize && !read.exporter.empty()) ||
      (read.peer_key_sha256.size() != kHash && !read.peer_key_sha256.empty()) ||
      read.exporter.empty() != read.peer_key_sha256.empty()) {
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "binding.subject is no attested TLS key");
  }
  const absl::StatusOr<crypto::PublicKey> key = crypto::PublicKey::FromSpki(read.spki);
  if (!key.ok() || key->type() != crypto::KeyType::kP256 || key->spki() != read.spki)
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "binding.subject: the attested TLS key is not a P-256 key");
  return read;
}

v1::Binding MakeBinding(Profile profile, Role role, absl::string_view nonce, absl::string_view relying_party,
                        const AttestedKeySubject& subject) {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(std::string(nonce));
  binding.set_target(BindingTarget(profile, role));
  binding.set_rp_id(std::string(relying_party));
  binding.set_subject(WriteSubject(subject));
  return binding;
}

}  // namespace twi::atls
