#include "common/server/peer_identity.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace twi::server {

std::string PeerIdentity::ToString() const {
  switch (kind) {
    case Kind::kSpiffeId:
      return spiffe_id;
    case Kind::kAttestedKey:
      return absl::StrCat("attested_key:", absl::BytesToHexString(key_sha256));
    case Kind::kLocalUser:
      return absl::StrCat("uid:", uid);
  }
  return "";
}

}  // namespace twi::server
