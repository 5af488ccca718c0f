#include "common/server/insecure_fields.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"

namespace twi::server {
namespace {

// Recursion is bounded by the depth of a config (common/config: 32).
void Collect(const google::protobuf::Message& message, const std::string& prefix, std::vector<std::string>& out) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    const std::string path = absl::StrCat(prefix, field->name());
    if (absl::StartsWith(field->name(), "insecure_")) out.push_back(path);
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      Collect(reflection.GetMessage(message, field), path + ".", out);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Collect(reflection.GetRepeatedMessage(message, field, i), absl::StrCat(path, "[", i, "]."), out);
    }
  }
}

}  // namespace

std::vector<std::string> InsecureFieldsSet(const google::protobuf::Message& message) {
  std::vector<std::string> paths;
  Collect(message, "", paths);
  return paths;
}

}  // namespace twi::server
