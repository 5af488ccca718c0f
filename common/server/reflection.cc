#include "common/server/reflection.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/server/check_request.h"
#include "common/server/server_config.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/descriptor.pb.h"

namespace twi::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::FileDescriptorResponse;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

// The file before what it imports, each once.
void AppendFiles(const FileDescriptor& file, std::set<std::string>& seen, FileDescriptorResponse& out) {
  if (!seen.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out.add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AppendFiles(*file.dependency(i), seen, out);
}

void SetError(grpc::StatusCode code, const char* message, ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

void SetFile(const FileDescriptor* file, ServerReflectionResponse& response) {
  if (file == nullptr) return SetError(grpc::StatusCode::NOT_FOUND, "no such file or symbol", response);
  std::set<std::string> seen;
  AppendFiles(*file, seen, *response.mutable_file_descriptor_response());
}

// Ends a stream at its time: gRPC's Read waits for as long as the client keeps the stream open. A thread for each,
// since streams are few: operators ask.
class Ending {
 public:
  Ending(grpc::ServerContext& context, absl::Duration left)
      : thread_([this, &context, left] {
          std::unique_lock<std::mutex> lock(mutex_);
          if (ended_.wait_for(lock, absl::ToChronoMicroseconds(left), [this] { return over_; })) return;
          passed_ = true;
          context.TryCancel();
        }) {}
  ~Ending() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  bool passed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return passed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  bool passed_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace

Described::Described(const std::vector<std::string>& services) : services_(services) {
  std::sort(services_.begin(), services_.end());
  for (const std::string& name : services_) {
    const auto* service = DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service != nullptr) Add(*service->file());
  }
}

void Described::Add(const FileDescriptor& file) {
  if (!files_.emplace(file.name(), &file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) Add(*file.dependency(i));
}

const FileDescriptor* Described::Holding(const std::string& symbol) const {
  const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileContainingSymbol(symbol);
  return file != nullptr && files_.count(file->name()) != 0 ? file : nullptr;
}

ServerReflectionResponse Described::Answer(const ServerReflectionRequest& question) const {
  ServerReflectionResponse response;
  response.set_valid_host(question.host());
  *response.mutable_original_request() = question;
  switch (question.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : services_)
        response.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case ServerReflectionRequest::kFileByFilename: {
      const auto found = files_.find(question.file_by_filename());
      SetFile(found == files_.end() ? nullptr : found->second, response);
      break;
    }
    case ServerReflectionRequest::kFileContainingSymbol:
      SetFile(Holding(question.file_containing_symbol()), response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType: {
      const std::string& type = question.all_extension_numbers_of_type();
      if (Holding(type) == nullptr || DescriptorPool::generated_pool()->FindMessageTypeByName(type) == nullptr) {
        SetError(grpc::StatusCode::NOT_FOUND, "no such message", response);
      } else {
        response.mutable_all_extension_numbers_response()->set_base_type_name(type);
      }
      break;
    }
    case ServerReflectionRequest::kFileContainingExtension:
      SetError(grpc::StatusCode::NOT_FOUND, "these files have no extensions", response);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      SetError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks nothing", response);
      break;
  }
  return response;
}

grpc::Status Reflection::ServerReflectionInfo(grpc::ServerContext* context,
                                              grpc::ServerReaderWriter<Response, Request>* stream) {
  // Nothing has arrived yet: who asks is decided first, each question is checked when it is there.
  SetArrivedRequest(context, absl::OkStatus());
  const grpc::Status status = Handle(gate_, *context, kReflectionRpc,
                                     [&](const Call& call) { return Converse(*context, *stream, call.deadline); });
  SetArrivedRequest(nullptr, absl::OkStatus());
  return status;
}

// A question that does not parse ends the stream as the client's own end of it does: gRPC does not tell them apart.
absl::Status Reflection::Converse(grpc::ServerContext& context, grpc::ServerReaderWriter<Response, Request>& stream,
                                  absl::Time deadline) const {
  Ending ending(context, deadline - clock_.Now());
  Request question;
  for (int asked = 0; stream.Read(&question); ++asked) {
    if (asked == kMaxReflectionQuestions) {
      return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE,
                  absl::StrCat("more than ", kMaxReflectionQuestions, " questions in one stream"));
    }
    TWI_RETURN_IF_ERROR(CheckRequest(question, max_bytes_));
    if (!stream.Write(described_.Answer(question))) break;
  }
  if (ending.passed()) return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, "the stream was left open");
  return absl::OkStatus();
}

}  // namespace twi::server
