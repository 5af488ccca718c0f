// One file as the operator or a test handed it in: its name (for messages and as a weak hint) and its bytes.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_EVIDENCE_FILE_H_
#define TWI_SERVICES_VERIFIER_FORMATS_EVIDENCE_FILE_H_

#include <string>

namespace twi::verifier {

struct EvidenceFile {
  std::string name;  // Base name; never trusted, a format is recognised by its bytes first.
  std::string bytes;
  bool found = false;  // in a folder: nobody said that it belongs to the Evidence
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_EVIDENCE_FILE_H_
