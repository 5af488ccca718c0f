// The TPM 2.0 structures that a quote is made of (TCG TPM 2.0 Library, Part 2: Structures). Strict parsers of our own:
// big endian, every size and count is compared with the buffer before use, trailing bytes are refused. A parser says
// what the bytes are, not whether to trust them.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_STRUCTURES_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_STRUCTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/hash.h"
#include "common/crypto/keys.h"

namespace twi::verifier {

// TPM_ALG_ID (Part 2, 6.3).
constexpr std::uint16_t kTpmAlgRsa = 0x0001;
constexpr std::uint16_t kTpmAlgSha1 = 0x0004;
constexpr std::uint16_t kTpmAlgSha256 = 0x000b;
constexpr std::uint16_t kTpmAlgSha384 = 0x000c;
constexpr std::uint16_t kTpmAlgSha512 = 0x000d;
constexpr std::uint16_t kTpmAlgNull = 0x0010;
constexpr std::uint16_t kTpmAlgRsassa = 0x0014;
constexpr std::uint16_t kTpmAlgRsapss = 0x0016;
constexpr std::uint16_t kTpmAlgEcdsa = 0x0018;
constexpr std::uint16_t kTpmAlgEcc = 0x0023;

// TPMA_OBJECT (Part 2, 8.3).
constexpr std::uint32_t kTpmaFixedTpm = 1u << 1;
constexpr std::uint32_t kTpmaRestricted = 1u << 16;
constexpr std::uint32_t kTpmaDecrypt = 1u << 17;
constexpr std::uint32_t kTpmaSign = 1u << 18;

constexpr std::uint32_t kTpmPcrCount = 24;  // TCG PC Client Platform TPM Profile 3.6.

struct TpmHash {
  std::uint16_t id;
  const char* name;  // "sha256", as in claims and measurement keys
  crypto::HashAlgorithm algorithm;
  std::size_t size;  // bytes
};
// SHA-1, SHA-256, SHA-384, SHA-512; nullptr for what we do not compute.
const TpmHash* FindTpmHash(std::uint16_t id);

// One bank of a TPML_PCR_SELECTION: the PCR indexes in ascending order, as the TPM digests them.
struct PcrSelection {
  std::uint16_t hash = 0;
  std::vector<std::uint32_t> indexes;
};

// TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE (Part 2, 10.12.12).
struct TpmQuote {
  std::string qualified_signer;  // TPM2B_NAME
  std::string extra_data;        // the caller's freshness
  std::uint64_t clock = 0;       // milliseconds that the TPM was powered, since its last clear
  std::uint32_t reset_count = 0;
  std::uint32_t restart_count = 0;
  bool safe = false;
  std::uint64_t firmware_version = 0;
  std::vector<PcrSelection> selection;  // no bank twice
  std::string pcr_digest;
};
// At most 4 KiB. EVIDENCE_WRONG_TYPE: not made by a TPM (magic), or not a quote (type). EVIDENCE_MALFORMED: all else.
absl::StatusOr<TpmQuote> ParseTpmQuote(absl::string_view bytes);

// TPMT_SIGNATURE (Part 2, 11.3.4): RSASSA, RSAPSS or ECDSA.
struct TpmSignature {
  std::uint16_t algorithm = 0;
  std::uint16_t hash = 0;
  std::string rsa;   // RSASSA, RSAPSS
  std::string r, s;  // ECDSA, big endian, not padded
};
// At most 1 KiB. EVIDENCE_UNSIGNED for TPM_ALG_NULL, EVIDENCE_FORMAT_UNSUPPORTED for another algorithm,
// EVIDENCE_MALFORMED.
absl::StatusOr<TpmSignature> ParseTpmSignature(absl::string_view bytes);

// TPMT_PUBLIC (Part 2, 12.2.4) of an RSA or ECC key.
struct TpmPublic {
  std::string bytes;  // the TPMT_PUBLIC itself: what the name is over
  std::uint16_t type = 0;
  std::uint16_t name_hash = 0;
  std::uint32_t attributes = 0;
  std::string auth_policy;
  std::uint16_t scheme = 0;       // TPM_ALG_NULL when the key has none
  std::uint16_t scheme_hash = 0;  // 0 when the scheme has none
  std::uint16_t rsa_bits = 0;
  std::uint32_t rsa_exponent = 0;
  std::string rsa_modulus;
  std::uint16_t curve = 0;  // TPM_ECC_CURVE: 3 P-256, 4 P-384
  std::string x, y;
};
// TPMT_PUBLIC, or TPM2B_PUBLIC (a 16-bit size in front), at most 1 KiB. EVIDENCE_FORMAT_UNSUPPORTED for another key
// type; EVIDENCE_MALFORMED.
absl::StatusOr<TpmPublic> ParseTpmPublic(absl::string_view bytes);

// The key itself. WEAK_ALGORITHM for RSA under 2048 bits, EVIDENCE_FORMAT_UNSUPPORTED for another curve, KEY_MALFORMED
// for no point of the curve.
absl::StatusOr<crypto::PublicKey> TpmPublicKey(const TpmPublic& tpm_public);

// The object's Name (Part 1, 16): nameAlg || H_nameAlg(TPMT_PUBLIC). EVIDENCE_FORMAT_UNSUPPORTED for a hash that we do
// not compute.
absl::StatusOr<std::string> TpmName(const TpmPublic& tpm_public);

// OK only when `signature` over `message` (the TPMS_ATTEST as sent) is valid under `key`. WEAK_ALGORITHM: SHA-1,
// nothing was verified; EVIDENCE_FORMAT_UNSUPPORTED: a pair of key and hash that we do not verify;
// EVIDENCE_SIGNATURE_INVALID. RSAPSS: salt as long as the hash.
absl::Status VerifyTpmSignature(const crypto::PublicKey& key, const TpmSignature& signature, absl::string_view message);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_STRUCTURES_H_
