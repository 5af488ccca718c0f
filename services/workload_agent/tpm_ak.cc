#include "services/workload_agent/tpm_ak.h"

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/crypto/keys.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/tpm_context.h"

namespace twi::agent {
namespace {

constexpr std::size_t kCoordinate = 32;     // P-256
constexpr std::chrono::seconds kLimit(60);  // for all commands: some TPMs take half a minute to make a key

absl::StatusOr<std::unique_ptr<TpmContext>> OpenTpm(const std::string& tcti) {
  return TpmContext::Open(tcti, std::chrono::steady_clock::now() + kLimit);
}

// TPM 2.0 Library, Part 1, 25.1.6 (restricted signing key) and Part 2, 8.3 (attributes).
TPM2B_PUBLIC AkTemplate() {
  TPM2B_PUBLIC key = {};
  key.publicArea.type = TPM2_ALG_ECC;
  key.publicArea.nameAlg = TPM2_ALG_SHA256;
  key.publicArea.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM |
                                    TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  TPMS_ECC_PARMS& ecc = key.publicArea.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = TPM2_ALG_ECDSA;
  ecc.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return key;
}

std::string Padded(const TPM2B_ECC_PARAMETER& coordinate) {
  const std::string bytes(reinterpret_cast<const char*>(coordinate.buffer), coordinate.size);
  return bytes.size() < kCoordinate ? std::string(kCoordinate - bytes.size(), '\0') + bytes : bytes;
}

absl::StatusOr<TpmAk> ToAk(const TPM2B_PUBLIC& key) {
  TpmAk ak;
  TWI_ASSIGN_OR_RETURN(ak.tpmt_public, MarshalPublic(key));
  const TPMT_PUBLIC& area = key.publicArea;
  if (area.type == TPM2_ALG_ECC && area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256) {
    TWI_ASSIGN_OR_RETURN(
        const crypto::PublicKey spki,
        crypto::PublicKey::FromEcPoint(crypto::KeyType::kP256, Padded(area.unique.ecc.x), Padded(area.unique.ecc.y)));
    ak.spki_der = spki.spki();
    return ak;
  }
  if (area.type == TPM2_ALG_RSA) {
    const TPM2B_PUBLIC_KEY_RSA& n = area.unique.rsa;
    const std::uint32_t e =
        area.parameters.rsaDetail.exponent == 0 ? 65537 : area.parameters.rsaDetail.exponent;  // Part 2, 12.2.3.5
    std::string exponent;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const char byte = static_cast<char>(e >> shift);
      if (byte != 0 || !exponent.empty()) exponent.push_back(byte);
    }
    TWI_ASSIGN_OR_RETURN(
        const crypto::PublicKey spki,
        crypto::PublicKey::FromRsa(absl::string_view(reinterpret_cast<const char*>(n.buffer), n.size), exponent));
    ak.spki_der = spki.spki();
    return ak;
  }
  return Deny(v1::DENY_REASON_ATTESTER_FAILED,
              absl::StrFormat("TPM: AK of type 0x%x, expected ECC P-256 or RSA", area.type));
}

}  // namespace

absl::StatusOr<TpmAk> CreateTpmAk(const std::string& tcti, std::uint32_t handle) {
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<TpmContext> tpm, OpenTpm(tcti));
  const TPM2B_SENSITIVE_CREATE sensitive = {};
  const TPM2B_PUBLIC in_public = AkTemplate();
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION no_pcrs = {};
  ESYS_TR primary = ESYS_TR_NONE, persistent = ESYS_TR_NONE;
  TPM2B_PUBLIC* out_public = nullptr;
  TWI_RETURN_IF_ERROR(tpm->StatusOf(
      Esys_CreatePrimary(tpm->esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                         &in_public, &outside, &no_pcrs, &primary, &out_public, nullptr, nullptr, nullptr),
      "TPM2_CreatePrimary"));
  const EsysPtr<TPM2B_PUBLIC> owned(out_public);
  const absl::Status kept = tpm->StatusOf(Esys_EvictControl(tpm->esys(), ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD,
                                                            ESYS_TR_NONE, ESYS_TR_NONE, handle, &persistent),
                                          absl::StrFormat("TPM2_EvictControl to 0x%x", handle));
  // The transient copy would fill a TPM without a resource manager after three of them.
  TWI_RETURN_IF_ERROR(tpm->StatusOf(Esys_FlushContext(tpm->esys(), primary), "TPM2_FlushContext"));
  TWI_RETURN_IF_ERROR(kept);
  TWI_RETURN_IF_ERROR(tpm->StatusOf(Esys_TR_Close(tpm->esys(), &persistent), "Esys_TR_Close"));
  return ToAk(*owned);
}

absl::StatusOr<TpmAk> ReadTpmAk(const std::string& tcti, std::uint32_t handle) {
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<TpmContext> tpm, OpenTpm(tcti));
  ESYS_TR ak = ESYS_TR_NONE;
  TWI_RETURN_IF_ERROR(
      tpm->StatusOf(Esys_TR_FromTPMPublic(tpm->esys(), handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ak),
                    absl::StrFormat("AK 0x%x", handle)));
  TPM2B_PUBLIC* out_public = nullptr;
  const TSS2_RC rc =
      Esys_ReadPublic(tpm->esys(), ak, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &out_public, nullptr, nullptr);
  const EsysPtr<TPM2B_PUBLIC> owned(out_public);
  TWI_RETURN_IF_ERROR(tpm->StatusOf(rc, "TPM2_ReadPublic"));
  return ToAk(*owned);
}

}  // namespace twi::agent
