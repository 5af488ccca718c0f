#ifndef TWI_COMMON_CEL_VALUE_TEXT_H_
#define TWI_COMMON_CEL_VALUE_TEXT_H_

#include <string>

namespace twi::cel {

// The shortest decimal that reads back as the same double: "-0.0045", "1e+20", "NaN", "-Infinity".
std::string DoubleText(double value);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_VALUE_TEXT_H_
