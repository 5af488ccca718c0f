#include "common/cel/parser.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/cel/lexer.h"
#include "common/cel/operators.h"
#include "common/status/status_macros.h"

namespace twi::cel {
namespace {

using Result = absl::StatusOr<Expr>;

class Parser {
 public:
  Parser(absl::string_view source, std::vector<Token> tokens, const ParseLimits& limits)
      : source_(source), tokens_(std::move(tokens)), limits_(limits) {}

  Result Run() {
    TWI_ASSIGN_OR_RETURN(Expr e, Expression());
    if (Peek().kind != Token::Kind::kEnd) return Bad("unexpected text after the expression");
    return e;
  }

 private:
  // Counts nesting for as long as it lives.
  struct Level {
    explicit Level(int* depth) : depth(depth) { ++*depth; }
    ~Level() { --*depth; }
    int* depth;
  };

  const Token& Peek() const { return tokens_[pos_]; }
  const Token& Take() { return tokens_[pos_ + 1 < tokens_.size() ? pos_++ : pos_]; }
  bool At(absl::string_view symbol) const { return Peek().kind == Token::Kind::kSymbol && Peek().text == symbol; }
  bool TakeIf(absl::string_view symbol) {
    if (!At(symbol)) return false;
    Take();
    return true;
  }
  absl::Status Bad(absl::string_view message) const { return ErrorAt(source_, Peek().begin, message); }
  absl::Status Expect(absl::string_view symbol) {
    return TakeIf(symbol) ? absl::OkStatus() : Bad(absl::StrCat("expected '", symbol, "'"));
  }

  // Fills in the extent and height of a node whose children are complete, and counts it.
  Result Finish(Expr e, size_t begin) {
    e.begin = begin;
    e.end = pos_ > 0 ? tokens_[pos_ - 1].end : begin;
    for (const Expr& child : e.children) e.height = std::max(e.height, child.height + 1);
    if (e.height > limits_.max_depth) return ErrorAt(source_, begin, "expression is nested too deeply");
    if (++nodes_ > limits_.max_nodes) return ErrorAt(source_, begin, "expression has too many parts");
    return e;
  }

  Result Call(const char* name, std::vector<Expr> args, size_t begin) {
    Expr e;
    e.kind = Expr::Kind::kCall;
    e.name = name;
    e.children = std::move(args);
    return Finish(std::move(e), begin);
  }

  // Expr = ConditionalOr ["?" ConditionalOr ":" Expr]
  Result Expression() {
    Level level(&depth_);
    if (depth_ > limits_.max_depth) return Bad("expression is nested too deeply");
    const size_t begin = Peek().begin;
    TWI_ASSIGN_OR_RETURN(Expr condition, Chain(Expr::Kind::kOr));
    if (!TakeIf("?")) return condition;
    std::vector<Expr> args;
    args.push_back(std::move(condition));
    TWI_ASSIGN_OR_RETURN(Expr then, Chain(Expr::Kind::kOr));
    args.push_back(std::move(then));
    TWI_RETURN_IF_ERROR(Expect(":"));
    TWI_ASSIGN_OR_RETURN(Expr otherwise, Expression());
    args.push_back(std::move(otherwise));
    return Call("_?_:_", std::move(args), begin);
  }

  // ConditionalOr = ConditionalAnd {"||" ConditionalAnd}; ConditionalAnd = Relation {"&&" Relation}: one flat node.
  Result Chain(Expr::Kind kind) {
    const bool is_or = kind == Expr::Kind::kOr;
    const size_t begin = Peek().begin;
    Expr chain;
    chain.kind = kind;
    do {
      Result next = is_or ? Chain(Expr::Kind::kAnd) : Binary(0);
      if (!next.ok()) return next;
      chain.children.push_back(*std::move(next));
    } while (TakeIf(is_or ? "||" : "&&"));
    if (chain.children.size() == 1) {
      Expr only = std::move(chain.children[0]);
      return only;
    }
    return Finish(std::move(chain), begin);
  }

