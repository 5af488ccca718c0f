// bazel run -c opt //common/crypto:crypto_benchmark
#include "benchmark/benchmark.h"
#include "common/crypto/csr.h"
#include "common/crypto/hpke.h"
#include "common/crypto/x509_builder.h"

namespace twi::crypto {
namespace {

void BM_CsrParseAndVerify(benchmark::State& state) {
  const std::string der = *MakeCsr(*PrivateKey::Generate(KeyType::kP256));
  for (auto _ : state) benchmark::DoNotOptimize(ParseAndVerifyCsr(der).ok());
}
BENCHMARK(BM_CsrParseAndVerify);

void BM_LeafBuildAndSign(benchmark::State& state) {
  const PrivateKey issuer = *PrivateKey::Generate(KeyType::kP256);
  CertificateTemplate leaf;
  leaf.serial = std::string(16, '\x11');
  leaf.issuer_der = NameFromCommonName("issuer");
  leaf.subject_der = EmptyName();
  leaf.not_before = absl::FromUnixSeconds(1790000000);
  leaf.not_after = leaf.not_before + absl::Hours(1);
  leaf.subject_spki = PrivateKey::Generate(KeyType::kP256)->public_key().spki();
  leaf.key_usage = kKeyUsageDigitalSignature;
  leaf.extended_key_usage = {kEkuServerAuth, kEkuClientAuth};
  leaf.uri_sans = {"spiffe://example.org/workload"};
  leaf.authority_key_id = std::string(20, 'k');
  for (auto _ : state) benchmark::DoNotOptimize(SignCertificate(leaf, issuer).ok());
}
BENCHMARK(BM_LeafBuildAndSign);

void BM_P256Sign(benchmark::State& state) {
  const PrivateKey key = *PrivateKey::Generate(KeyType::kP256);
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(SignatureAlgorithm::kEcdsaP256Sha256, "message").ok());
}
BENCHMARK(BM_P256Sign);

void BM_P256Verify(benchmark::State& state) {
  const PrivateKey key = *PrivateKey::Generate(KeyType::kP256);
  const std::string signature = *key.Sign(SignatureAlgorithm::kEcdsaP256Sha256, "message");
  for (auto _ : state)
    benchmark::DoNotOptimize(key.public_key().Verify(SignatureAlgorithm::kEcdsaP256Sha256, "message", signature).ok());
}
BENCHMARK(BM_P256Verify);

void BM_HpkeSealOpen(benchmark::State& state) {
  const HpkePrivateKey key = *HpkePrivateKey::Generate();
  for (auto _ : state)
    benchmark::DoNotOptimize(key.Open(*HpkeSeal(key.spki(), "info", "aad", "0123456789abcdef"), "info", "aad").ok());
}
BENCHMARK(BM_HpkeSealOpen);

void BM_SecretBytes(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(SecretBytes(32).reveal().data());
}
BENCHMARK(BM_SecretBytes);

}  // namespace
}  // namespace twi::crypto

BENCHMARK_MAIN();
