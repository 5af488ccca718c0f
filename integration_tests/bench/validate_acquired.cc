#include "integration_tests/bench/validate_acquired.h"

#include <utility>

#include "common/attestation_results/attestation_results.h"
#include "common/jose/jws.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

using nlohmann::json;

absl::Status Expect(bool holds, absl::string_view what) { return holds ? absl::OkStatus() : absl::DataLossError(what); }

absl::StatusOr<v1::WorkloadCredential> CredentialInResults(const std::string& jws, const Expected& expected) {
  ResultsExpectation expectation;
  expectation.audience = expected.rp_id;
  expectation.issuer = expected.verifier_issuer;
  expectation.now = expected.now;
  TWI_ASSIGN_OR_RETURN(const AttestationResults results, ValidateResults(jws, expected.verifier_keys, expectation));
  TWI_RETURN_IF_ERROR(Expect(results.workload_credential_json.has_value(), "the results contain no credential"));
  v1::WorkloadCredential credential;
  const auto parsed = google::protobuf::util::JsonStringToMessage(*results.workload_credential_json, &credential);
  TWI_RETURN_IF_ERROR(Expect(parsed.ok(), "the credential in the results does not parse"));
  return credential;
}

absl::Status ValidateWit(const std::string& token, absl::string_view key_spki, const Expected& expected) {
  jose::JwsExpectation expectation;
  expectation.typ = "wit+jwt";
  TWI_ASSIGN_OR_RETURN(const jose::VerifiedJws wit, jose::VerifyJws(token, expected.wit_keys, expectation));
  TWI_RETURN_IF_ERROR(Expect(wit.payload.value("sub", "") == expected.workload_identifier, "WIT: sub"));
  TWI_RETURN_IF_ERROR(Expect(wit.payload.value("exp", 0LL) > absl::ToUnixSeconds(expected.now), "WIT: exp"));
  const json confirmation = wit.payload.value("cnf", json::object()).value("jwk", json());
  TWI_ASSIGN_OR_RETURN(const jose::Jwk jwk, jose::JwkFromJson(confirmation));
  return Expect(jwk.key.spki() == key_spki, "WIT: cnf.jwk is another key");
}

}  // namespace

void FetchTrustBundle(Connections& connections, Expected& expected) {
  const auto bundle = OrFail(connections.credential_authority->GetTrustBundle(SystemClock().Now() + absl::Seconds(10)),
                             "GetTrustBundle");
  for (const std::string& der : bundle.x509_bundle())
    expected.anchors.push_back(OrFail(crypto::ParseCertificate(der), "trust bundle"));
  const json parsed = OrFail(jose::ParseJson(bundle.jwks(), 1 << 20), "trust bundle JWKS");
  for (const json& key : parsed.at("keys")) {
    if (key.value("use", "") == "wit-svid") expected.wit_keys.keys.push_back(OrFail(jose::JwkFromJson(key), "WIT key"));
  }
}

absl::Status ValidateCredential(const v1::WorkloadCredential& credential, absl::string_view key_spki,
                                const Expected& expected) {
  TWI_RETURN_IF_ERROR(Expect(credential.x509_chain_size() > 0, "no certificate"));
  std::vector<crypto::Certificate> chain;
  for (const std::string& der : credential.x509_chain()) {
    TWI_ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::ParseCertificate(der));
    chain.push_back(std::move(certificate));
  }
  const crypto::Certificate leaf = chain.front();
  chain.erase(chain.begin());
  crypto::PathOptions options;
  options.now = expected.now;
  TWI_RETURN_IF_ERROR(crypto::BuildPath(leaf, chain, expected.anchors, options).status());
  TWI_RETURN_IF_ERROR(Expect(leaf.public_key.spki() == key_spki, "the leaf carries another key"));
  TWI_RETURN_IF_ERROR(
      Expect(leaf.uri_sans == std::vector<std::string>{expected.workload_identifier}, "the leaf's URI SAN"));
  TWI_RETURN_IF_ERROR(Expect(!leaf.is_ca, "the leaf is a CA"));
  if (!expected.wit) return Expect(credential.wit().empty(), "a WIT that nobody asked for");
  return ValidateWit(credential.wit(), key_spki, expected);
}

absl::Status ValidateAcquired(Mechanism mechanism, const Acquired& acquired, const Expected& expected) {
  if (mechanism == Mechanism::kD)
    return Expect(acquired.key_spki == expected.provisioned_spki, "another key was released than the provisioned one");
  if (mechanism != Mechanism::kA) return ValidateCredential(acquired.credential, acquired.key_spki, expected);
  TWI_ASSIGN_OR_RETURN(const v1::WorkloadCredential credential,
                       CredentialInResults(acquired.attestation_results, expected));
  return ValidateCredential(credential, acquired.key_spki, expected);
}

}  // namespace twi::bench
