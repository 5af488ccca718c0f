// Why each tampered or synthetic vector must be refused, by what its collection's INDEX.md says is wrong with it: every
// name must be among the reasons of twictl's report. By kind and file. A file that is not here is judged by its verdict
// alone, as are the files of another collection.
#ifndef TWI_INTEGRATION_TESTS_VECTORS_REASONS_H_
#define TWI_INTEGRATION_TESTS_VECTORS_REASONS_H_

#include <map>
#include <string>
#include <vector>

namespace twi {

inline const std::map<std::string, std::vector<std::string>>& ReasonsByVector() {
  static const auto* const reasons = new std::map<std::string, std::vector<std::string>>{
      {"snp/milan-v2-debug.bin", {"DEBUG_ENABLED"}},
      {"snp/vcek-bad-signature-legacy.der", {"ENDORSEMENT_CHAIN_INVALID"}},
      {"snp/vcek-bad-signature-new.der", {"ENDORSEMENT_CHAIN_INVALID"}},
      {"snp/tampered/milan-v2.sig-r-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.sig-s-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.report-data-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.measurement-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.reported-tcb.bin", {"EVIDENCE_SIGNATURE_INVALID", "TCB_TOO_LOW"}},
      {"snp/tampered/milan-v2.trunc-1183.bin", {"EVIDENCE_MALFORMED"}},
      {"snp/tampered/milan-v2.trunc-0x2a0.bin", {"EVIDENCE_MALFORMED"}},
      {"snp/tampered/milan-v2.empty.bin", {"EVIDENCE_MALFORMED"}},
      {"snp/tampered/milan-v2.long-1185.bin", {"EVIDENCE_MALFORMED"}},
      {"snp/tampered/milan-v2.sig-zero.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.sig-be.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.sig-r-ge-n.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.sig-upper-bytes.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/genoa-v3.sig-r-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/genoa-v3.sig-s-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/genoa-v3.report-data-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/genoa-v3.measurement-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/genoa-v3.sig-zero.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/genoa-v3.sig-be.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/milan-v2.as-is.wrong-vcek.bin", {"EVIDENCE_SIGNATURE_INVALID", "ENDORSEMENT_MISMATCH"}},
      {"snp/tampered/milan-v2.as-is.wrong-product-chain.bin", {"ENDORSEMENT_MISSING"}},
      {"snp/tampered/milan-v3-vlek.as-is.after-vlek-expiry.bin", {"ENDORSEMENT_EXPIRED"}},
      // Not for its issuer: the row's time, 2024-01-01, lies before the VLEK's notBefore.
      {"snp/tampered/milan-v3-vlek.as-is.ask-instead-of-asvk.bin", {"ENDORSEMENT_EXPIRED"}},
      {"snp/tampered/turin-v5.report-data-bit.bin", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"snp/tampered/turin-v5.other-chip-vcek.bin", {"EVIDENCE_SIGNATURE_INVALID", "ENDORSEMENT_MISMATCH"}},
      {"snp/synthetic/test-debug-policy.bin", {"DEBUG_ENABLED"}},
      {"snp/synthetic/test-version99.bin", {"EVIDENCE_VERSION_UNSUPPORTED"}},
      {"snp/synthetic/test-reported-tcb-ucode-above-cert.bin", {"TCB_TOO_LOW"}},
      {"snp/synthetic/test-chip-id-other.bin", {"ENDORSEMENT_MISMATCH"}},
      {"snp/synthetic/test-signing-key-says-vlek.bin", {"ENDORSEMENT_MISMATCH"}},
      {"snp/synthetic/test-crl-revokes-ask.der", {"ENDORSEMENT_REVOKED"}},
      {"tpm/trustee-tpm-evidence.json", {"ATTESTATION_KEY_NOT_ENDORSED"}},
      {"tpm/tampered/gce-cos85-nonce9009.magic.tpms_attest", {"EVIDENCE_WRONG_TYPE"}},
      {"tpm/tampered/gce-cos85-nonce9009.type-certify.tpms_attest", {"EVIDENCE_WRONG_TYPE"}},
      {"tpm/tampered/gce-cos85-nonce9009.name-len-huge.tpms_attest", {"EVIDENCE_MALFORMED"}},
      {"tpm/tampered/gce-cos85-nonce9009.pcr-digest-bit.tpms_attest", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"tpm/tampered/gce-cos85-nonce9009.trailing.tpms_attest", {"EVIDENCE_MALFORMED"}},
      {"tpm/tampered/gce-cos85-nonce9009.trunc.tpms_attest", {"EVIDENCE_MALFORMED"}},
      {"tpm/tampered/gce-cos85-nonce9009.pcr-count-huge.tpms_attest", {"EVIDENCE_MALFORMED"}},
      {"tpm/tampered/gce-cos85-nonce9009.sig-bit.tpmt_signature", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"tpm/tampered/gce-cos85-nonce9009.sig-alg-null.tpmt_signature", {"EVIDENCE_UNSIGNED"}},
      {"tpm/tampered/gce-cos85-nonce9009.sig-hash-sha1.tpmt_signature", {"EVIDENCE_SIGNATURE_INVALID"}},
      {"tpm/tampered/gce-cos85-nonce9009.sig-len-huge.tpmt_signature", {"EVIDENCE_MALFORMED"}},
  };
  return *reasons;
}

}  // namespace twi

#endif  // TWI_INTEGRATION_TESTS_VECTORS_REASONS_H_
