#include "services/verifier/distinguished_name.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/encoding/encoding.h"

namespace twi::verifier {
namespace {

constexpr int kOid = 0x06, kUtf8 = 0x0c, kPrintable = 0x13, kIa5 = 0x16, kSequence = 0x30, kSet = 0x31;

struct Element {
  int tag;
  absl::string_view content;
};

// One TLV from the front of `rest`, lengths of up to 65535.
std::optional<Element> Read(absl::string_view& rest) {
  const auto at = [&rest](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(rest[i])); };
  if (rest.size() < 2) return std::nullopt;
  std::size_t header = 2, length = at(1);
  if (length == 0x81 && rest.size() >= 3) {
    header = 3;
    length = at(2);
  } else if (length == 0x82 && rest.size() >= 4) {
    header = 4;
    length = at(2) << 8 | at(3);
  } else if (length >= 0x80) {
    return std::nullopt;
  }
  if (length > rest.size() - header) return std::nullopt;
  Element element{static_cast<int>(at(0)), rest.substr(header, length)};
  rest.remove_prefix(header + length);
  return element;
}

std::string OidText(absl::string_view content) {
  std::vector<std::uint64_t> arcs;
  std::uint64_t value = 0;
  for (char c : content) {
    if (value >> 56) return "(oid)";
    value = value << 7 | (c & 0x7f);
    if (c & 0x80) continue;
    if (arcs.empty()) {
      const std::uint64_t first = std::min<std::uint64_t>(value / 40, 2);
      arcs = {first, value - first * 40};
    } else {
      arcs.push_back(value);
    }
    value = 0;
  }
  return absl::StrJoin(arcs, ".");
}

std::string AttributeName(const std::string& oid) {
  static constexpr struct {
    const char *oid, *name;
  } kNames[] = {{"2.5.4.3", "CN"},
                {"2.5.4.7", "L"},
                {"2.5.4.8", "ST"},
                {"2.5.4.10", "O"},
                {"2.5.4.11", "OU"},
                {"2.5.4.6", "C"},
                {"2.5.4.9", "STREET"},
                {"0.9.2342.19200300.100.1.25", "DC"},
                {"0.9.2342.19200300.100.1.1", "UID"}};
  for (const auto& known : kNames) {
    if (oid == known.oid) return known.name;
  }
  return oid;
}

std::string Escape(absl::string_view value) {  // RFC 4514 section 2.4
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool edge = (c == ' ' && (i == 0 || i + 1 == value.size())) || (c == '#' && i == 0);
    if (c == '\0') {
      out += "\\00";
      continue;
    }
    if (edge || absl::string_view("\\\"+,;<>").find(c) != absl::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::optional<std::string> AttributeText(absl::string_view rdn_element) {
  const std::optional<Element> type = Read(rdn_element);
  const std::optional<Element> value = Read(rdn_element);
  if (!type || type->tag != kOid || !value || !rdn_element.empty()) return std::nullopt;
  const bool text = value->tag == kUtf8 || value->tag == kPrintable || value->tag == kIa5;
  return absl::StrCat(AttributeName(OidText(type->content)), "=",
                      text ? Escape(value->content) : absl::StrCat("#", ToHex(value->content)));
}

}  // namespace

std::string NameToText(absl::string_view name_der) {
  constexpr char kMalformed[] = "(malformed name)";
  std::optional<Element> name = Read(name_der);
  if (!name || name->tag != kSequence || !name_der.empty()) return kMalformed;
  std::vector<std::string> rdns;
  while (!name->content.empty()) {
    std::optional<Element> rdn = Read(name->content);
    if (!rdn || rdn->tag != kSet) return kMalformed;
    std::vector<std::string> attributes;
    while (!rdn->content.empty()) {
      const std::optional<Element> attribute = Read(rdn->content);
      const std::optional<std::string> text =
          attribute && attribute->tag == kSequence ? AttributeText(attribute->content) : std::nullopt;
      if (!text) return kMalformed;
      attributes.push_back(*text);
    }
    rdns.push_back(absl::StrJoin(attributes, "+"));
  }
  std::reverse(rdns.begin(), rdns.end());
  return absl::StrJoin(rdns, ",");
}

}  // namespace twi::verifier
