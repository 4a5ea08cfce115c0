#include "broker/routing/shared_groups.h"

#include <gtest/gtest.h>

#include <set>

namespace sealmq::broker {
namespace {

constexpr Number nobody = 0;
const GroupMembers::Party anonymous{};

bool everybody(const GroupMembers::Party&) {
  return true;
}

GroupMembers::Party party(std::string name) {
  return {std::make_shared<const std::string>(std::move(name)), 0};
}

TEST(GroupMembers, TakeTurns) {
  GroupMembers members;
  for (Number session : {1, 2, 3}) members.set({0, session}, anonymous, true);
  std::multiset<Number> asked;
  for (int i = 0; i < 9; ++i) asked.insert(members.choose(nobody, 0, everybody)->session);
  for (Number session : {1, 2, 3}) EXPECT_EQ(asked.count(session), 3U);
}

TEST(GroupMembers, WhoIsThereComesFirst) {
  GroupMembers members;
  members.set({0, 1}, anonymous, false);
  members.set({4, 2}, anonymous, true);
  members.set({0, 3}, anonymous, true);
  for (int i = 0; i < 4; ++i) EXPECT_NE(members.choose(nobody, 0, everybody)->session, 1U);
  EXPECT_EQ(members.choose(2, 1, everybody)->session, 3U) << "the other one that is there";
  EXPECT_EQ(members.choose(3, 3, everybody)->session, 1U) << "both were asked";
  members.set({4, 2}, anonymous, false);
  members.remove(3);
  members.remove(3);
  EXPECT_EQ(members.size(), 2U);
  EXPECT_EQ(members.choose(1, 0, everybody)->session, 2U);
  EXPECT_EQ(members.choose(1, 0, everybody)->shard, 4U);
}

TEST(GroupMembers, WhoIsThereIsAskedThoughAnotherLeftMeanwhile) {
  GroupMembers members;
  members.set({0, 1}, anonymous, false);
  members.set({0, 2}, anonymous, true);
  EXPECT_EQ(members.choose(7, 1, everybody)->session, 2U);
}

TEST(GroupMembers, NobodyIsLeftButTheOneThatRefused) {
  GroupMembers members;
  EXPECT_EQ(members.choose(nobody, 0, everybody), nullptr);
  members.set({0, 1}, anonymous, true);
  EXPECT_EQ(members.choose(1, 0, everybody), nullptr);
  members.set({0, 1}, anonymous, false);
  EXPECT_EQ(members.choose(1, 1, everybody), nullptr);
  EXPECT_EQ(members.choose(nobody, 0, everybody)->session, 1U);
}

TEST(GroupMembers, WhoIsAwayDoesNotSlowTheChoice) {
  constexpr Number many = 10'000;
  GroupMembers members;
  for (Number session = 1; session <= many; ++session) members.set({0, session}, anonymous, false);
  for (int i = 0; i < 100; ++i) members.choose(1, 0, everybody);
  EXPECT_LE(members.visited(), 300U);
  members.set({0, many / 2}, anonymous, true);
  const std::uint64_t before = members.visited();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(members.choose(nobody, 0, everybody)->session, many / 2);
  EXPECT_EQ(members.visited(), before + 200) << "the party, and its member";
}

TEST(GroupMembers, StayKnownWhenOthersLeave) {
  GroupMembers members;
  for (Number session = 1; session <= 100; ++session) members.set({0, session}, anonymous, session % 3 == 0);
  for (Number session = 2; session <= 100; session += 2) members.remove(session);
  std::set<Number> asked;
  for (std::size_t i = 0; i < 17; ++i) asked.insert(members.choose(nobody, 0, everybody)->session);
  for (std::size_t i = 0; i < 33; ++i) asked.insert(members.choose(nobody, 18, everybody)->session);
  ASSERT_EQ(members.size(), 50U);
  EXPECT_EQ(asked.size(), 50U);
  for (Number session : asked) EXPECT_EQ(session % 2, 1U);
}

TEST(GroupMembers, OneQuestionAnswersForAllSessionsOfAnIdentity) {
  GroupMembers members;
  for (Number session = 1; session <= 1000; ++session) members.set({0, session}, party("mallory"), true);
  members.set({0, 2001}, party("worker"), true);
  members.set({0, 2002}, party("worker"), true);
  std::size_t questions = 0;
  const auto may = [&](const GroupMembers::Party& its) {
    ++questions;
    return *its.subscriber == "worker";
  };
  std::multiset<Number> chosen;
  for (int i = 0; i < 10; ++i) chosen.insert(members.choose(nobody, 0, may)->session);
  EXPECT_EQ(chosen.count(2001), 5U);
  EXPECT_EQ(chosen.count(2002), 5U);
  EXPECT_EQ(questions, 20U);
}

TEST(GroupMembers, OfVeryManyPartiesAPartIsAskedAtATimeAndAllInTurn) {
  GroupMembers members;
  for (Number session = 1; session <= 1000; ++session) members.set({0, session}, party(std::to_string(session)), true);
  std::set<std::string> asked;
  for (int i = 0; i < 10; ++i) {
    std::size_t questions = 0;
    EXPECT_EQ(members.choose(nobody, 0,
                             [&](const GroupMembers::Party& its) {
                               ++questions;
                               asked.insert(*its.subscriber);
                               return false;
                             }),
              nullptr);
    EXPECT_EQ(questions, GroupMembers::most_parties);
  }
  EXPECT_EQ(asked.size(), 1000U);
}

TEST(GroupMembers, AMemberMayBecomeAnother) {
  GroupMembers members;
  members.set({0, 1}, party("one"), true);
  members.set({0, 1}, party("another"), true);
  EXPECT_EQ(members.size(), 1U);
  EXPECT_EQ(members.choose(nobody, 0, [](const GroupMembers::Party& its) { return *its.subscriber == "one"; }), nullptr);
  EXPECT_NE(members.choose(nobody, 0, [](const GroupMembers::Party& its) { return *its.subscriber == "another"; }), nullptr);
}

}  // namespace
}  // namespace sealmq::broker
