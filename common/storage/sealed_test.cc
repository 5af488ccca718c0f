#include "common/storage/sealed.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/status/deny.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

constexpr char kContext[] = "key-store/credential-key/7";

SecretBytes Key(char fill) { return SecretBytes::CopyOf(std::string(32, fill)); }

class SealerTest : public testing::Test {
 protected:
  std::string Seal(absl::string_view plaintext) {
    auto sealed = sealer_->Seal(kContext, SecretBytes::CopyOf(plaintext), random_);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    return sealed.ok() ? *sealed : "";
  }
  static void ExpectClosed(const Sealer& sealer, absl::string_view context, absl::string_view sealed) {
    EXPECT_EQ(DenyReasonOf(sealer.Open(context, sealed).status()), v1::DENY_REASON_DECRYPTION_FAILED);
  }

  crypto::SystemRandom random_;
  std::unique_ptr<Sealer> sealer_ = *Sealer::FromKey(Key('k'));
};

TEST_F(SealerTest, OpensWhatItSealed) {
  for (const std::string& plaintext : {std::string("secret"), std::string(), std::string(5000, 'x')}) {
    const std::string sealed = Seal(plaintext);
    EXPECT_EQ(sealed.size(), plaintext.size() + 32 + 28);
    const auto opened = sealer_->Open(kContext, sealed);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->reveal(), plaintext);
  }
}

TEST_F(SealerTest, TheSameSecretIsSealedDifferentlyEachTime) {
  const std::string first = Seal("secret"), second = Seal("secret");
  EXPECT_NE(first.substr(0, 32), second.substr(0, 32));
  EXPECT_NE(first.substr(44), second.substr(44));
  EXPECT_EQ(first.find("secret"), std::string::npos);
}

TEST_F(SealerTest, RefusesEveryChangedByte) {
  const std::string sealed = Seal("secret");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    ExpectClosed(*sealer_, kContext, changed);
  }
}

TEST_F(SealerTest, RefusesEveryShorterOrLongerInput) {
  const std::string sealed = Seal("secret");
  for (std::size_t size = 0; size < sealed.size(); ++size) ExpectClosed(*sealer_, kContext, sealed.substr(0, size));
  ExpectClosed(*sealer_, kContext, sealed + "x");
}

TEST_F(SealerTest, RefusesOtherContext) {
  const std::string sealed = Seal("secret");
  ExpectClosed(*sealer_, "key-store/credential-key/8", sealed);
  ExpectClosed(*sealer_, "key-store/credential-key/70", sealed);
  ExpectClosed(*sealer_, std::string(kContext) + '\0', sealed);
}

TEST_F(SealerTest, RefusesOtherRootKey) { ExpectClosed(**Sealer::FromKey(Key('K')), kContext, Seal("secret")); }

TEST_F(SealerTest, RefusesNoContext) {
  EXPECT_EQ(DenyReasonOf(sealer_->Seal("", Key('x'), random_).status()), v1::DENY_REASON_INTERNAL);
  EXPECT_EQ(DenyReasonOf(sealer_->Open("", Seal("x")).status()), v1::DENY_REASON_INTERNAL);
}

TEST_F(SealerTest, RefusesBadRootKeys) {
  EXPECT_EQ(DenyReasonOf(Sealer::FromKey(SecretBytes()).status()), v1::DENY_REASON_CONFIG_INVALID);
  EXPECT_EQ(DenyReasonOf(Sealer::FromKey(SecretBytes::CopyOf(std::string(31, 'k'))).status()),
            v1::DENY_REASON_CONFIG_INVALID);
  EXPECT_EQ(DenyReasonOf(Sealer::FromKey(SecretBytes::CopyOf(std::string(33, 'k'))).status()),
            v1::DENY_REASON_CONFIG_INVALID);
  EXPECT_EQ(DenyReasonOf(Sealer::FromKey(SecretBytes(32)).status()), v1::DENY_REASON_CONFIG_INVALID);
}

