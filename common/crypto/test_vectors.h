// Published test vectors, which are not part of the project: TWI_VECTORS names their folder, or it is ../shared/vectors
// beside the workspace. A test that finds none says so: `if (!HaveVectors()) GTEST_SKIP() << kNoVectors;`. Its BUILD
// rule needs data = ["//common/crypto:test_vectors.h"].
#ifndef TWI_COMMON_CRYPTO_TEST_VECTORS_H_
#define TWI_COMMON_CRYPTO_TEST_VECTORS_H_

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace twi::testing {

constexpr char kNoVectors[] = "no test vectors: set TWI_VECTORS to their folder";

inline std::filesystem::path VectorsDir() {
  if (const char* from_env = std::getenv("TWI_VECTORS")) return from_env;
  std::error_code error;
  const std::filesystem::path here =
      std::filesystem::canonical("common/crypto/test_vectors.h", error);  // out of bazel's symbolic links
  return error ? std::filesystem::path() : here.parent_path() / "../../../shared/vectors";
}

// A folder that was named and is not there is a mistake, not a reason to skip.
inline bool HaveVectors() {
  if (std::filesystem::is_directory(VectorsDir())) return true;
  if (const char* from_env = std::getenv("TWI_VECTORS")) {
    std::fprintf(stderr, "TWI_VECTORS=%s is no folder\n", from_env);
    std::abort();
  }
  return false;
}

// Empty when there is no such file.
inline std::string ReadVector(const std::string& name) {
  std::ifstream in(VectorsDir() / name, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

}  // namespace twi::testing

#endif  // TWI_COMMON_CRYPTO_TEST_VECTORS_H_
