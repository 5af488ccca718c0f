// A file that uses our crypto sees OpenSSL's headers, not BoringSSL's, and both libraries work in one process.
#include "common/crypto/aead.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/crypto/x509_builder.h"
#include "gtest/gtest.h"
#include "openssl/ssl.h"

#ifdef OPENSSL_IS_BORINGSSL
#error "BoringSSL's include path leaks out of common/crypto"
#endif

namespace twi::crypto {
namespace {

TEST(HeaderIsolationTest, BothLibrariesWorkInOneProcess) {
  unsigned char digest[32];
  unsigned size = 0;
  ASSERT_EQ(EVP_Digest("abc", 3, digest, &size, EVP_sha256(), nullptr), 1);
  EXPECT_EQ(Sha256("abc"), std::string(reinterpret_cast<char*>(digest), size));
  SSL_CTX* ctx = SSL_CTX_new(TLS_method());
  EXPECT_NE(ctx, nullptr);
  SSL_CTX_free(ctx);
  EXPECT_TRUE(ParseAndVerifyCsr(*MakeCsr(*PrivateKey::Generate(KeyType::kP256))).ok());
}

}  // namespace
}  // namespace twi::crypto
