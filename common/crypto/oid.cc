#include "common/crypto/oid.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_split.h"

namespace twi::crypto {
namespace {

using Arc = unsigned __int128;
constexpr Arc kMaxArc = ~static_cast<Arc>(0);
constexpr std::size_t kMaxArcs = 64;

std::optional<Arc> ParseArc(absl::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  Arc value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const Arc digit = static_cast<Arc>(c - '0');
    if (value > (kMaxArc - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::string ArcText(Arc value) {
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  std::reverse(text.begin(), text.end());
  return text;
}

void AppendBase128(std::string& out, Arc value) {
  std::string septets;
  do {
    septets.push_back(static_cast<char>((static_cast<int>(value & 0x7f)) | (septets.empty() ? 0 : 0x80)));
    value >>= 7;
  } while (value != 0);
  out.append(septets.rbegin(), septets.rend());
}

}  // namespace

std::optional<std::string> EncodeOid(absl::string_view dotted) {
  const std::vector<absl::string_view> parts = absl::StrSplit(dotted, '.');
  if (parts.size() < 2 || parts.size() > kMaxArcs) return std::nullopt;
  std::vector<Arc> arcs;
  for (absl::string_view part : parts) {
    const std::optional<Arc> arc = ParseArc(part);
    if (!arc.has_value()) return std::nullopt;
    arcs.push_back(*arc);
  }
  if (arcs[0] > 2 || (arcs[0] < 2 && arcs[1] > 39) || arcs[1] > kMaxArc - 80) return std::nullopt;
  std::string out;
  AppendBase128(out, arcs[0] * 40 + arcs[1]);
  for (std::size_t i = 2; i < arcs.size(); ++i) AppendBase128(out, arcs[i]);
  return out;
}

std::string DecodeOid(absl::string_view content) {
  std::string text;
  std::size_t arcs = 0;
  for (std::size_t at = 0; at < content.size();) {
    if (static_cast<unsigned char>(content[at]) == 0x80) return "";  // not minimal
    Arc value = 0;
    unsigned char octet = 0;
    do {
      if (at == content.size() || (value >> 121) != 0) return "";
      octet = static_cast<unsigned char>(content[at++]);
      value = (value << 7) | (octet & 0x7f);
    } while ((octet & 0x80) != 0);
    if (++arcs > kMaxArcs) return "";
    if (text.empty()) {
      const Arc first = value < 40 ? 0 : value < 80 ? 1 : 2;
      text = ArcText(first) + "." + ArcText(value - first * 40);
    } else {
      text += "." + ArcText(value);
    }
  }
  return text;
}

}  // namespace twi::crypto
