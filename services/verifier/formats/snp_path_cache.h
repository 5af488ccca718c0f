// Verified VCEK/VLEK paths, so that a known chip costs one P-384 verify instead of three RSA-4096 and two certificate
// parses.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_PATH_CACHE_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_PATH_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "services/verifier/formats/snp_endorsement.h"

namespace twi::verifier {

struct SnpVerifiedPath {
  crypto::Certificate leaf;
  SnpEndorsement endorsement;
  std::string anchor_common_name;  // empty: no path was found (never in the cache)
  bool insecure = false;
  absl::Time not_before, not_after;  // all certificates and CRLs of the path are in time
};

// Least recently used goes first. Thread-safe. Only paths of reports that verified are put in, so forged reports cannot
// push real ones out.
class SnpPathCache {
 public:
  explicit SnpPathCache(std::size_t capacity) : capacity_(capacity) {}

  // The entry of `key` when `now` is inside its span; nullptr otherwise (an entry out of time is dropped).
  std::shared_ptr<const SnpVerifiedPath> Find(const std::string& key, absl::Time now);
  void Put(const std::string& key, std::shared_ptr<const SnpVerifiedPath> path);
  std::size_t size() const;

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const SnpVerifiedPath>>;

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_PATH_CACHE_H_
