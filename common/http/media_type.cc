#include "common/http/media_type.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::http {
namespace {

constexpr std::size_t kMaxMediaType = 255, kMaxParameters = 8, kMaxRanges = 16, kMaxAccept = 2048;

absl::Status Malformed(absl::string_view what) {
  return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("media type: ", what));
}

bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
}

void SkipSpace(absl::string_view& in) {
  while (!in.empty() && (in[0] == ' ' || in[0] == '\t')) in.remove_prefix(1);
}

bool Skip(absl::string_view& in, char c) {
  if (in.empty() || in[0] != c) return false;
  in.remove_prefix(1);
  return true;
}

// Empty when there is none.
std::string TakeToken(absl::string_view& in) {
  std::size_t size = 0;
  while (size < in.size() && IsTokenCharacter(in[size])) ++size;
  const std::string token(in.substr(0, size));
  in.remove_prefix(size);
  return token;
}

// The rest of a quoted-string, behind its first quote.
absl::StatusOr<std::string> TakeQuoted(absl::string_view& in) {
  std::string value;
  while (!Skip(in, '"')) {
    Skip(in, '\\');
    if (in.empty() || (in[0] != '\t' && !absl::ascii_isprint(static_cast<unsigned char>(in[0]))))
      return Malformed("a quoted value that does not end, or is not printable");
    value.push_back(in[0]);
    in.remove_prefix(1);
  }
  return value;
}

// One media type or range; stops at its end or at a ','.
absl::StatusOr<MediaType> TakeMediaType(absl::string_view& in) {
  MediaType type;
  const std::string top = TakeToken(in);
  if (top.empty() || !Skip(in, '/')) return Malformed("no type and subtype");
  const std::string sub = TakeToken(in);
  if (sub.empty()) return Malformed("no subtype");
  type.name = absl::AsciiStrToLower(absl::StrCat(top, "/", sub));
  for (SkipSpace(in); Skip(in, ';'); SkipSpace(in)) {
    SkipSpace(in);
    const std::string name = absl::AsciiStrToLower(TakeToken(in));
    if (name.empty() || !Skip(in, '=')) return Malformed("a parameter without name or value");
    std::string value;
    if (Skip(in, '"')) {
      TWI_ASSIGN_OR_RETURN(value, TakeQuoted(in));
    } else {
      value = TakeToken(in);
      if (value.empty()) return Malformed("a parameter without value");
    }
    if (type.parameters.size() == kMaxParameters) return Malformed("too many parameters");
    if (!type.parameters.emplace(name, std::move(value)).second) return Malformed("a parameter twice");
  }
  return type;
}

// Section 12.4.2: 0, 1, or up to three decimals between.
absl::StatusOr<bool> IsZeroWeight(const MediaType& range) {
  const auto found = range.parameters.find("q");
  if (found == range.parameters.end()) return false;
  const std::string& q = found->second;
  const bool form = !q.empty() && q.size() <= 5 && (q[0] == '0' || q[0] == '1') && (q.size() == 1 || q[1] == '.');
  if (!form) return Malformed("a weight that is none");
  for (std::size_t i = 2; i < q.size(); ++i) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(q[i]))) return Malformed("a weight that is none");
  }
  return q.find_first_not_of("0.") == std::string::npos;
}

// 0 does not fit, 1 by */*, 2 by its type, 3 by its name.
int FitOf(const MediaType& range, absl::string_view media_type) {
  if (range.name == "*/*") return 1;
  if (absl::EndsWith(range.name, "/*") &&
      absl::StartsWith(media_type, absl::string_view(range.name).substr(0, range.name.size() - 1)))
    return 2;
  return range.name == media_type ? 3 : 0;
}

}  // namespace

absl::StatusOr<MediaType> ParseMediaType(absl::string_view text) {
  if (text.size() > kMaxMediaType) return Malformed("too long");
  TWI_ASSIGN_OR_RETURN(MediaType type, TakeMediaType(text));
  if (!text.empty()) return Malformed("something behind it");
  if (absl::StrContains(type.name, "*")) return Malformed("a range");
  return type;
}

absl::StatusOr<bool> Accepts(absl::string_view accept, absl::string_view media_type) {
  SkipSpace(accept);
  if (accept.empty()) return true;
  if (accept.size() > kMaxAccept) return Malformed("too long a list");
  int best = 0;
  bool allowed = false;
  for (std::size_t ranges = 1;; ++ranges) {
    if (ranges > kMaxRanges) return Malformed("too many ranges");
    SkipSpace(accept);
    TWI_ASSIGN_OR_RETURN(const MediaType range, TakeMediaType(accept));
    TWI_ASSIGN_OR_RETURN(const bool zero, IsZeroWeight(range));
    if (const int fit = FitOf(range, media_type); fit > best) {
      best = fit;
      allowed = !zero;
    }
    if (accept.empty()) return allowed;
    if (!Skip(accept, ',')) return Malformed("something between two ranges");
  }
}

}  // namespace twi::http