  const BinaryOperator* OperatorAt(int level) const {
    const auto find = [this](const auto& operators) -> const BinaryOperator* {
      for (const BinaryOperator& op : operators) {
        if (At(op.symbol)) return &op;
      }
      return nullptr;
    };
    return level == 0 ? find(kRelations) : (level == 1 ? find(kSums) : find(kProducts));
  }

  // Relation, Addition, Multiplication: left-associative levels 0, 1, 2.
  Result Binary(int level) {
    if (level == 3) return Unary();
    const size_t begin = Peek().begin;
    TWI_ASSIGN_OR_RETURN(Expr left, Binary(level + 1));
    while (const BinaryOperator* op = OperatorAt(level)) {
      Take();
      TWI_ASSIGN_OR_RETURN(Expr right, Binary(level + 1));
      std::vector<Expr> args;
      args.push_back(std::move(left));
      args.push_back(std::move(right));
      TWI_ASSIGN_OR_RETURN(left, Call(op->name, std::move(args), begin));
    }
    return left;
  }

  // Unary = Member | "!" {"!"} Member | "-" {"-"} Member; a minus before a number belongs to the literal.
  Result Unary() {
    if (!At("!") && !At("-")) return Member();
    Level level(&depth_);
    if (depth_ > limits_.max_depth) return Bad("expression is nested too deeply");
    const size_t begin = Peek().begin;
    const bool minus = Take().text == "-";
    const bool number = Peek().kind == Token::Kind::kInt ||
                        (Peek().kind == Token::Kind::kLiteral && Peek().value.Is(Value::Kind::kDouble));
    if (minus && number) return Member(/*negative=*/true, begin);
    Result operand = Unary();
    if (!operand.ok()) return operand;
    std::vector<Expr> args;
    args.push_back(*std::move(operand));
    return Call(minus ? "-_" : "!_", std::move(args), begin);
  }

  Result Member(bool negative = false, size_t from = std::numeric_limits<size_t>::max()) {
    const size_t begin = negative ? from : Peek().begin;
    TWI_ASSIGN_OR_RETURN(Expr e, negative ? Number(true, begin) : Primary());
    while (true) {
      if (TakeIf(".")) {
        TWI_ASSIGN_OR_RETURN(e, AfterDot(std::move(e), begin));
      } else if (TakeIf("[")) {
        std::vector<Expr> args;
        args.push_back(std::move(e));
        TWI_ASSIGN_OR_RETURN(Expr index, Expression());
        args.push_back(std::move(index));
        TWI_RETURN_IF_ERROR(Expect("]"));
        TWI_ASSIGN_OR_RETURN(e, Call("_[_]", std::move(args), begin));
      } else if (At("{") && IsQualifiedName(e)) {
        TWI_ASSIGN_OR_RETURN(e, Message(e, begin));
      } else {
        return e;
      }
    }
  }

  static bool IsQualifiedName(const Expr& e) {
    const Expr* at = &e;
    while (at->kind == Expr::Kind::kSelect) at = &at->children[0];
    return at->kind == Expr::Kind::kIdent;
  }

  // Reserved words may be selectors and method names (parse.textproto "selectors").
  Result AfterDot(Expr operand, size_t begin) {
    const Token& name = Peek();
    if (name.kind != Token::Kind::kIdent && name.kind != Token::Kind::kQuoted) return Bad("expected a field name");
    Expr e;
    e.name = name.text;
    e.children.push_back(std::move(operand));
    Take();
    if (name.kind == Token::Kind::kIdent && TakeIf("(")) {
      e.kind = Expr::Kind::kCall;
      e.member = true;
      TWI_RETURN_IF_ERROR(List(")", &e.children));
    } else {
      e.kind = Expr::Kind::kSelect;
    }
    return Finish(std::move(e), begin);
  }

  // Comma-separated expressions up to the closing symbol, which is taken. A trailing comma only in brackets.
  absl::Status List(absl::string_view close, std::vector<Expr>* out) {
    while (!At(close)) {
      TWI_ASSIGN_OR_RETURN(Expr item, Expression());
      out->push_back(std::move(item));
      if (!TakeIf(",")) break;
      if (close == ")" && At(close)) return Bad("expected an argument");
    }
    return Expect(close);
  }

