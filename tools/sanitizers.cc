extern "C" {
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1:second_deadlock_stack=1"; }
const char* __tsan_default_suppressions() {
  return "race:grpc::internal::CallbackWithStatusTag\nrace:grpc::internal::CallbackWithSuccessTag\n"
         "race:grpc::internal::CallbackUnaryCall\nrace:grpc::internal::InterceptorBatchMethodsImpl\n";
}
const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }
const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1"; }
}
