#ifndef TWI_COMMON_CEL_CHECKER_H_
#define TWI_COMMON_CEL_CHECKER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/ast.h"
#include "common/cel/declarations.h"
#include "common/cel/plan.h"

namespace twi::cel {

// Resolves names, expands macros, checks types and builds the plan, in one walk over the tree. Refuses, with
// "line:column": unknown variables and functions, fields outside a closed schema, wrong arity, operand types that can
// never fit, message literals, bad literal patterns and zones, a result that cannot be of the declared type.
class Checker {
 public:
  static absl::StatusOr<Plan> Check(absl::string_view source, const Expr& root, const Declarations& declarations);

 private:
  struct Typed {
    uint32_t node;
    Type type;
  };
  using Result = absl::StatusOr<Typed>;

  Checker(absl::string_view source, const Declarations& declarations) : declarations_(declarations) {
    plan_.source = std::string(source);
  }

  Result Visit(const Expr& e);
  Result VisitName(const Expr& e);  // an identifier or a selection
  Result VisitCall(const Expr& e);
  Result VisitFunction(const Expr& e);
  Result VisitCondition(const Expr& e);
  Result VisitEquality(const Expr& e);
  Result VisitIn(const Expr& e);
  Result VisitIndex(const Expr& e);
  Result VisitChain(const Expr& e);
  Result VisitList(const Expr& e);
  Result VisitMap(const Expr& e);
  Result VisitHas(const Expr& e);
  Result VisitComprehension(const Expr& e, Op op);

  // A declared variable or type named by a chain of selections, if there is one: the longest match in the container.
  bool FindQualified(const Expr& e, Result* out);
  bool IsLocal(absl::string_view name) const;
  absl::StatusOr<Type> FieldType(const Expr& at, const Type& type, absl::string_view field) const;
  absl::Status NeedBool(const Expr& e, const Type& type) const;
  absl::Status PrepareCall(const Expr& e, Node* node);  // literal patterns and zones
  static Op MacroOf(const Expr& e);                     // kCall when it is none
  // An error, or OK when the type check is off.
  absl::Status Refuse(const Expr& e, absl::string_view message) const;

  Node NodeFor(Op op, const Expr& e) const;
  uint32_t Add(Node node, const std::vector<uint32_t>& kids = {});
  Result Literal(const Expr& e, Value value, Type type);
  Result Raise(const Expr& e, absl::string_view message);
  bool AllLiterals(const std::vector<uint32_t>& nodes) const;

  const Declarations& declarations_;
  Plan plan_;
  std::vector<std::pair<std::string, Type>> locals_;
};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_CHECKER_H_
