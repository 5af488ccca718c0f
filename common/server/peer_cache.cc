#include "common/server/peer_cache.h"

#include <mutex>

namespace twi::server {

std::optional<VerifiedPeer> PeerCache::Find(absl::string_view leaf_pem, std::uint64_t generation) const {
  const std::size_t hash = Table::hasher()(leaf_pem);  // once for both tables: the PEM is about 1 KB
  std::shared_lock lock(mutex_);
  for (const Table* table : {&services_, &attested_keys_}) {
    const auto found = table->find(leaf_pem, hash);
    if (found != table->end() && found->second.generation == generation) return found->second.peer;
  }
  return std::nullopt;
}

void PeerCache::Put(absl::string_view leaf_pem, const VerifiedPeer& peer, std::uint64_t generation) {
  std::unique_lock lock(mutex_);
  Table& table = peer.identity.kind == PeerIdentity::Kind::kAttestedKey ? attested_keys_ : services_;
  if (table.size() >= capacity_) table.clear();
  table.insert_or_assign(std::string(leaf_pem), Entry{peer, generation});
}

std::size_t PeerCache::size() const {
  std::shared_lock lock(mutex_);
  return services_.size() + attested_keys_.size();
}

}  // namespace twi::server
