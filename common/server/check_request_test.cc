// What every request must be, and until when it may work.
#include "common/server/check_request.h"

#include <string>

#include "common/server/gate.h"
#include "common/testing/matchers.h"
#include "common/testing/wire_field.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;
using testing::WireField;

TEST(WorkUntilTest, IsTheSmallerOfTheCallersAndOurs) {
  const absl::Time system = absl::FromUnixSeconds(5000), ours = absl::FromUnixSeconds(1000);
  const auto until = [&](absl::Time deadline) { return WorkUntil(deadline, system, ours, absl::Seconds(10)); };
  EXPECT_EQ(until(system + absl::Seconds(3)).value(), ours + absl::Seconds(3));
  EXPECT_EQ(until(system + absl::Seconds(30)).value(), ours + absl::Seconds(10));
  EXPECT_EQ(until(absl::InfiniteFuture()).value(), ours + absl::Seconds(10));
  for (const absl::Time passed : {system, system - absl::Nanoseconds(1), absl::InfinitePast()}) {
    EXPECT_THAT(until(passed), StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED, HasSubstr("had passed on arrival")));
  }
}

class CheckRequestTest : public ::testing::Test {
 protected:
  // config::v1::Server stands for a request: it has nested and repeated messages.
  static absl::Status Check(const std::string& bytes, std::size_t max_bytes = 1 << 20) {
    config::v1::Server request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    return CheckRequest(request, max_bytes);
  }
};

TEST_F(CheckRequestTest, TakesWhatItKnows) {
  EXPECT_OK(Check(""));
  config::v1::Server request;
  request.mutable_metrics()->mutable_tls()->set_key_file("k");
  request.add_allow()->add_peers("p");
  EXPECT_OK(Check(request.SerializeAsString()));
}
TEST_F(CheckRequestTest, RefusesUnknownFieldsAtAnyDepth) {
  const std::string unknown = WireField(1007, "x");
  for (const std::string& bytes :
       {unknown, WireField(2, unknown), WireField(3, unknown), WireField(3, "") + WireField(3, unknown),
        WireField(11, WireField(3, unknown)), std::string("\xfb\x3e\xfc\x3e"),  // a group
        std::string("\x20\x01\x22\x01x")}) {                                    // field 4 as bytes
    EXPECT_THAT(Check(bytes), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED, HasSubstr("has no field"))) << bytes;
  }
  EXPECT_THAT(Check(WireField(11, WireField(3, unknown))),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED, HasSubstr("twi.config.v1.Tls has no field 1007")));
}
TEST_F(CheckRequestTest, RefusesTooMuch) {
  EXPECT_OK(Check(WireField(1, std::string(97, 'x')), 100));
  EXPECT_THAT(Check(WireField(1, std::string(99, 'x')), 100), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(Check(WireField(1007, std::string(99, 'x')), 100), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  std::string many;
  for (int i = 1; i < kMaxRequestMessages; ++i) many += WireField(3, "");
  EXPECT_OK(Check(many));
  EXPECT_THAT(Check(many + WireField(3, "")), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

TEST_F(CheckRequestTest, RefusesWhatIsTooDeep) {
  const auto nested = [](int depth) {
    google::protobuf::ListValue top;
    google::protobuf::ListValue* at = &top;
    for (int i = 1; i < depth; ++i) at = at->add_values()->mutable_list_value();
    return CheckRequest(top, 1 << 20);
  };
  // Each level is two messages: the list's value, and the list in it.
  EXPECT_OK(nested(kMaxRequestDepth / 2));
  EXPECT_THAT(nested(kMaxRequestDepth / 2 + 1), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED, HasSubstr("nested")));
}

TEST_F(CheckRequestTest, ARequestsVerdictIsFoundByItsContextAlone) {
  const grpc::ServerContext context, other;
  SetArrivedRequest(&context, Deny(v1::DENY_REASON_REQUEST_MALFORMED, "x"));
  EXPECT_THAT(ArrivedRequest(context), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(ArrivedRequest(other), StatusIs(v1::DENY_REASON_INTERNAL)) << "nobody looked at its request";
  SetArrivedRequest(&context, absl::OkStatus());
  EXPECT_OK(ArrivedRequest(context));
  SetArrivedRequest(nullptr, absl::OkStatus());
  EXPECT_THAT(ArrivedRequest(context), StatusIs(v1::DENY_REASON_INTERNAL));
}

}  // namespace
}  // namespace twi::server
