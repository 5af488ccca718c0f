// Private files as an orchestrator mounts them.
#ifndef TWI_COMMON_CONFIG_MOUNTED_SECRET_H_
#define TWI_COMMON_CONFIG_MOUNTED_SECRET_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <vector>

namespace twi::config {

// True for a file that is as private to a process as mode 0600 makes it, though its mode is not: it is root's, the
// process is not, its group is one of the process's and may read it and nothing else, others may do nothing. So
// Kubernetes mounts a Secret for a user that is not root (fsGroup; it cannot make the user the owner), and so
// PostgreSQL takes its key. The group must be the pod's alone: it is the operator's to see to that.
bool IsMountedSecret(const struct stat& file, uid_t user, const std::vector<gid_t>& groups);

// The same for this process.
bool IsMountedSecret(const struct stat& file);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_MOUNTED_SECRET_H_
