// What our tests include (libraries.hh).
#include "libraries.hh"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
