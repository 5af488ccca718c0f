// W3C Trace Context (Recommendation, 23 November 2021): one trace id from the agent through every hop, so that one grep
// shows an acquisition in all daemons' logs. A trace id is its sender's word: good for finding lines, for nothing else.
#ifndef TWI_COMMON_TRACE_TRACE_H_
#define TWI_COMMON_TRACE_TRACE_H_

#include <array>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::trace {

// gRPC metadata key and HTTP header of the traceparent (section 3.2.1).
constexpr char kTraceparent[] = "traceparent";

struct Trace {
  std::array<char, 32> id;  // lower case hex, not all zero
  bool sampled = true;      // trace-flags bit 0, passed on as it came

  absl::string_view id_view() const { return {id.data(), id.size()}; }
};

// Section 3.2.2, strictly: version, trace-id, parent-id and trace-flags in lower case hex; neither id all zero; version
// 00 has nothing more, a later one may go on after a "-" (at most 256 bytes in all), ff is none. None: start a new
// trace (section 3.2.2.3); it is never an error, because any peer could provoke it.
std::optional<Trace> ParseTraceparent(absl::string_view value);

// A new one. The id is random but no secret.
Trace NewTrace();

// "00-<id>-<fresh parent-id>-<flags>".
std::string ToTraceparent(const Trace& trace);

// The trace of what this thread is doing, as long as the object lives; scopes nest. Log lines carry it, and calls to
// peers pass it on. Allocates nothing.
class Scope {
 public:
  explicit Scope(const Trace& trace);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  const Trace trace_;
  const Trace* const outer_;
};

// Null outside of every scope.
const Trace* Current();

}  // namespace twi::trace

#endif  // TWI_COMMON_TRACE_TRACE_H_
