// A protobuf field as it stands on the wire, for tests that send what no client of ours would.
#ifndef TWI_COMMON_TESTING_WIRE_FIELD_H_
#define TWI_COMMON_TESTING_WIRE_FIELD_H_

#include <cstdint>
#include <string>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace twi::testing {

// Of wire type 2: a string, bytes or a message.
inline std::string WireField(int number, const std::string& bytes) {
  std::string text;
  google::protobuf::io::StringOutputStream stream(&text);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.WriteTag(static_cast<std::uint32_t>(number) << 3 | 2);
  out.WriteVarint32(static_cast<std::uint32_t>(bytes.size()));
  out.WriteString(bytes);
  out.Trim();
  return text;
}

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_WIRE_FIELD_H_
