#include "services/claims_mapper/policy_index.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/deny.h"

namespace twi::claims_mapper {
namespace {

constexpr std::size_t kLeaf = 4;              // so few are evaluated, not told apart further
constexpr std::size_t kMaxAlternatives = 64;  // of an `in` list that is indexed: the policy stands under each

// A value as a hash key such that equal values (cel::Equals: 1, 1u and 1.0 are equal) have equal keys. Nothing for
// values that no literal of the index equals.
std::optional<std::string> KeyOf(const cel::Value& value) {
  using Kind = cel::Value::Kind;
  switch (value.kind()) {
    case Kind::kString:
      return absl::StrCat("s", value.text());
    case Kind::kBool:
      return value.bool_value() ? "b1" : "b0";
    case Kind::kInt:
      return absl::StrCat("i", value.int_value());
    case Kind::kUint:
      return absl::StrCat("i", value.uint_value());
    case Kind::kDouble: {
      const double number = value.double_value();
      if (std::isnan(number)) return std::nullopt;
      if (number == std::floor(number) && number >= -9223372036854775808.0 && number < 9223372036854775808.0) {
        return absl::StrCat("i", static_cast<std::int64_t>(number));
      }
      if (number == std::floor(number) && number >= 0 && number < 18446744073709551616.0)
        return absl::StrCat("i", static_cast<std::uint64_t>(number));
      return "d" + std::string(reinterpret_cast<const char*>(&number), sizeof(number));
    }
    case Kind::kNull:
      return "n";
    default:
      return std::nullopt;
  }
}

const cel::Value* ValueAt(const cel::Activation& input, const std::vector<std::string>& path) {
  const cel::Value* at = input.Find(path[0]);
  for (std::size_t i = 1; i < path.size() && at != nullptr; ++i) at = at->Find(absl::string_view(path[i]));
  return at;
}

// One required literal of a policy: a field by number, and the keys of its alternatives.
struct Literal {
  int field;
  std::vector<std::string> keys;
};

struct Item {
  const MappingPolicy* policy;
  std::vector<const Literal*> literals;  // those not used on the way to this node
};

std::vector<std::string> KeysOf(const cel::RequiredLiteral& required) {
  std::vector<std::string> keys;
  if (required.alternatives.empty() || required.alternatives.size() > kMaxAlternatives) return {};
  for (const cel::Value& alternative : required.alternatives) {
    std::optional<std::string> key = KeyOf(alternative);
    if (!key.has_value()) return {};  // not indexed; the condition is evaluated as a whole anyway
    keys.push_back(*std::move(key));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace

struct PolicyIndex::Node {
  struct Table {
    std::vector<std::string> path;
    absl::flat_hash_map<std::string, std::unique_ptr<Node>> children;
  };
  std::vector<Table> tables;
  std::vector<const MappingPolicy*> here;  // evaluated by whoever comes to this node

  void Collect(std::size_t limit, std::vector<const MappingPolicy*>& out) const {
    for (const MappingPolicy* policy : here) {
      if (out.size() >= limit) return;
      out.push_back(policy);
    }
    for (const Table& table : tables) {
      for (const auto& [key, child] : table.children) {
        if (out.size() >= limit) return;
        child->Collect(limit, out);
      }
    }
  }

  // Calls `arrive` for every node that `input` leads to, this one included.
  template <typename Arrive>
  void Walk(const cel::Activation& input, const Arrive& arrive) const {
    bool further = false;
    for (const Table& table : tables) {
      const cel::Value* value = ValueAt(input, table.path);
      if (value == nullptr) continue;  // an absent field is an error, never true
      const std::optional<std::string> key = KeyOf(*value);
      if (!key.has_value()) continue;
      const auto child = table.children.find(*key);
      if (child == table.children.end()) continue;
      further = true;
      child->second->Walk(input, arrive);
    }
    arrive(*this, further);
  }
};

namespace {

// Depth is bounded by the number of literals of a policy: each level takes one away.
template <typename Node>
class Builder {
 public:
  explicit Builder(const std::vector<std::vector<std::string>>& fields) : fields_(fields) {}

  std::unique_ptr<Node> Build(std::vector<Item> items) const {
    auto node = std::make_unique<Node>();
    if (items.size() <= kLeaf) {
      for (const Item& item : items) node->here.push_back(item.policy);
      return node;
    }
    const Counts counts = Count(items);
    std::map<int, std::map<std::string, std::vector<Item>>> split;
    for (Item& item : items) {
      const Literal* best = MostSelective(item, counts);
      if (best == nullptr) {
        node->here.push_back(item.policy);
        continue;
      }
      item.literals.erase(std::find(item.literals.begin(), item.literals.end(), best));
      for (const std::string& key : best->keys) split[best->field][key].push_back(item);
    }
    items.clear();
    for (auto& [field, by_key] : split) {
      typename Node::Table table;
      table.path = fields_[field];
      table.children.reserve(by_key.size());
      for (auto& [key, children] : by_key) table.children.emplace(key, Build(std::move(children)));
      node->tables.push_back(std::move(table));
    }
    return node;
  }

 private:
  struct Counts {
    std::vector<std::size_t> of_field;
    std::vector<absl::flat_hash_map<absl::string_view, std::size_t>> of_key;
  };

  Counts Count(const std::vector<Item>& items) const {
    Counts counts;
    counts.of_field.resize(fields_.size());
    counts.of_key.resize(fields_.size());
    for (const Item& item : items) {
      for (const Literal* literal : item.literals) {
        ++counts.of_field[literal->field];
        for (const std::string& key : literal->keys) ++counts.of_key[literal->field][key];
      }
    }
    return counts;
  }

  // The literal whose bucket is smallest; among equals the field that most policies use, so that few fields are read
  // per lookup.
  static const Literal* MostSelective(const Item& item, const Counts& counts) {
    const Literal* best = nullptr;
    std::pair<std::size_t, std::size_t> best_score;  // bucket, policies that do not use the field
    for (const Literal* literal : item.literals) {
      std::size_t bucket = 0;
      for (const std::string& key : literal->keys) bucket = std::max(bucket, counts.of_key[literal->field].at(key));
      // Buckets of up to kLeaf policies are equally good.
      const std::pair<std::size_t, std::size_t> score(std::max(bucket, kLeaf), ~counts.of_field[literal->field]);
      if (best == nullptr || score < best_score) {
        best = literal;
        best_score = score;
      }
    }
    return best;
  }

  const std::vector<std::vector<std::string>>& fields_;
};

}  // namespace

PolicyIndex::PolicyIndex(std::vector<PolicyPtr> policies) : policies_(std::move(policies)) {}
PolicyIndex::~PolicyIndex() = default;

absl::StatusOr<std::shared_ptr<const PolicyIndex>> PolicyIndex::Build(std::vector<PolicyPtr> policies) {
  std::shared_ptr<PolicyIndex> index(new PolicyIndex(std::move(policies)));
  std::vector<std::vector<std::string>> fields;
  std::map<std::vector<std::string>, int> field_numbers;
  std::vector<std::unique_ptr<Literal>> literals;
  std::vector<Item> items;
  std::vector<std::string> unindexed;
  index->by_name_.reserve(index->policies_.size());
  for (const PolicyPtr& policy : index->policies_) {
    if (!index->by_name_.emplace(policy->name, policy.get()).second) {
      return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("two policies of the name ", policy->name));
    }
    Item item{policy.get(), {}};
    for (const cel::RequiredLiteral& required : policy->required) {
      std::vector<std::string> keys = KeysOf(required);
      if (keys.empty() || required.path.empty()) continue;
      const auto [number, is_new] = field_numbers.emplace(required.path, static_cast<int>(fields.size()));
      if (is_new) fields.push_back(required.path);
      literals.push_back(std::make_unique<Literal>(Literal{number->second, std::move(keys)}));
      item.literals.push_back(literals.back().get());
    }
    if (item.literals.empty()) unindexed.push_back(policy->Label());
    items.push_back(std::move(item));
  }
  if (unindexed.size() > kMaxUnindexed) {
    return Deny(v1::DENY_REASON_POLICY_MALFORMED,
                absl::StrCat(unindexed.size(), " policies require no literal (field == \"literal\"), at most ",
                             kMaxUnindexed, " may; the last is ", unindexed.back()));
  }
  index->unindexed_ = unindexed.size();
  index->root_ = Builder<Node>(fields).Build(std::move(items));
  if (index->root_->tables.size() > kMaxIndexedFields) {
    return Deny(
        v1::DENY_REASON_POLICY_MALFORMED,
        absl::StrCat("the policies would be found by ", index->root_->tables.size(), " different fields, at most ",
                     kMaxIndexedFields, "; the last is ", absl::StrJoin(index->root_->tables.back().path, ".")));
  }
  return std::shared_ptr<const PolicyIndex>(std::move(index));
}

std::vector<const MappingPolicy*> PolicyIndex::Candidates(const cel::Activation& input) const {
  std::vector<const MappingPolicy*> out;
  root_->Walk(input, [&out](const Node& node, bool) { out.insert(out.end(), node.here.begin(), node.here.end()); });
  return out;
}

std::vector<const MappingPolicy*> PolicyIndex::Nearest(const cel::Activation& input, std::size_t limit) const {
  std::vector<const MappingPolicy*> out;
  root_->Walk(input, [&](const Node& node, bool further) {
    if (further || out.size() >= limit) return;
    // Not even one literal fits: a few policies out of many would only mislead.
    if (&node == root_.get() && policies_.size() > limit) {
      for (std::size_t i = 0; i < node.here.size() && out.size() < limit; ++i) out.push_back(node.here[i]);
      return;
    }
    node.Collect(limit, out);
  });
  return out;
}

const MappingPolicy* PolicyIndex::FindByName(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<std::string> PolicyIndex::fields() const {
  std::vector<std::string> out;
  for (const Node::Table& table : root_->tables) out.push_back(absl::StrJoin(table.path, "."));
  return out;
}

}  // namespace twi::claims_mapper
