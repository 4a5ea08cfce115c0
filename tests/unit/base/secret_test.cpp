#include "sealmq/secret.h"

#include <gtest/gtest.h>

#include <concepts>

using namespace sealmq;

static_assert(!std::copyable<Secret>);
static_assert(!std::equality_comparable<Secret>);
static_assert(std::movable<Secret>);

TEST(Secret, HoldsACopyOfWhatItWasGiven) {
  Buffer bytes = {1, 2, 3};
  Secret secret{Bytes(bytes)};
  bytes[0] = 9;
  EXPECT_EQ(to_buffer(secret.reveal()), (Buffer{1, 2, 3}));
  EXPECT_EQ(secret.size(), 3U);
}

TEST(Secret, TakesABufferOverInsteadOfLeavingACopyBehind) {
  Buffer bytes = {1, 2, 3};
  const auto* where = bytes.data();
  Secret secret(std::move(bytes));
  EXPECT_EQ(secret.reveal().data(), where);
}

TEST(Secret, IsEmptyAfterAMove) {
  Secret first(Buffer{1, 2, 3});
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT: the state after a move is what is tested
  Secret third;
  third = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT
  EXPECT_EQ(to_buffer(third.reveal()), (Buffer{1, 2, 3}));
}

TEST(Secret, SurvivesAMoveToItself) {
  Secret secret(Buffer{1, 2, 3});
  Secret& alias = secret;
  secret = std::move(alias);
  EXPECT_EQ(secret.size(), 3U);
}

TEST(Wipe, OverwritesEveryByteAndNothingElse) {
  Buffer bytes = {1, 2, 3, 4};
  wipe(bytes.data() + 1, 2);
  EXPECT_EQ(bytes, (Buffer{1, 0, 0, 4}));
  wipe(nullptr, 0);
}

TEST(Same, ComparesLengthAndEveryBit) {
  const Buffer reference = {0x00, 0x55, 0xFF};
  EXPECT_TRUE(same(reference, Buffer{0x00, 0x55, 0xFF}));
  EXPECT_TRUE(same({}, {}));
  EXPECT_FALSE(same(reference, Buffer{0x00, 0x55}));
  EXPECT_FALSE(same(reference, Buffer{0x00, 0x55, 0xFF, 0x00}));
  for (std::size_t bit = 0; bit < 24; ++bit) {
    Buffer other = reference;
    other[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(same(reference, other)) << "bit " << bit;
  }
}
