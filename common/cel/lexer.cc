#include "common/cel/lexer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/cel/string_literal.h"
#include "common/cel/utf8.h"
#include "common/status/status_macros.h"

namespace twi::cel {
namespace {

constexpr absl::string_view kSymbols[] = {"==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/",
                                          "%",  "!",  "?",  ":",  "(",  ")",  "[", "]", "{", "}", ".", ","};

class Lexer {
 public:
  explicit Lexer(absl::string_view source) : source_(source) {}

  absl::StatusOr<std::vector<Token>> Run() {
    std::vector<Token> tokens;
    for (SkipSpace(); pos_ < source_.size(); SkipSpace()) {
      Token token;
      token.begin = pos_;
      TWI_RETURN_IF_ERROR(Next(&token));
      token.end = pos_;
      tokens.push_back(std::move(token));
    }
    Token end;
    end.begin = end.end = source_.size();
    tokens.push_back(std::move(end));
    return tokens;
  }

 private:
  char At(size_t i) const { return i < source_.size() ? source_[i] : '\0'; }
  static bool IsIdentStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
  static bool IsIdentPart(char c) { return absl::ascii_isalnum(c) || c == '_'; }
  absl::Status Bad(absl::string_view message) const { return ErrorAt(source_, pos_, message); }

  // Space, and comments from "//" to the line feed.
  void SkipSpace() {
    while (pos_ < source_.size()) {
      if (absl::string_view(" \t\n\f\r").find(source_[pos_]) != absl::string_view::npos) {
        ++pos_;
      } else if (source_.substr(pos_, 2) == "//") {
        pos_ = std::min(source_.find('\n', pos_), source_.size());
      } else {
        return;
      }
    }
  }

  absl::Status Next(Token* token) {
    const char c = At(pos_);
    if (c == '"' || c == '\'' || StringPrefix() > 0) return LexString(token);
    if (IsIdentStart(c)) return LexWord(token);
    if (absl::ascii_isdigit(c) || (c == '.' && absl::ascii_isdigit(At(pos_ + 1)))) return LexNumber(token);
    if (c == '`') return LexQuoted(token);
    for (const absl::string_view symbol : kSymbols) {
      if (source_.substr(pos_, symbol.size()) != symbol) continue;
      token->kind = Token::Kind::kSymbol;
      token->text = std::string(symbol);
      pos_ += symbol.size();
      return absl::OkStatus();
    }
    return Bad("unexpected character");
  }

  // Length of the prefix of a string literal: r, b, or br in any case; 0 when no quote follows.
  size_t StringPrefix() const {
    size_t n = 0;
    if (absl::ascii_tolower(At(pos_)) == 'b') n = 1;
    if (absl::ascii_tolower(At(pos_ + n)) == 'r') ++n;
    const char quote = At(pos_ + n);
    return quote == '"' || quote == '\'' ? n : 0;
  }

  absl::Status LexString(Token* token) {
    const size_t prefix = StringPrefix();
    const bool is_bytes = prefix > 0 && absl::ascii_tolower(At(pos_)) == 'b';
    const bool raw = prefix > 0 && absl::ascii_tolower(At(pos_ + prefix - 1)) == 'r';
    const size_t open = pos_ + prefix;
    const bool triple = At(open + 1) == At(open) && At(open + 2) == At(open);
    const std::string quote(triple ? 3 : 1, At(open));
    const size_t body = open + quote.size();
    size_t i = body;
    for (;; ++i) {
      const bool newline = At(i) == '\n' || At(i) == '\r';
      if (i >= source_.size() || (!triple && newline)) return Bad("unfinished string");
      if (source_.substr(i, quote.size()) == quote) break;
      if (!raw && source_[i] == '\\') ++i;
    }
    const absl::string_view text = source_.substr(body, i - body);
    absl::StatusOr<std::string> value = raw ? std::string(text) : Unescape(text, is_bytes);
    if (!value.ok()) return Bad(value.status().message());
    pos_ = i + quote.size();
    token->kind = Token::Kind::kLiteral;
    token->value = is_bytes ? Value::Bytes(*value) : Value::String(*value);
    return absl::OkStatus();
  }

