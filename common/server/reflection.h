// grpc.reflection.v1alpha: what a server's services look like, for grpcurl and its like. Off unless config's `allow`
// names ServerReflectionInfo; then behind the gate like everything else.
#ifndef TWI_COMMON_SERVER_REFLECTION_H_
#define TWI_COMMON_SERVER_REFLECTION_H_

#include <map>
#include <string>
#include <vector>

#include "common/server/server.h"
#include "common/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "proto/grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace twi::server {

// In one stream; more are REQUEST_TOO_LARGE.
constexpr int kMaxReflectionQuestions = 1000;

// The files that declare `services` (full names, of this program) and all that those import. What else the program
// holds, its config for one, is not found. Const after its making.
class Described {
 public:
  explicit Described(const std::vector<std::string>& services);
  // Never fails: what is not found is said in the answer.
  grpc::reflection::v1alpha::ServerReflectionResponse Answer(
      const grpc::reflection::v1alpha::ServerReflectionRequest& question) const;

 private:
  void Add(const google::protobuf::FileDescriptor& file);
  const google::protobuf::FileDescriptor* Holding(const std::string& symbol) const;

  std::vector<std::string> services_;                                     // sorted
  std::map<std::string, const google::protobuf::FileDescriptor*> files_;  // by name
};

// Thread-safe. A stream holds a thread and counts as one request; it ends at the gate's deadline, whatever its client
// does.
class Reflection final : public grpc::reflection::v1alpha::ServerReflection::Service {
 public:
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;

  // `gate` and `clock` must outlive this.
  Reflection(Gate& gate, const Clock& clock, std::size_t max_bytes, const std::vector<std::string>& services)
      : gate_(gate), clock_(clock), max_bytes_(max_bytes), described_(services) {}

  grpc::Status ServerReflectionInfo(grpc::ServerContext* context,
                                    grpc::ServerReaderWriter<Response, Request>* stream) override;

 private:
  absl::Status Converse(grpc::ServerContext& context, grpc::ServerReaderWriter<Response, Request>& stream,
                        absl::Time deadline) const;

  Gate& gate_;
  const Clock& clock_;
  const std::size_t max_bytes_;
  const Described described_;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_REFLECTION_H_
