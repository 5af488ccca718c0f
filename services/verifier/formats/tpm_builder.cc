#include "services/verifier/formats/tpm_builder.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/status/status_macros.h"

namespace twi::verifier {
namespace {

std::string BigEndian(std::uint64_t value, int size) {
  std::string out;
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  return out;
}

std::string Sized(absl::string_view bytes) { return absl::StrCat(BigEndian(bytes.size(), 2), bytes); }

}  // namespace

std::string WriteTpmQuote(const TpmQuote& quote) {
  std::string out = absl::StrCat(BigEndian(0xff544347, 4), BigEndian(0x8018, 2), Sized(quote.qualified_signer),
                                 Sized(quote.extra_data));
  absl::StrAppend(&out, BigEndian(quote.clock, 8), BigEndian(quote.reset_count, 4), BigEndian(quote.restart_count, 4),
                  BigEndian(quote.safe ? 1 : 0, 1), BigEndian(quote.firmware_version, 8),
                  BigEndian(quote.selection.size(), 4));
  for (const PcrSelection& bank : quote.selection) {
    std::string bits(3, '\0');
    for (const std::uint32_t index : bank.indexes)
      bits[index / 8] = static_cast<char>(bits[index / 8] | 1 << (index % 8));
    absl::StrAppend(&out, BigEndian(bank.hash, 2), BigEndian(bits.size(), 1), bits);
  }
  return absl::StrCat(out, Sized(quote.pcr_digest));
}

std::string WriteTpmSignature(const TpmSignature& signature) {
  const std::string head = absl::StrCat(BigEndian(signature.algorithm, 2), BigEndian(signature.hash, 2));
  if (signature.algorithm == kTpmAlgEcdsa) return absl::StrCat(head, Sized(signature.r), Sized(signature.s));
  return absl::StrCat(head, Sized(signature.rsa));
}

std::string WriteTpmPublic(const TpmPublic& area) {
  std::string out = absl::StrCat(BigEndian(area.type, 2), BigEndian(area.name_hash, 2), BigEndian(area.attributes, 4),
                                 Sized(area.auth_policy), BigEndian(kTpmAlgNull, 2), BigEndian(area.scheme, 2));
  if (area.scheme != kTpmAlgNull) absl::StrAppend(&out, BigEndian(area.scheme_hash, 2));
  if (area.type == kTpmAlgRsa)
    return absl::StrCat(out, BigEndian(area.rsa_bits, 2), BigEndian(area.rsa_exponent, 4), Sized(area.rsa_modulus));
  return absl::StrCat(out, BigEndian(area.curve, 2), BigEndian(kTpmAlgNull, 2), Sized(area.x), Sized(area.y));
}

TpmPublic AttestationKeyArea(const crypto::PublicKey& key) {
  TpmPublic area;
  area.name_hash = kTpmAlgSha256;
  area.attributes = kTpmaFixedTpm | 1u << 4 | 1u << 5 | 1u << 6 | kTpmaRestricted | kTpmaSign;
  area.scheme_hash = key.type() == crypto::KeyType::kP384 ? kTpmAlgSha384 : kTpmAlgSha256;
  if (key.type() == crypto::KeyType::kP256 || key.type() == crypto::KeyType::kP384) {
    area.type = kTpmAlgEcc;
    area.scheme = kTpmAlgEcdsa;
    area.curve = key.type() == crypto::KeyType::kP256 ? 3 : 4;
    area.x = key.ec_x();
    area.y = key.ec_y();
  } else {
    area.type = kTpmAlgRsa;
    area.scheme = kTpmAlgRsassa;
    area.rsa_bits = static_cast<std::uint16_t>(key.bits());
    area.rsa_modulus = key.rsa_modulus();  // exponent 0: 65537
  }
  area.bytes = WriteTpmPublic(area);
  return area;
}

absl::StatusOr<TpmSignature> SignAsTpm(const crypto::PrivateKey& ak, const TpmPublic& area, absl::string_view message) {
  using crypto::SignatureAlgorithm;
  const bool sha256 = area.scheme_hash == kTpmAlgSha256;
  TpmSignature signature;
  signature.algorithm = area.scheme;
  signature.hash = area.scheme_hash;
  if (area.scheme == kTpmAlgEcdsa) {
    TWI_ASSIGN_OR_RETURN(
        const std::string raw,
        ak.Sign(sha256 ? SignatureAlgorithm::kEcdsaP256Sha256Raw : SignatureAlgorithm::kEcdsaP384Sha384Raw, message));
    signature.r = raw.substr(0, raw.size() / 2);
    signature.s = raw.substr(raw.size() / 2);
  } else if (area.scheme == kTpmAlgRsapss) {
    TWI_ASSIGN_OR_RETURN(
        signature.rsa,
        ak.Sign(sha256 ? SignatureAlgorithm::kRsaPssSha256 : SignatureAlgorithm::kRsaPssSha384, message));
  } else {
    TWI_ASSIGN_OR_RETURN(
        signature.rsa,
        ak.Sign(sha256 ? SignatureAlgorithm::kRsaPkcs1Sha256 : SignatureAlgorithm::kRsaPkcs1Sha384, message));
  }
  return signature;
}

absl::Status SetQuote(const TpmQuote& quote, const crypto::PrivateKey& ak, const TpmPublic& area,
                      v1::TpmEvidence* evidence) {
  evidence->set_quote(WriteTpmQuote(quote));
  TWI_ASSIGN_OR_RETURN(const TpmSignature signature, SignAsTpm(ak, area, evidence->quote()));
  evidence->set_signature(WriteTpmSignature(signature));
  return absl::OkStatus();
}

absl::StatusOr<v1::TpmEvidence> BuildTpmEvidence(const crypto::PrivateKey& ak, absl::string_view extra_data,
                                                 const std::map<std::uint32_t, std::string>& pcrs, std::uint16_t bank) {
  const TpmPublic area = AttestationKeyArea(ak.public_key());
  v1::TpmEvidence evidence;
  evidence.set_ak_public(area.bytes);
  TpmQuote quote;
  TWI_ASSIGN_OR_RETURN(quote.qualified_signer, TpmName(area));
  quote.extra_data = std::string(extra_data);
  quote.clock = 1000;
  quote.reset_count = 3;
  quote.safe = true;
  quote.firmware_version = 0x2026010100000000;
  quote.selection.push_back({bank, {}});
  std::string concatenated;
  for (const auto& [index, value] : pcrs) {
    quote.selection[0].indexes.push_back(index);
    absl::StrAppend(&concatenated, value);
    v1::PcrValue* pcr = evidence.add_pcr_values();
    pcr->set_hash_algorithm(bank);
    pcr->set_index(index);
    pcr->set_value(value);
  }
  quote.pcr_digest = area.scheme_hash == kTpmAlgSha384 ? crypto::Sha384(concatenated) : crypto::Sha256(concatenated);
  TWI_RETURN_IF_ERROR(SetQuote(quote, ak, area, &evidence));
  return evidence;
}

}  // namespace twi::verifier
