// The provider (OpenSSL 3, provider-keymgmt(7), provider-signature(7)): one kind of key, P-256, whose private half is a
// pointer to the attester. OpenSSL hands the provider the whole content of CertificateVerify, not its digest, so that
// the attester sees what it signs.
#include "common/attested_tls/tls_library.h"

#include <cstring>

#include "common/crypto/keys.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/core_dispatch.h"
#include "openssl/core_names.h"
#include "openssl/provider.h"

namespace twi::atls {
namespace {

constexpr char kProvider[] = "twi-attester";
constexpr char kProperty[] = "provider=twi-attester";
constexpr char kGroup[] = "prime256v1";
constexpr char kParamAttester[] = "twi-attester";
constexpr std::size_t kMaxSignature = 72;  // ECDSA-Sig-Value, P-256, DER

struct HandleKey {
  std::string point;  // uncompressed
  const Attester* attester = nullptr;
};

struct SignContext {
  const HandleKey* key = nullptr;
};

// The parameter's text is what is asked for.
bool TextIs(const OSSL_PARAM* param, absl::string_view wanted) {
  const char* text = nullptr;
  return param != nullptr && OSSL_PARAM_get_utf8_string_ptr(param, &text) == 1 && text == wanted;
}

void* KeyNew(void*) { return new HandleKey; }
void KeyFree(void* key) { delete static_cast<HandleKey*>(key); }

int KeyHas(const void* key, int selection) {
  const bool needs_private = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
  return !needs_private || static_cast<const HandleKey*>(key)->attester != nullptr;
}

int KeyMatch(const void* a, const void* b, int) {
  return static_cast<const HandleKey*>(a)->point == static_cast<const HandleKey*>(b)->point;
}

// From MakeHandle (with the attester) and from a certificate's key that is compared with ours (without).
int KeyImport(void* key, int, const OSSL_PARAM params[]) {
  HandleKey& handle = *static_cast<HandleKey*>(key);
  const void* data = nullptr;
  std::size_t size = 0;
  const OSSL_PARAM* point = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
  if (!TextIs(OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME), kGroup) || point == nullptr ||
      OSSL_PARAM_get_octet_string_ptr(point, &data, &size) != 1) {
    return 0;
  }
  handle.point.assign(static_cast<const char*>(data), size);
  const OSSL_PARAM* attester = OSSL_PARAM_locate_const(params, kParamAttester);
  if (attester == nullptr) return 1;
  if (OSSL_PARAM_get_octet_ptr(attester, &data, &size) != 1) return 0;
  handle.attester = static_cast<const Attester*>(data);
  return 1;
}

// The public half only.
int KeyExport(void* key, int selection, OSSL_CALLBACK* callback, void* argument) {
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) return 0;
  HandleKey& handle = *static_cast<HandleKey*>(key);
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(kGroup), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, handle.point.data(), handle.point.size()),
      OSSL_PARAM_construct_end()};
  return callback(params, argument);
}

const OSSL_PARAM* KeyTypes(int) {
  static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                     OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
                                     OSSL_PARAM_octet_ptr(kParamAttester, nullptr, 0), OSSL_PARAM_END};
  return types;
}

int KeyGetParams(void*, OSSL_PARAM params[]) {
  const std::pair<const char*, int> numbers[] = {{OSSL_PKEY_PARAM_BITS, 256},
                                                 {OSSL_PKEY_PARAM_SECURITY_BITS, 128},
                                                 {OSSL_PKEY_PARAM_MAX_SIZE, static_cast<int>(kMaxSignature)}};
  for (const auto& [name, value] : numbers) {
    OSSL_PARAM* param = OSSL_PARAM_locate(params, name);
    if (param != nullptr && OSSL_PARAM_set_int(param, value) != 1) return 0;
  }
  OSSL_PARAM* group = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_GROUP_NAME);
  return group == nullptr || OSSL_PARAM_set_utf8_string(group, kGroup) == 1;
}

const OSSL_PARAM* KeyGettable(void*) {
  static const OSSL_PARAM gettable[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
                                        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
                                        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
                                        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0), OSSL_PARAM_END};
  return gettable;
}

const char* KeyOperation(int) { return "ECDSA"; }

void* SignNew(void*, const char*) { return new SignContext; }
void SignFree(void* context) { delete static_cast<SignContext*>(context); }

int SignInit(void* context, const char* digest, void* key, const OSSL_PARAM*) {
  const HandleKey* handle = static_cast<const HandleKey*>(key);
  if (handle == nullptr || handle->attester == nullptr) return 0;
  if (digest != nullptr && absl::string_view(digest) != "SHA256" && absl::string_view(digest) != "SHA2-256") return 0;
  static_cast<SignContext*>(context)->key = handle;
  return 1;
}

