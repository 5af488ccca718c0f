#include "services/verifier/formats/snp_path_cache.h"

namespace twi::verifier {

std::shared_ptr<const SnpVerifiedPath> SnpPathCache::Find(const std::string& key, absl::Time now) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  const std::shared_ptr<const SnpVerifiedPath> path = found->second->second;
  if (now < path->not_before || now > path->not_after) {
    entries_.erase(found->second);
    index_.erase(found);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return path;
}

void SnpPathCache::Put(const std::string& key, std::shared_ptr<const SnpVerifiedPath> path) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (index_.count(key) != 0) return;
  entries_.emplace_front(key, std::move(path));
  index_.emplace(key, entries_.begin());
  if (entries_.size() <= capacity_) return;
  index_.erase(entries_.back().first);
  entries_.pop_back();
}

std::size_t SnpPathCache::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return entries_.size();
}

}  // namespace twi::verifier
