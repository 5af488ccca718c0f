#include "services/twictl/dev_pki.h"

#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/random.h"
#include "common/crypto/x509_builder.h"
#include "common/dev_snp/dev_snp.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "services/twictl/output_files.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {
namespace {

using nlohmann::json;

constexpr char kSummary[] =
    "Makes a development PKI: a root, service and Workload Owner certificates, root keys, a development SNP chain. "
    "Overwrites nothing. Not for production.";

constexpr std::size_t kMaxCommonName = 64;  // RFC 5280, ub-common-name

struct Wanted {
  std::string out, trust_domain;
  std::vector<std::string> services, owners;
  absl::Duration lifetime;
};

absl::Status ValidateNames(const char* flag, const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const bool plain = !name.empty() && name.size() <= 64 &&
                       name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
    if (!plain || !seen.insert(name).second)
      return absl::InvalidArgumentError(absl::StrCat(flag, " ", name, ": expected names of a-z, 0-9 and -, each once"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Wanted> Read(const Flags& flags) {
  Wanted wanted;
  wanted.out = flags.Get("--out");
  wanted.trust_domain = flags.Get("--trust-domain", "example.org");
  wanted.services = flags.Has("--service")
                        ? flags.All("--service")
                        : std::vector<std::string>{"verifier", "claims-mapper", "credential-authority", "key-store"};
  wanted.owners = flags.Has("--owner") ? flags.All("--owner") : std::vector<std::string>{"payroll"};
  int days = 30;
  if (flags.Has("--days") && (!absl::SimpleAtoi(flags.Get("--days"), &days) || days < 1 || days > 365))
    return absl::InvalidArgumentError("--days: expected 1..365");
  wanted.lifetime = absl::Hours(24) * days;
  const absl::StatusOr<SpiffeId> id = ParseSpiffeId(absl::StrCat("spiffe://", wanted.trust_domain));
  if (!id.ok() || id->trust_domain != wanted.trust_domain)
    return absl::InvalidArgumentError("--trust-domain: expected a name like example.org");
  TWI_RETURN_IF_ERROR(ValidateNames("--service", wanted.services));
  TWI_RETURN_IF_ERROR(ValidateNames("--owner", wanted.owners));
  return wanted;
}

class Pki {
 public:
  static absl::StatusOr<Pki> Make(const Wanted& wanted, absl::Time now, crypto::Random& random) {
    TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
    Pki pki(absl::StrCat("TWI DEVELOPMENT CA of ", wanted.trust_domain).substr(0, kMaxCommonName), std::move(key), now,
            random);
    crypto::CertificateTemplate root =
        pki.Template(pki.name_, pki.key_.public_key(), wanted.lifetime + absl::Hours(24));
    root.is_ca = true;
    root.key_usage = crypto::kKeyUsageKeyCertSign | crypto::kKeyUsageCrlSign;
    TWI_ASSIGN_OR_RETURN(const std::string der, crypto::SignCertificate(root, pki.key_));
    TWI_RETURN_IF_ERROR(WriteNewFile(wanted.out + "/tls/ca.pem", crypto::CertificateToPem(der), kPublicFile));
    TWI_RETURN_IF_ERROR(WriteNewFile(wanted.out + "/tls/ca.key.pem", pki.key_.ToPem().reveal(), kSecretFile));
    return pki;
  }

  // `base`.pem and `base`.key.pem with exactly one URI SAN; returns the public key.
  absl::StatusOr<crypto::PublicKey> Issue(const std::string& base, const std::string& spiffe_id,
                                          absl::Duration lifetime) const {
    TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
    crypto::CertificateTemplate leaf = Template(spiffe_id, key.public_key(), lifetime);
    leaf.key_usage = crypto::kKeyUsageDigitalSignature;
    leaf.extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
    leaf.uri_sans = {spiffe_id};
    leaf.authority_key_id = crypto::SubjectKeyId(key_.public_key().spki());
    TWI_ASSIGN_OR_RETURN(const std::string der, crypto::SignCertificate(leaf, key_));
    TWI_RETURN_IF_ERROR(WriteNewFile(base + ".pem", crypto::CertificateToPem(der), kPublicFile));
    TWI_RETURN_IF_ERROR(WriteNewFile(base + ".key.pem", key.ToPem().reveal(), kSecretFile));
    return key.public_key();
  }

 private:
  Pki(std::string name, crypto::PrivateKey key, absl::Time now, crypto::Random& random)
      : name_(std::move(name)), key_(std::move(key)), now_(now), random_(random) {}

  crypto::CertificateTemplate Template(const std::string& subject, const crypto::PublicKey& key,
                                       absl::Duration lifetime) const {
    crypto::CertificateTemplate cert;
    cert.serial = random_.Bytes(16);
    cert.serial[0] = static_cast<char>((cert.serial[0] & 0x3f) | 0x40);  // positive, not zero
    cert.issuer_der = crypto::NameFromCommonName(name_);
    cert.subject_der = crypto::NameFromCommonName(subject.substr(0, kMaxCommonName));
    cert.not_before = now_ - absl::Minutes(5);
    cert.not_after = now_ + lifetime;
    cert.subject_spki = key.spki();
    return cert;
  }

  std::string name_;
  crypto::PrivateKey key_;
  absl::Time now_;
  crypto::Random& random_;
};

absl::StatusOr<Shown> DevPki(const Flags& flags) {
  TWI_ASSIGN_OR_RETURN(const Wanted wanted, Read(flags));
  crypto::SystemRandom random;
  const absl::Time now = SystemClock().Now();
  for (const char* folder : {"", "/tls", "/keys", "/owners"})
    TWI_RETURN_IF_ERROR(MakeNewDirectory(wanted.out + folder, 0700));
  TWI_ASSIGN_OR_RETURN(const Pki pki, Pki::Make(wanted, now, random));
  Shown shown;
  shown.json = {{"directory", wanted.out}, {"trust_domain", wanted.trust_domain}, {"identities", json::array()}};
  shown.text = absl::StrCat("made ", wanted.out, ", for development only:\n  tls/ca.pem, .key.pem\n");
  for (const std::string& service : wanted.services) {
    const std::string id = absl::StrCat("spiffe://", wanted.trust_domain, "/twi/", service);
    TWI_RETURN_IF_ERROR(pki.Issue(absl::StrCat(wanted.out, "/tls/", service), id, wanted.lifetime).status());
    TWI_RETURN_IF_ERROR(
        WriteNewFile(absl::StrCat(wanted.out, "/keys/", service, ".root"), random.Secret(32).reveal(), kSecretFile));
    shown.json["identities"].push_back(id);
    absl::StrAppend(&shown.text, "  tls/", service, ".pem, .key.pem   ", id, "\n");
  }
  for (const std::string& owner : wanted.owners) {
    const std::string id = absl::StrCat("spiffe://", wanted.trust_domain, "/owner/", owner),
                      base = absl::StrCat(wanted.out, "/owners/", owner);
    TWI_ASSIGN_OR_RETURN(const crypto::PublicKey key, pki.Issue(base, id, wanted.lifetime));
    TWI_RETURN_IF_ERROR(WriteNewFile(base + ".pub.pem", key.ToPem(), kPublicFile));
    shown.json["identities"].push_back(id);
    absl::StrAppend(&shown.text, "  owners/", owner, ".pem, .key.pem, .pub.pem   ", id, "\n");
  }
  TWI_ASSIGN_OR_RETURN(const DevSnpChain chain, DevSnpChain::Generate(now, random));
  TWI_RETURN_IF_ERROR(chain.Write(wanted.out + "/dev-snp"));
  absl::StrAppend(&shown.text,
                  "  keys/SERVICE.root   32 random bytes each\n  dev-snp/   development SNP chain; a Verifier accepts "
                  "it only as insecure_\n");
  return shown;
}

}  // namespace

int RunDevPki(const Args& args) {
  return RunFramed({"dev-pki",
                    kSummary,
                    {{"--out", "DIR", "is made; must not exist", false, true},
                     {"--trust-domain", "NAME", "default example.org"},
                     {"--service", "NAME", "default verifier, claims-mapper, credential-authority, key-store", true},
                     {"--owner", "NAME", "a Workload Owner; default payroll", true},
                     {"--days", "N", "life of the certificates, 1..365; default 30"},
                     OutputFlag(),
                     HelpFlag()},
                    0,
                    DevPki},
                   args);
}

}  // namespace twi::twictl