// sign(TIK, hs)
int Sign(void* context, unsigned char* out, std::size_t* size, std::size_t capacity, const unsigned char* content,
         std::size_t content_size) {
  if (out == nullptr) {
    *size = kMaxSignature;
    return 1;
  }
  const absl::StatusOr<std::string> signature = static_cast<SignContext*>(context)->key->attester->SignHandshake(
      absl::string_view(reinterpret_cast<const char*>(content), content_size));
  if (!signature.ok() || signature->size() > capacity) return 0;
  std::memcpy(out, signature->data(), signature->size());
  *size = signature->size();
  return 1;
}

template <typename Function>
OSSL_DISPATCH Entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

const OSSL_ALGORITHM* Query(void*, int operation, int* no_cache) {
  static const OSSL_DISPATCH key_functions[] = {Entry(OSSL_FUNC_KEYMGMT_NEW, KeyNew),
                                                Entry(OSSL_FUNC_KEYMGMT_FREE, KeyFree),
                                                Entry(OSSL_FUNC_KEYMGMT_HAS, KeyHas),
                                                Entry(OSSL_FUNC_KEYMGMT_MATCH, KeyMatch),
                                                Entry(OSSL_FUNC_KEYMGMT_IMPORT, KeyImport),
                                                Entry(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, KeyTypes),
                                                Entry(OSSL_FUNC_KEYMGMT_EXPORT, KeyExport),
                                                Entry(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, KeyTypes),
                                                Entry(OSSL_FUNC_KEYMGMT_GET_PARAMS, KeyGetParams),
                                                Entry(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, KeyGettable),
                                                Entry(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, KeyOperation),
                                                {0, nullptr}};
  static const OSSL_DISPATCH sign_functions[] = {Entry(OSSL_FUNC_SIGNATURE_NEWCTX, SignNew),
                                                 Entry(OSSL_FUNC_SIGNATURE_FREECTX, SignFree),
                                                 Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, SignInit),
                                                 Entry(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, Sign),
                                                 {0, nullptr}};
  static const OSSL_ALGORITHM keys[] = {{"EC:id-ecPublicKey:1.2.840.10045.2.1", kProperty, key_functions, ""},
                                        {nullptr, nullptr, nullptr, nullptr}};
  static const OSSL_ALGORITHM signatures[] = {{"ECDSA", kProperty, sign_functions, ""},
                                              {nullptr, nullptr, nullptr, nullptr}};
  *no_cache = 0;
  if (operation == OSSL_OP_KEYMGMT) return keys;
  return operation == OSSL_OP_SIGNATURE ? signatures : nullptr;
}

int InitProvider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** context) {
  static const OSSL_DISPATCH functions[] = {Entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, Query), {0, nullptr}};
  *out = functions;
  *context = const_cast<void*>(static_cast<const void*>(handle));
  return 1;
}

}  // namespace

OSSL_LIB_CTX* TlsLibrary() {
  static OSSL_LIB_CTX* const library = []() -> OSSL_LIB_CTX* {
    OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
    if (made != nullptr && OSSL_PROVIDER_add_builtin(made, kProvider, InitProvider) == 1 &&
        OSSL_PROVIDER_load(made, "default") != nullptr && OSSL_PROVIDER_load(made, kProvider) != nullptr) {
      return made;
    }
    OSSL_LIB_CTX_free(made);
    return nullptr;
  }();
  return library;
}

absl::StatusOr<UniquePkey> MakeHandle(const Attester& attester) {
  TWI_ASSIGN_OR_RETURN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(attester.key_spki()));
  std::string point = "\x04" + key.ec_x() + key.ec_y();
  const void* pointer = &attester;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(kGroup), 0),
                         OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
                         OSSL_PARAM_construct_octet_ptr(kParamAttester, const_cast<void**>(&pointer), sizeof(pointer)),
                         OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(TlsLibrary(), "EC", kProperty));
  EVP_PKEY* made = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, params) != 1) {
    return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL takes no handle for the TLS identity key");
  }
  return UniquePkey(made);
}

absl::StatusOr<UniqueX509> ParseX509(absl::string_view der) {
  UniqueX509 certificate(X509_new_ex(TlsLibrary(), nullptr));
  X509* raw = certificate.get();
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  if (raw == nullptr || d2i_X509(&raw, &at, static_cast<long>(der.size())) == nullptr) {
    if (raw == nullptr) (void)certificate.release();  // d2i freed it
    return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL does not parse our own leaf");
  }
  return certificate;
}

}  // namespace twi::atls
