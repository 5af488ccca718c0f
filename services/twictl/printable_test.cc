#include "services/twictl/printable.h"

#include "gtest/gtest.h"

namespace twi::twictl {
namespace {

TEST(PrintableTest, LeavesTextAlone) {
  EXPECT_EQ(Printable("payroll worker: \"1.2.0\" \xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91"),
            "payroll worker: \"1.2.0\" \xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91");
  EXPECT_EQ(Printable(""), "");
}

TEST(PrintableTest, ShowsWhatDrivesATerminalOrBreaksALine) {
  EXPECT_EQ(Printable("a\x1b[2J\nb\r\x7f"), "a\\x1b[2J\\x0ab\\x0d\\x7f");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("a\xc2\x9b"), "a\\xc2\\x9b") << "CSI in one character";
  EXPECT_EQ(Printable("\xc2\xa0"), "\xc2\xa0") << "a space";
  EXPECT_EQ(Printable("a\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6"), "a\\xe2\\x80\\xa8\\xe2\\x80\\xae\\xe2\\x81\\xa6");
}

TEST(PrintableTest, ShowsBytesThatAreNoText) {
  EXPECT_EQ(Printable("\x9b"
                      "31m \xc3"),
            "\\x9b31m \\xc3");
}

TEST(PrintableTest, LinesStayLines) { EXPECT_EQ(PrintableLines("a\nb\x1b\n"), "a\nb\\x1b\n"); }

}  // namespace
}  // namespace twi::twictl
