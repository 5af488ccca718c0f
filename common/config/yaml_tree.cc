#include "common/config/yaml_tree.h"

#include <exception>
#include <sstream>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/config/scalars.h"
#include "common/status/deny.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

namespace twi::config {
namespace {

// What the handler throws to leave the parser; caught in Parse below, nowhere else.
struct Refusal {
  Position at;
  std::string what;
};

Position At(const YAML::Mark& mark) { return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column + 1}; }

// Builds the tree from the parser's events. yaml-cpp's own Node is not used: it resolves aliases silently, keeps the
// last of duplicate keys, and has no depth limit.
class TreeBuilder final : public YAML::EventHandler {
 public:
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(YamlNode{YamlNode::Kind::kNull, At(mark), "", true, {}, {}});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{At(mark), "aliases (*name) are not allowed: write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    // "?" is a plain scalar, "!" a quoted or block one; anything else was written as a tag.
    if (tag != "?" && tag != "!") RefuseTag(mark, tag);
    Add(YamlNode{YamlNode::Kind::kScalar, At(mark), value, tag == "?", {}, {}});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    YamlNode node;
    bool has_key = false;
    YamlNode key;
    absl::flat_hash_set<std::string> keys;
  };

  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refusal{At(mark), "anchors (&name) are not allowed"};
  }
  [[noreturn]] static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    throw Refusal{At(mark), absl::StrCat("tags (", tag, ") are not allowed")};
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    RefuseAnchor(mark, anchor);
    if (!tag.empty() && tag != "?" && tag != "!") RefuseTag(mark, tag);
    if (stack_.size() >= kMaxYamlDepth) throw Refusal{At(mark), absl::StrCat("nested deeper than ", kMaxYamlDepth)};
    if (!stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMap && !stack_.back().has_key) {
      throw Refusal{At(mark), "a key must be a scalar"};
    }
    Frame frame;
    frame.node.kind = kind;
    frame.node.at = At(mark);
    stack_.push_back(std::move(frame));
  }

  void Close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (++nodes_ > kMaxYamlNodes) throw Refusal{node.at, absl::StrCat("more than ", kMaxYamlNodes, " values")};
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& top = stack_.back();
    if (top.node.kind == YamlNode::Kind::kList) {
      top.node.items.push_back(std::move(node));
    } else if (!top.has_key) {
      if (node.kind != YamlNode::Kind::kScalar) throw Refusal{node.at, "a key must be a scalar"};
      if (!top.keys.insert(node.scalar).second)
        throw Refusal{node.at, absl::StrCat("duplicate key ", Quoted(node.scalar))};
      top.key = std::move(node);
      top.has_key = true;
    } else {
      top.node.entries.emplace_back(std::move(top.key), std::move(node));
      top.has_key = false;
    }
  }

  std::vector<Frame> stack_;
  YamlNode root_;
  std::size_t nodes_ = 0;
};

// yaml-cpp reports errors by exception and so does TreeBuilder; nothing of it leaves this function (noexcept: a leak
// would end the process, not go on).
absl::StatusOr<YamlNode> Parse(absl::string_view text, absl::string_view name) noexcept {
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    TreeBuilder first;
    if (!parser.HandleNextDocument(first)) return YamlNode{};
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      return ErrorAt(name, second.TakeRoot().at, "a second document begins here; one file holds one document");
    }
    return first.TakeRoot();
  } catch (const Refusal& refusal) {
    return ErrorAt(name, refusal.at, refusal.what);
  } catch (const YAML::Exception& e) {
    return ErrorAt(name, At(e.mark), absl::StrCat("not YAML: ", e.msg));
  } catch (const std::exception& e) {
    return ErrorAt(name, Position{}, absl::StrCat("not YAML: ", e.what()));
  }
}

}  // namespace

absl::Status ErrorAt(absl::string_view name, Position at, absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(name, ":", at.line, ":", at.column, ": ", what));
}

absl::StatusOr<YamlNode> ParseYamlTree(absl::string_view text, absl::string_view name) {
  if (text.size() > kMaxYamlBytes) {
    return ErrorAt(name, Position{}, absl::StrCat("expected at most ", kMaxYamlBytes, " bytes, got ", text.size()));
  }
  // yaml-cpp guesses UTF-16 and UTF-32 from the first bytes: only UTF-8 is taken here, so what is read is what an
  // editor shows.
  if (!IsUtf8WithoutNul(text)) return ErrorAt(name, Position{}, "expected UTF-8 text without NUL");
  return Parse(text, name);
}

}  // namespace twi::config
