#include "broker/schemes/turns.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

ConnectionId number(std::uint32_t n) {
  return {n, 0};
}

std::vector<std::uint32_t> all_next(Turns& turns) {
  std::vector<std::uint32_t> begun;
  while (auto next = turns.next()) begun.push_back(next->slot);
  return begun;
}

using Numbers = std::vector<std::uint32_t>;

TEST(Turns, AddressesTakeTurnsHoweverMuchOneOfThemWants) {
  Turns turns(8, 4);
  for (std::uint32_t i = 0; i < 100; ++i) turns.wait("flood", number(i));
  turns.wait("friend", number(1000));
  turns.wait("other", number(2000));
  EXPECT_EQ(all_next(turns), (Numbers{0, 1000, 2000, 1}));
  turns.over("friend");
  turns.wait("friend", number(1001));
  EXPECT_EQ(all_next(turns), (Numbers{2}));
  turns.over("flood");
  EXPECT_EQ(all_next(turns), (Numbers{1001}));
}

TEST(Turns, OneAddressHasItsPartOnly) {
  Turns turns(2, 10);
  for (std::uint32_t i = 0; i < 5; ++i) turns.wait("flood", number(i));
  EXPECT_EQ(all_next(turns), (Numbers{0, 1}));
  EXPECT_EQ(turns.waiting(), 3U);
  turns.over("flood");
  EXPECT_EQ(all_next(turns), (Numbers{2}));
  turns.over("flood");
  turns.over("flood");
  EXPECT_EQ(all_next(turns), (Numbers{3, 4}));
}

TEST(Turns, ManyAddressesTogetherHaveABoundToo) {
  Turns turns(2, 3);
  for (std::uint32_t i = 0; i < 50; ++i) turns.wait("address " + std::to_string(i), number(i));
  EXPECT_EQ(all_next(turns), (Numbers{0, 1, 2}));
  turns.over("address 1");
  EXPECT_EQ(all_next(turns), (Numbers{3}));
}

TEST(Turns, WhoHasLeftTakesNoTurnAndNoMemory) {
  Turns turns(1, 1);
  auto first = turns.wait("a", number(1));
  auto second = turns.wait("a", number(2));
  turns.wait("b", number(3));
  turns.leave("a", second);
  EXPECT_EQ(all_next(turns), Numbers{1});
  turns.leave("a", first);  // its work has begun: it goes on
  EXPECT_EQ(all_next(turns), Numbers{});
  turns.over("a");
  EXPECT_EQ(all_next(turns), Numbers{3});
  for (int i = 0; i < 1000; ++i) turns.leave("a", turns.wait("a", number(4)));
  EXPECT_EQ(turns.waiting(), 0U);
  turns.over("b");
  EXPECT_EQ(all_next(turns), Numbers{});
}

}  // namespace
}  // namespace sealmq::broker
