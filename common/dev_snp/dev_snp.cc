#include "common/dev_snp/dev_snp.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_builder.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

// AMD's certificate extensions (VCEK Certificate and KDS Interface Specification, 57230, table 8).
constexpr char kOidStructVersion[] = "1.3.6.1.4.1.3704.1.1";
constexpr char kOidProductName[] = "1.3.6.1.4.1.3704.1.2";
constexpr char kOidBlSpl[] = "1.3.6.1.4.1.3704.1.3.1";
constexpr char kOidTeeSpl[] = "1.3.6.1.4.1.3704.1.3.2";
constexpr char kOidSnpSpl[] = "1.3.6.1.4.1.3704.1.3.3";
constexpr char kOidReservedSpl4[] = "1.3.6.1.4.1.3704.1.3.4";
constexpr char kOidReservedSpl5[] = "1.3.6.1.4.1.3704.1.3.5";
constexpr char kOidReservedSpl6[] = "1.3.6.1.4.1.3704.1.3.6";
constexpr char kOidReservedSpl7[] = "1.3.6.1.4.1.3704.1.3.7";
constexpr char kOidUcodeSpl[] = "1.3.6.1.4.1.3704.1.3.8";
constexpr char kOidHwId[] = "1.3.6.1.4.1.3704.1.4";

constexpr char kProduct[] = "Milan-B0";
constexpr std::size_t kChipIdSize = 64;

absl::Status FileError(const std::string& path, absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("development SNP chain: ", path, ": ", what));
}

std::string DerInteger(std::uint8_t value) {
  std::string der = {2, 1};
  if (value >= 0x80) der = std::string("\x02\x02\x00", 3);  // a leading zero keeps it positive
  der.push_back(static_cast<char>(value));
  return der;
}

// The value of a DER INTEGER 0..255, as DerInteger writes it.
absl::StatusOr<std::uint8_t> SplOf(const crypto::Certificate& vcek, const char* oid) {
  const crypto::Extension* extension = vcek.Find(oid);
  if (extension != nullptr && extension->value.size() >= 3 &&
      extension->value == DerInteger(static_cast<std::uint8_t>(extension->value.back()))) {
    return static_cast<std::uint8_t>(extension->value.back());
  }
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("development SNP chain: VCEK has no SPL extension ", oid));
}

std::vector<crypto::Extension> VcekExtensions(const DevSnpTcb& tcb, const std::string& chip_id) {
  const auto extension = [](const char* oid, std::string value) {
    return crypto::Extension{oid, false, std::move(value)};
  };
  std::string product = {0x16, static_cast<char>(std::strlen(kProduct))};  // IA5String
  product += kProduct;
  return {extension(kOidStructVersion, DerInteger(0)),
          extension(kOidProductName, product),
          extension(kOidBlSpl, DerInteger(tcb.bl)),
          extension(kOidTeeSpl, DerInteger(tcb.tee)),
          extension(kOidReservedSpl4, DerInteger(0)),
          extension(kOidReservedSpl5, DerInteger(0)),
          extension(kOidReservedSpl6, DerInteger(0)),
          extension(kOidReservedSpl7, DerInteger(0)),
          extension(kOidSnpSpl, DerInteger(tcb.snp)),
          extension(kOidUcodeSpl, DerInteger(tcb.ucode)),
          extension(kOidHwId, chip_id)};  // raw octets, as Milan's VCEKs have them
}

crypto::CertificateTemplate Template(crypto::Random& random, absl::Time now, const std::string& issuer_der,
                                     const std::string& subject_der, const std::string& spki) {
  crypto::CertificateTemplate cert;
  cert.serial = random.Bytes(16);
  cert.serial[0] = static_cast<char>((cert.serial[0] & 0x3f) | 0x40);  // positive, not zero
  cert.issuer_der = issuer_der;
  cert.subject_der = subject_der;
  cert.not_before = now - absl::Hours(1);
  cert.not_after = now + absl::Hours(24 * 3650);
  cert.subject_spki = spki;
  return cert;
}

absl::Status WriteNewFile(const std::string& path, absl::string_view content, mode_t mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return FileError(path, std::strerror(errno));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  const bool good = done == content.size() && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  return good ? absl::OkStatus() : FileError(path, std::strerror(error));
}

absl::StatusOr<crypto::Certificate> ReadCertificate(const std::string& path) {
  TWI_ASSIGN_OR_RETURN(const std::string pem, config::ReadFile(path, {}));
  auto certificates = crypto::ParseCertificates(pem);
  if (!certificates.ok()) return FileError(path, certificates.status().message());
  if (certificates->size() != 1)
    return FileError(path, absl::StrCat("holds ", certificates->size(), " certificates, expected one"));
  return std::move((*certificates)[0]);
}

}  // namespace

DevSnpChain::DevSnpChain(crypto::PrivateKey vcek_key, std::string ark_der, std::string ask_der, std::string vcek_der,
                         std::string chip_id, DevSnpTcb tcb)
    : vcek_key_(std::move(vcek_key)),
      ark_der_(std::move(ark_der)),
      ask_der_(std::move(ask_der)),
      vcek_der_(std::move(vcek_der)),
      chip_id_(std::move(chip_id)),
      tcb_(tcb) {}

