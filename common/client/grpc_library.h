// gRPC's life within a short-lived process. The last channel to go leaves gRPC's clean-up to a thread that the end of
// the process does not wait for, and a connection that still shakes hands then is cut off half-way, its memory with it.
#ifndef TWI_COMMON_CLIENT_GRPC_LIBRARY_H_
#define TWI_COMMON_CLIENT_GRPC_LIBRARY_H_

#include "grpc/grpc.h"

namespace twi::client {

// Make one before the first channel and let it outlive the last: its end waits for gRPC's.
class GrpcLibrary {
 public:
  GrpcLibrary() { grpc_init(); }
  ~GrpcLibrary() { grpc_shutdown_blocking(); }
  GrpcLibrary(const GrpcLibrary&) = delete;
  GrpcLibrary& operator=(const GrpcLibrary&) = delete;
};

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_GRPC_LIBRARY_H_
