#include "broker/shared_groups.h"

#include <gtest/gtest.h>

#include <set>

namespace sealmq::broker {
namespace {

constexpr Number nobody = 0;

TEST(GroupMembers, TakeTurns) {
  GroupMembers members;
  for (Number session : {1, 2, 3}) members.set({0, session}, true);
  std::multiset<Number> asked;
  for (int i = 0; i < 9; ++i) asked.insert(members.choose(nobody, 0)->session);
  for (Number session : {1, 2, 3}) EXPECT_EQ(asked.count(session), 3U);
}

TEST(GroupMembers, WhoIsThereComesFirst) {
  GroupMembers members;
  members.set({0, 1}, false);
  members.set({4, 2}, true);
  members.set({0, 3}, true);
  for (int i = 0; i < 4; ++i) EXPECT_NE(members.choose(nobody, 0)->session, 1U);
  EXPECT_EQ(members.choose(2, 1)->session, 3U) << "the other one that is there";
  EXPECT_EQ(members.choose(3, 3)->session, 1U) << "both were asked";
  members.set({4, 2}, false);
  members.remove(3);
  members.remove(3);
  EXPECT_EQ(members.size(), 2U);
  EXPECT_EQ(members.choose(1, 0)->session, 2U);
  EXPECT_EQ(members.choose(1, 0)->shard, 4U);
}

TEST(GroupMembers, WhoIsThereIsAskedThoughAnotherLeftMeanwhile) {
  GroupMembers members;
  members.set({0, 1}, false);
  members.set({0, 2}, true);
  EXPECT_EQ(members.choose(7, 1)->session, 2U);
}

TEST(GroupMembers, NobodyIsLeftButTheOneThatRefused) {
  GroupMembers members;
  EXPECT_EQ(members.choose(nobody, 0), nullptr);
  members.set({0, 1}, true);
  EXPECT_EQ(members.choose(1, 0), nullptr);
  members.set({0, 1}, false);
  EXPECT_EQ(members.choose(1, 1), nullptr);
  EXPECT_EQ(members.choose(nobody, 0)->session, 1U);
}

TEST(GroupMembers, WhoIsAwayDoesNotSlowTheChoice) {
  constexpr Number many = 10'000;
  GroupMembers members;
  for (Number session = 1; session <= many; ++session) members.set({0, session}, false);
  for (int i = 0; i < 100; ++i) members.choose(1, 0);
  EXPECT_LE(members.visited(), 200U);
  members.set({0, many / 2}, true);
  const std::uint64_t before = members.visited();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(members.choose(nobody, 0)->session, many / 2);
  EXPECT_EQ(members.visited(), before + 100);
}

TEST(GroupMembers, StayKnownWhenOthersLeave) {
  GroupMembers members;
  for (Number session = 1; session <= 100; ++session) members.set({0, session}, session % 3 == 0);
  for (Number session = 2; session <= 100; session += 2) members.remove(session);
  std::set<Number> asked;
  for (std::size_t i = 0; i < 17; ++i) asked.insert(members.choose(nobody, 0)->session);
  for (std::size_t i = 0; i < 33; ++i) asked.insert(members.choose(nobody, 18)->session);
  ASSERT_EQ(members.size(), 50U);
  EXPECT_EQ(asked.size(), 50U);
  for (Number session : asked) EXPECT_EQ(session % 2, 1U);
}

}  // namespace
}  // namespace sealmq::broker
