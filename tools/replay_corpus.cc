// Stands in for libFuzzer's main: gives each corpus file once to the target, so that a fuzz target is an ordinary test.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  int replayed = 0;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot open corpus file %s\n", argv[i]);
      return 1;
    }
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    // The same bytes cut short and with a bit turned: cheap neighbours of every corpus file.
    for (std::size_t cut : {bytes.size() / 2, bytes.size() > 0 ? bytes.size() - 1 : 0}) {
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), cut);
    }
    for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 64 + 1) {
      std::string turned = bytes;
      turned[at] = static_cast<char>(turned[at] ^ (1 << (at % 8)));
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(turned.data()), turned.size());
    }
    ++replayed;
  }
  std::printf("replayed %d corpus files\n", replayed);
  return replayed > 0 ? 0 : 1;
}
