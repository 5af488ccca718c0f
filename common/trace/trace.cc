#include "common/trace/trace.h"

#include <algorithm>
#include <cstdint>

#include "absl/random/random.h"

namespace twi::trace {
namespace {

constexpr std::size_t kVersion00Size = 55;  // 2 + 1 + 32 + 1 + 16 + 1 + 2
constexpr std::size_t kMaxSize = 256;
constexpr char kHex[] = "0123456789abcdef";

thread_local const Trace* current = nullptr;

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(absl::string_view text) { return IsHex(text) && text.find_first_not_of('0') != absl::string_view::npos; }

int HexValue(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// `digits` is a multiple of 16; not all zero.
void FillRandom(char* out, int digits) {
  thread_local absl::BitGen random;
  for (int i = 0; i < digits; i += 16) {
    std::uint64_t bits = 0;
    while (bits == 0) bits = absl::Uniform<std::uint64_t>(random);
    for (int j = 0; j < 16; ++j, bits >>= 4) out[i + j] = kHex[bits & 15];
  }
}

}  // namespace

std::optional<Trace> ParseTraceparent(absl::string_view value) {
  if (value.size() < kVersion00Size || value.size() > kMaxSize) return std::nullopt;
  const absl::string_view version = value.substr(0, 2), flags = value.substr(53, 2);
  if (!IsHex(version) || version == "ff" || !IsHex(flags)) return std::nullopt;
  if (value[2] != '-' || value[35] != '-' || value[52] != '-') return std::nullopt;
  if (!IsId(value.substr(3, 32)) || !IsId(value.substr(36, 16))) return std::nullopt;
  if (value.size() > kVersion00Size && (version == "00" || value[kVersion00Size] != '-')) return std::nullopt;
  Trace trace;
  std::copy_n(value.begin() + 3, trace.id.size(), trace.id.begin());
  trace.sampled = (HexValue(flags[1]) & 1) != 0;
  return trace;
}

Trace NewTrace() {
  Trace trace;
  FillRandom(trace.id.data(), static_cast<int>(trace.id.size()));
  return trace;
}

std::string ToTraceparent(const Trace& trace) {
  std::string text = "00-00000000000000000000000000000000-0000000000000000-00";
  std::copy(trace.id.begin(), trace.id.end(), text.begin() + 3);
  FillRandom(text.data() + 36, 16);
  text[54] = trace.sampled ? '1' : '0';
  return text;
}

Scope::Scope(const Trace& trace) : trace_(trace), outer_(current) { current = &trace_; }
Scope::~Scope() { current = outer_; }

const Trace* Current() { return current; }

}  // namespace twi::trace
