// The one small interface of all Evidence formats: bytes, endorsements and a time in; what was found out. One file per
// format (snp.cc, tpm.cc, ...). Plain functions over values: no clock, no log, no network, no file.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_FORMAT_H_
#define TWI_SERVICES_VERIFIER_FORMATS_FORMAT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/status/deny.h"
#include "nlohmann/json.hpp"

namespace twi::verifier {

constexpr std::size_t kMaxEvidence = 256 * 1024;  // bytes, of every format, in every envelope

// One thing that is wrong (or, under policy, not wanted): the reason's name, which claim, what was seen, what was
// expected and who says so.
struct Finding {
  DenyReason reason = v1::DENY_REASON_INTERNAL;
  std::string claim;  // "report.signature", "reported_tcb.snp", "pcr.sha256.7"
  std::string seen;   // short text; bytes in hex
  std::string expected;
  std::string source;  // "AMD 56860 table 23", "reference value payroll-1.2.0", "policy default"
};

// An attestation key that the operator vouches for.
struct EndorsedKey {
  std::string name;  // for the log
  // The TPMT_PUBLIC that was enrolled: the AK's must equal it, byte for byte. Empty: only the key was given, and what
  // its public area says beside the key is not held to anything (tpm.h, step 5).
  std::string public_area;
};

// Pinned trust and collateral that the operator configured. Immutable while in use.
struct TrustStore {
  // SHA-256 (32 bytes) of the DER of pinned anchors, and pinned anchor certificates. Built-in pins are added by the
  // caller (BuiltinPins of each format).
  std::set<std::string> anchor_sha256;
  std::vector<crypto::Certificate> anchors;
  // Anchors of development SEV-SNP chains, and for nothing else; Evidence that ends in one is `insecure`. Filled only
  // from a config field spelled insecure_.
  std::vector<crypto::Certificate> insecure_anchors;
  // Further certificates for path building (ASK/ASVK, AK intermediates, VCEK by operator), not trusted by themselves.
  std::vector<crypto::Certificate> intermediates;
  std::vector<crypto::Crl> crls;
  // Attestation keys that the operator enrolled by hand (TPM AK), by SPKI SHA-256 (32 bytes).
  std::map<std::string, EndorsedKey> endorsed_attestation_keys;
};

// What genuine Evidence says. Filled as far as parsing came, also when findings say it is not genuine (for display
// only).
struct EvidenceClaims {
  std::string format;     // "sev-snp" or "tpm2"
  bool insecure = false;  // the chain ends in an insecure_ anchor
  std::string freshness;  // bytes of the freshness field: REPORT_DATA (64) or extraData
  // Canonical name of the measured software, the key of the reference value index: "sev-snp:<hex measurement>" or
  // "tpm2:sha256:<comma-separated PCR indexes>:<hex digest over the values>".
  std::string measurement_key;
  nlohmann::json
      claims;  // all parsed fields, an object; names as in README of this folder (those of the vectors' manifests)
  std::string attestation_key_sha256;  // SPKI SHA-256 of the key that signed
};

struct EvidenceResult {
  std::vector<Finding> findings;  // why it is not genuine; empty = authentic
  EvidenceClaims claims;
  bool authentic() const { return findings.empty(); }
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_FORMAT_H_
