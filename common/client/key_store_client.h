// Calls to the Key Store (mechanism D): one method per RPC, messages in and out. Interface + gRPC: tests give flow
// files a fake.
#ifndef TWI_COMMON_CLIENT_KEY_STORE_CLIENT_H_
#define TWI_COMMON_CLIENT_KEY_STORE_CLIENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/channel.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"
#include "proto/twi/v1/key_store.pb.h"

namespace twi::client {

// Errors: the Key Store's own refusals under their names; DEPENDENCY_UNAVAILABLE and DEADLINE_EXCEEDED when there was
// no answer. `deadline` is the caller's own; each call also keeps to the peer's configured timeout. ListKeys and
// GetKeyStoreKeys are repeated (at most 3 attempts) when nobody answers, nothing else is. Thread-safe.
class KeyStoreClient {
 public:
  virtual ~KeyStoreClient() = default;

  // P3..P5, by the Workload Owner.
  virtual absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const v1::ProvisionKeyRequest& request,
                                                                absl::Time deadline) = 0;
  // D5..D7.
  virtual absl::StatusOr<v1::ReleaseKeyResponse> ReleaseKey(const v1::ReleaseKeyRequest& request,
                                                            absl::Time deadline) = 0;
  // All pages; `next` is empty.
  virtual absl::StatusOr<v1::ListKeysResponse> ListKeys(absl::Time deadline) = 0;
  virtual absl::StatusOr<v1::GetKeyStoreKeysResponse> GetKeyStoreKeys(absl::Time deadline) = 0;
};

// `peer` is validated (CONFIG_INVALID). `clock` must outlive the client.
absl::StatusOr<std::unique_ptr<KeyStoreClient>> MakeKeyStoreClient(const config::v1::Peer& peer,
                                                                   const Identity& identity, const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_KEY_STORE_CLIENT_H_
