// Structured logs: JSON, one line per event, constant text and fields (style H28). The only room with spdlog.
#ifndef TWI_COMMON_LOG_LOG_H_
#define TWI_COMMON_LOG_LOG_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::log {

struct Field {
  absl::string_view name;  // from fields.h
  std::string value;
};
using Fields = std::initializer_list<Field>;

// Where lines go; before it is called they go to standard error at info. `service` is on every line, and inside a
// trace::Scope so is `trace_id`. May be called again at any time: the level changes, and the file is opened anew.
absl::Status Init(const config::v1::Log& config, absl::string_view service);

void Debug(absl::string_view event, Fields fields = {});
void Info(absl::string_view event, Fields fields = {});
void Warn(absl::string_view event, Fields fields = {});
void Error(absl::string_view event, Fields fields = {});

// A decision (issued, released, refused, mapped, appraised ...): one line, "audit": true, whatever the level.
void Audit(absl::string_view event, Fields fields);

}  // namespace twi::log

#endif  // TWI_COMMON_LOG_LOG_H_
