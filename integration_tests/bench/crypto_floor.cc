#include "integration_tests/bench/crypto_floor.h"

#include <string>

#include "absl/time/clock.h"
#include "common/crypto/csr.h"
#include "common/crypto/hpke.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509_builder.h"
#include "common/encoding/encoding.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

using crypto::KeyType;
using crypto::PrivateKey;
using crypto::SignatureAlgorithm;

// Made once with OpenSSL (the library generates no RSA-2048): a public key and its RSASSA-PKCS1-v1_5 SHA-256 signature
// over "floor".
constexpr char kRsaSpki[] =
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100aca18bc45f03b2365d2b4e11921d8986c9"
    "84c059077c3f741c1140858676474d4472af70b07c70ceff8be90ce7607cecd4b6ddfbcf0735666437b563f0a8ce5d92db5f"
    "61207581d2109a4d9feae67eaace19b3844f18921ff0c5b9e1699d7c50cb34ac595da4bad24034eac721c781f113e0d1173f"
    "bb7f9959c3df0dfa4f752eef3d32d67a78f0d92586e115c3c35fb9de7738f836c6432c25068b4e3975af597133412c86a1b7"
    "7d90e2bb6aaed8cd0cae48f4b127a89987fc90c7b25f6506e63d9be2789f95e07641ba459f39d0b6b04112c79467a79292e1"
    "61effe0acb474df5aa291a55e91b8653f5dc9f97c89363cf02180913aa85d5c09147b4239ccf3d0203010001";
constexpr char kRsaSignature[] =
    "738f459e8c2b8e6b1dfbd690c62eff7982225d8c5c97c4263763e7603d9eacfe31b873cd750b6b96951062b9289433f9d934"
    "edfbc4554f91ce79b29dc7ea59e791fc3e63ffb2c55e58bbaf37bd6ff5fa9f1f82e4db91f2ed12d73af528c47c304fb76784"
    "0d635883ccf693032ed778a292f09abc449b1139a7ad42ec711783b8f84565ecf0bfc2ccc9a8a7255fc10127ee822ef18cb4"
    "64bb78ef3f5cf755dd93eb7f4683db126346b76eefb99c554d03f7311391657675d4152da6a14363c288908bf6b020b3c46f"
    "b075431e56ab1d9fc101c29d0bf279824d1b36ecbbea0665a1c301f1a21d8cd0e46bc4ef9e6a8e27fbd5ac5477227ce8a782"
    "75f17ff681a9";

const std::string& Message() {
  static const std::string message(672, 'm');  // the signed range of an SNP report
  return message;
}

double SignCost(const PrivateKey& key, SignatureAlgorithm algorithm) {
  return MedianCpuMicros([&] { return key.Sign(algorithm, Message()).status(); });
}

double VerifyCost(const PrivateKey& key, SignatureAlgorithm algorithm) {
  const std::string signature = OrFail(key.Sign(algorithm, Message()), "sign");
  return MedianCpuMicros([&] { return key.public_key().Verify(algorithm, Message(), signature); });
}

double RsaVerifyCost() {
  const auto key = OrFail(crypto::PublicKey::FromSpki(OrFail(FromHex(kRsaSpki), "hex")), "RSA-2048 key");
  const std::string signature = OrFail(FromHex(kRsaSignature), "hex");
  return MedianCpuMicros([&] { return key.Verify(SignatureAlgorithm::kRsaPkcs1Sha256, "floor", signature); });
}

double LeafCost(const PrivateKey& issuer, const PrivateKey& subject) {
  crypto::CertificateTemplate leaf;
  leaf.serial = std::string(16, '\x11');
  leaf.issuer_der = crypto::NameFromCommonName("TWI Credential Authority of example.org");
  leaf.subject_der = crypto::EmptyName();
  leaf.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  leaf.not_after = leaf.not_before + absl::Hours(1);
  leaf.subject_spki = subject.public_key().spki();
  leaf.key_usage = crypto::kKeyUsageDigitalSignature;
  leaf.extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
  leaf.uri_sans = {"spiffe://example.org/payroll/worker"};
  leaf.dns_sans = {"worker.payroll.example.org"};
  leaf.authority_key_id = crypto::SubjectKeyId(issuer.public_key().spki());
  leaf.extensions = {{"1.2.840.113556.1.8000.2554.31263.15442.40324.20075.35853.5975649.16229268", false,
                      std::string(80, 'c')}};  // claims, under their published name
  return MedianCpuMicros([&] { return crypto::SignCertificate(leaf, issuer).status(); });
}

}  // namespace

CryptoFloor MeasureCryptoFloor() {
  const PrivateKey p256 = OrFail(PrivateKey::Generate(KeyType::kP256), "P-256");
  const PrivateKey p384 = OrFail(PrivateKey::Generate(KeyType::kP384), "P-384");
  CryptoFloor f;
  f.p256_keygen = MedianCpuMicros([] { return PrivateKey::Generate(KeyType::kP256).status(); });
  f.p256_sign = SignCost(p256, SignatureAlgorithm::kEcdsaP256Sha256);
  f.p256_verify = VerifyCost(p256, SignatureAlgorithm::kEcdsaP256Sha256);
  f.p384_sign = SignCost(p384, SignatureAlgorithm::kEcdsaP384Sha384);
  f.p384_verify = VerifyCost(p384, SignatureAlgorithm::kEcdsaP384Sha384);
  f.rsa2048_verify = RsaVerifyCost();
  f.csr_make = MedianCpuMicros([&] { return crypto::MakeCsr(p256).status(); });
  const std::string csr = OrFail(crypto::MakeCsr(p256), "CSR");
  f.csr_verify = MedianCpuMicros([&] { return crypto::ParseAndVerifyCsr(csr).status(); });
  f.leaf = LeafCost(p256, OrFail(PrivateKey::Generate(KeyType::kP256), "P-256"));
  f.x25519_keygen = MedianCpuMicros([] { return crypto::HpkePrivateKey::Generate().status(); });
  const auto recipient = OrFail(crypto::HpkePrivateKey::Generate(), "X25519");
  const std::string plaintext(250, 'p');
  f.hpke_seal = MedianCpuMicros([&] { return crypto::HpkeSeal(recipient.spki(), "info", "aad", plaintext).status(); });
  const auto sealed = OrFail(crypto::HpkeSeal(recipient.spki(), "info", "aad", plaintext), "seal");
  f.hpke_open = MedianCpuMicros([&] { return recipient.Open(sealed, "info", "aad").status(); });
  return f;
}

nlohmann::ordered_json ToJson(const CryptoFloor& f) {
  return {{"p256_keygen", f.p256_keygen},  {"p256_sign", f.p256_sign},
          {"p256_verify", f.p256_verify},  {"p384_sign", f.p384_sign},
          {"p384_verify", f.p384_verify},  {"rsa2048_verify", f.rsa2048_verify},
          {"csr_make", f.csr_make},        {"csr_parse_and_pop_verify", f.csr_verify},
          {"leaf_build_and_sign", f.leaf}, {"x25519_keygen", f.x25519_keygen},
          {"hpke_seal_250", f.hpke_seal},  {"hpke_open_250", f.hpke_open}};
}

}  // namespace twi::bench
