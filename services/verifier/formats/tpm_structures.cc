#include "services/verifier/formats/tpm_structures.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/tpm_reader.h"

namespace twi::verifier {
namespace {

constexpr std::uint32_t kTpmGenerated = 0xff544347;  // TPM_GENERATED_VALUE, Part 2, 6.2
constexpr std::uint16_t kTpmStAttestQuote = 0x8018;  // Part 2, 6.9
constexpr std::uint16_t kTpmAlgEcdaa = 0x001a;
constexpr std::uint16_t kTpmAlgRsaes = 0x0015;
constexpr std::uint16_t kTpmEccNistP256 = 0x0003;
constexpr std::uint16_t kTpmEccNistP384 = 0x0004;
constexpr std::uint32_t kRsaDefaultExponent = 65537;  // Part 2, 12.2.3.5: zero stands for it
constexpr std::size_t kMaxAttest = 4096;
constexpr std::size_t kMaxStructure = 1024;
constexpr std::size_t kMaxName = 2 + 64;  // TPMU_NAME: algorithm and the largest digest
constexpr std::size_t kMaxDigest = 64;
constexpr std::size_t kMaxData = 2 + 64;  // TPM2B_DATA: as TPMT_HA
constexpr std::size_t kMaxRsa = 512;
constexpr std::size_t kMaxEcc = 66;
constexpr std::uint32_t kMaxBanks = 16;  // HASH_COUNT

constexpr TpmHash kHashes[] = {
    {kTpmAlgSha1, "sha1", crypto::HashAlgorithm::kSha1, 20},
    {kTpmAlgSha256, "sha256", crypto::HashAlgorithm::kSha256, 32},
    {kTpmAlgSha384, "sha384", crypto::HashAlgorithm::kSha384, 48},
    {kTpmAlgSha512, "sha512", crypto::HashAlgorithm::kSha512, 64},
};

absl::Status Unsupported(absl::string_view what, std::uint32_t value) {
  return Deny(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, absl::StrFormat("%s 0x%x", what, value));
}

// TPML_PCR_SELECTION (Part 2, 10.9.7). A bank with no PCR set is allowed (TPMs return those) and left out.
std::vector<PcrSelection> ReadSelection(TpmReader* reader) {
  std::vector<PcrSelection> selection;
  const std::uint32_t count = reader->U32("pcrSelect.count");
  if (count > kMaxBanks) reader->Fail(absl::StrCat("pcrSelect.count: ", count, ", at most ", kMaxBanks));
  std::vector<std::uint16_t> seen;
  for (std::uint32_t i = 0; i < count && reader->ok(); ++i) {
    PcrSelection bank;
    bank.hash = reader->U16("pcrSelect.hash");
    const std::size_t size = reader->U8("pcrSelect.sizeofSelect");
    if (size > 4) reader->Fail(absl::StrCat("pcrSelect.sizeofSelect: ", size, ", at most 4"));
    const absl::string_view bits = reader->Bytes(size, "pcrSelect.pcrSelect");
    for (const std::uint16_t other : seen) {
      if (other == bank.hash) reader->Fail("pcrSelect: a bank twice");
    }
    seen.push_back(bank.hash);
    for (std::uint32_t index = 0; index < bits.size() * 8; ++index) {
      if ((static_cast<std::uint8_t>(bits[index / 8]) >> (index % 8) & 1) == 0) continue;
      if (index >= kTpmPcrCount) reader->Fail(absl::StrCat("pcrSelect: PCR ", index));
      bank.indexes.push_back(index);
    }
    if (!bank.indexes.empty()) selection.push_back(std::move(bank));
  }
  return selection;
}

// TPMT_RSA_SCHEME, TPMT_ECC_SCHEME (Part 2, 11.2.4.2 and 11.2.5.6): what follows depends on the algorithm.
void ReadScheme(TpmReader* reader, TpmPublic* out) {
  out->scheme = reader->U16("scheme");
  if (out->scheme == kTpmAlgNull || out->scheme == kTpmAlgRsaes) return;
  out->scheme_hash = reader->U16("scheme.hash");
  if (out->scheme == kTpmAlgEcdaa) reader->U16("scheme.count");
}

// Left pads a big-endian integer to `size` bytes; empty when it does not fit.
std::optional<std::string> Padded(absl::string_view integer, std::size_t size) {
  while (integer.size() > size && integer.front() == '\0') integer.remove_prefix(1);
  if (integer.empty() || integer.size() > size) return std::nullopt;
  return absl::StrCat(std::string(size - integer.size(), '\0'), integer);
}

}  // namespace

const TpmHash* FindTpmHash(std::uint16_t id) {
  for (const TpmHash& hash : kHashes) {
    if (hash.id == id) return &hash;
  }
  return nullptr;
}

absl::StatusOr<TpmQuote> ParseTpmQuote(absl::string_view bytes) {
  if (bytes.size() > kMaxAttest)
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("TPMS_ATTEST: ", bytes.size(), " bytes"));
  TpmReader reader(bytes, ByteOrder::kBigEndian);
  const std::uint32_t magic = reader.U32("magic");
  const std::uint16_t type = reader.U16("type");
  TWI_RETURN_IF_ERROR(reader.Check("TPMS_ATTEST"));
  if (magic != kTpmGenerated)
    return Deny(v1::DENY_REASON_EVIDENCE_WRONG_TYPE, absl::StrFormat("TPMS_ATTEST: magic %08x, not ff544347", magic));
  if (type != kTpmStAttestQuote)
    return Deny(v1::DENY_REASON_EVIDENCE_WRONG_TYPE, absl::StrFormat("TPMS_ATTEST: type %04x, not 8018 (quote)", type));
  TpmQuote quote;
  quote.qualified_signer = std::string(reader.Sized(kMaxName, "qualifiedSigner"));
  quote.extra_data = std::string(reader.Sized(kMaxData, "extraData"));
  quote.clock = reader.U64("clockInfo.clock");
  quote.reset_count = reader.U32("clockInfo.resetCount");
  quote.restart_count = reader.U32("clockInfo.restartCount");
  const std::uint8_t safe = reader.U8("clockInfo.safe");
  if (safe > 1) reader.Fail("clockInfo.safe: not a TPMI_YES_NO");
  quote.safe = safe == 1;
  quote.firmware_version = reader.U64("firmwareVersion");
  quote.selection = ReadSelection(&reader);
  quote.pcr_digest = std::string(reader.Sized(kMaxDigest, "pcrDigest"));
  TWI_RETURN_IF_ERROR(reader.CheckWhole("TPMS_ATTEST"));
  return quote;
}

