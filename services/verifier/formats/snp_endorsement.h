// AMD's certificate extensions of a VCEK or VLEK (AMD 57230 "Versioned Chip Endorsement Key (VCEK) Certificate and KDS
// Interface Specification", section 3).
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_ENDORSEMENT_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_ENDORSEMENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/x509.h"
#include "services/verifier/formats/snp_report.h"

namespace twi::verifier {

constexpr char kAmdOidPrefix[] = "1.3.6.1.4.1.3704.1.";

// What the extensions say. A VCEK carries HWID and no CSP_ID, a VLEK the reverse.
struct SnpEndorsement {
  SnpProduct product = SnpProduct::kUnknown;
  std::string product_name;  // as written: "Milan-B0", "Milan", "Genoa", "Turin"
  SnpTcb tcb;                // .3.1 bl, .3.2 tee, .3.3 snp, .3.8 ucode, .3.9 fmc (Turin)
  std::string hwid;          // .4: 64 bytes, 8 on Turin; empty in a VLEK
  std::string csp_id;        // .5: empty in a VCEK
  bool is_vlek() const { return hwid.empty(); }
};

// True when `certificate` claims to be a VCEK or VLEK, by its productName extension: AMD's CAs have none.
bool IsSnpEndorsement(const crypto::Certificate& certificate);

// Reads the extensions. Checks: each value is exactly one DER value of its type (INTEGER 0..255 in shortest form,
// IA5String); productName of a known product; the four SPLs present (Turin: fmc too, others: no fmc); exactly one of
// HWID and CSP_ID; HWID of the product's size, as raw bytes (the legacy and today's encoding) or as an inner OCTET
// STRING (2023). ENDORSEMENT_MALFORMED otherwise.
absl::StatusOr<SnpEndorsement> ParseSnpEndorsement(const crypto::Certificate& certificate);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_ENDORSEMENT_H_
