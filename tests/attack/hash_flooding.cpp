// Goal: make the broker's tables into lists, by names that all fall into one place. Claim: tables whose keys others choose are
// hashed under a secret. Against the library's own hash, which has none, the attack succeeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/keyed_hash.h"
#include "broker/shard.h"

namespace sealmq {
namespace {

constexpr std::uint64_t multiplier = 0xC6A4A7935BD1E995U;  // of MurmurHash64A, which libstdc++ takes for std::hash of texts

std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t found = odd;
  for (int i = 0; i < 6; ++i) found *= 2 - odd * found;
  return found;
}

std::uint64_t shift_mix(std::uint64_t value) {
  return value ^ value >> 47;
}

/// What one word does to the state, forwards and backwards.
std::uint64_t mixed(std::uint64_t word) {
  return shift_mix(word * multiplier) * multiplier;
}
std::uint64_t unmixed(std::uint64_t value) {
  return shift_mix(value * inverse(multiplier)) * inverse(multiplier);
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != '+' && c != '#' && c != '/'; });
}

/// Names of 16 characters with one hash: the first half is any, the second is what leads to the same state.
std::vector<std::string> names_with_one_hash(std::size_t count) {
  std::mt19937_64 chance(1);
  const std::uint64_t begin = 0xC70F6907U ^ 16 * multiplier;
  const std::uint64_t before_end = chance() * inverse(multiplier);
  std::vector<std::string> names;
  while (names.size() < count) {
    std::string name(16, ' ');
    for (std::size_t i = 0; i < 8; ++i) name[i] = static_cast<char>('a' + chance() % 26);
    std::uint64_t first = 0;
    std::memcpy(&first, name.data(), 8);
    const std::uint64_t second = unmixed((begin ^ mixed(first)) * multiplier ^ before_end);
    std::memcpy(name.data() + 8, &second, 8);
    if (is_printable(name)) names.push_back(std::move(name));
  }
  return names;
}

template <class Map>
std::size_t fullest_place(const std::vector<std::string>& names) {
  Map map;
  for (const auto& name : names) map.emplace(name, 0);
  std::size_t most = 0;
  for (std::size_t i = 0; i < map.bucket_count(); ++i) most = std::max(most, map.bucket_size(i));
  return most;
}

TEST(HashFlooding, NamesWithOneHashMakeAListOfTheLibrarysTableAndNotOfOurs) {
  const auto names = names_with_one_hash(500);
  EXPECT_EQ((fullest_place<std::unordered_map<std::string, int>>(names)), names.size()) << "the attack works";
  EXPECT_LE(fullest_place<TextMap<int>>(names), 12U);
}

TEST(HashFlooding, NobodyChoosesTheShardOfItsClients) {
  const auto names = names_with_one_hash(300);
  const HashKey key = make_hash_key();
  std::vector<std::size_t> at(3);
  for (const auto& name : names) ++at[broker::Shard::shard_of(name, 3, key)];
  for (const std::size_t count : at) EXPECT_GT(count, 50U);
}

}  // namespace
}  // namespace sealmq
