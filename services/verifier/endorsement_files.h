// Endorsements as the operator has them in files: certificates and CRLs (PEM or DER), SNP certificate tables; and a
// certificate appraised for itself.
#ifndef TWI_SERVICES_VERIFIER_ENDORSEMENT_FILES_H_
#define TWI_SERVICES_VERIFIER_ENDORSEMENT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "services/verifier/formats/evidence_file.h"
#include "services/verifier/formats/format.h"

namespace twi::verifier {

enum class EndorsementKind { kNone, kCertificates, kCrl, kSnpCertTable };

// By content. kNone: something else (a public key, a TPM structure). A DER SEQUENCE that is neither certificate, CRL
// nor public key counts as kCertificates, so that reading it is refused and not skipped.
EndorsementKind EndorsementKindOf(absl::string_view bytes);

// The certificates of a file: PEM, DER, or those in a certificate table (VCEK or VLEK first, then as they stand).
// ENDORSEMENT_MALFORMED.
absl::StatusOr<std::vector<crypto::Certificate>> CertificatesFromFile(const EvidenceFile& file);

// Adds certificates to trust.intermediates and CRLs to trust.crls: neither is trusted for being there. kNone files are
// left alone. ENDORSEMENT_MALFORMED with the file's name for one that does not parse.
absl::Status AddEndorsementFiles(const std::vector<EvidenceFile>& files, TrustStore& trust);

// Pins the roots in a file of certificates: of several, those that are self-issued (the others become intermediates);
// one alone, whatever it is. ENDORSEMENT_MALFORMED, also when a file of several holds no self-issued one: which one is
// meant would be a guess.
absl::Status AddTrustAnchorFile(const EvidenceFile& file, TrustStore& trust);

// Is this certificate a genuine endorsement, apart from any Evidence: AMD's extensions parse (VCEK, VLEK), path to a
// pinned anchor, revocation. `certificates`: the leaf, then others that came with it. Claims: format "endorsement",
// subject, issuer (RFC 4514), serial, not_before, not_after, and AMD's `extensions` as hex.
EvidenceResult VerifyEndorsement(const std::vector<crypto::Certificate>& certificates, const TrustStore& trust,
                                 absl::Time now);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_ENDORSEMENT_FILES_H_
