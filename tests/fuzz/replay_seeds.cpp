// Stands in for libFuzzer: runs a target once over every file of the folders named, and over some simple mutations of each.
// Fails when a folder holds no seed, so that a lost seed folder does not look like a pass.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

int main(int argc, char** argv) {
  std::size_t inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::vector<unsigned char> seed{std::istreambuf_iterator<char>(file), {}};
      LLVMFuzzerTestOneInput(seed.data(), seed.size());
      ++inputs;
      for (std::size_t at = 0; at < seed.size() && at < 512; ++at) {
        auto changed = seed;
        changed[at] = static_cast<unsigned char>(changed[at] ^ (1U << (at % 8)));
        LLVMFuzzerTestOneInput(changed.data(), changed.size());
        LLVMFuzzerTestOneInput(seed.data(), at);
      }
    }
  }
  std::printf("%zu seeds\n", inputs);
  return inputs == 0 ? 1 : 0;
}