absl::StatusOr<TpmSignature> ParseTpmSignature(absl::string_view bytes) {
  if (bytes.size() > kMaxStructure)
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("TPMT_SIGNATURE: ", bytes.size(), " bytes"));
  TpmReader reader(bytes, ByteOrder::kBigEndian);
  TpmSignature signature;
  signature.algorithm = reader.U16("sigAlg");
  TWI_RETURN_IF_ERROR(reader.Check("TPMT_SIGNATURE"));
  switch (signature.algorithm) {
    case kTpmAlgNull:
      return Deny(v1::DENY_REASON_EVIDENCE_UNSIGNED, "TPMT_SIGNATURE: sigAlg is TPM_ALG_NULL");
    case kTpmAlgRsassa:
    case kTpmAlgRsapss:
      signature.hash = reader.U16("hash");
      signature.rsa = std::string(reader.Sized(kMaxRsa, "sig"));
      break;
    case kTpmAlgEcdsa:
      signature.hash = reader.U16("hash");
      signature.r = std::string(reader.Sized(kMaxEcc, "signatureR"));
      signature.s = std::string(reader.Sized(kMaxEcc, "signatureS"));
      break;
    default:
      return Unsupported("TPMT_SIGNATURE: sigAlg", signature.algorithm);
  }
  TWI_RETURN_IF_ERROR(reader.CheckWhole("TPMT_SIGNATURE"));
  return signature;
}

absl::StatusOr<TpmPublic> ParseTpmPublic(absl::string_view bytes) {
  if (bytes.size() > kMaxStructure)
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("TPMT_PUBLIC: ", bytes.size(), " bytes"));
  // TPM2B_PUBLIC: a size that is exactly that of the rest. A TPMT_PUBLIC begins with its type, 1 or 0x23, which is no
  // size that a public area can have.
  if (bytes.size() > 2 && static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[0]) << 8 |
                                                   static_cast<std::uint8_t>(bytes[1])) == bytes.size() - 2) {
    bytes.remove_prefix(2);
  }
  TpmReader reader(bytes, ByteOrder::kBigEndian);
  TpmPublic out;
  out.bytes = std::string(bytes);
  out.type = reader.U16("type");
  TWI_RETURN_IF_ERROR(reader.Check("TPMT_PUBLIC"));
  if (out.type != kTpmAlgRsa && out.type != kTpmAlgEcc) return Unsupported("TPMT_PUBLIC: type", out.type);
  out.name_hash = reader.U16("nameAlg");
  out.attributes = reader.U32("objectAttributes");
  out.auth_policy = std::string(reader.Sized(kMaxDigest, "authPolicy"));
  if (reader.U16("symmetric") != kTpmAlgNull) {  // TPMT_SYM_DEF_OBJECT: storage keys only, an EK for one
    reader.U16("symmetric.keyBits");
    reader.U16("symmetric.mode");
  }
  ReadScheme(&reader, &out);
  if (out.type == kTpmAlgRsa) {
    out.rsa_bits = reader.U16("keyBits");
    out.rsa_exponent = reader.U32("exponent");
    if (out.rsa_exponent == 0) out.rsa_exponent = kRsaDefaultExponent;
    out.rsa_modulus = std::string(reader.Sized(kMaxRsa, "unique.rsa"));
    if (out.rsa_modulus.size() * 8 != out.rsa_bits) reader.Fail("unique.rsa: not of keyBits");
  } else {
    out.curve = reader.U16("curveID");
    if (reader.U16("kdf") != kTpmAlgNull) reader.U16("kdf.hash");
    out.x = std::string(reader.Sized(kMaxEcc, "unique.x"));
    out.y = std::string(reader.Sized(kMaxEcc, "unique.y"));
  }
  TWI_RETURN_IF_ERROR(reader.CheckWhole("TPMT_PUBLIC"));
  return out;
}

