#include "common/client/session_document.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/encoding/encoding.h"
#include "common/jose/json.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace twi::client {
namespace {

constexpr std::size_t kMinNonce = 8, kMaxNonce = 128, kMaxAccept = 64, kMaxMediaType = 255, kMaxPath = 512,
                      kMaxDiscovery = 64 * 1024;

absl::Status Unusable(absl::string_view what) {
  return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, absl::StrCat("the Verifier's answer: ", what));
}

bool IsVisible(absl::string_view text, bool spaces) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) || (spaces && c == ' ');
  });
}

absl::StatusOr<std::string> Text(const nlohmann::json& object, const char* name) {
  std::string text;
  if (!jose::GetOptionalString(object, name, &text) || text.empty()) return Unusable(absl::StrCat("no ", name));
  return text;
}

absl::StatusOr<std::string> ReadNonce(const nlohmann::json& object) {
  TWI_ASSIGN_OR_RETURN(const std::string text, Text(object, "nonce"));
  absl::StatusOr<std::string> nonce = FromBase64Url(text);
  if (!nonce.ok()) nonce = FromBase64(text);
  if (!nonce.ok() || nonce->size() < kMinNonce || nonce->size() > kMaxNonce)
    return Unusable("the nonce is not 8 to 128 bytes in base64");
  return nonce;
}

absl::StatusOr<std::vector<std::string>> ReadAccept(const nlohmann::json& object) {
  const auto found = object.find("accept");
  if (found == object.end() || !found->is_array() || found->empty() || found->size() > kMaxAccept)
    return Unusable("accept is no list of 1 to 64");
  std::vector<std::string> accept;
  for (const nlohmann::json& item : *found) {
    if (!item.is_string()) return Unusable("accept holds something that is no string");
    const std::string& type = item.get_ref<const std::string&>();
    if (type.empty() || type.size() > kMaxMediaType || !IsVisible(type, true) || !absl::StrContains(type, "/"))
      return Unusable("accept holds something that is no media type");
    accept.push_back(type);
  }
  return accept;
}

absl::StatusOr<SessionStatus> ReadStatus(const nlohmann::json& object) {
  TWI_ASSIGN_OR_RETURN(const std::string text, Text(object, "status"));
  if (text == "waiting") return SessionStatus::kWaiting;
  if (text == "processing") return SessionStatus::kProcessing;
  if (text == "complete") return SessionStatus::kComplete;
  if (text == "failed") return SessionStatus::kFailed;
  return Unusable("an unknown status");
}

}  // namespace

absl::StatusOr<SessionDocument> ParseSessionDocument(absl::string_view text) {
  const absl::StatusOr<nlohmann::json> json = jose::ParseJson(text, kMaxSessionDocument, 8);
  if (!json.ok()) return Unusable(json.status().message());
  if (!json->is_object()) return Unusable("no JSON object");
  SessionDocument session;
  TWI_ASSIGN_OR_RETURN(session.nonce, ReadNonce(*json));
  TWI_ASSIGN_OR_RETURN(session.accept, ReadAccept(*json));
  TWI_ASSIGN_OR_RETURN(session.status, ReadStatus(*json));
  TWI_ASSIGN_OR_RETURN(const std::string expiry, Text(*json, "expiry"));
  std::string error;  // ParseTime takes "infinite-future" besides what RFC 3339 has
  if (!absl::ParseTime(absl::RFC3339_full, expiry, &session.expiry, &error) ||
      session.expiry == absl::InfiniteFuture() || session.expiry == absl::InfinitePast()) {
    return Unusable("expiry is no time");
  }
  if (session.status == SessionStatus::kComplete) {
    TWI_ASSIGN_OR_RETURN(session.result, Text(*json, "result"));
  }
  return session;
}

absl::StatusOr<jose::JwkSet> ParseDiscovery(absl::string_view text) {
  const absl::StatusOr<nlohmann::json> json = jose::ParseJson(text, kMaxDiscovery, 8);
  if (!json.ok()) return Unusable(json.status().message());
  const auto found = json->is_object() ? json->find("ear-verification-key") : json->end();
  if (found == json->end()) return Unusable("no ear-verification-key");
  absl::StatusOr<jose::Jwk> key = jose::JwkFromJson(*found);
  if (!key.ok()) return Unusable(key.status().message());
  if (key->kid.empty()) return Unusable("the ear-verification-key names no kid");
  jose::JwkSet keys;
  keys.keys.push_back(*std::move(key));
  return keys;
}

absl::StatusOr<std::string> ResolveLocation(absl::string_view location, absl::string_view base_path,
                                            absl::string_view authority) {
  if (location.empty() || location.size() > kMaxPath || !IsVisible(location, false))
    return Unusable("no usable Location");
  std::string path(location);
  const std::string own = absl::StrCat("https://", authority, "/");
  if (absl::StartsWith(location, own)) {
    path = absl::StrCat("/", location.substr(own.size()));
  } else if (location[0] != '/') {
    const std::size_t slash = base_path.rfind('/');
    path = absl::StrCat(base_path.substr(0, slash == absl::string_view::npos ? 0 : slash), "/", location);
  }
  if (path.find_first_of("?#%\\:") != std::string::npos || absl::StartsWith(path, "//"))
    return Unusable("the Location leads elsewhere");
  for (absl::string_view segment : absl::StrSplit(path.substr(1), '/')) {
    if (segment.empty() || segment == "." || segment == "..") return Unusable("the Location is no plain path");
  }
  return path;
}

}  // namespace twi::client
