// CBS and CBB (BoringSSL's strict DER reader and writer) over string_view and std::string. Inside common/crypto only.
#ifndef TWI_COMMON_CRYPTO_DER_H_
#define TWI_COMMON_CRYPTO_DER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "openssl/bytestring.h"

// A string literal with NUL bytes inside.
#define TWI_DER(literal) absl::string_view(literal, sizeof(literal) - 1)

namespace twi::crypto {

inline const std::uint8_t* Data(absl::string_view bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

inline CBS ToCbs(absl::string_view bytes) {
  CBS cbs;
  CBS_init(&cbs, Data(bytes), bytes.size());
  return cbs;
}

inline absl::string_view View(const CBS& cbs) {
  return absl::string_view(reinterpret_cast<const char*>(CBS_data(&cbs)), CBS_len(&cbs));
}
inline std::string Str(const CBS& cbs) { return std::string(View(cbs)); }

inline bool AddBytes(CBB* cbb, absl::string_view bytes) { return CBB_add_bytes(cbb, Data(bytes), bytes.size()) == 1; }

// Flushes `cbb` and gives its bytes; nullopt when a child is unfinished or memory ran out.
inline std::optional<std::string> Bytes(CBB* cbb) {
  if (CBB_flush(cbb) != 1) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(CBB_data(cbb)), CBB_len(cbb));
}

// Dotted text of an OID's content octets, empty when they are not valid.
std::string OidText(const CBS& oid);

// One whole element of `tag`: its content. nullopt for another tag, bad DER or trailing bytes.
std::optional<CBS> WholeElement(absl::string_view der, unsigned tag);

// BIT STRING without unused bits: its bytes.
bool GetBitString(CBS* in, CBS* out);

// A Name (RFC 5280 4.1.2.4): checks the structure; `element` gets the whole of it, `common_name` the last CN in a
// string type whose bytes are text as they are (UTF8String, PrintableString, IA5String, TeletexString), else stays
// empty. False also for a CN with a NUL byte.
bool GetName(CBS* in, CBS* element, std::string* common_name);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_DER_H_
