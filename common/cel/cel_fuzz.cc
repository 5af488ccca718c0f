// Parse, check and evaluate any text: no crash, no hang, and both ways of asking agree.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/cel/program.h"

namespace {

using twi::cel::Type;
using twi::cel::Value;

void Exercise(absl::string_view source, const twi::cel::Declarations& declarations) {
  static const auto* const values = [] {
    auto* a = new twi::cel::Activation;
    a->Set("claims", Value::Map({{"env", Value::Map({{"name", Value::String("prod")}})},
                                 {"svn", Value::Int(7)},
                                 {"groups", Value::List({Value::String("a"), Value::Null()})}}));
    a->Set("x", Value::Double(1.5));
    a->Set("now", *Value::MakeTimestamp(1234567890, 1));
    return a;
  }();
  const auto program = twi::cel::Compile(source, declarations);
  if (!program.ok()) return;
  twi::cel::EvalLimits limits;
  limits.max_cost = 20000;
  const auto result = program->EvaluateBool(*values, limits);
  (void)program->RequiredEqualities();
  const bool none_failed = program->FailedConjuncts(*values, limits).empty();
  if ((result.ok() && *result) != none_failed) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view source(reinterpret_cast<const char*>(data), size);
  twi::cel::Declarations declarations;
  declarations.variables["claims"] = Type::OpenObject({{"svn", Type::Int()}});
  declarations.variables["x"] = Type::Dyn();
  declarations.variables["now"] = Type::Timestamp();
  Exercise(source, declarations);
  declarations.insecure_skip_type_check = true;
  Exercise(source, declarations);
  return 0;
}