  absl::Status LexWord(Token* token) {
    const size_t begin = pos_;
    while (IsIdentPart(At(pos_))) ++pos_;
    token->text = std::string(source_.substr(begin, pos_ - begin));
    token->kind = Token::Kind::kIdent;
    if (token->text == "in") token->kind = Token::Kind::kSymbol;
    if (token->text == "true" || token->text == "false") {
      token->kind = Token::Kind::kLiteral;
      token->value = Value::Bool(token->text == "true");
    } else if (token->text == "null") {
      token->kind = Token::Kind::kLiteral;
    }
    return absl::OkStatus();
  }

  absl::Status LexQuoted(Token* token) {
    size_t i = pos_ + 1;
    while (IsIdentPart(At(i)) || absl::string_view(".-/ ").find(At(i)) != absl::string_view::npos) ++i;
    if (At(i) != '`' || i == pos_ + 1) return Bad("bad quoted identifier");
    token->kind = Token::Kind::kQuoted;
    token->text = std::string(source_.substr(pos_ + 1, i - pos_ - 1));
    pos_ = i + 1;
    return absl::OkStatus();
  }

  void SkipDigits() {
    while (absl::ascii_isdigit(At(pos_))) ++pos_;
  }

  absl::Status LexNumber(Token* token) {
    const size_t begin = pos_;
    const bool hex = At(pos_) == '0' && At(pos_ + 1) == 'x';
    bool real = false;
    if (hex) {
      pos_ += 2;
      while (absl::ascii_isxdigit(At(pos_))) ++pos_;
    } else {
      SkipDigits();
      if (At(pos_) == '.' && absl::ascii_isdigit(At(pos_ + 1))) {
        real = true;
        ++pos_;
        SkipDigits();
      }
      const size_t sign = At(pos_ + 1) == '+' || At(pos_ + 1) == '-' ? 1 : 0;
      if (absl::ascii_tolower(At(pos_)) == 'e' && absl::ascii_isdigit(At(pos_ + 1 + sign))) {
        real = true;
        pos_ += 1 + sign;
        SkipDigits();
      }
    }
    const std::string digits(source_.substr(begin, pos_ - begin));
    const bool is_uint = !real && absl::ascii_tolower(At(pos_)) == 'u';
    if (is_uint) ++pos_;
    if (IsIdentPart(At(pos_))) return Bad("malformed number");
    return Number(digits, hex, real, is_uint, token);
  }

  absl::Status Number(const std::string& digits, bool hex, bool real, bool is_uint, Token* token) {
    token->kind = real || is_uint ? Token::Kind::kLiteral : Token::Kind::kInt;
    if (real) {
      double d;
      if (!absl::SimpleAtod(digits, &d) || std::isinf(d)) return Bad("number out of range");
      token->value = Value::Double(d);
      return absl::OkStatus();
    }
    uint64_t magnitude;
    const bool fits = hex ? absl::SimpleHexAtoi(digits, &magnitude) : absl::SimpleAtoi(digits, &magnitude);
    if (!fits || (!is_uint && magnitude > uint64_t{1} << 63)) return Bad("number out of range");
    token->value = Value::Uint(magnitude);
    return absl::OkStatus();
  }

  const absl::string_view source_;
  size_t pos_ = 0;
};

}  // namespace

absl::Status ErrorAt(absl::string_view source, size_t offset, absl::string_view message) {
  const absl::string_view before = source.substr(0, std::min(offset, source.size()));
  const size_t newline = before.rfind('\n');
  const absl::string_view line = newline == absl::string_view::npos ? before : before.substr(newline + 1);
  return absl::InvalidArgumentError(
      absl::StrCat(std::count(before.begin(), before.end(), '\n') + 1, ":", CountCodePoints(line) + 1, ": ", message));
}

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source) {
  if (!IsUtf8(source)) return absl::InvalidArgumentError("1:1: expression is not UTF-8");
  return Lexer(source).Run();
}

}  // namespace twi::cel
