#include "base/keyed_hash.h"

#include <bit>
#include <cstring>
#include <random>

namespace sealmq {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

struct State {
  std::uint64_t v0, v1, v2, v3;

  explicit State(const HashKey& key)
      : v0(key.first ^ 0x736F6D6570736575U),
        v1(key.second ^ 0x646F72616E646F6DU),
        v2(key.first ^ 0x6C7967656E657261U),
        v3(key.second ^ 0x7465646279746573U) {}

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
};

template <int word_rounds, int last_rounds>
std::uint64_t siphash(const HashKey& key, std::string_view text) {
  State state(key);
  const auto take = [&state](std::uint64_t word) {
    state.v3 ^= word;
    for (int i = 0; i < word_rounds; ++i) state.round();
    state.v0 ^= word;
  };
  std::size_t at = 0;
  for (; text.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    take(word);
  }
  std::uint64_t last = 0;
  if (at < text.size()) std::memcpy(&last, text.data() + at, text.size() - at);
  take(last | static_cast<std::uint64_t>(text.size()) << 56);
  state.v2 ^= 0xFF;
  for (int i = 0; i < last_rounds; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace

HashKey make_hash_key() {
  std::random_device chance;
  const auto word = [&] { return std::uint64_t{chance()} << 32 | chance(); };
  return {word(), word()};
}

const HashKey& hash_key_of_process() {
  static const HashKey key = make_hash_key();
  return key;
}

std::uint64_t keyed_hash(const HashKey& key, std::string_view text) {
  return siphash<1, 3>(key, text);
}

std::uint64_t cautious_keyed_hash(const HashKey& key, std::string_view text) {
  return siphash<2, 4>(key, text);
}

}  // namespace sealmq
