#include "common/attested_tls/hello_guard.h"

#include <algorithm>

#include "common/attested_tls/code_points.h"
#include "common/attested_tls/presentation.h"

namespace twi::atls {
namespace {

constexpr std::size_t kRecordHeader = 5;   // type(1), version(2), length(2): RFC 8446 section 5.1
constexpr std::size_t kMessageHeader = 4;  // type(1), length(3): section 4
constexpr char kHandshakeRecord = 22, kClientHello = 1;

// Moves bytes from the front of `in` to `header` until that is whole.
bool Complete(std::string& header, std::size_t whole, absl::string_view& in) {
  const std::size_t taken = std::min(in.size(), whole - header.size());
  header.append(in.data(), taken);
  in.remove_prefix(taken);
  return header.size() == whole;
}

std::size_t LengthIn(absl::string_view header, int bytes) {
  std::size_t length = 0;
  PartReader(header.substr(header.size() - static_cast<std::size_t>(bytes))).Uint(bytes, length);
  return length;
}

}  // namespace

bool HelloGuard::Take(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (record_left_ == 0) {
      if (!Complete(record_header_, kRecordHeader, bytes)) return true;
      is_handshake_ = record_header_[0] == kHandshakeRecord;
      record_left_ = LengthIn(record_header_, 2);
      record_header_.clear();
      continue;
    }
    const absl::string_view fragment = bytes.substr(0, record_left_);
    bytes.remove_prefix(fragment.size());
    record_left_ -= fragment.size();
    if (is_handshake_ && !TakeHandshake(fragment)) return false;
  }
  return true;
}

bool HelloGuard::TakeHandshake(absl::string_view fragment) {
  while (!fragment.empty()) {
    if (message_left_ == 0) {
      if (!Complete(message_header_, kMessageHeader, fragment)) return true;
      const bool hello = message_header_[0] == kClientHello;
      message_left_ = LengthIn(message_header_, 3);
      message_header_.clear();
      if (hello && kMessageHeader + message_left_ > kMaxClientHello) return false;
      continue;
    }
    const std::size_t skipped = std::min(message_left_, fragment.size());
    fragment.remove_prefix(skipped);
    message_left_ -= skipped;
  }
  return true;
}

}  // namespace twi::atls
