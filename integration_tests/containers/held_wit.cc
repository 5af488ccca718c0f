#include "integration_tests/containers/held_wit.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/jose/json.h"
#include "common/jose/jwk.h"
#include "common/jose/jws.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace twi::containers {
namespace {

using nlohmann::json;

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(absl::StrCat("WIT: ", what)); }

absl::Status Wrong(absl::string_view where, const absl::Status& why) {
  return Wrong(absl::StrCat(where, DenyReasonName(DenyReasonOf(why)), ": ", why.message()));
}

// A SPIFFE bundle holds keys for certificates too, in a form that is not for JWS.
absl::StatusOr<jose::JwkSet> WitKeys(const std::string& bundle) {
  const absl::StatusOr<json> parsed = jose::ParseJson(bundle, bundle.size());
  if (!parsed.ok()) return Wrong("wit-bundle.json: ", parsed.status());
  if (!parsed->is_object() || !parsed->contains("keys") || !(*parsed)["keys"].is_array())
    return Wrong("wit-bundle.json: no array \"keys\"");
  json wanted = json::array();
  for (const json& key : (*parsed)["keys"])
    if (key.is_object() && key.contains("use") && key["use"] == "wit-svid") wanted.push_back(key);
  absl::StatusOr<jose::JwkSet> keys = jose::JwkSetFromJson(json{{"keys", wanted}});
  if (!keys.ok()) return Wrong("wit-bundle.json: ", keys.status());
  return keys;
}

}  // namespace

absl::StatusOr<absl::Time> VerifyHeldWit(const std::string& wit, const std::string& bundle,
                                         const crypto::PublicKey& key, const std::string& identifier) {
  TWI_ASSIGN_OR_RETURN(const jose::JwkSet keys, WitKeys(bundle));
  jose::JwsExpectation expectation;
  expectation.typ = "wit+jwt";
  const absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(wit, keys, expectation);
  if (!verified.ok()) return Wrong("", verified.status());
  const json& claims = verified->payload;
  if (!claims.contains("cnf") || !claims["cnf"].is_object() || !claims["cnf"].contains("jwk"))
    return Wrong("no cnf.jwk");
  const absl::StatusOr<jose::Jwk> confirmed = jose::JwkFromJson(claims["cnf"]["jwk"]);
  if (!confirmed.ok()) return Wrong("cnf.jwk: ", confirmed.status());
  if (!(confirmed->key == key)) return Wrong("cnf.jwk is not the workload's key");
  if (!claims.contains("sub") || claims["sub"] != identifier)
    return Wrong(absl::StrCat("sub is not the certificate's identifier ", identifier));
  if (!claims.contains("exp") || !claims["exp"].is_number_integer()) return Wrong("no whole-second exp");
  return absl::FromUnixSeconds(claims["exp"].get<std::int64_t>());
}

}  // namespace twi::containers
