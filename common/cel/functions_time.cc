#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/cel/call.h"
#include "common/cel/time_text.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

// Parts of a timestamp in a zone; months, days of the month (except getDate) and of the year count from 0.
int64_t PartOf(Fn fn, const Value& time, const absl::TimeZone& zone) {
  const absl::CivilSecond c = zone.At(absl::FromUnixSeconds(time.seconds())).cs;
  switch (fn) {
    case Fn::kGetDate:
      return c.day();
    case Fn::kGetDayOfMonth:
      return c.day() - 1;
    case Fn::kGetDayOfWeek:
      return (static_cast<int>(absl::GetWeekday(c)) + 1) % 7;  // Abseil: Monday 0; CEL: Sunday 0
    case Fn::kGetDayOfYear:
      return absl::GetYearDay(absl::CivilDay(c)) - 1;
    case Fn::kGetFullYear:
      return c.year();
    case Fn::kGetHours:
      return c.hour();
    case Fn::kGetMilliseconds:
      return time.nanos() / 1000000;
    case Fn::kGetMinutes:
      return c.minute();
    case Fn::kGetMonth:
      return c.month() - 1;
    default:
      return c.second();
  }
}

// A duration's whole hours, minutes or seconds; of the milliseconds, those below a second (langdef).
bool PartOfDuration(const Call& call, EvalState& state, Value* out) {
  const int64_t nanos = call[0].duration_nanos();
  switch (call.fn) {
    case Fn::kGetHours:
      *out = Value::Int(nanos / 3600000000000);
      return true;
    case Fn::kGetMinutes:
      *out = Value::Int(nanos / 60000000000);
      return true;
    case Fn::kGetSeconds:
      *out = Value::Int(nanos / 1000000000);
      return true;
    case Fn::kGetMilliseconds:
      *out = Value::Int(nanos % 1000000000 / 1000000);
      return true;
    default:
      return NoOverload(call, state);
  }
}

}  // namespace

bool TimeFunction(const Call& call, EvalState& state, Value* out) {
  if (call.count == 1 && call.Is(0, Kind::kDuration)) return PartOfDuration(call, state, out);
  if (!call.Is(0, Kind::kTimestamp)) return NoOverload(call, state);
  absl::TimeZone zone = absl::UTCTimeZone();
  if (call.zone != nullptr) {
    zone = *call.zone;
  } else if (call.count == 2) {
    if (!call.Is(1, Kind::kString)) return NoOverload(call, state);
    if (!state.ChargeSize(call[1].text().size())) return false;
    const absl::StatusOr<absl::TimeZone> parsed = ParseZone(call[1].text(), /*allow_names=*/false);
    if (!parsed.ok()) return state.Fail(parsed.status().message());
    zone = *parsed;
  }
  *out = Value::Int(PartOf(call.fn, call[0], zone));
  return true;
}

}  // namespace twi::cel
