#include "common/config/load_yaml.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/config/config_test.pb.h"
#include "common/config/read_file.h"
#include "common/status/deny.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::config {
namespace {

using test::Sample;
using ::testing::HasSubstr;

Sample Parsed(const std::string& yaml) {
  Sample sample;
  const absl::Status status = ParseYaml(yaml, "s.yaml", sample);
  EXPECT_TRUE(status.ok()) << status;
  return sample;
}

// The refusal's text; "" when it was not refused. Nothing of the message may stay.
std::string Refused(const std::string& yaml) {
  Sample sample;
  sample.set_text("before");
  const absl::Status status = ParseYaml(yaml, "s.yaml", sample);
  if (status.ok()) return "";
  EXPECT_EQ(DenyReasonOf(status), v1::DENY_REASON_CONFIG_INVALID);
  EXPECT_EQ(sample.ByteSizeLong(), 0u) << "half of a config stayed";
  return std::string(status.message());
}

TEST(ParseYamlTest, TakesHexForUnsigned) {
  test::Sample sample;
  ASSERT_TRUE(ParseYaml("size: 0x81010002\nwide: 0xFFFFFFFFFFFFFFFF", "t.yaml", sample).ok());
  EXPECT_EQ(sample.size(), 0x81010002u);
  EXPECT_EQ(sample.wide(), 0xFFFFFFFFFFFFFFFFu);
}

TEST(ParseYamlTest, FillsEveryKindOfField) {
  const Sample s = Parsed(R"(
text: hello
flag: true
small: -7
large: -9223372036854775808
size: 4294967295
wide: 18446744073709551615
ratio: 0.25
digest: 00fFa0
kind: P256
timeout: 90s
until: 2026-11-21T00:00:00Z
names: [a, "b"]
inners:
  - name: x
    count: 3
  - {}
inner: {name: y}
file: /etc/x
nested: {nested: {text: deep}}
kinds: [KEY_KIND_P256, RSA3072, rsa3072]
maybe: 0
)");
  EXPECT_EQ(s.text(), "hello");
  EXPECT_TRUE(s.flag());
  EXPECT_EQ(s.small(), -7);
  EXPECT_EQ(s.large(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(s.size(), 4294967295u);
  EXPECT_EQ(s.wide(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(s.ratio(), 0.25);
  EXPECT_EQ(s.digest(), std::string("\x00\xff\xa0", 3));
  EXPECT_EQ(s.kind(), test::KEY_KIND_P256);
  EXPECT_EQ(s.timeout().seconds(), 90);
  EXPECT_EQ(s.until().seconds(), 1795219200);
  EXPECT_EQ(s.names_size(), 2);
  EXPECT_EQ(s.inners(0).count(), 3);
  EXPECT_EQ(s.inners_size(), 2);
  EXPECT_EQ(s.file(), "/etc/x");
  EXPECT_EQ(s.nested().nested().text(), "deep");
  EXPECT_EQ(s.kinds(2), test::KEY_KIND_RSA3072);
  EXPECT_TRUE(s.has_maybe());
}

TEST(ParseYamlTest, ReadsDurations) {
  EXPECT_EQ(Parsed("timeout: 250ms").timeout().nanos(), 250000000);
  EXPECT_EQ(Parsed("timeout: 5m").timeout().seconds(), 300);
  EXPECT_EQ(Parsed("timeout: 24h").timeout().seconds(), 86400);
  EXPECT_EQ(Parsed("timeout: 0s").timeout().seconds(), 0);
}

TEST(ParseYamlTest, KeepsBlockScalars) { EXPECT_EQ(Parsed("text: |\n  a\n  b\n").text(), "a\nb\n"); }
TEST(ParseYamlTest, StringFromAnyScalar) { EXPECT_EQ(Parsed("text: 007").text(), "007"); }
TEST(ParseYamlTest, EmptyStringIsAString) { EXPECT_EQ(Parsed("text: \"\"").text(), ""); }

struct RefusalCase {
  const char* name;
  std::string yaml;
  const char* message;
};

class ParseYamlRefusalTest : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(ParseYamlRefusalTest, RefusesWithPlaceAndExpectation) {
  EXPECT_THAT(Refused(GetParam().yaml), HasSubstr(GetParam().message));
}

std::string Deep(int depth) {
  std::string yaml;
  for (int i = 0; i < depth; ++i) yaml += "{nested: ";
  yaml += "{}";
  return yaml + std::string(depth, '}');
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseYamlRefusalTest,
    ::testing::Values(
        RefusalCase{"UnknownKey", "flag: true\ntexd: x", "s.yaml:2:1: unknown key \"texd\"; did you mean \"text\"?"},
        RefusalCase{"UnknownKeyFarFromAll", "zzzzzz: x", "s.yaml:1:1: unknown key \"zzzzzz\""},
        RefusalCase{"UnknownKeyInside", "inner:\n  nam: x",
                    "s.yaml:2:3: unknown key \"nam\" in inner; did you mean \"name\"?"},
        RefusalCase{"MergeKey", "<<: {text: x}", "unknown key \"<<\""},
        RefusalCase{"DuplicateKey", "text: a\nflag: true\ntext: b", "s.yaml:3:1: duplicate key \"text\""},
        RefusalCase{"DuplicateKeyInline", "inner: {name: a, name: b}", "s.yaml:1:18: duplicate key \"name\""},
        RefusalCase{"ListForString", "text: [a]", "s.yaml:1:7: text: expected a string, got a list"},
        RefusalCase{"NothingForString", "text:", "text: expected a string, got nothing"},
        RefusalCase{"NullForMessage", "inner: ~",
                    "expected a mapping with the fields of Inner ({} for none), got nothing"},
        RefusalCase{"ScalarForMessage", "inner: 5", "inner: expected a mapping"},
        RefusalCase{"ScalarForList", "names: a", "names: expected a list, got \"a\""},
        RefusalCase{"ListForMessage", "inner: [a]", "inner: expected a mapping"},
        RefusalCase{"RootIsAList", "- a", "s.yaml:1:1: expected a mapping"},
        RefusalCase{"EmptyDocument", "", "expected a mapping"},
        RefusalCase{"BoolYes", "flag: yes", "flag: expected true or false, got \"yes\""},
        RefusalCase{"BoolTrueQuoted", "flag: \"true\"", "expected true or false"},
        RefusalCase{"BoolUpper", "flag: True", "expected true or false"},
        RefusalCase{"IntTooLarge", "small: 2147483648",
                    "s.yaml:1:8: small: expected a whole number from -2147483648 to 2147483647, got \"2147483648\""},
        RefusalCase{"IntQuoted", "small: \"5\"", "expected a whole number"},
        RefusalCase{"IntHex", "small: 0x10", "expected a whole number"},
        RefusalCase{"IntLeadingZero", "small: 010", "expected a whole number"},
        RefusalCase{"IntFraction", "small: 1.0", "expected a whole number"},
        RefusalCase{"Int64TooLarge", "large: 9223372036854775808", "expected a whole number"},
        RefusalCase{"UnsignedHexTooLarge", "size: 0x100000000", "expected a whole number from 0 to 4294967295"},
        RefusalCase{"UnsignedHexWithoutDigits", "size: 0x", "expected a whole number"},
        RefusalCase{"UnsignedHexOverlong", "wide: 0x00000000000000001", "expected a whole number"},
        RefusalCase{"UnsignedNegative", "size: -1", "expected a whole number from 0 to 4294967295"},
        RefusalCase{"UnsignedTooLarge", "wide: 18446744073709551616",
                    "expected a whole number from 0 to 18446744073709551615"},
        RefusalCase{"RealNan", "ratio: .nan", "expected a number"},
        RefusalCase{"RealInfinite", "ratio: 1e999", "expected a number"},
        RefusalCase{"BytesOddHex", "digest: abc", "digest: expected bytes as hex digits"},
        RefusalCase{"BytesNotHex", "digest: zz", "expected bytes as hex digits"},
        RefusalCase{"EnumUnknown", "kind: P521", "kind: expected one of P256, RSA3072, got \"P521\""},
        RefusalCase{"EnumUnspecified", "kind: KEY_KIND_UNSPECIFIED", "expected one of P256, RSA3072"},
        RefusalCase{"EnumNumber", "kind: 1", "expected one of"},
        RefusalCase{"DurationNoUnit", "timeout: 90", "timeout: expected a duration like 250ms, 90s, 5m or 24h"},
        RefusalCase{"DurationNegative", "timeout: -5s", "expected a duration"},
        RefusalCase{"DurationUnit", "timeout: 5d", "expected a duration"},
        RefusalCase{"DurationHuge", "timeout: 99999999999999999999h", "expected a duration"},
        RefusalCase{"DurationTenYears", "timeout: 87601h", "expected a duration"},
        RefusalCase{"DurationMapping", "timeout: {seconds: 5}", "expected a duration"},
        RefusalCase{"TimestampNoZone", "until: 2026-11-21", "until: expected a time like 2026-11-21T00:00:00Z"},
        RefusalCase{"OneofTwice", "file: x\ninline_value: {}",
                    "s.yaml:2:1: inline_value: only one of these may be set, and \"file\" is already"},
        RefusalCase{"Anchor", "text: &a x", "anchors (&name) are not allowed"},
        RefusalCase{"AnchorOnMap", "inner: &a {name: x}", "anchors"},
        RefusalCase{"Alias", "text: &a x\nfile: *a", "not allowed"}, RefusalCase{"Tag", "text: !!str x", "tags"},
        RefusalCase{"TagOnList", "names: !!set [a]", "tags"},
        RefusalCase{"SecondDocument", "text: a\n---\ntext: b", "a second document begins here"},
        RefusalCase{"KeyIsAMap", "{a: b}: c", "a key must be a scalar"},
        RefusalCase{"KeyIsNull", "~: c", "a key must be a scalar"}, RefusalCase{"Broken", "text: [a", "not YAML"},
        RefusalCase{"Tab", "inner:\n\tname: x", "not YAML"},
        RefusalCase{"NotUtf8", "text: \xFF", "expected UTF-8 text without NUL"},
        RefusalCase{"Utf16", std::string("\xFE\xFF\0t", 4), "expected UTF-8 text without NUL"},
        RefusalCase{"NulEscaped", "text: \"a\\0b\"", "UTF-8 text without NUL"},
        RefusalCase{"Deep", Deep(40), "nested deeper than 32"},
        RefusalCase{"VeryDeep", "text: " + std::string(100000, '['), "s.yaml:1:"},
        RefusalCase{"TooBig", "text: " + std::string(1 << 20, 'x'), "expected at most 1048576 bytes"}),
    [](const auto& info) { return info.param.name; });

TEST(ParseYamlTest, TakesTheGreatestDepth) { EXPECT_EQ(Refused(Deep(31)), ""); }

TEST(ConfigErrorTest, SaysWhereTheFieldStood) {
  Parsed("text: x\ninners:\n  - name: y\n");
  EXPECT_EQ(ConfigError("s.yaml", "inners[0].name", "no y").message(), "s.yaml:3:11: inners[0].name: expected no y");
  // Not written: the place of what is around it.
  EXPECT_EQ(ConfigError("s.yaml", "inners[0].count", "a count").message(),
            "s.yaml:3:5: inners[0].count: expected a count");
  EXPECT_EQ(ConfigError("s.yaml", "timeout", "a timeout").message(), "s.yaml:1:1: timeout: expected a timeout");
  EXPECT_EQ(ConfigError("", "timeout", "a timeout").message(), "s.yaml:1:1: timeout: expected a timeout");
  EXPECT_EQ(ConfigError("other.yaml", "text", "a text").message(), "other.yaml: text: expected a text");
  EXPECT_EQ(DenyReasonOf(ConfigError("s.yaml", "text", "y")), v1::DENY_REASON_CONFIG_INVALID);
}

TEST(ConfigErrorTest, PlacesAnErrorAndKeepsItsReason) {
  Parsed("text: x\ninners:\n  - name: y\n");
  const absl::Status placed = AtField("inners[0].name", Deny(v1::DENY_REASON_STORAGE_FAILED, "y: no such file"));
  EXPECT_EQ(placed.message(), "s.yaml:3:11: inners[0].name: y: no such file");
  EXPECT_EQ(DenyReasonOf(placed), v1::DENY_REASON_STORAGE_FAILED);
  EXPECT_EQ(DenyReasonOf(AtField("text", "bad")), v1::DENY_REASON_CONFIG_INVALID);
  EXPECT_TRUE(AtField("text", absl::OkStatus()).ok());
}

class LoadYamlFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char dir[] = "/tmp/twi_cfg_XXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    path_ = absl::StrCat(dir, "/s.yaml");
    dir_ = dir;
    std::ofstream(path_) << "text: from file\n";
    chmod(path_.c_str(), 0644);
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(dir_.c_str());
  }
  std::string Refusal() {
    Sample sample;
    const absl::Status status = LoadYamlFile(path_, sample);
    return status.ok() ? "" : std::string(status.message());
  }
  std::string dir_, path_;
};

TEST_F(LoadYamlFileTest, Loads) {
  Sample sample;
  ASSERT_TRUE(LoadYamlFile(path_, sample).ok());
  EXPECT_EQ(sample.text(), "from file");
}
TEST_F(LoadYamlFileTest, RefusesGroupWritable) {
  chmod(path_.c_str(), 0664);
  EXPECT_THAT(Refusal(), HasSubstr("group or others may write"));
}
TEST_F(LoadYamlFileTest, RefusesWorldWritable) {
  chmod(path_.c_str(), 0646);
  EXPECT_THAT(Refusal(), HasSubstr("group or others may write"));
}
TEST_F(LoadYamlFileTest, RefusesMissing) {
  unlink(path_.c_str());
  EXPECT_THAT(Refusal(), HasSubstr("No such file"));
}
TEST_F(LoadYamlFileTest, RefusesFolderAndFifo) {
  unlink(path_.c_str());
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(Refusal(), HasSubstr("expected a regular file"));
}
TEST_F(LoadYamlFileTest, RefusesTooBig) {
  std::ofstream(path_) << "text: " << std::string(2 << 20, 'x');
  EXPECT_THAT(Refusal(), HasSubstr("expected at most 1048576 bytes"));
}
TEST_F(LoadYamlFileTest, ErrorNamesTheFile) {
  std::ofstream(path_) << "text: x\nflag: 1\n";
  EXPECT_THAT(Refusal(), HasSubstr(path_ + ":2:7: flag: expected true or false"));
}
TEST_F(LoadYamlFileTest, AConfigStaysTheDocumentThatErrorsMean) {
  std::ofstream(path_) << "text: x\ninners:\n  - name: y\n";
  Sample sample;
  ASSERT_TRUE(LoadConfigFile(path_, sample).ok());
  Parsed("flag: true\ntext: z\n");  // a policy that the config names
  EXPECT_EQ(ConfigError("", "inners[0].name", "no y").message(),
            absl::StrCat(path_, ":3:11: inners[0].name: expected no y"));
  EXPECT_EQ(AtField("text", "bad").message(), absl::StrCat(path_, ":1:7: text: bad"));
  EXPECT_EQ(ConfigError("s.yaml", "text", "a text").message(), "s.yaml:2:7: text: expected a text") << "by its name";
  EXPECT_EQ(ConfigError(path_, "text", "a text").message(), absl::StrCat(path_, ":1:7: text: expected a text"));
  // A config that cannot be loaded is none.
  unlink(path_.c_str());
  EXPECT_FALSE(LoadConfigFile(path_, sample).ok());
  EXPECT_EQ(ConfigError("", "text", "a text").message(), "s.yaml:2:7: text: expected a text");
}
TEST_F(LoadYamlFileTest, PrivateFileRefusesReadableByOthers) {
  chmod(path_.c_str(), 0640);
  EXPECT_THAT(std::string(ReadFile(path_, {4096, kPrivateFile}).status().message()),
              HasSubstr("group or others may read"));
  chmod(path_.c_str(), 0600);
  EXPECT_EQ(ReadFile(path_, {4096, kPrivateFile}).value(), "text: from file\n");
  EXPECT_FALSE(ReadFile(path_, {4, kPrivateFile}).ok());
  EXPECT_TRUE(ReadFile(path_, {16, kPrivateFile}).ok());
}

}  // namespace
}  // namespace twi::config
