// `grep -ri insecure` at run time (style H16).
#ifndef TWI_COMMON_SERVER_INSECURE_FIELDS_H_
#define TWI_COMMON_SERVER_INSECURE_FIELDS_H_

#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace twi::server {

// The paths of all fields that are set and whose name begins with insecure_ ("policies[0].insecure_accept_any"), in
// messages, lists and maps, as deep as they go.
std::vector<std::string> InsecureFieldsSet(const google::protobuf::Message& message);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_INSECURE_FIELDS_H_
