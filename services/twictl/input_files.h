// Files that the user names on the command line.
#ifndef TWI_SERVICES_TWICTL_INPUT_FILES_H_
#define TWI_SERVICES_TWICTL_INPUT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/verifier/formats/evidence_file.h"

namespace twi::twictl {

// A regular file (or a pipe) of at most 4 MiB; its name is the last part of the path. INVALID_ARGUMENT with path and
// cause.
absl::StatusOr<verifier::EvidenceFile> ReadInputFile(const std::string& path);

// A file, or the regular files directly in a directory, sorted by name (at most 1000).
absl::StatusOr<std::vector<verifier::EvidenceFile>> ReadInputFiles(const std::string& path);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_INPUT_FILES_H_
