#include "common/jose/json.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi::jose {
namespace {

using nlohmann::json;

// Receives the parser's events and builds the value, refusing what the DOM parser of the library would let through:
// duplicates and depth.
class StrictBuilder : public nlohmann::json_sax<json> {
 public:
  explicit StrictBuilder(std::size_t max_depth) : max_depth_(max_depth) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(std::int64_t value) override { return Add(value); }
  bool number_unsigned(std::uint64_t value) override { return Add(value); }
  bool number_float(double value, const std::string&) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(json::binary_t&) override { return Fail("binary value"); }
  bool start_object(std::size_t) override { return Open(json::object()); }
  bool start_array(std::size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(std::string& name) override {
    const auto [member, added] = open_.back()->emplace(name, nullptr);
    if (!added) return Fail(absl::StrCat("member \"", name, "\" is there twice"));
    member_ = &*member;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("not JSON at byte ", position));
  }

  json& root() { return root_; }
  const std::string& error() const { return error_; }

 private:
  // Where the next value goes: the root, the end of the innermost array, or the member named last.
  json* Place(json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    *member_ = std::move(value);
    return member_;
  }

  bool Add(json&& value) {
    Place(std::move(value));
    return true;
  }

  // Pointers in open_ stay valid: while a child is open nothing is added to its parent, and a map's nodes do not move.
  bool Open(json&& value) {
    if (open_.size() == max_depth_) return Fail(absl::StrCat("nested deeper than ", max_depth_));
    open_.push_back(Place(std::move(value)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  bool Fail(std::string why) {
    error_ = std::move(why);
    return false;
  }

  const std::size_t max_depth_;
  json root_;
  std::vector<json*> open_;
  json* member_ = nullptr;
  std::string error_;
};

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view text, std::size_t max_size, int max_depth) {
  if (text.size() > max_size)
    return Deny(v1::DENY_REASON_ENCODING_MALFORMED,
                absl::StrCat("JSON of ", text.size(), " bytes; at most ", max_size));
  // The library takes a NUL byte for the end of the text and skips a byte order mark.
  if (text.find('\0') != absl::string_view::npos)
    return Deny(v1::DENY_REASON_ENCODING_MALFORMED, "JSON with a NUL byte");
  if (text.substr(0, 3) == "\xef\xbb\xbf")
    return Deny(v1::DENY_REASON_ENCODING_MALFORMED, "JSON with a byte order mark");
  StrictBuilder builder(max_depth < 0 ? 0 : static_cast<std::size_t>(max_depth));
  if (!json::sax_parse(text.begin(), text.end(), &builder))
    return Deny(v1::DENY_REASON_ENCODING_MALFORMED, builder.error());
  return std::move(builder.root());
}

bool GetOptionalString(const json& object, const char* name, std::string* out) {
  const auto it = object.find(name);
  if (it == object.end()) return true;
  if (!it->is_string()) return false;
  *out = it->get_ref<const std::string&>();
  return true;
}

}  // namespace twi::jose
