// AMD SEV-SNP attestation reports (AMD 56860 "SEV Secure Nested Paging Firmware ABI", ATTESTATION_REPORT).
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_H_

#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/formats/snp_anchors.h"  // BuiltinSnpAnchors
#include "services/verifier/formats/snp_report.h"   // kSnpReportSize, SnpTcb

namespace twi::verifier {

// Verifies that `evidence` is a genuine report. What is checked, in this order (every finding is collected where going
// on makes sense):
//  1 size, version 2, 3 or 5, reserved ranges zero, signature algorithm 1, policy bit 17 set, signing key VCEK or VLEK,
//  not masked (MASK_CHIP_KEY); 2 product from CPUID (v3+) and certificate agree; TCB decoded in its order; 3
//  certificate: the right kind (VCEK/VLEK), its extensions parse, product name, SPLs equal reported_tcb, HWID equals
//  chip_id (VCEK), CSP_ID present and chip_id zero (VLEK); 4 path leaf -> ASK/ASVK -> ARK, RSASSA-PSS, valid at `now`,
//  ending in a pinned anchor; not revoked by a CRL that is given (issuer-signed, in time); 5 ECDSA P-384 signature, r
//  and s little endian in 72 bytes with zero padding and in range, over bytes 0..0x29f.
// Not checked here: debug, VMPL, minimum TCB, measurement, host data: policy (appraise_evidence).
// Paths that verified are kept in a process-wide cache (snp_path_cache.h), so a known chip costs one P-384 verify.
EvidenceResult VerifySnp(const v1::SnpEvidence& evidence, const TrustStore& trust, absl::Time now);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_H_
