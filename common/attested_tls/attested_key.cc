#include "common/attested_tls/attested_key.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/presentation.h"
#include "common/crypto/keys.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::atls {
namespace {

constexpr std::size_t kHash = 32;

// len32(part) || part
void AppendPart(std::string& out, absl::string_view part) { AppendVector(out, part, 4); }

bool TakePart(PartReader& in, std::string& part) {
  absl::string_view taken;
  if (!in.Vector(4, 0, std::numeric_limits<std::size_t>::max(), taken)) return false;
  part = std::string(taken);
  return true;
}

}  // namespace

std::string BindingTarget(Profile profile, Role role) {
  return absl::StrCat("twi-atls-v1:", ProfileName(profile), ":", RoleName(role));
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
  AppendPart(out, subject.spki);
  AppendPart(out, subject.exporter);
  AppendPart(out, subject.peer_key_sha256);
  return out;
}

absl::StatusOr<AttestedKeySubject> ReadSubject(absl::string_view subject) {
  AttestedKeySubject read;
  PartReader in(subject);
  if (!TakePart(in, read.spki) || !TakePart(in, read.exporter) || !TakePart(in, read.peer_key_sha256) || !in.AtEnd() ||
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
