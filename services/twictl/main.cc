#include <iostream>

#include "services/twictl/commands.h"

int main(int argc, char** argv) { return twi::twictl::Run({argv + 1, argv + argc}, std::cout, std::cerr); }
