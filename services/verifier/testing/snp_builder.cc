#include "services/verifier/testing/snp_builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/crypto/x509_builder.h"
#include "services/verifier/formats/snp_endorsement.h"

namespace twi::verifier::testing {
namespace {

constexpr char kEcdsaWithSha384[] = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";  // AlgorithmIdentifier

std::string Der(char tag, const std::string& content) {
  std::string out(1, tag);
  if (content.size() < 0x80) {
    out += static_cast<char>(content.size());
  } else if (content.size() < 0x100) {
    out += '\x81';
    out += static_cast<char>(content.size());
  } else {
    out += '\x82';
    out += static_cast<char>(content.size() >> 8);
    out += static_cast<char>(content.size() & 0xff);
  }
  return out + content;
}

std::string UtcTime(absl::Time time) {
  return Der('\x17', absl::FormatTime("%y%m%d%H%M%SZ", time, absl::UTCTimeZone()));
}

absl::Time Date(int year) { return absl::FromCivil(absl::CivilDay(year, 1, 1), absl::UTCTimeZone()); }

crypto::Certificate Issue(const std::string& serial, const std::string& issuer_cn, const std::string& subject_cn,
                          const crypto::PublicKey& key, const crypto::PrivateKey& issuer_key, bool is_ca,
                          const std::vector<crypto::Extension>& extensions = {}, bool may_sign_crls = true) {
  crypto::CertificateTemplate cert;
  cert.serial = serial;
  cert.issuer_der = crypto::NameFromCommonName(issuer_cn);
  cert.subject_der = crypto::NameFromCommonName(subject_cn);
  cert.not_before = Date(2025);
  cert.not_after = Date(2035);
  cert.subject_spki = key.spki();
  cert.is_ca = is_ca;
  cert.key_usage = is_ca ? crypto::kKeyUsageKeyCertSign : crypto::kKeyUsageDigitalSignature;
  if (is_ca && may_sign_crls) cert.key_usage |= crypto::kKeyUsageCrlSign;
  cert.extensions = extensions;
  return crypto::ParseCertificate(crypto::SignCertificate(cert, issuer_key).value()).value();
}

// Milan and Genoa: bl 3, tee 0, snp 8, ucode 0xd1 (above 0x7f: INTEGER with a leading zero). Turin: fmc 1 besides.
std::string RawTcb(SnpProduct product) {
  return product == SnpProduct::kTurin ? std::string("\x01\x03\x00\x08\x00\x00\x00\xd1", 8)
                                       : std::string("\x03\x00\x00\x00\x00\x00\x08\xd1", 8);
}

std::string Hwid(SnpProduct product) { return std::string(product == SnpProduct::kTurin ? 8 : 64, 'h'); }

std::vector<crypto::Extension> Extensions(const SnpChainOptions& options) {
  const bool turin = options.product == SnpProduct::kTurin;
  std::map<std::string, std::string> values = {
      {"1", DerInteger(turin ? 1 : 0)},
      {"2", DerIa5String(SnpProductName(options.product) +
                         (options.product == SnpProduct::kMilan && !options.vlek ? "-B0" : ""))},
      {"3.1", DerInteger(3)},
      {"3.2", DerInteger(0)},
      {"3.3", DerInteger(8)},
      {"3.8", DerInteger(0xd1)}};
  if (turin) values["3.9"] = DerInteger(1);
  if (options.vlek) {
    values["5"] = DerIa5String("CN=csp.example");
  } else {
    values["4"] = Hwid(options.product);
  }
  for (const auto& [suffix, value] : options.override_extensions) values[suffix] = value;
  std::vector<crypto::Extension> extensions;
  for (const auto& [suffix, value] : values) {
    if (!value.empty()) extensions.push_back({absl::StrCat(kAmdOidPrefix, suffix), false, value});
  }
  return extensions;
}

std::string IssuerName(const SnpChainOptions& options) {
  if (!options.issuer_common_name.empty()) return options.issuer_common_name;
  return absl::StrCat(options.vlek ? "SEV-VLEK-" : "SEV-", SnpProductName(options.product));
}

std::string ArkName(const SnpChainOptions& options) {
  return options.root_common_name.empty() ? absl::StrCat("ARK-", SnpProductName(options.product))
                                          : options.root_common_name;
}

}  // namespace

absl::Time TestTime() { return absl::FromCivil(absl::CivilDay(2026, 6, 1), absl::UTCTimeZone()); }

std::string DerInteger(int value) {
  std::string content(1, static_cast<char>(value));
  if (value >= 0x80) content.insert(0, 1, '\0');
  return Der('\x02', content);
}

std::string DerIa5String(const std::string& text) { return Der('\x16', text); }

SnpChain::SnpChain(const SnpChainOptions& options)
    : options_(options),
      ark_key_(crypto::PrivateKey::Generate(crypto::KeyType::kP384).value()),
      ask_key_(crypto::PrivateKey::Generate(crypto::KeyType::kP384).value()),
      leaf_key_(crypto::PrivateKey::Generate(options.leaf_key).value()),
      ark_(Issue("\x01", ArkName(options), ArkName(options), ark_key_.public_key(), ark_key_, true, {},
                 options.ark_may_sign_crls)),
      ask_(Issue("\x02", ArkName(options), IssuerName(options), ask_key_.public_key(), ark_key_, true)),
      leaf_(Issue("\x03", IssuerName(options), options.vlek ? "SEV-VLEK" : "SEV-VCEK", leaf_key_.public_key(), ask_key_,
                  false, Extensions(options))) {}

std::string SnpChain::Report(std::uint32_t version) const {
  std::string report(kSnpReportSize, '\0');
  const auto put = [&report](std::size_t offset, const std::string& bytes) {
    report.replace(offset, bytes.size(), bytes);
  };
  put(0x00, std::string(1, static_cast<char>(version)));
  put(0x0a, std::string(1, '\x03'));  // policy 0x30000: SMT and the reserved one
  put(0x34, std::string(1, '\x01'));
  put(0x48, std::string(1, options_.vlek ? '\x04' : '\x00'));
  put(0x50, std::string(64, 'd'));
  put(0x90, std::string(48, 'm'));
  for (std::size_t offset : {0x38, 0x180, 0x1e0, 0x1f0}) put(offset, RawTcb(options_.product));
  if (version >= 3) {
    put(0x188, options_.product == SnpProduct::kMilan   ? std::string("\x19\x01\x01")
               : options_.product == SnpProduct::kGenoa ? std::string("\x19\x11\x01")
                                                        : std::string("\x1a\x02\x01"));
  }
  if (!options_.vlek) put(0x1a0, Hwid(options_.product));
  return Sign(std::move(report));
}

std::string SnpChain::Sign(std::string report) const {
  if (options_.leaf_key != crypto::KeyType::kP384) return report;
  const std::string raw =
      leaf_key_
          .Sign(crypto::SignatureAlgorithm::kEcdsaP384Sha384Raw, absl::string_view(report).substr(0, kSnpSignedSize))
          .value();
  for (int i = 0; i < 2; ++i) {
    std::string scalar = raw.substr(48 * i, 48);
    std::reverse(scalar.begin(), scalar.end());
    report.replace(kSnpSignedSize + 72 * i, 72, scalar + std::string(24, '\0'));
  }
  return report;
}

std::string SnpChain::With(std::string report, std::size_t offset, const std::string& bytes) const {
  report.replace(offset, bytes.size(), bytes);
  return Sign(std::move(report));
}

crypto::Crl SnpChain::ArkCrl(const std::vector<std::string>& revoked_serials, absl::Time this_update,
                             absl::Time next_update) const {
  const std::string algorithm(kEcdsaWithSha384, sizeof(kEcdsaWithSha384) - 1);
  std::string entries;
  for (const std::string& serial : revoked_serials) entries += Der('\x30', Der('\x02', serial) + UtcTime(this_update));
  std::string tbs = DerInteger(1) + algorithm + ark_.subject_der + UtcTime(this_update) + UtcTime(next_update);
  if (!entries.empty()) tbs += Der('\x30', entries);
  tbs = Der('\x30', tbs);
  const std::string signature = ark_key_.Sign(crypto::SignatureAlgorithm::kEcdsaP384Sha384, tbs).value();
  return crypto::ParseCrl(Der('\x30', tbs + algorithm + Der('\x03', std::string(1, '\0') + signature))).value();
}

v1::SnpEvidence SnpChain::Evidence(const std::string& report) const {
  v1::SnpEvidence evidence;
  evidence.set_report(report);
  evidence.add_certificates(leaf_.der);
  evidence.add_certificates(ask_.der);
  return evidence;
}

TrustStore SnpChain::PinnedByCertificate() const {
  TrustStore trust;
  trust.anchors.push_back(ark_);
  return trust;
}

TrustStore SnpChain::PinnedByHash() const {
  TrustStore trust;
  trust.anchor_sha256.insert(ark_.sha256());
  return trust;
}

}  // namespace twi::verifier::testing
