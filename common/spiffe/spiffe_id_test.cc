#include "common/spiffe/spiffe_id.h"

#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

TEST(SpiffeIdTest, ReadsTrustDomainAndPath) {
  const auto id = ParseSpiffeId("spiffe://example.org/payroll/Worker-1_a.b");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->trust_domain, "example.org");
  EXPECT_EQ(id->path, "/payroll/Worker-1_a.b");
  EXPECT_TRUE(ParseSpiffeId("spiffe://example.org").ok());
}

TEST(SpiffeIdTest, RefusesWhatTheSpecificationExcludes) {
  for (const char* text :
       {"", "spiffe://", "spiffe:///x", "SPIFFE://example.org/x", "https://example.org/x", "spiffe://Example.org/x",
        "spiffe://example.org/", "spiffe://example.org//x", "spiffe://example.org/x/", "spiffe://example.org/./x",
        "spiffe://example.org/../x", "spiffe://example.org:80/x", "spiffe://u@example.org/x",
        "spiffe://example.org/x?y", "spiffe://example.org/x#y", "spiffe://example.org/%41", "spiffe://example.org/x y",
        "spiffe://example.org/x\n", "spiffe://example.org/\xc3\xa4"}) {
    EXPECT_EQ(DenyReasonOf(ParseSpiffeId(text).status()), v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED) << text;
  }
  EXPECT_FALSE(ParseSpiffeId("spiffe://example.org/" + std::string(2048, 'a')).ok());
  EXPECT_FALSE(ParseSpiffeId("spiffe://" + std::string(256, 'a') + "/x").ok());
  EXPECT_FALSE(ParseSpiffeId(std::string("spiffe://example.org/a\0b", 24)).ok());
}

TEST(SpiffeIdTest, RefusesATrustDomainAsAnIdentifier) {
  EXPECT_FALSE(ValidateWorkloadIdentifier("spiffe://example.org").ok());
  EXPECT_TRUE(ValidateWorkloadIdentifier("spiffe://example.org/a").ok());
}

}  // namespace
}  // namespace twi
