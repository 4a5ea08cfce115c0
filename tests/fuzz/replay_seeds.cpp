// Stands in for libFuzzer: replay_seeds TARGET FOLDER… runs a target once over every file of the folders, and over some simple
// mutations of each. Fails when there is no seed, so that a lost seed folder does not look like a pass.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#define TARGET(name) extern "C" int fuzz_##name(const unsigned char* data, std::size_t size);
#include "fuzz_targets.inc"
#undef TARGET

namespace {

struct Target {
  std::string_view name;
  int (*run)(const unsigned char* data, std::size_t size);
};

constexpr Target targets[] = {
#define TARGET(name) {#name, fuzz_##name},
#include "fuzz_targets.inc"
#undef TARGET
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  const auto* target = std::ranges::find(targets, wanted, &Target::name);
  if (target == std::end(targets)) {
    std::fprintf(stderr, "no such target\n");
    return 2;
  }
  std::size_t inputs = 0;
  for (int i = 2; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::vector<unsigned char> seed{std::istreambuf_iterator<char>(file), {}};
      target->run(seed.data(), seed.size());
      ++inputs;
      for (std::size_t at = 0; at < seed.size() && at < 512; ++at) {
        auto changed = seed;
        changed[at] = static_cast<unsigned char>(changed[at] ^ (1U << (at % 8)));
        target->run(changed.data(), changed.size());
        target->run(seed.data(), at);
      }
    }
  }
  std::printf("%zu seeds\n", inputs);
  return inputs == 0 ? 1 : 0;
}
