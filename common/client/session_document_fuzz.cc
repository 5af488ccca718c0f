#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/client/session_document.h"

// The first line is a Location header, the rest a session or discovery document.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const auto path = twi::client::ResolveLocation(text.substr(0, line), twi::client::kNewSessionPath, "verifier:1");
  if (path.ok() && (!absl::StartsWith(*path, "/") || absl::StrContains(*path, "//") ||
                    absl::StrContains(absl::StrCat(*path, "/"), "/../")))
    std::abort();
  if (line == absl::string_view::npos) return 0;
  const auto keys = twi::client::ParseDiscovery(text.substr(line + 1));
  if (keys.ok() && (keys->keys.size() != 1 || keys->keys[0].kid.empty())) std::abort();
  const auto session = twi::client::ParseSessionDocument(text.substr(line + 1));
  if (!session.ok()) return 0;
  if (session->nonce.size() < 8 || session->nonce.size() > 128 || session->accept.empty()) std::abort();
  if (session->expiry == absl::InfiniteFuture() || session->expiry == absl::InfinitePast()) std::abort();
  if ((session->status == twi::client::SessionStatus::kComplete) == session->result.empty()) std::abort();
  return 0;
}
