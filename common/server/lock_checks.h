// Debian builds Abseil with its debug checks, so every absl::Mutex, which is every lock of gRPC's, keeps a graph of the
// order in which locks are taken.
#ifndef TWI_COMMON_SERVER_LOCK_CHECKS_H_
#define TWI_COMMON_SERVER_LOCK_CHECKS_H_

namespace twi::server {

// Stops that for this process: it costs CPU in each RPC and one lock for all threads, and looks for faults of gRPC's
// that a release of it does not have. Our own locks are std::mutex. Called before gRPC is used.
void DisableLockOrderChecks();

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_LOCK_CHECKS_H_
