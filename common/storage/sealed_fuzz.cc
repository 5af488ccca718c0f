// What opens is what was sealed, and only under its own context and root key.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"
#include "common/storage/sealed.h"

namespace {

using twi::SecretBytes;
using twi::storage::Sealer;

// Of the corpus: one secret, sealed once.
constexpr char kContext[] = "key-store/credential-key/7", kSealed[] = "the only secret of this corpus";

std::unique_ptr<Sealer> WithKey(char fill) { return *Sealer::FromKey(SecretBytes::CopyOf(std::string(32, fill))); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Sealer* const sealer = WithKey('k').release();
  static const Sealer* const other = WithKey('o').release();
  const absl::string_view sealed(reinterpret_cast<const char*>(data), size);
  if (const auto opened = sealer->Open(kContext, sealed); opened.ok() && opened->reveal() != kSealed) std::abort();
  if (sealer->Open("key-store/credential-key/8", sealed).ok() || other->Open(kContext, sealed).ok()) std::abort();
  return 0;
}
