// What others wrote is shown, never interpreted: a control character could drive the reader's terminal, and a line
// break forge a line of ours.
#ifndef TWI_SERVICES_TWICTL_PRINTABLE_H_
#define TWI_SERVICES_TWICTL_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace twi::twictl {

// One line: control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls (Unicode 15.0,
// section 23.2) and what is no UTF-8 come out as "\xHH".
std::string Printable(absl::string_view text);

// The same, and line feeds stay: for text of several lines that we put together.
std::string PrintableLines(absl::string_view text);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_PRINTABLE_H_
