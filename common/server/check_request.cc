#include "common/server/check_request.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"

namespace twi::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

struct Walk {
  int messages = 0;

  absl::Status Visit(const Message& message, int depth) {
    if (depth > kMaxRequestDepth)
      return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("nested more than ", kMaxRequestDepth, " deep"));
    if (++messages > kMaxRequestMessages)
      return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat("more than ", kMaxRequestMessages, " messages"));
    const Reflection& reflection = *message.GetReflection();
    if (const auto& unknown = reflection.GetUnknownFields(message); !unknown.empty()) {
      return Deny(
          v1::DENY_REASON_REQUEST_MALFORMED,
          absl::StrCat(message.GetTypeName(), " has no field ", unknown.field(0).number(), ", which the request sets"));
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
        TWI_RETURN_IF_ERROR(VisitField(message, reflection, field, depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status VisitField(const Message& message, const Reflection& reflection, const FieldDescriptor* field,
                          int depth) {
    if (!field->is_repeated()) return Visit(reflection.GetMessage(message, field), depth);
    for (int i = 0; i < reflection.FieldSize(message, field); ++i)
      TWI_RETURN_IF_ERROR(Visit(reflection.GetRepeatedMessage(message, field, i), depth));
    return absl::OkStatus();
  }
};

struct Arrived {
  const grpc::ServerContextBase* context = nullptr;
  absl::Status status;
};
thread_local Arrived arrived;

}  // namespace

absl::Status CheckRequest(const Message& request, std::size_t max_bytes) {
  if (const std::size_t size = request.ByteSizeLong(); size > max_bytes)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat(size, " bytes; at most ", max_bytes));
  return Walk().Visit(request, 1);
}

absl::Status ArrivedRequest(const grpc::ServerContextBase& context) {
  return arrived.context == &context ? arrived.status : Deny(v1::DENY_REASON_INTERNAL, "the request was not checked");
}

void SetArrivedRequest(const grpc::ServerContextBase* context, absl::Status status) {
  arrived = {context, std::move(status)};
}

}  // namespace twi::server
