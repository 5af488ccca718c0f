#include "services/twictl/inspect_jws.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "common/attestation_results/attestation_results.h"
#include "common/counter_signature/counter_signature.h"
#include "common/grant/grant.h"
#include "common/jose/jws.h"
#include "common/policy_signature/policy_signature.h"
#include "common/sealed_key/sealed_key.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/twictl/printable.h"

namespace twi::twictl {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxJws = 512 * 1024;

// The value at a JSON pointer as a person reads it, on one line; "?" when it is not there.
std::string Say(const json& claims, const char* pointer) {
  const json::json_pointer at(pointer);
  if (!claims.contains(at)) return "?";
  const json& value = claims.at(at);
  return Printable(value.is_string() ? value.get_ref<const std::string&>()
                                     : value.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string Time(const json& claims, const char* name) {
  if (!claims.contains(name) || !claims[name].is_number_integer()) return "?";
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(claims[name].get<std::int64_t>()),
                          absl::UTCTimeZone());
}

std::string Line(absl::string_view name, absl::string_view value) {
  return absl::StrCat("  ", name, std::string(name.size() < 14 ? 14 - name.size() : 1, ' '), value, "\n");
}

std::string ResultsInWords(const json& c) {
  return absl::StrCat(
      "Attestation Results: ", Say(c, "/iss"), " finds a workload ", Say(c, "/submods/workload/ear_status"), "\n",
      Line("software", absl::StrCat(Say(c, "/submods/workload/ear_verifier_claims/software/name"), " ",
                                    Say(c, "/submods/workload/ear_verifier_claims/software/version"), " by ",
                                    Say(c, "/submods/workload/ear_verifier_claims/software/vendor"))),
      Line("vector", Say(c, "/submods/workload/ear_trustworthiness_vector")),
      Line("appraised by", Say(c, "/submods/workload/ear_appraisal_policy_ids")),
      Line("for", absl::StrCat(Say(c, "/aud"), ", target ", Say(c, "/submods/workload/twi_binding/target"))),
      Line("key", Say(c, "/submods/workload/cnf/jwk")),
      Line("Evidence", Say(c, "/submods/workload/ear_attester_claims")),
      Line("credential", c.contains("twi_workload_credential") ? "inside (mechanism A)" : "none inside"));
}

std::string GrantInWords(const json& c) {
  return absl::StrCat(
      "grant: ", Say(c, "/iss"), " entitles ",
      c.contains("owner") ? Say(c, "/owner") : absl::StrCat("the key with SHA-256 ", Say(c, "/key_sha256")), "\n",
      Line("to be", Say(c, "/sub")), Line("claims", Say(c, "/claims")), Line("DNS names", Say(c, "/dns_names")),
      Line("for at most", absl::StrCat(Say(c, "/max_lifetime"), " s")),
      Line("by policy",
           absl::StrCat(Say(c, "/policy/name"), "@", Say(c, "/policy/version"), " of ", Say(c, "/policy/owner"))),
      Line("at", Say(c, "/aud")));
}

std::string WitInWords(const json& c) {
  return absl::StrCat("Workload Identity Token: ", Say(c, "/iss"), " says that its holder is ", Say(c, "/sub"), "\n",
                      Line("key", Say(c, "/cnf/jwk")));
}

std::string CounterSignatureInWords(const json& c) {
  return absl::StrCat("counter-signature: ", Say(c, "/iss"), " made the CSR with SHA-256 ", Say(c, "/csr_sha256"),
                      " for its key ", Say(c, "/key_id"), "\n", Line("owner", Say(c, "/owner")),
                      Line("target", Say(c, "/target")),
                      Line("policy", absl::StrCat("SHA-256 ", Say(c, "/release_policy_sha256"))));
}

std::string SealedKeyInWords(const json& c) {
  return absl::StrCat("sealed Credential Key: ", Say(c, "/iss"), " released key ", Say(c, "/key_id"), " for ",
                      Say(c, "/target"), "\n",
                      Line("opened by", "the encryption key that the Attestation Results name, alone"),
                      Line("results", absl::StrCat("SHA-256 ", Say(c, "/ar_sha256"))));
}

// Text of several lines, each marked as quoted: none of them can be taken for one of ours.
std::string Quoted(const json& text) {
  if (!text.is_string()) return "?";
  return absl::StrCat("  | ",
                      absl::StrReplaceAll(PrintableLines(text.get_ref<const std::string&>()), {{"\n", "\n  | "}}));
}

std::string PolicyInWords(const json& c) {
  return absl::StrCat("signed policy: ", Say(c, "/name"), "@", Say(c, "/version"), " of ", Say(c, "/owner"), "\n",
                      Line("SHA-256", Say(c, "/sha256")), "\n", Quoted(c.value("document", json())), "\n");
}

struct Kind {
  const char* typ;
  const char* name;
  std::string (*in_words)(const json& claims);
};

const Kind* KindOf(absl::string_view typ) {
  static const Kind kKinds[] = {{kEarTyp, "attestation-results", ResultsInWords},
                                {kGrantTyp, "grant", GrantInWords},
                                {"wit+jwt", "workload-identity-token", WitInWords},
                                {kCounterSignatureTyp, "counter-signature", CounterSignatureInWords},
                                {kSealedKeyTyp, "sealed-key", SealedKeyInWords},
                                {kPolicyTyp, "signed-policy", PolicyInWords}};
  const auto* const found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& kind) { return typ == kind.typ; });
  return found == std::end(kKinds) ? nullptr : found;
}

}  // namespace

