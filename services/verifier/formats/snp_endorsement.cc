#include "services/verifier/formats/snp_endorsement.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {
namespace {

std::string Oid(absl::string_view suffix) { return absl::StrCat(kAmdOidPrefix, suffix); }

absl::Status Malformed(absl::string_view what) { return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, what); }

const crypto::Extension* Find(const crypto::Certificate& certificate, absl::string_view suffix) {
  return certificate.Find(Oid(suffix));
}

// INTEGER 0..255 in DER: 02 01 xx, or 02 02 00 xx when the top bit is set.
absl::StatusOr<std::uint8_t> SmallInteger(const crypto::Certificate& certificate, absl::string_view suffix) {
  const crypto::Extension* extension = Find(certificate, suffix);
  if (extension == nullptr) return Malformed(absl::StrCat("extension ", Oid(suffix), " is absent"));
  const std::string& v = extension->value;
  const auto at = [&v](std::size_t i) { return static_cast<std::uint8_t>(v[i]); };
  if (v.size() == 3 && at(0) == 0x02 && at(1) == 1 && at(2) < 0x80) return at(2);
  if (v.size() == 4 && at(0) == 0x02 && at(1) == 2 && at(2) == 0 && at(3) >= 0x80) return at(3);
  return Malformed(absl::StrCat("extension ", Oid(suffix), " is not a DER INTEGER of 0..255"));
}

// IA5String of at most 127 characters; an empty one is refused.
absl::StatusOr<std::string> Ia5String(const crypto::Extension& extension) {
  const std::string& v = extension.value;
  if (v.size() < 3 || v.size() > 129 || v[0] != 0x16 || static_cast<std::uint8_t>(v[1]) != v.size() - 2) {
    return Malformed(absl::StrCat("extension ", extension.oid, " is not an IA5String of 1..127 characters"));
  }
  for (std::size_t i = 2; i < v.size(); ++i) {
    if (v[i] < 0x20 || v[i] > 0x7e)
      return Malformed(absl::StrCat("extension ", extension.oid, " has an unprintable character"));
  }
  return v.substr(2);
}

SnpProduct ProductFromName(
    absl::string_view name) {  // "Milan-B0" is Milan; a stepping may follow the product, nothing else
  for (SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    const std::string known = SnpProductName(product);
    if (name == known || absl::StartsWith(name, absl::StrCat(known, "-"))) return product;
  }
  return SnpProduct::kUnknown;
}

absl::StatusOr<std::string> Hwid(const crypto::Extension& extension, SnpProduct product) {
  const std::size_t size = product == SnpProduct::kTurin ? 8 : 64;
  const std::string& v = extension.value;
  if (v.size() == size) return v;
  if (v.size() == size + 2 && v[0] == 0x04 && static_cast<std::size_t>(v[1]) == size) return v.substr(2);
  return Malformed(absl::StrCat("HWID has ", v.size(), " bytes; ", SnpProductName(product), " has ", size));
}

absl::StatusOr<SnpTcb> Tcb(const crypto::Certificate& certificate, SnpProduct product) {
  SnpTcb tcb;
  TWI_ASSIGN_OR_RETURN(tcb.bl, SmallInteger(certificate, "3.1"));
  TWI_ASSIGN_OR_RETURN(tcb.tee, SmallInteger(certificate, "3.2"));
  TWI_ASSIGN_OR_RETURN(tcb.snp, SmallInteger(certificate, "3.3"));
  TWI_ASSIGN_OR_RETURN(tcb.ucode, SmallInteger(certificate, "3.8"));
  tcb.has_fmc = product == SnpProduct::kTurin;
  if (tcb.has_fmc) {
    TWI_ASSIGN_OR_RETURN(tcb.fmc, SmallInteger(certificate, "3.9"));
  } else if (Find(certificate, "3.9") != nullptr) {
    return Malformed("fmcSPL in a certificate of a product without FMC");
  }
  // Reserved SPLs: a value that vouches for a component of which the report says nothing.
  for (absl::string_view reserved : {"3.4", "3.5", "3.6", "3.7"}) {
    if (Find(certificate, reserved) == nullptr) continue;
    TWI_ASSIGN_OR_RETURN(const std::uint8_t value, SmallInteger(certificate, reserved));
    if (value != 0) return Malformed(absl::StrCat("reserved extension ", Oid(reserved), " is not zero"));
  }
  return tcb;
}

}  // namespace

bool IsSnpEndorsement(const crypto::Certificate& certificate) { return Find(certificate, "2") != nullptr; }

absl::StatusOr<SnpEndorsement> ParseSnpEndorsement(const crypto::Certificate& certificate) {
  SnpEndorsement endorsement;
  const crypto::Extension* product = Find(certificate, "2");
  if (product == nullptr) return Malformed("no productName extension: not a VCEK or VLEK");
  TWI_ASSIGN_OR_RETURN(endorsement.product_name, Ia5String(*product));
  endorsement.product = ProductFromName(endorsement.product_name);
  if (endorsement.product == SnpProduct::kUnknown)
    return Malformed(absl::StrCat("product \"", endorsement.product_name, "\" is not known"));
  TWI_ASSIGN_OR_RETURN(endorsement.tcb, Tcb(certificate, endorsement.product));
  const crypto::Extension* hwid = Find(certificate, "4");
  const crypto::Extension* csp_id = Find(certificate, "5");
  if ((hwid == nullptr) == (csp_id == nullptr)) return Malformed("needs exactly one of HWID (VCEK) and CSP_ID (VLEK)");
  if (hwid != nullptr) {
    TWI_ASSIGN_OR_RETURN(endorsement.hwid, Hwid(*hwid, endorsement.product));
  } else {
    TWI_ASSIGN_OR_RETURN(endorsement.csp_id, Ia5String(*csp_id));
  }
  return endorsement;
}

}  // namespace twi::verifier
