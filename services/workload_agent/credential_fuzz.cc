// What the agent reads of a credential, by the first byte: J the claim of mechanism A, C a message of mechanisms B and
// C, W a WIT beside a good chain, B a bundle for WITs, P and T the files of mechanism D. Only the identity that the
// corpus' authority signed is ever accepted.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/crypto/hash.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "services/workload_agent/credential_json.h"
#include "services/workload_agent/provisioned_credential.h"
#include "services/workload_agent/validate_credential.h"

using namespace twi::agent;

namespace {

using twi::v1::WorkloadCredential;

// Of the corpus: the private keys are gone.
constexpr char kRoot[] = R"(-----BEGIN CERTIFICATE-----
MIIBZDCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAoMSYwJAYDVQQDDB1UV0kgZnV6
eiBjcmVkZW50aWFsIGF1dGhvcml0eTAgFw0yNTAxMDEwMDAwMDBaGA8yMDk5MDEw
MTAwMDAwMFowKDEmMCQGA1UEAwwdVFdJIGZ1enogY3JlZGVudGlhbCBhdXRob3Jp
dHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQDDWm1Sl/JUk/DTqYoeCez3q/A
Rzgz7zaQmr+E/+F0oSbYQmd/21+Nw7S6HVorXANECGt/WT0ZpQQY7tT+g8dVoyMw
ITAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNI
ADBFAiAHpTIBzkY69RyyI+NmQIbRnsjb3DB4Jpab5QYV0mn13QIhANhYKZvtrDkx
E2jXoPId8Yn/BBppyi2glDkgfkFALyqo
-----END CERTIFICATE-----
)";
constexpr char kCredentialKey[] = R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsHt68s+tdAoHfFK/afrHb3m0NSvk
fbutnjTvh3Axu6aPoj0O2VLGAJwIgQYfzW4zbTG14Skum8MxVl5VmLkkVQ==
-----END PUBLIC KEY-----
)";
constexpr char kLeaf[] = R"(-----BEGIN CERTIFICATE-----
MIIBVzCB/qADAgECAgJCQzAKBggqhkjOPQQDAjAoMSYwJAYDVQQDDB1UV0kgZnV6
eiBjcmVkZW50aWFsIGF1dGhvcml0eTAgFw0yNTAxMDEwMDAwMDBaGA8yMDk5MDEw
MTAwMDAwMFowADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLB7evLPrXQKB3xS
v2n6x295tDUr5H27rZ4074dwMbumj6I9DtlSxgCcCIEGH81uM20xteEpLpvDMVZe
VZi5JFWjPjA8MA4GA1UdDwEB/wQEAwIHgDAqBgNVHREBAf8EIDAehhxzcGlmZmU6
Ly9leGFtcGxlLm9yZy9wYXlyb2xsMAoGCCqGSM49BAMCA0gAMEUCIH7T4ZROiZst
XnsgaXQm0XYcnj0GUhovQicJRIm98o9TAiEAgXgUq0zA9DtCdx9WXfMEmsdcBcZp
Iie6FGSnmEjaPdA=
-----END CERTIFICATE-----
)";
constexpr char kWitBundle[] =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"IWwVmft6iwL86UdbeAhwl5fl5BkTM3oEpa5wlXkyET4","y":"Oyeg0clHqR1T3-P3hxmri8RMsO9_oOUk_cpZmyqqYEs","alg":"ES256","kid":"wit-1","use":"wit-svid"},{"use":"x509-svid","kty":"EC","x5c":["not read here"]}],"spiffe_sequence":1})";
// SHA-256 of the seeds that are accepted: a message, and a WIT.
constexpr char kMessage[] = "bd64fec44918bc94783b0dbd903e4664f07c1aa6375d5bac38be30ca07b35bcc";
constexpr char kWit[] = "ec6a3ac9a98279c00926a5cef273fecdceaa4d84afb672e4f2b03110d9fc9d86";

void Require(bool holds) {
  if (!holds) std::abort();
}

CredentialExpectation Expectation() {
  CredentialExpectation expectation;
  expectation.anchors = twi::crypto::ParseCertificates(kRoot).value();
  expectation.wit_bundle = kWitBundle;
  expectation.wit_required = true;
  expectation.now = absl::FromUnixSeconds(1780272000);  // 2026-06-01
  return expectation;
}

bool Accepts(const WorkloadCredential& credential) {
  static const auto* const key = new twi::crypto::PublicKey(twi::crypto::PublicKey::FromPem(kCredentialKey).value());
  static const auto* const expectation = new CredentialExpectation(Expectation());
  const auto facts = ValidateCredential(credential, *key, *expectation);
  if (!facts.ok()) return false;
  Require(facts->workload_identifier == "spiffe://example.org/payroll" && facts->serial == "4243");
  Require(facts->not_before <= expectation->now && expectation->now < facts->not_after);
  const auto end = EndOfWit(credential.wit());
  Require(end.ok() && facts->not_after <= *end);
  return true;
}

bool AcceptsWit(const std::string& wit) {
  static const auto* const leaf = new std::string(twi::crypto::ParseCertificates(kLeaf).value().front().der);
  WorkloadCredential credential;
  credential.add_x509_chain(*leaf);
  credential.set_wit(wit);
  EndOfWit(wit).status().IgnoreError();
  return Accepts(credential);
}

void CheckBundle(const std::string& text) {
  const auto keys = ParseWitBundle(text);
  if (!keys.ok()) return;
  Require(!keys->keys.empty());
  for (const twi::jose::Jwk& key : keys->keys) Require(key.use == "wit-svid");
}

void CheckPem(const std::string& pem) {
  const auto credential = CredentialFromPem(pem, "file");
  if (!credential.ok()) return;
  Require(credential->x509_chain_size() > 0);
  for (const std::string& der : credential->x509_chain()) Require(twi::crypto::ParseCertificate(der).ok());
}

void CheckWitText(const std::string& text) {
  const auto wit = WitFromText(text, "file");
  Require(!wit.ok() || (!wit->empty() && wit->size() <= text.size() && wit->back() != '\n'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string seed =
      twi::ToHex(twi::crypto::Sha256(absl::string_view(reinterpret_cast<const char*>(data), size)));
  WorkloadCredential message;
  switch (data[0]) {
    case 'J':
      if (const auto read = CredentialFromJson(rest); read.ok()) Accepts(*read);
      break;
    case 'C':
      if (message.ParseFromString(rest)) Require(Accepts(message) || seed != kMessage);
      break;
    case 'W':
      Require(AcceptsWit(rest) || seed != kWit);
      break;
    case 'B':
      CheckBundle(rest);
      break;
    case 'P':
      CheckPem(rest);
      break;
    case 'T':
      CheckWitText(rest);
      break;
    default:
      break;
  }
  return 0;
}