absl::StatusOr<crypto::PublicKey> TpmPublicKey(const TpmPublic& tpm_public) {
  if (tpm_public.type == kTpmAlgRsa) {
    if (tpm_public.rsa_bits < 2048)
      return Deny(v1::DENY_REASON_WEAK_ALGORITHM, absl::StrCat("RSA-", tpm_public.rsa_bits));
    std::string exponent;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const char byte = static_cast<char>(tpm_public.rsa_exponent >> shift);
      if (byte != 0 || !exponent.empty()) exponent.push_back(byte);
    }
    return crypto::PublicKey::FromRsa(tpm_public.rsa_modulus, exponent);
  }
  if (tpm_public.curve != kTpmEccNistP256 && tpm_public.curve != kTpmEccNistP384)
    return Unsupported("TPMT_PUBLIC: curveID", tpm_public.curve);
  const bool p256 = tpm_public.curve == kTpmEccNistP256;
  const std::optional<std::string> x = Padded(tpm_public.x, p256 ? 32 : 48);
  const std::optional<std::string> y = Padded(tpm_public.y, p256 ? 32 : 48);
  if (!x.has_value() || !y.has_value())
    return Deny(v1::DENY_REASON_KEY_MALFORMED, "TPMT_PUBLIC: a coordinate is not of the curve's size");
  return crypto::PublicKey::FromEcPoint(p256 ? crypto::KeyType::kP256 : crypto::KeyType::kP384, *x, *y);
}

absl::StatusOr<std::string> TpmName(const TpmPublic& tpm_public) {
  const TpmHash* hash = FindTpmHash(tpm_public.name_hash);
  if (hash == nullptr) return Unsupported("TPMT_PUBLIC: nameAlg", tpm_public.name_hash);
  const char algorithm[] = {static_cast<char>(hash->id >> 8), static_cast<char>(hash->id & 0xff)};
  return absl::StrCat(absl::string_view(algorithm, 2), crypto::Hash(hash->algorithm, tpm_public.bytes));
}

absl::Status VerifyTpmSignature(const crypto::PublicKey& key, const TpmSignature& signature,
                                absl::string_view message) {
  using crypto::KeyType;
  using crypto::SignatureAlgorithm;
  if (signature.hash == kTpmAlgSha1)
    return Deny(v1::DENY_REASON_WEAK_ALGORITHM, "the signature's hash is SHA-1, so it was not verified");
  const bool sha256 = signature.hash == kTpmAlgSha256;
  if (!sha256 && signature.hash != kTpmAlgSha384) return Unsupported("signature hash", signature.hash);
  SignatureAlgorithm algorithm;
  std::string value = signature.rsa;
  if (signature.algorithm == kTpmAlgEcdsa) {
    // The hash that goes with the curve; other pairs are legal in a TPM but nobody makes AKs so.
    const bool fits = sha256 ? key.type() == KeyType::kP256 : key.type() == KeyType::kP384;
    if (!fits) return Unsupported("ECDSA with this key and hash", signature.hash);
    algorithm = sha256 ? SignatureAlgorithm::kEcdsaP256Sha256Raw : SignatureAlgorithm::kEcdsaP384Sha384Raw;
    const std::optional<std::string> r = Padded(signature.r, sha256 ? 32 : 48);
    const std::optional<std::string> s = Padded(signature.s, sha256 ? 32 : 48);
    if (!r.has_value() || !s.has_value())
      return Deny(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "r or s is not of the curve's size");
    value = absl::StrCat(*r, *s);
  } else if (signature.algorithm == kTpmAlgRsassa) {
    algorithm = sha256 ? SignatureAlgorithm::kRsaPkcs1Sha256 : SignatureAlgorithm::kRsaPkcs1Sha384;
  } else if (signature.algorithm == kTpmAlgRsapss) {
    algorithm = sha256 ? SignatureAlgorithm::kRsaPssSha256 : SignatureAlgorithm::kRsaPssSha384;
  } else {
    return Unsupported("signature algorithm", signature.algorithm);
  }
  if (!key.Verify(algorithm, message, value).ok()) {
    return Deny(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "the attestation key did not sign these bytes");
  }
  return absl::OkStatus();
}

}  // namespace twi::verifier
