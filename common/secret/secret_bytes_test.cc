#include "common/secret/secret_bytes.h"

#include <algorithm>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace twi {
namespace {

TEST(SecretBytesTest, IsZeroedWhenNew) {
  for (std::size_t size : {1, 32, 64, 65, 4096, 4097, 100000}) {
    { SecretBytes dirty = SecretBytes::CopyOf(std::string(size, 'x')); }
    SecretBytes secret(size);
    ASSERT_EQ(secret.size(), size);
    EXPECT_EQ(std::count(secret.reveal().begin(), secret.reveal().end(), '\0'), static_cast<std::ptrdiff_t>(size))
        << size;
  }
}

TEST(SecretBytesTest, EmptyIsUsable) {
  SecretBytes empty;
  EXPECT_TRUE(empty.empty());
  EXPECT_EQ(empty.reveal(), "");
  EXPECT_TRUE(SecretBytes(0).Clone().empty());
  EXPECT_TRUE(ConstantTimeEqual(empty, SecretBytes::CopyOf("")));
}

TEST(SecretBytesTest, MovesAndLeavesNothingBehind) {
  SecretBytes a = SecretBytes::CopyOf("secret");
  SecretBytes b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(b.reveal(), "secret");
  SecretBytes c = SecretBytes::CopyOf("other");
  c = std::move(b);
  EXPECT_EQ(c.reveal(), "secret");
  SecretBytes& same = c;
  c = std::move(same);
  EXPECT_EQ(c.reveal(), "secret");
}

TEST(SecretBytesTest, CloneIsIndependent) {
  SecretBytes a = SecretBytes::CopyOf("secret");
  SecretBytes b = a.Clone();
  b.mutable_data()[0] = 'S';
  EXPECT_EQ(a.reveal(), "secret");
  EXPECT_EQ(b.reveal(), "Secret");
}

TEST(SecretBytesTest, IsWipedWhenFreed) {
  const char* at = nullptr;
  {
    SecretBytes secret = SecretBytes::CopyOf("0123456789abcdef");
    at = secret.reveal().data();
  }
  // The slot's page stays mapped, so the freed bytes may be looked at.
  EXPECT_EQ(std::string(at, 16), std::string(16, '\0'));
}

TEST(SecretBytesTest, ManyLiveSecretsDoNotOverlap) {
  std::vector<SecretBytes> secrets;
  for (int i = 0; i < 5000; ++i) secrets.push_back(SecretBytes::CopyOf(std::string(1 + i % 300, static_cast<char>(i))));
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(secrets[i].reveal(), std::string(1 + i % 300, static_cast<char>(i)));
}

TEST(SecretBytesTest, IsUsableFromThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; ++i) {
        SecretBytes secret = SecretBytes::CopyOf(std::string(40, static_cast<char>('a' + t)));
        ASSERT_EQ(secret.reveal(), std::string(40, static_cast<char>('a' + t)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(SecretBytesTest, CannotBeCopied) {
  EXPECT_FALSE(std::is_copy_constructible<SecretBytes>::value);
  EXPECT_FALSE(std::is_copy_assignable<SecretBytes>::value);
}

TEST(ConstantTimeEqualTest, ComparesBytesAndLengths) {
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "ab"));
  EXPECT_FALSE(ConstantTimeEqual(SecretBytes::CopyOf("a"), SecretBytes()));
}

TEST(WipeTest, ClearsTheWholeCapacity) {
  std::string s(200, 'x');
  s.resize(10);
  const char* at = s.data();
  Wipe(s);
  EXPECT_TRUE(s.empty());
  EXPECT_EQ(std::string(at, 200), std::string(200, '\0'));
}

}  // namespace
}  // namespace twi