absl::StatusOr<DevSnpChain> DevSnpChain::Generate(absl::Time now, crypto::Random& random, const DevSnpTcb& tcb) {
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey ark_key, crypto::PrivateKey::Generate(crypto::KeyType::kRsa3072));
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey ask_key, crypto::PrivateKey::Generate(crypto::KeyType::kRsa3072));
  TWI_ASSIGN_OR_RETURN(crypto::PrivateKey vcek_key, crypto::PrivateKey::Generate(crypto::KeyType::kP384));
  const std::string ark_name = crypto::NameFromCommonName(kDevArkCommonName);
  const std::string ask_name = crypto::NameFromCommonName(kDevAskCommonName);
  const std::string ark_key_id = crypto::SubjectKeyId(ark_key.public_key().spki());

  crypto::CertificateTemplate ark = Template(random, now, ark_name, ark_name, ark_key.public_key().spki());
  ark.is_ca = true;
  ark.key_usage = crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign;
  TWI_ASSIGN_OR_RETURN(std::string ark_der, crypto::SignCertificate(ark, ark_key, /*rsa_pss=*/true));

  crypto::CertificateTemplate ask = Template(random, now, ark_name, ask_name, ask_key.public_key().spki());
  ask.is_ca = true;
  ask.path_len = 0;
  ask.key_usage = crypto::kKeyUsageKeyCertSign;
  ask.authority_key_id = ark_key_id;
  TWI_ASSIGN_OR_RETURN(std::string ask_der, crypto::SignCertificate(ask, ark_key, /*rsa_pss=*/true));

  std::string chip_id = random.Bytes(kChipIdSize);
  // The subject is the one by which verifiers know a VCEK; that it is a development one is said by every name above it.
  crypto::CertificateTemplate vcek =
      Template(random, now, ask_name, crypto::NameFromCommonName("SEV-VCEK"), vcek_key.public_key().spki());
  vcek.key_usage = crypto::kKeyUsageDigitalSignature;
  vcek.extensions = VcekExtensions(tcb, chip_id);
  TWI_ASSIGN_OR_RETURN(std::string vcek_der, crypto::SignCertificate(vcek, ask_key, /*rsa_pss=*/true));
  return DevSnpChain(std::move(vcek_key), std::move(ark_der), std::move(ask_der), std::move(vcek_der),
                     std::move(chip_id), tcb);
}

absl::Status DevSnpChain::Write(const std::string& directory) const {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return FileError(directory, std::strerror(errno));
  TWI_RETURN_IF_ERROR(WriteNewFile(directory + "/vcek.key.pem", vcek_key_.ToPem().reveal(), 0600));
  TWI_RETURN_IF_ERROR(WriteNewFile(directory + "/ark.pem", crypto::CertificateToPem(ark_der_), 0644));
  TWI_RETURN_IF_ERROR(WriteNewFile(directory + "/ask.pem", crypto::CertificateToPem(ask_der_), 0644));
  return WriteNewFile(directory + "/vcek.pem", crypto::CertificateToPem(vcek_der_), 0644);
}

absl::StatusOr<DevSnpChain> DevSnpChain::Read(const std::string& directory) {
  TWI_ASSIGN_OR_RETURN(const crypto::Certificate ark, ReadCertificate(directory + "/ark.pem"));
  TWI_ASSIGN_OR_RETURN(const crypto::Certificate ask, ReadCertificate(directory + "/ask.pem"));
  TWI_ASSIGN_OR_RETURN(const crypto::Certificate vcek, ReadCertificate(directory + "/vcek.pem"));
  const std::string key_path = directory + "/vcek.key.pem";
  config::ReadFileOptions private_file;
  private_file.forbidden_mode = config::kPrivateFile;
  TWI_ASSIGN_OR_RETURN(std::string key_pem, config::ReadFile(key_path, private_file));
  auto key = crypto::PrivateKey::FromPem(SecretBytes::CopyOf(key_pem));
  Wipe(key_pem);
  if (!key.ok()) return FileError(key_path, key.status().message());
  if (key->type() != crypto::KeyType::kP384 || key->public_key() != vcek.public_key)
    return FileError(key_path, "is not the P-384 key of vcek.pem");
  const crypto::Extension* hwid = vcek.Find(kOidHwId);
  if (hwid == nullptr || hwid->value.size() != kChipIdSize)
    return FileError(directory + "/vcek.pem", "has no HWID extension of 64 bytes");
  DevSnpTcb tcb;
  TWI_ASSIGN_OR_RETURN(tcb.bl, SplOf(vcek, kOidBlSpl));
  TWI_ASSIGN_OR_RETURN(tcb.tee, SplOf(vcek, kOidTeeSpl));
  TWI_ASSIGN_OR_RETURN(tcb.snp, SplOf(vcek, kOidSnpSpl));
  TWI_ASSIGN_OR_RETURN(tcb.ucode, SplOf(vcek, kOidUcodeSpl));
  return DevSnpChain(*std::move(key), ark.der, ask.der, vcek.der, hwid->value, tcb);
}

}  // namespace twi
