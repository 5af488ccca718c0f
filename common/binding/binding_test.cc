#include "common/binding/binding.h"

#include <string>

#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

// The vector of a real SEV-SNP report: reference/wire-formats section 0.1, run 20260930T171748Z.
v1::Binding RealVector() {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(*FromBase64Url("-BcOZDhynh497WDHyLIgcWtxOPmn5iUMVp8VSHkO4l8"));
  binding.set_target("https://db.tacra.example");
  binding.set_rp_id("https://ca1.tacra.example");
  binding.set_subject(
      *FromHex("3081dc3081830201003021311f301d06035504030c16776f726b6c6f61642e74616372612e6578616d706c653059301306072a8"
               "648ce3d020106082a8648ce"
               "3d0301070342000458f74deb3089c1ba23a2a630a94812f503377fa33d252cd5b2a287fefa40bca353ff2671caa8565de5cc5d2"
               "21d2a61e5610f9748224dd4"
               "a210c82bdfa329d7c2a000300a06082a8648ce3d0403020348003045022100a214dc7a98c6dd8c702a38cc2acabbf0fc7391491"
               "a546720f69bf29fdbe70562"
               "02205708ed7cf3fc25d8f2501639a589a69be2aa8468f97ff4008d3ea124147a0347"));
  return binding;
}

constexpr char kRealReportData[] =
    "c5d8f3e4a93130e864df61ef1bf940223d8d891fa668d21aceffb34f20473065c3cf80a64ccd0c8c5a60717a5d25cb8b2131bf2e51be88f7be"
    "adba6bb181d4ca";
// The same values with rp_id before target, the order before 30 September 2026.
constexpr char kOldOrder[] =
    "05c2b861dc97aed982ede3ded616a970829755311a192aa86e8736e5d41c6603e2f2fc30e22c46bee1751894f7efff2a423d6d56bca73418d6"
    "3bfbf821961e33";

TEST(BindingTest, GivesTheReportDataOfTheRealReport) {
  EXPECT_EQ(ToHex(BindingValue64(RealVector())), kRealReportData);
  EXPECT_TRUE(MatchBinding(RealVector(), *FromHex(kRealReportData)).ok());
}

TEST(BindingTest, RefusesTheOldOrder) {
  EXPECT_EQ(DenyReasonOf(MatchBinding(RealVector(), *FromHex(kOldOrder))), v1::DENY_REASON_BINDING_MISMATCH);
}

TEST(BindingTest, MatchesTheShortFormOfATpm) {
  EXPECT_EQ(BindingValue32(RealVector()).size(), 32u);
  EXPECT_TRUE(MatchBinding(RealVector(), BindingValue32(RealVector())).ok());
}

TEST(BindingTest, RefusesOtherSizes) {
  const std::string value = BindingValue64(RealVector());
  for (std::size_t size : {0, 1, 31, 33, 48, 63}) {
    EXPECT_EQ(DenyReasonOf(MatchBinding(RealVector(), value.substr(0, size))), v1::DENY_REASON_BINDING_MISMATCH)
        << size;
  }
  EXPECT_EQ(DenyReasonOf(MatchBinding(RealVector(), value + "x")), v1::DENY_REASON_BINDING_MISMATCH);
}

TEST(BindingTest, RefusesWhenAnyInputDiffers) {
  const std::string value = BindingValue64(RealVector());
  const auto refuses = [&](const v1::Binding& changed) {
    return DenyReasonOf(MatchBinding(changed, value)) == v1::DENY_REASON_BINDING_MISMATCH;
  };
  v1::Binding b = RealVector();
  b.mutable_nonce()->back() ^= 1;
  EXPECT_TRUE(refuses(b));
  b = RealVector();
  b.set_target("https://other.tacra.example");
  EXPECT_TRUE(refuses(b));
  b = RealVector();
  b.set_rp_id("https://ca2.tacra.example");
  EXPECT_TRUE(refuses(b));
  b = RealVector();
  b.mutable_subject()->back() ^= 1;
  EXPECT_TRUE(refuses(b));
}

// The lengths keep fields apart: moving a byte from one field to its neighbour is another binding.
TEST(BindingTest, RefusesAByteMovedBetweenFields) {
  v1::Binding b = RealVector();
  b.set_nonce(b.nonce() + "h");
  b.set_target(b.target().substr(1));
  EXPECT_NE(BindingInput(b), BindingInput(RealVector()));
}

TEST(ValidateBindingTest, AcceptsTheRealVector) { EXPECT_TRUE(ValidateBinding(RealVector()).ok()); }

TEST(ValidateBindingTest, RefusesUnsetAndUnknownProfiles) {
  v1::Binding b = RealVector();
  b.set_profile(v1::BINDING_PROFILE_UNSPECIFIED);
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED);
  b.set_profile(static_cast<v1::BindingProfile>(99));
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED);
}

TEST(ValidateBindingTest, RefusesMissingAndOversizedFields) {
  v1::Binding b = RealVector();
  b.clear_nonce();
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_CHALLENGE_MISSING);
  b.set_nonce("short");
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_MALFORMED);
  b = RealVector();
  b.clear_target();
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_MALFORMED);
  b.set_target("no-scheme");
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_MALFORMED);
  b.set_target("https://a b");
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_MALFORMED);
  b.set_target("https://" + std::string(2048, 'a'));
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_TOO_LARGE);
  b = RealVector();
  b.clear_rp_id();
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_MALFORMED);
  b = RealVector();
  b.clear_subject();
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_MALFORMED);
  b.set_subject(std::string(4097, 'a'));
  EXPECT_EQ(DenyReasonOf(ValidateBinding(b)), v1::DENY_REASON_REQUEST_TOO_LARGE);
}

}  // namespace
}  // namespace twi
