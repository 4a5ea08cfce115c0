#include "broker/limits/token_bucket.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

TEST(TokenBucket, BeginsFullAndKeepsItsRate) {
  const Rate rate{10, 5};
  TokenBucket bucket(rate, 1000);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.take(rate, 1, 1000), 1000U);
  EXPECT_TRUE(bucket.is_empty(rate, 1000));
  EXPECT_EQ(bucket.take(rate, 1, 1000), 1100U);
  EXPECT_EQ(bucket.take(rate, 1, 1000), 1200U);
  EXPECT_FALSE(bucket.is_empty(rate, 1300));
  EXPECT_FALSE(bucket.is_full(rate, 1600));
  EXPECT_TRUE(bucket.is_full(rate, 1700));
}

TEST(TokenBucket, LargeDebtsAndLongRestsStayInTheirRange) {
  const Rate rate{UINT32_MAX, UINT32_MAX};
  TokenBucket bucket(rate, 0);
  EXPECT_EQ(bucket.take(rate, UINT64_MAX, 0), 0U);
  EXPECT_EQ(bucket.take(rate, UINT64_MAX, 0), 1000U);
  EXPECT_TRUE(bucket.is_full(rate, UINT64_MAX));

  const Rate slow{1, 1};
  TokenBucket one(slow, 0);
  EXPECT_EQ(one.take(slow, UINT64_MAX, 0), std::uint64_t{1000} * (UINT32_MAX - 1ULL));
}

TEST(TokenBucket, ABurstOfNothingIsOneToken) {
  const Rate rate{1, 0};
  TokenBucket bucket(rate, 0);
  EXPECT_FALSE(bucket.is_empty(rate, 0));
  EXPECT_EQ(bucket.take(rate, 1, 0), 0U);
  EXPECT_EQ(bucket.take(rate, 1, 0), 1000U);
}

}  // namespace
}  // namespace sealmq::broker
