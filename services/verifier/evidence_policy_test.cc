#include "services/verifier/evidence_policy.h"

#include <functional>

#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::verifier {
namespace {

using config::v1::EvidencePolicy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

constexpr char kDocument[] = "the document";

EvidencePolicy Good() {
  EvidencePolicy policy;
  policy.set_id("production");
  config::v1::SnpPolicy& snp = *policy.mutable_sev_snp();
  snp.add_allowed_vmpl(3);
  config::v1::MinimumTcb& tcb = *snp.add_minimum_tcb();
  tcb.set_product("Turin");
  tcb.set_fmc(255);
  snp.add_allowed_signing_keys("VLEK");
  snp.add_allowed_host_data(std::string(32, 'h'));
  config::v1::TpmPolicy& tpm = *policy.mutable_tpm2();
  tpm.set_bank("sha384");
  for (const std::uint32_t pcr : {0, 7, 23}) tpm.add_pcrs(pcr);
  config::v1::Condition& condition = *policy.add_conditions();
  condition.set_name("ours");
  condition.set_expression("software.vendor == \"us\" && evidence.vmpl == 0");
  return policy;
}

TEST(EvidencePolicyTest, CompilesAndIsNamedByItsDocument) {
  const auto compiled = CompileEvidencePolicy(Good(), kDocument);
  ASSERT_OK(compiled);
  EXPECT_EQ(compiled->id, "production@sha256:" + ToHex(crypto::Sha256(kDocument)));
  EXPECT_EQ(compiled->conditions.all().size(), 1u);
  EXPECT_NE(CompileEvidencePolicy(Good(), "another")->id, compiled->id);
}

TEST(EvidencePolicyTest, WhatIsUnsetGetsTheStrictDefault) {
  EvidencePolicy policy;
  policy.set_id("p");
  policy.mutable_sev_snp();
  policy.mutable_tpm2()->add_pcrs(0);
  const auto compiled = CompileEvidencePolicy(policy, kDocument);
  ASSERT_OK(compiled);
  EXPECT_THAT(compiled->policy.sev_snp().allowed_vmpl(), ElementsAre(0));
  EXPECT_THAT(compiled->policy.sev_snp().allowed_signing_keys(), ElementsAre("VCEK", "VLEK"));
  EXPECT_FALSE(compiled->policy.sev_snp().insecure_allow_debug());
  EXPECT_FALSE(compiled->policy.sev_snp().allow_migration_agent());
  EXPECT_EQ(compiled->policy.tpm2().bank(), "sha256");
}

TEST(EvidencePolicyTest, RefusesEachFaultByName) {
  const std::pair<const char*, std::function<void(EvidencePolicy&)>> faults[] = {
      {"id", [](EvidencePolicy& p) { p.clear_id(); }},
      {"id", [](EvidencePolicy& p) { p.set_id(std::string(257, 'i')); }},
      {"at least one format",
       [](EvidencePolicy& p) {
         p.clear_sev_snp();
         p.clear_tpm2();
       }},
      {"allowed_vmpl", [](EvidencePolicy& p) { p.mutable_sev_snp()->add_allowed_vmpl(4); }},
      {"minimum_tcb.product",
       [](EvidencePolicy& p) { p.mutable_sev_snp()->mutable_minimum_tcb(0)->set_product("Rome"); }},
      {"minimum_tcb.product", [](EvidencePolicy& p) { p.mutable_sev_snp()->add_minimum_tcb(); }},
      {"minimum_tcb", [](EvidencePolicy& p) { p.mutable_sev_snp()->mutable_minimum_tcb(0)->set_ucode(256); }},
      {"minimum_tcb.fmc", [](EvidencePolicy& p) { p.mutable_sev_snp()->mutable_minimum_tcb(0)->set_product("Milan"); }},
      {"minimum_tcb.product: expected each product once",
       [](EvidencePolicy& p) { *p.mutable_sev_snp()->add_minimum_tcb() = p.sev_snp().minimum_tcb(0); }},
      {"allowed_signing_keys", [](EvidencePolicy& p) { p.mutable_sev_snp()->add_allowed_signing_keys("vcek"); }},
      {"allowed_host_data", [](EvidencePolicy& p) { p.mutable_sev_snp()->add_allowed_host_data("short"); }},
      {"tpm2.bank", [](EvidencePolicy& p) { p.mutable_tpm2()->set_bank("sha1"); }},
      {"tpm2.pcrs", [](EvidencePolicy& p) { p.mutable_tpm2()->clear_pcrs(); }},
      {"tpm2.pcrs", [](EvidencePolicy& p) { p.mutable_tpm2()->add_pcrs(24); }},
      {"tpm2.pcrs", [](EvidencePolicy& p) { p.mutable_tpm2()->add_pcrs(7); }},
      {"tpm2.pcrs", [](EvidencePolicy& p) { p.mutable_tpm2()->add_pcrs(23); }},
      {"evidence policy: ", [](EvidencePolicy& p) { p.mutable_conditions(0)->clear_name(); }},
      {"evidence policy: ", [](EvidencePolicy& p) { p.mutable_conditions(0)->set_expression("software.vendor"); }},
      {"evidence policy: ",
       [](EvidencePolicy& p) { p.mutable_conditions(0)->set_expression("software.team == \"x\""); }},
      {"evidence policy: ",
       [](EvidencePolicy& p) { p.mutable_conditions(0)->set_expression("results.status == \"x\""); }},
      {"evidence policy: ", [](EvidencePolicy& p) { *p.add_conditions() = p.conditions(0); }},
  };
  for (const auto& [field, fault] : faults) {
    EvidencePolicy policy = Good();
    fault(policy);
    EXPECT_THAT(CompileEvidencePolicy(policy, kDocument), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr(field)));
  }
}

}  // namespace
}  // namespace twi::verifier
