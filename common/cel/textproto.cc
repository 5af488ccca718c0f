#include "common/cel/textproto.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/cel/utf8.h"
#include "common/status/status_macros.h"

namespace twi::cel {
namespace {

class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text) {}

  absl::Status Fields(char close, std::vector<TextField>* out) {
    for (Skip(); pos_ < text_.size() && At() != close; Skip()) {
      TWI_RETURN_IF_ERROR(Field(out));
      Skip();
      if (At() == ',' || At() == ';') ++pos_;
    }
    if (close == '\0') return pos_ == text_.size() ? absl::OkStatus() : Bad("unexpected text");
    return Take(close) ? absl::OkStatus() : Bad("unfinished message");
  }

 private:
  char At() const { return pos_ < text_.size() ? text_[pos_] : '\0'; }
  bool Take(char c) {
    if (At() != c) return false;
    ++pos_;
    return true;
  }
  absl::Status Bad(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("offset ", pos_, ": ", what));
  }
  void Skip() {
    while (pos_ < text_.size() && (absl::ascii_isspace(At()) || At() == '#')) {
      pos_ = At() == '#' ? std::min(text_.find('\n', pos_), text_.size()) : pos_ + 1;
    }
  }
  std::string Word() {
    const size_t begin = pos_;
    while (absl::ascii_isalnum(At()) || At() == '_' || At() == '.' || At() == '-' || At() == '+') ++pos_;
    return std::string(text_.substr(begin, pos_ - begin));
  }

  absl::Status Field(std::vector<TextField>* out) {
    TextField field;
    if (Take('[')) {
      const size_t end = text_.find(']', pos_);
      if (end == absl::string_view::npos) return Bad("unfinished name");
      field.name = std::string(text_.substr(pos_, end - pos_));
      pos_ = end + 1;
    } else {
      field.name = Word();
    }
    if (field.name.empty()) return Bad("expected a field name");
    Skip();
    const bool colon = Take(':');
    Skip();
    if (At() != '{' && !colon) return Bad("expected ':'");
    if (!Take('[')) return Element(std::move(field), out);
    for (Skip(); !Take(']'); Skip()) {
      TWI_RETURN_IF_ERROR(Element(field, out));
      Skip();
      Take(',');
    }
    return absl::OkStatus();
  }

  absl::Status Element(TextField field, std::vector<TextField>* out) {
    if (Take('{')) {
      field.is_message = true;
      TWI_RETURN_IF_ERROR(Fields('}', &field.fields));
    } else if (At() == '"' || At() == '\'') {
      for (; At() == '"' || At() == '\''; Skip()) TWI_RETURN_IF_ERROR(String(&field.scalar));
    } else {
      field.scalar = Word();
      if (field.scalar.empty()) return Bad("expected a value");
    }
    out->push_back(std::move(field));
    return absl::OkStatus();
  }

  absl::Status String(std::string* out) {
    const char quote = text_[pos_++];
    while (!Take(quote)) {
      if (pos_ >= text_.size() || At() == '\n') return Bad("unfinished string");
      if (!Take('\\')) {
        out->push_back(text_[pos_++]);
        continue;
      }
      TWI_RETURN_IF_ERROR(Escape(out));
    }
    return absl::OkStatus();
  }

  // Up to `most` digits of `base`.
  uint32_t Digits(int most, int base) {
    uint32_t value = 0;
    for (int i = 0; i < most && absl::ascii_isxdigit(At()); ++i, ++pos_) {
      const int digit = absl::ascii_isdigit(At()) ? At() - '0' : absl::ascii_tolower(At()) - 'a' + 10;
      if (digit >= base) break;
      value = value * base + digit;
    }
    return value;
  }

  absl::Status Escape(std::string* out) {
    static constexpr absl::string_view kFrom = "abfnrtv\\?\"'", kTo = "\a\b\f\n\r\t\v\\?\"'";
    const char c = At();
    if (c >= '0' && c <= '7') {
      out->push_back(static_cast<char>(Digits(3, 8)));
      return absl::OkStatus();
    }
    ++pos_;
    if (c == 'x' || c == 'X') {
      out->push_back(static_cast<char>(Digits(2, 16)));
      return absl::OkStatus();
    }
    if (c == 'u' || c == 'U') {
      return AppendCodePoint(Digits(c == 'u' ? 4 : 8, 16), out) ? absl::OkStatus() : Bad("bad code point");
    }
    const size_t i = kFrom.find(c);
    if (i == absl::string_view::npos) return Bad("bad escape");
    out->push_back(kTo[i]);
    return absl::OkStatus();
  }

  const absl::string_view text_;
  size_t pos_ = 0;
};

}  // namespace

const TextField* TextField::Find(absl::string_view wanted) const {
  for (const TextField& f : fields) {
    if (f.name == wanted) return &f;
  }
  return nullptr;
}

std::vector<const TextField*> TextField::All(absl::string_view wanted) const {
  std::vector<const TextField*> out;
  for (const TextField& f : fields) {
    if (f.name == wanted) out.push_back(&f);
  }
  return out;
}

std::string TextField::Text(absl::string_view wanted) const {
  const TextField* f = Find(wanted);
  return f == nullptr ? std::string() : f->scalar;
}

bool TextField::Mentions(absl::string_view wanted) const {
  for (const TextField& f : fields) {
    if (f.name == wanted || f.Mentions(wanted)) return true;
  }
  return false;
}

absl::StatusOr<TextField> ParseTextproto(absl::string_view text) {
  TextField root;
  root.is_message = true;
  TWI_RETURN_IF_ERROR(Reader(text).Fields('\0', &root.fields));
  return root;
}

}  // namespace twi::cel
