// Files that only this daemon may read: the database and the root key.
#ifndef TWI_COMMON_STORAGE_PRIVATE_FILE_H_
#define TWI_COMMON_STORAGE_PRIVATE_FILE_H_

#include <sys/stat.h>

#include <string>

namespace twi::storage {

// Empty when `file` is a regular file of this user or root that neither group nor others may read, write or execute;
// else why not.
std::string WhyNotPrivate(const struct stat& file);

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_PRIVATE_FILE_H_
