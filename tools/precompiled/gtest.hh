// What our tests include besides (libraries.hh).
#include "gmock/gmock.h"
#include "gtest/gtest.h"
