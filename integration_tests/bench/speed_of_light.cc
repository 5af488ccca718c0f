#include "integration_tests/bench/speed_of_light.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace twi::bench {
namespace {

// E of section 3: SNP hot is one P-384 verify (the VCEK's path is remembered), TPM one verify by its P-256 AK.
std::pair<std::string, double> EvidenceCost(EvidenceKind evidence, const CryptoFloor& f) {
  if (evidence == EvidenceKind::kSnp) return {"verify SNP report (P-384)", f.p384_verify};
  return {"verify TPM quote (P-256)", f.p256_verify};
}

void Add(Composition& c, std::vector<std::pair<std::string, double>> parts) {
  for (auto& part : parts) c.parts.push_back(std::move(part));
}

// The grant on both sides, and the validation of the certificate after signing.
void AddIssuing(Composition& c, const CryptoFloor& f) {
  Add(c, {{"mapper verifies AR", f.p256_verify},
          {"sign grant", f.p256_sign},
          {"verify grant", f.p256_verify},
          {"read leaf back", f.p256_verify}});
}

}  // namespace

double Composition::total() const {
  double sum = 0;
  for (const auto& part : parts) sum += part.second;
  return sum;
}

std::string Composition::Text() const {
  std::string text;
  for (const auto& [what, us] : parts)
    absl::StrAppend(&text, text.empty() ? "" : " + ", what, absl::StrFormat(" %.1f", us));
  return text;
}

char Letter(Mechanism mechanism) { return static_cast<char>('A' + static_cast<int>(mechanism)); }

Composition SolCrypto(Mechanism mechanism, EvidenceKind evidence, const CryptoFloor& f) {
  Composition c;
  Add(c, {EvidenceCost(evidence, f), {"sign EAR", f.p256_sign}});
  if (mechanism == Mechanism::kD) {
    Add(c, {{"verify EAR", f.p256_verify}, {"HPKE seal", f.hpke_seal}});
    return c;
  }
  if (mechanism != Mechanism::kA) Add(c, {{"verify EAR", f.p256_verify}});
  Add(c, {{"verify PoP", f.p256_verify}, {"sign certificate", f.p256_sign}});
  return c;
}

Composition SolRpc(Mechanism mechanism, const RpcSetup& rpc) {
  const double hop = rpc.hop_like.server_us + rpc.hop_like.client_us;
  Composition c;
  Add(c, {{"nonce", rpc.nonce.server_us}, {"request", rpc.request.server_us}});
  switch (mechanism) {
    case Mechanism::kA:
      Add(c, {{"hop to mapper", hop}, {"hop to authority", hop}});
      break;
    case Mechanism::kB:
      Add(c, {{"second request", rpc.request.server_us}, {"hop to mapper", hop}});
      break;
    case Mechanism::kC:
      Add(c, {{"hop to verifier", hop}, {"hop to mapper", hop}});
      break;
    case Mechanism::kD:
      Add(c, {{"second request", rpc.request.server_us}});
      break;
  }
  return c;
}

Composition ArchitectureCrypto(Mechanism mechanism, EvidenceKind evidence, const CryptoFloor& f) {
  Composition c = SolCrypto(mechanism, evidence, f);
  if (mechanism == Mechanism::kD) {
    Add(c, {{"sign sealed key", f.p256_sign}});
    return c;
  }
  if (mechanism == Mechanism::kA)
    Add(c, {{"authority verifies AR", f.p256_verify}, {"sign AR with credential", f.p256_sign}});
  if (mechanism == Mechanism::kC) Add(c, {{"HPKE open Evidence", f.hpke_open}});
  AddIssuing(c, f);
  return c;
}

Composition IssueFloor(bool wit, const Floors& floors) {
  const CryptoFloor& f = floors.crypto;
  Composition c;
  Add(c, {{"CSR parse + PoP", f.csr_verify},
          {"verify AR", f.p256_verify},
          {"verify grant", f.p256_verify},
          {"leaf build + sign", f.leaf},
          {"read leaf back", f.p256_verify}});
  if (wit) Add(c, {{"sign WIT", f.p256_sign}, {"read WIT back", f.p256_verify}});
  Add(c, {{"RPC 4 KB/2 KB", floors.rpc.bare.hop_like.server_us}});
  return c;
}

}  // namespace twi::bench