class RootKeyFileTest : public SealerTest {
 protected:
  RootKeyFileTest() {
    std::filesystem::create_directories(dir_ / "data/below");
    std::filesystem::create_directories(dir_ / "data-keys");
    config_.set_database_file(dir_ / "data/twi.db");
    Write("data-keys/root", std::string(32, 'k'));
  }
  void Write(const std::string& name, const std::string& bytes, mode_t mode = 0600) {
    std::ofstream(dir_ / name) << bytes;
    ASSERT_EQ(chmod((dir_ / name).c_str(), mode), 0);
    config_.set_root_key_file(dir_ / name);
  }
  void ExpectRefused() {
    const auto sealer = Sealer::FromConfig(config_);
    EXPECT_EQ(DenyReasonOf(sealer.status()), v1::DENY_REASON_CONFIG_INVALID) << sealer.status();
  }
  void ExpectSameKey() {
    const auto sealer = Sealer::FromConfig(config_);
    ASSERT_TRUE(sealer.ok()) << sealer.status();
    EXPECT_TRUE((*sealer)->Open(kContext, Seal("secret")).ok());
  }

  TempDir dir_;
  config::v1::Storage config_;
};

TEST_F(RootKeyFileTest, ReadsRawAndHex) {
  ExpectSameKey();
  std::string hex;
  for (int i = 0; i < 32; ++i) hex += "6B";
  Write("data-keys/hex", hex, 0400);
  ExpectSameKey();
  Write("data-keys/line", hex + "\n");
  ExpectSameKey();
}

TEST_F(RootKeyFileTest, ReadsBesideAMissingOrPresentDatabase) {
  ExpectSameKey();
  std::ofstream(dir_ / "data/twi.db").close();
  ExpectSameKey();
}

TEST_F(RootKeyFileTest, RefusesFileThatOthersMayUse) {
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0601}) {
    ASSERT_EQ(chmod((dir_ / "data-keys/root").c_str(), mode), 0);
    ExpectRefused();
  }
}

TEST_F(RootKeyFileTest, RefusesKeyBesideTheDatabase) {
  Write("data/root", std::string(32, 'k'));
  ExpectRefused();
  Write("data/below/root", std::string(32, 'k'));
  ExpectRefused();
}

TEST_F(RootKeyFileTest, RefusesSymlinksThatLeadBesideTheDatabase) {
  Write("data/root", std::string(32, 'k'));
  std::filesystem::create_symlink(dir_ / "data/root", dir_ / "link");
  config_.set_root_key_file(dir_ / "link");
  ExpectRefused();
  std::filesystem::create_directory_symlink(dir_ / "data", dir_ / "folder-link");
  config_.set_root_key_file(dir_ / "folder-link/root");
  ExpectRefused();
  // The database's name may be the link instead.
  config_.set_root_key_file(dir_ / "data/root");
  config_.set_database_file(dir_ / "folder-link/twi.db");
  ExpectRefused();
  std::ofstream(dir_ / "data/twi.db").close();
  std::filesystem::create_symlink(dir_ / "data/twi.db", dir_ / "twi.db");
  config_.set_database_file(dir_ / "twi.db");
  ExpectRefused();
}

TEST_F(RootKeyFileTest, RefusesASymlinkToAGoodKey) {
  std::filesystem::create_symlink(dir_ / "data-keys/root", dir_ / "data-keys/link");
  config_.set_root_key_file(dir_ / "data-keys/link");
  ExpectRefused();
  EXPECT_NE(Sealer::FromConfig(config_).status().message().find("is a symbolic link"), absl::string_view::npos);
  // On the way to it is another matter: /etc/twi may be one.
  std::filesystem::create_directory_symlink(dir_ / "data-keys", dir_ / "keys-link");
  config_.set_root_key_file(dir_ / "keys-link/root");
  ExpectSameKey();
}

TEST_F(RootKeyFileTest, RefusesBadContent) {
  const std::string hex64(64, 'a');
  for (const std::string& bytes :
       {std::string(), std::string(31, 'k'), std::string(33, 'k'), std::string(63, 'a'), hex64 + "a", hex64 + "\n\n",
        std::string(64, 'g'), hex64.substr(1) + "\n", std::string(1000, 'a'), std::string(32, '\0')}) {
    Write("data-keys/bad", bytes);
    ExpectRefused();
  }
}

TEST_F(RootKeyFileTest, RefusesWhatIsMissing) {
  config_.clear_database_file();
  ExpectRefused();
  config_.set_database_file(dir_ / "no folder/twi.db");
  ExpectRefused();
  config_.set_database_file(dir_ / "data/twi.db");
  config_.clear_root_key_file();
  ExpectRefused();
  config_.set_root_key_file(dir_ / "data-keys/missing");
  ExpectRefused();
  config_.set_root_key_file(dir_ / "data-keys");
  ExpectRefused();
}

}  // namespace
}  // namespace twi::storage