  Result Message(const Expr& name, size_t begin) {
    Take();
    Expr e;
    e.kind = Expr::Kind::kMessage;
    while (!At("}")) {
      if (Peek().kind != Token::Kind::kIdent && Peek().kind != Token::Kind::kQuoted)
        return Bad("expected a field name");
      Take();
      TWI_RETURN_IF_ERROR(Expect(":"));
      TWI_ASSIGN_OR_RETURN(Expr value, Expression());
      e.children.push_back(std::move(value));
      if (!TakeIf(",")) break;
    }
    TWI_RETURN_IF_ERROR(Expect("}"));
    e.name = std::string(source_.substr(name.begin, name.end - name.begin));
    return Finish(std::move(e), begin);
  }

  Result Number(bool negative, size_t begin) {
    Expr e;
    const Value value = Take().value;
    if (value.Is(Value::Kind::kDouble)) {
      e.value = Value::Double(-value.double_value());
    } else {
      constexpr uint64_t kMin = uint64_t{1} << 63;
      if (!negative && value.uint_value() == kMin) return ErrorAt(source_, begin, "number out of range");
      e.value = Value::Int(static_cast<int64_t>(negative ? 0 - value.uint_value() : value.uint_value()));
    }
    return Finish(std::move(e), begin);
  }

  // Primary = ["."] IDENT ["(" ... ")"] | "(" Expr ")" | "[" ... "]" | "{" ... "}" | LITERAL
  Result Primary() {
    const size_t begin = Peek().begin;
    if (Peek().kind == Token::Kind::kInt) return Number(false, begin);
    Expr e;
    if (Peek().kind == Token::Kind::kLiteral) {
      e.value = Take().value;
      return Finish(std::move(e), begin);
    }
    if (TakeIf("(")) {
      TWI_ASSIGN_OR_RETURN(e, Expression());
      TWI_RETURN_IF_ERROR(Expect(")"));
      return e;
    }
    if (TakeIf("[")) {
      e.kind = Expr::Kind::kList;
      TWI_RETURN_IF_ERROR(List("]", &e.children));
      return Finish(std::move(e), begin);
    }
    if (TakeIf("{")) return MapLiteral(begin);
    e.leading_dot = TakeIf(".");
    if (Peek().kind != Token::Kind::kIdent) return Bad("expected an expression");
    if (IsReserved(Peek().text)) return Bad(absl::StrCat("'", Peek().text, "' is a reserved word"));
    e.name = Take().text;
    e.kind = Expr::Kind::kIdent;
    if (TakeIf("(")) {
      e.kind = Expr::Kind::kCall;
      TWI_RETURN_IF_ERROR(List(")", &e.children));
    }
    return Finish(std::move(e), begin);
  }

  Result MapLiteral(size_t begin) {
    Expr e;
    e.kind = Expr::Kind::kMap;
    while (!At("}")) {
      TWI_ASSIGN_OR_RETURN(Expr key, Expression());
      e.children.push_back(std::move(key));
      TWI_RETURN_IF_ERROR(Expect(":"));
      TWI_ASSIGN_OR_RETURN(Expr value, Expression());
      e.children.push_back(std::move(value));
      if (!TakeIf(",")) break;
    }
    TWI_RETURN_IF_ERROR(Expect("}"));
    return Finish(std::move(e), begin);
  }

  const absl::string_view source_;
  const std::vector<Token> tokens_;
  const ParseLimits limits_;
  size_t pos_ = 0;
  int depth_ = 0;
  int nodes_ = 0;
};

}  // namespace

absl::StatusOr<Expr> Parse(absl::string_view source, const ParseLimits& limits) {
  if (source.size() > limits.max_source_bytes) return absl::InvalidArgumentError("1:1: expression is too long");
  TWI_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(source, std::move(tokens), limits).Run();
}

}  // namespace twi::cel
