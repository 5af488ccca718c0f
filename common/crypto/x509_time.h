// Time of X.509 (RFC 5280 4.1.2.5). Inside common/crypto only.
#ifndef TWI_COMMON_CRYPTO_X509_TIME_H_
#define TWI_COMMON_CRYPTO_X509_TIME_H_

#include "absl/time/time.h"
#include "common/crypto/der.h"

namespace twi::crypto {

// UTCTime YYMMDDHHMMSSZ or GeneralizedTime YYYYMMDDHHMMSSZ: seconds given, no fraction, Z only, a date that exists.
bool GetTime(CBS* in, absl::Time* out);
// UTCTime for 1950..2049, else GeneralizedTime (RFC 5280 4.1.2.5). Whole seconds; false outside the years 1950..9999.
bool AddTime(CBB* cbb, absl::Time time);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_X509_TIME_H_
