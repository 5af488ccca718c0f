#include "common/crypto/x509_time.h"

#include "absl/time/civil_time.h"

namespace twi::crypto {
namespace {

// Two ASCII digits at `at`, or -1.
int TwoDigits(absl::string_view text, std::size_t at) {
  const char a = text[at], b = text[at + 1];
  if (a < '0' || a > '9' || b < '0' || b > '9') return -1;
  return (a - '0') * 10 + (b - '0');
}

}  // namespace

bool GetTime(CBS* in, absl::Time* out) {
  CBS content;
  unsigned tag = 0;
  if (!CBS_get_any_asn1(in, &content, &tag)) return false;
  absl::string_view text = View(content);
  int year = 0;
  if (tag == CBS_ASN1_UTCTIME && text.size() == 13) {
    year = TwoDigits(text, 0);
    if (year < 0) return false;
    year += year >= 50 ? 1900 : 2000;
    text.remove_prefix(2);
  } else if (tag == CBS_ASN1_GENERALIZEDTIME && text.size() == 15) {
    const int century = TwoDigits(text, 0), rest = TwoDigits(text, 2);
    if (century < 0 || rest < 0) return false;
    year = century * 100 + rest;
    text.remove_prefix(4);
  } else {
    return false;
  }
  const int month = TwoDigits(text, 0), day = TwoDigits(text, 2), hour = TwoDigits(text, 4),
            minute = TwoDigits(text, 6), second = TwoDigits(text, 8);
  if (text[10] != 'Z') return false;
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  // CivilSecond moves 31 April to 1 May; such a date, and a field of -1, is refused.
  if (civil.year() != year || civil.month() != month || civil.day() != day || civil.hour() != hour ||
      civil.minute() != minute || civil.second() != second) {
    return false;
  }
  *out = absl::FromCivil(civil, absl::UTCTimeZone());
  return true;
}

bool AddTime(CBB* cbb, absl::Time time) {
  const absl::CivilSecond t = absl::ToCivilSecond(time, absl::UTCTimeZone());
  if (t.year() < 1950 || t.year() > 9999) return false;
  const bool utc = t.year() < 2050;
  char text[15];
  std::size_t size = 0;
  const auto add_two = [&](int value) {
    text[size++] = static_cast<char>('0' + value / 10);
    text[size++] = static_cast<char>('0' + value % 10);
  };
  if (!utc) add_two(static_cast<int>(t.year() / 100));
  for (const int value : {static_cast<int>(t.year() % 100), t.month(), t.day(), t.hour(), t.minute(), t.second()})
    add_two(value);
  text[size++] = 'Z';
  CBB child;
  return CBB_add_asn1(cbb, &child, utc ? CBS_ASN1_UTCTIME : CBS_ASN1_GENERALIZEDTIME) &&
         AddBytes(&child, absl::string_view(text, size)) && CBB_flush(cbb);
}

}  // namespace twi::crypto
