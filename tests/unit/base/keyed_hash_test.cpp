#include "base/keyed_hash.h"

#include <gtest/gtest.h>

namespace sealmq {
namespace {

constexpr HashKey counting{0x0706050403020100U, 0x0F0E0D0C0B0A0908U};

std::string first_octets(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text.push_back(static_cast<char>(i));
  return text;
}

// From the publication's appendix and its reference implementation.
TEST(KeyedHash, AgreesWithThePublishedVectors) {
  EXPECT_EQ(cautious_keyed_hash(counting, ""), 0x726FDB47DD0E0E31U);
  EXPECT_EQ(cautious_keyed_hash(counting, first_octets(1)), 0x74F839C593DC67FDU);
  EXPECT_EQ(cautious_keyed_hash(counting, first_octets(8)), 0x93F5F5799A932462U);
  EXPECT_EQ(cautious_keyed_hash(counting, first_octets(15)), 0xA129CA6149BE45E5U);
}

TEST(KeyedHash, TheQuickFormHasFewerRoundsOfTheSame) {
  EXPECT_NE(keyed_hash(counting, ""), cautious_keyed_hash(counting, ""));
  EXPECT_NE(keyed_hash(counting, first_octets(15)), keyed_hash(counting, first_octets(16)));
  EXPECT_NE(keyed_hash(counting, first_octets(15)), keyed_hash({1, 2}, first_octets(15)));
}

TEST(KeyedHash, NobodyKnowsTheKeyOfAProcess) {
  EXPECT_NE(hash_key_of_process(), HashKey{});
  EXPECT_NE(make_hash_key(), make_hash_key());
  EXPECT_EQ(hash_key_of_process(), hash_key_of_process());
}

}  // namespace
}  // namespace sealmq
