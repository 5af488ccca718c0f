#include "services/twictl/trust_bundle.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/client/credential_authority_client.h"
#include "common/crypto/x509.h"
#include "common/status/status_macros.h"
#include "services/twictl/connection.h"

namespace twi::twictl {
namespace {

constexpr char kSummary[] = "fetch the Credential Authority's trust bundle";

std::vector<FlagSpec> Specs() {
  std::vector<FlagSpec> specs = ConnectionFlags();
  specs.push_back({"--out", "FILE", "PEM certificates: the anchors of Workload Credentials", false, true});
  specs.push_back({"--jwks", "FILE", "SPIFFE bundle as JSON: x509-svid and wit-svid keys"});
  return specs;
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file.good() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrCat(path, ": cannot be written"));
}

absl::StatusOr<int> Fetch(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connect(flags));
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer peer,
                       NeedPeer(connection->config.has_credential_authority(),
                                connection->config.credential_authority(), "credential_authority"));
  TWI_ASSIGN_OR_RETURN(const auto client,
                       client::MakeCredentialAuthorityClient(peer, *connection->identity, connection->clock));
  TWI_ASSIGN_OR_RETURN(const v1::GetTrustBundleResponse bundle, client->GetTrustBundle(connection->deadline));
  std::string pem;
  for (const std::string& der : bundle.x509_bundle()) {
    TWI_RETURN_IF_ERROR(crypto::ParseCertificate(der).status());
    pem += crypto::CertificateToPem(der);
  }
  TWI_RETURN_IF_ERROR(WriteFile(flags.Get("--out"), pem));
  if (flags.Has("--jwks")) TWI_RETURN_IF_ERROR(WriteFile(flags.Get("--jwks"), bundle.jwks()));
  return bundle.x509_bundle_size();
}

}  // namespace

int RunTrustBundle(const Args& args) {
  if (!args.words.empty() && args.words[0] == "--help") {
    args.out << Usage("trust-bundle", kSummary, Specs());
    return kExitDone;
  }
  const absl::StatusOr<Flags> flags = Flags::Parse(Specs(), args.words);
  if (!flags.ok()) {
    args.err << "twictl trust-bundle: " << flags.status().message() << "\n\n"
             << Usage("trust-bundle", kSummary, Specs());
    return kExitUsage;
  }
  const absl::StatusOr<bool> json = WantsJson(*flags);
  if (!json.ok()) return ShowRefusal(args, "trust-bundle", false, json.status());
  const absl::StatusOr<int> count = Fetch(*flags);
  if (!count.ok()) return ShowRefusal(args, "trust-bundle", *json, count.status());
  if (*json) {
    args.out << "{\"anchors\": " << *count << "}\n";
  } else {
    args.out << "wrote " << *count << " anchor(s) to " << flags->Get("--out") << "\n";
  }
  return kExitDone;
}

}  // namespace twi::twictl
