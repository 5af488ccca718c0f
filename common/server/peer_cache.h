// Who was verified at the handshake, so that an RPC costs no certificate parsing.
#ifndef TWI_COMMON_SERVER_PEER_CACHE_H_
#define TWI_COMMON_SERVER_PEER_CACHE_H_

#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/server/verify_peer.h"

namespace twi::server {

// Leaf PEM -> verified peer, for one generation of the trust bundle. Bounded: a full table is emptied (a miss costs one
// validation, never a wrong answer). Attested keys, which anybody can make, have a table of their own, so that a flood
// of them pushes out no service. Thread-safe.
class PeerCache {
 public:
  explicit PeerCache(std::size_t capacity = 4096) : capacity_(capacity) {}

  // A peer put in under another generation is not found.
  std::optional<VerifiedPeer> Find(absl::string_view leaf_pem, std::uint64_t generation) const;
  void Put(absl::string_view leaf_pem, const VerifiedPeer& peer, std::uint64_t generation);
  std::size_t size() const;

 private:
  struct Entry {
    VerifiedPeer peer;
    std::uint64_t generation;
  };
  using Table = absl::flat_hash_map<std::string, Entry>;

  const std::size_t capacity_;
  mutable std::shared_mutex mutex_;
  Table services_;
  Table attested_keys_;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_PEER_CACHE_H_
