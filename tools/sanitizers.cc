extern "C" {
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1:second_deadlock_stack=1"; }
const char* __tsan_default_suppressions() {
  // Debian's gRPC is not instrumented: the counts by which it hands our objects from thread to thread, and the threads
  // that it leaves at exit, look like races and leaks. By function, so that what our own code does wrong stays visible.
  return "race:grpc::internal::CallbackWithStatusTag\nrace:grpc::internal::CallbackWithSuccessTag\n"
         "race:grpc::internal::CallbackUnaryCall\nrace:grpc::internal::InterceptorBatchMethodsImpl\n"
         "race:grpc_tls_credentials_options::~grpc_tls_credentials_options\nthread:grpc_core::Thread::Thread\n";
}
const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }
const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1"; }
}
