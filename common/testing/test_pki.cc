#include "common/testing/test_pki.h"

#include <cstdio>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/x509.h"

namespace twi::testing {
namespace {

constexpr char kCaName[] = "TWI test CA";
constexpr char kIntermediateName[] = "TWI test intermediate";

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "test PKI: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

crypto::PrivateKey NewKey() { return OrDie(crypto::PrivateKey::Generate(crypto::KeyType::kP256)); }

crypto::CertificateTemplate CaTemplate(absl::Time now, std::string serial, absl::string_view subject,
                                       const crypto::PrivateKey& key) {
  crypto::CertificateTemplate ca;
  ca.serial = std::move(serial);
  ca.issuer_der = crypto::NameFromCommonName(kCaName);
  ca.subject_der = crypto::NameFromCommonName(subject);
  ca.not_before = now - absl::Hours(24);
  ca.not_after = now + absl::Hours(240);
  ca.subject_spki = key.public_key().spki();
  ca.is_ca = true;
  ca.key_usage = crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign;
  return ca;
}

}  // namespace

TestPki::TestPki(absl::Time now) : now_(now), ca_key_(NewKey()), intermediate_key_(NewKey()) {
  ca_pem_ = crypto::CertificateToPem(
      OrDie(crypto::SignCertificate(CaTemplate(now_, NextSerial(), kCaName, ca_key_), ca_key_)));
  intermediate_pem_ = crypto::CertificateToPem(
      OrDie(crypto::SignCertificate(CaTemplate(now_, NextSerial(), kIntermediateName, intermediate_key_), ca_key_)));
}

std::string TestPki::NextSerial() {
  const int serial = serial_++;
  return std::string({'\x01', static_cast<char>(serial >> 8), static_cast<char>(serial & 0xFF)});
}

TestPki::Pair TestPki::Make(absl::string_view spiffe_id, const Options& options) {
  const crypto::PrivateKey key = NewKey();
  crypto::CertificateTemplate leaf;
  leaf.serial = NextSerial();
  leaf.subject_der = crypto::NameFromCommonName("test");
  leaf.issuer_der = options.self_signed
                        ? leaf.subject_der
                        : crypto::NameFromCommonName(options.by_intermediate ? kIntermediateName : kCaName);
  leaf.not_before = now_ + options.starts;
  leaf.not_after = now_ + options.ends;
  leaf.subject_spki = key.public_key().spki();
  leaf.is_ca = options.is_ca;
  leaf.key_usage =
      options.key_usage.value_or(options.is_ca ? crypto::kKeyUsageKeyCertSign : crypto::kKeyUsageDigitalSignature);
  leaf.extended_key_usage = options.extended_key_usage;
  leaf.uri_sans = options.uri_sans.has_value() ? *options.uri_sans : std::vector<std::string>{std::string(spiffe_id)};
  leaf.dns_sans = options.dns_sans;
  const crypto::PrivateKey& issuer = options.self_signed ? key : options.by_intermediate ? intermediate_key_ : ca_key_;
  const std::string pem = crypto::CertificateToPem(OrDie(crypto::SignCertificate(leaf, issuer)));
  return Pair{absl::StrCat(pem, options.by_intermediate ? intermediate_pem_ : ""), std::string(key.ToPem().reveal()),
              key.public_key().spki_sha256()};
}

config::v1::Tls TestPki::Issue(absl::string_view name, absl::string_view spiffe_id, const Options& options) {
  const Pair pair = Make(spiffe_id, options);
  config::v1::Tls tls;
  tls.set_key_file(dir_.Write(absl::StrCat(name, ".key"), pair.key_pem));
  tls.set_certificate_file(dir_.Write(absl::StrCat(name, ".crt"), pair.certificate_pem));
  tls.set_trust_bundle_file(dir_.Write("ca.crt", ca_pem_));
  return tls;
}

}  // namespace twi::testing
