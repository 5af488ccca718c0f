#include "services/verifier/reference_values.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::verifier {
namespace {

using config::v1::ReferenceValue;
using config::v1::ReferenceValues;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

ReferenceValue Snp(const std::string& name, char fill) {
  ReferenceValue value;
  value.set_name(name);
  value.set_version("1.2.0");
  value.set_vendor("us");
  value.mutable_valid_until()->set_seconds(1900000000);
  value.set_sev_snp_measurement(std::string(48, fill));
  return value;
}

ReferenceValue Tpm() {
  ReferenceValue value = Snp("vm", 'x');
  config::v1::TpmPcrs& tpm = *value.mutable_tpm2_pcrs();
  tpm.set_bank("sha256");
  for (const std::uint32_t index : {0, 7}) {
    config::v1::PcrReference& pcr = *tpm.add_pcrs();
    pcr.set_index(index);
    pcr.set_value(std::string(32, static_cast<char>('a' + index)));
  }
  return value;
}

ReferenceValues File(const std::vector<ReferenceValue>& values) {
  ReferenceValues file;
  for (const ReferenceValue& value : values) *file.add_reference_values() = value;
  return file;
}

TEST(ReferenceValuesTest, FindsByMeasurementOverAllFiles) {
  ReferenceValue withdrawn = Snp("old", 'b');
  withdrawn.set_withdrawn(true);
  const auto index = ReferenceValueIndex::Build({File({Snp("payroll", 'a'), withdrawn}), File({}), File({Tpm()})});
  ASSERT_OK(index);
  EXPECT_EQ(index->size(), 3u);
  const Reference* payroll = index->Find("sev-snp:" + ToHex(std::string(48, 'a')));
  ASSERT_NE(payroll, nullptr);
  EXPECT_EQ(payroll->name, "payroll");
  EXPECT_EQ(payroll->version, "1.2.0");
  EXPECT_EQ(payroll->vendor, "us");
  EXPECT_EQ(payroll->valid_until, absl::FromUnixSeconds(1900000000));
  EXPECT_FALSE(payroll->withdrawn);
  EXPECT_TRUE(index->Find(SnpMeasurementKey(std::string(48, 'b')))->withdrawn);
  const std::string digest = ToHex(crypto::Sha256(std::string(32, 'a') + std::string(32, 'h')));
  ASSERT_NE(index->Find("tpm2:sha256:0,7:" + digest), nullptr);
}

TEST(ReferenceValuesTest, FindsNothingElse) {
  const auto index = ReferenceValueIndex::Build({File({Snp("payroll", 'a'), Tpm()})});
  ASSERT_OK(index);
  const std::string digest = ToHex(crypto::Sha256(std::string(32, 'a') + std::string(32, 'h')));
  for (const std::string& key : {std::string(), std::string("sev-snp:"), SnpMeasurementKey(std::string(48, 'c')),
                                 SnpMeasurementKey(std::string(47, 'a')), ToHex(std::string(48, 'a')),
                                 "tpm2:sha384:0,7:" + digest, "tpm2:sha256:0,8:" + digest}) {
    EXPECT_EQ(index->Find(key), nullptr) << key;
  }
  EXPECT_EQ(ReferenceValueIndex::Build({})->size(), 0u);
}

TEST(ReferenceValuesTest, RefusesEachFaultByNameOfTheSoftware) {
  const std::pair<const char*, std::function<void(ReferenceValue&)>> faults[] = {
      {"name", [](ReferenceValue& v) { v.clear_name(); }},
      {"version", [](ReferenceValue& v) { v.clear_version(); }},
      {"vendor", [](ReferenceValue& v) { v.clear_vendor(); }},
      {"valid_until", [](ReferenceValue& v) { v.clear_valid_until(); }},
      {"expected sev_snp_measurement or tpm2_pcrs", [](ReferenceValue& v) { v.clear_measured(); }},
      {"48 bytes", [](ReferenceValue& v) { v.set_sev_snp_measurement(std::string(32, 'a')); }},
      {"48 bytes", [](ReferenceValue& v) { v.set_sev_snp_measurement(""); }},
      {"bank", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->set_bank("sha1"); }},
      {"bank", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->clear_bank(); }},
      {"at least one", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->clear_pcrs(); }},
      {"PCR 24", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->mutable_pcrs(1)->set_index(24); }},
      {"PCR 7", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->mutable_pcrs(1)->set_value("short"); }},
      {"32 bytes", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->mutable_pcrs(0)->set_value(std::string(48, 'a')); }},
      {"ascending", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->mutable_pcrs(0)->set_index(7); }},
      {"ascending", [](ReferenceValue& v) { v.mutable_tpm2_pcrs()->mutable_pcrs(0)->set_index(8); }},
  };
  for (const auto& [detail, fault] : faults) {
    ReferenceValue value = Tpm();
    fault(value);
    EXPECT_THAT(ReferenceValueIndex::Build({File({value})}),
                StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr(detail)));
  }
}

TEST(ReferenceValuesTest, RefusesTwoValuesForOneMeasurement) {
  EXPECT_THAT(ReferenceValueIndex::Build({File({Snp("payroll", 'a')}), File({Snp("ledger", 'a')})}),
              StatusIs(v1::DENY_REASON_CONFIG_INVALID, AllOf(HasSubstr("payroll"), HasSubstr("ledger"))));
  EXPECT_THAT(ReferenceValueIndex::Build({File({Tpm(), Tpm()})}), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

}  // namespace
}  // namespace twi::verifier
