#include "broker/limits/memory_limits.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

constexpr std::size_t kilobyte = 1024;

class MemoryLimitsTest : public ::testing::Test {
 protected:
  Settings settings;
  Budget budget{1024 * kilobyte};
  MemoryLimits memory{settings, &budget, 1};
  Charge others;

  void fill(std::size_t eighths) { others = Charge(&budget, budget.most() / 8 * eighths); }
};

TEST_F(MemoryLimitsTest, WithoutABudgetThereIsAlwaysRoom) {
  MemoryLimits unbounded(settings, nullptr, 1);
  EXPECT_TRUE(unbounded.has_room() && unbounded.has_room_to_wait() && unbounded.has_room_to_grow());
  EXPECT_TRUE(unbounded.has_room_to_last(SIZE_MAX, "anybody"));
  EXPECT_EQ(unbounded.outbox_limit(), settings.outbox_high_water);
}

TEST_F(MemoryLimitsTest, AClientIsOwedLessAsMemoryFillsUp) {
  EXPECT_EQ(memory.outbox_limit(), settings.outbox_high_water);
  EXPECT_EQ(memory.quota(65535), settings.maximum_inflight);
  EXPECT_EQ(memory.quota(3), 3U);
  fill(6);
  EXPECT_EQ(memory.outbox_limit(), 16 * kilobyte);
  EXPECT_EQ(memory.quota(65535), 8U);
  fill(7);
  EXPECT_EQ(memory.outbox_limit(), owed_when_full);
  EXPECT_TRUE(memory.has_room());
  fill(8);
  EXPECT_FALSE(memory.has_room());
}

TEST_F(MemoryLimitsTest, ASessionIsCountedAsLongAsItLives) {
  {
    Session session("owner", "client", 1);
    memory.account_first(session, "owner");
    EXPECT_GT(budget.lasting(), 2 * kilobyte);
    Delivery delivery;
    for (int i = 0; i < 100; ++i) session.queue.push_back(delivery);
    const std::size_t before = budget.used();
    memory.account(session);
    EXPECT_GE(budget.used(), before + 16 * kilobyte) << "in steps of 4 KiB";
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(MemoryLimitsTest, APartyLeavesPlacesToOthers) {
  settings.maximum_sessions = 8;
  std::vector<std::unique_ptr<Session>> sessions;
  while (memory.has_room_for_session("greedy", sessions.size()) && sessions.size() < 8) {
    sessions.push_back(std::make_unique<Session>("", "c" + std::to_string(sessions.size()), sessions.size()));
    memory.account_first(*sessions.back(), "greedy");
  }
  EXPECT_LT(sessions.size(), 8U);
  EXPECT_TRUE(memory.has_room_for_session("other", sessions.size()));
}

TEST_F(MemoryLimitsTest, ASessionTakesTheShareOfWhoComesForIt) {
  settings.maximum_sessions = 8;
  Session session("", "client", 1);
  memory.account_first(session, "before");
  session.subscriptions.emplace("t", std::make_unique<Subscription>());
  EXPECT_EQ(memory.account_to(session, "before"), 0U);
  EXPECT_EQ(memory.account_to(session, "after"), 1U);
  EXPECT_FALSE(memory.has_room_for_session("after", 7));
  EXPECT_TRUE(memory.has_room_for_session("before", 7));
}

TEST_F(MemoryLimitsTest, NodesOfTheTreeAreSharedByParty) {
  settings.maximum_topic_nodes = 8;
  Subscription deep;
  deep.filter = "a/b/c/d/e/f";
  EXPECT_TRUE(memory.has_room_in_tree("a/b/c/d", "one", 0));
  memory.account_first(deep, "one");
  EXPECT_FALSE(memory.has_room_in_tree("a/b", "one", 6));
  EXPECT_TRUE(memory.has_room_in_tree("a", "two", 6));
}

TEST_F(MemoryLimitsTest, SessionsAndSubscriptionsGetHalfOfIt) {
  EXPECT_TRUE(memory.has_room_to_last(100 * kilobyte, "one"));
  EXPECT_FALSE(memory.has_room_to_last(600 * kilobyte, "one"));
  EXPECT_GT(MemoryLimits::lasting_cost("a/b/c"), MemoryLimits::lasting_cost("abccc"));
}

}  // namespace
}  // namespace sealmq::broker
