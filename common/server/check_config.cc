#include "common/server/check_config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/client/check_peer.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/config/refresh.h"
#include "common/log/check_level.h"
#include "common/server/metrics_listener.h"
#include "common/server/server_config.h"
#include "common/server/tls_files.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/rotation.h"
#include "common/storage/storage_config.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Context {
  const CheckOptions& options;
  std::string own_id;  // the value of own_id_field
  absl::Time now;
};

// Can it be appended to, or made? Makes nothing.
absl::Status CheckLogFile(const std::string& file, const std::string& field) {
  const auto failed = [&](const std::string& path) {
    return config::AtField(field, absl::StrCat(path, ": ", std::strerror(errno)));
  };
  const int fd = open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) {
    close(fd);
    return absl::OkStatus();
  }
  if (errno != ENOENT) return failed(file);
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) return failed(folder);
  TWI_RETURN_IF_ERROR(config::Expect(S_ISDIR(info.st_mode), field, "a file in a folder"));
  return faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? absl::OkStatus() : failed(folder);
}

absl::Status CheckLog(const config::v1::Log& log, const std::string& field) {
  TWI_RETURN_IF_ERROR(config::AtField(field + ".level", log::CheckLevel(log.level())));
  return log.file().empty() ? absl::OkStatus() : CheckLogFile(log.file(), field + ".file");
}

absl::Status CheckMetrics(const config::v1::Metrics& metrics, const std::string& field, const Context& context) {
  TWI_RETURN_IF_ERROR(CheckMetricsConfig(metrics, field));
  return metrics.has_tls() ? CheckTls(metrics.tls(), field + ".tls", context.now).status() : absl::OkStatus();
}

// What a service says under its name is trusted because its certificate carries that name: another name in the one
// than in the other is a mistake that its peers would find much later.
absl::Status CheckServer(const config::v1::Server& server, const std::string& field, const Context& context) {
  TWI_ASSIGN_OR_RETURN(std::vector<std::string> methods, MethodsOf(context.options.services));
  TWI_RETURN_IF_ERROR(CheckServerConfig(server, methods, field).status());
  if (server.has_metrics()) TWI_RETURN_IF_ERROR(CheckMetrics(server.metrics(), field + ".metrics", context));
  if (!server.has_tls()) return absl::OkStatus();  // a Unix socket
  TWI_ASSIGN_OR_RETURN(const std::string spiffe_id, CheckTls(server.tls(), field + ".tls", context.now));
  return config::Expect(context.options.own_id_field.empty() || context.own_id == spiffe_id,
                        context.options.own_id_field,
                        absl::StrCat("the SPIFFE ID of ", server.tls().certificate_file(), ", ", spiffe_id, ", got ",
                                     context.own_id.empty() ? "nothing" : context.own_id));
}

absl::Status CheckKeySource(const config::v1::KeySource& source, const std::string& field) {
  TWI_RETURN_IF_ERROR(config::Expect(source.has_peer(), field + ".peer", "the service whose keys these are"));
  return config::ExpectWithin(config::RefreshOf(source), absl::Seconds(5), absl::Hours(24), field + ".refresh");
}

template <typename T>
const T* As(const Message& message) {
  return message.GetDescriptor() == T::descriptor() ? static_cast<const T*>(&message) : nullptr;
}

absl::Status Walk(const Message& message, const std::string& prefix, const Context& context);

absl::Status CheckSection(const Message& section, const std::string& field, const Context& context) {
  if (const auto* log = As<config::v1::Log>(section)) return CheckLog(*log, field);
  if (const auto* server = As<config::v1::Server>(section)) return CheckServer(*server, field, context);
  if (const auto* metrics = As<config::v1::Metrics>(section)) return CheckMetrics(*metrics, field, context);
  if (const auto* tls = As<config::v1::Tls>(section)) return CheckTls(*tls, field, context.now).status();
  if (const auto* storage = As<config::v1::Storage>(section)) return storage::CheckStorage(*storage, field);
  if (const auto* keys = As<config::v1::SigningKeys>(section)) return storage::CheckSigningKeys(*keys, field);
  if (const auto* peer = As<config::v1::Peer>(section)) return client::CheckPeer(*peer, field);
  if (const auto* source = As<config::v1::KeySource>(section)) TWI_RETURN_IF_ERROR(CheckKeySource(*source, field));
  return Walk(section, field + ".", context);
}

// Every section that is set. Recursion is bounded by the depth of a config (common/config: 32).
absl::Status Walk(const Message& message, const std::string& prefix, const Context& context) {
  std::vector<const FieldDescriptor*> fields;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string path = prefix + field->name();
    if (!field->is_repeated()) {
      TWI_RETURN_IF_ERROR(CheckSection(reflection.GetMessage(message, field), path, context));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      TWI_RETURN_IF_ERROR(
          CheckSection(reflection.GetRepeatedMessage(message, field, i), absl::StrCat(path, "[", i, "]"), context));
    }
  }
  return absl::OkStatus();
}

// A daemon whose config knows a server or a store cannot do without.
absl::Status RequireSections(const Message& config) {
  for (int i = 0; i < config.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = config.GetDescriptor()->field(i);
    const bool required = !field->is_repeated() && (field->message_type() == config::v1::Server::descriptor() ||
                                                    field->message_type() == config::v1::Storage::descriptor());
    if (!required) continue;
    TWI_RETURN_IF_ERROR(
        config::Expect(config.GetReflection()->HasField(config, field), field->name(), "a section, got nothing"));
  }
  return absl::OkStatus();
}

std::string OwnId(const Message& config, const std::string& name) {
  const FieldDescriptor* field = name.empty() ? nullptr : config.GetDescriptor()->FindFieldByName(name);
  return field == nullptr ? "" : config.GetReflection()->GetString(config, field);
}

}  // namespace

absl::Status CheckCommonSections(const Message& config, const CheckOptions& options, absl::Time now) {
  TWI_RETURN_IF_ERROR(RequireSections(config));
  return Walk(config, "", {options, OwnId(config, options.own_id_field), now});
}

}  // namespace twi::server