bool LooksLikeJws(absl::string_view text) {
  int dots = 0;
  for (const char c : text) {
    if (c == '.') {
      ++dots;
    } else if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') {
      return false;
    }
  }
  return dots == 2 && text.size() > 10;
}

absl::StatusOr<Shown> InspectJws(absl::string_view jws, const jose::JwkSet* keys) {
  TWI_ASSIGN_OR_RETURN(const jose::VerifiedJws decoded, jose::InsecureDecodeJws(jws, kMaxJws));
  const json& claims = decoded.payload;
  Shown shown;
  std::string signature = "signature NOT verified: no --jwks was given";
  if (keys != nullptr) {
    jose::JwsExpectation expected;
    expected.typ = decoded.header.typ;
    expected.max_size = kMaxJws;
    const absl::Status verified = jose::VerifyJws(jws, *keys, expected).status();
    signature =
        verified.ok()
            ? absl::StrCat("signature valid under key ", decoded.header.kid, "; nothing else was judged")
            : absl::StrCat("signature REFUSED: ", DenyReasonName(DenyReasonOf(verified)), ": ", verified.message());
    if (!verified.ok()) shown.exit_code = kExitRefused;
  }
  const Kind* kind = KindOf(decoded.header.typ);
  shown.json = {{"kind", kind == nullptr ? "jws" : kind->name},
                {"signature", signature},
                {"signature_verified", keys != nullptr && shown.exit_code == kExitDone},
                {"header", {{"alg", decoded.header.alg}, {"kid", decoded.header.kid}, {"typ", decoded.header.typ}}},
                {"claims", claims}};
  shown.text = kind == nullptr
                   ? absl::StrCat("JWS of typ \"", Printable(decoded.header.typ), "\", which is none of TWI's\n",
                                  claims.dump(2, ' ', true, json::error_handler_t::replace), "\n")
                   : kind->in_words(claims);
  absl::StrAppend(&shown.text, Line("issued", Time(claims, "iat")),
                  Line("expires", claims.contains("exp") ? Time(claims, "exp") : "does not say"),
                  Line("id", Say(claims, "/jti")),
                  Line("signed", absl::StrCat(Printable(decoded.header.alg), ", key ", Printable(decoded.header.kid))),
                  "  ", Printable(signature), "\n");
  return shown;
}

}  // namespace twi::twictl
