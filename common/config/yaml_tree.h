// YAML text into a small tree with positions. The only file with yaml-cpp and try/catch (style H13).
#ifndef TWI_COMMON_CONFIG_YAML_TREE_H_
#define TWI_COMMON_CONFIG_YAML_TREE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::config {

constexpr std::size_t kMaxYamlBytes = 1 << 20;
constexpr int kMaxYamlDepth = 32;
constexpr std::size_t kMaxYamlNodes = 200000;

struct Position {
  int line = 1;  // both from 1
  int column = 1;
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Position at;
  std::string scalar;
  bool plain = false;           // kScalar: written without quotes or block marks, so it may be a number or a bool
  std::vector<YamlNode> items;  // kList
  std::vector<std::pair<YamlNode, YamlNode>> entries;  // kMap, in order; keys are scalars, no two equal (checked)
};

// Checks: at most 1 MiB; well-formed UTF-8 without NUL; one document; no anchor, alias or tag; depth at most 32; keys
// are scalars and unique. CONFIG_INVALID "name:line:column: ..." otherwise. An empty document is kNull.
absl::StatusOr<YamlNode> ParseYamlTree(absl::string_view text, absl::string_view name);

// CONFIG_INVALID with "name:line:column: what".
absl::Status ErrorAt(absl::string_view name, Position at, absl::string_view what);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_YAML_TREE_H_
