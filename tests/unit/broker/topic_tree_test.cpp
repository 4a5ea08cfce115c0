#include "broker/routing/topic_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

struct Tree {
  explicit Tree(Budget* budget = nullptr, std::size_t trees = 1) : tree(nullptr, budget, trees) {}
  Subscription& add(std::string filter) {
    auto& subscription = *all.emplace_back(std::make_unique<Subscription>());
    subscription.filter = std::move(filter);
    tree.add(subscription);
    return subscription;
  }
  std::vector<std::string> matching(std::string_view topic) {
    std::vector<std::string> filters;
    for (auto* subscription : tree.match(topic)) filters.push_back(subscription->filter);
    std::ranges::sort(filters);
    return filters;
  }
  TopicTree tree;
  std::vector<std::unique_ptr<Subscription>> all;
};

using Filters = std::vector<std::string>;

TEST(TopicTree, MatchesLevelsAndWildcards) {
  Tree t;
  for (auto filter : {"sport/tennis", "sport/+", "sport/#", "#", "+/tennis", "sport/tennis/+", "/+", "+"}) t.add(filter);
  EXPECT_EQ(t.matching("sport/tennis"), (Filters{"#", "+/tennis", "sport/#", "sport/+", "sport/tennis"}));
  EXPECT_EQ(t.matching("sport"), (Filters{"#", "+", "sport/#"}));
  EXPECT_EQ(t.matching("/x"), (Filters{"#", "/+"}));
  EXPECT_EQ(t.matching("sport/tennis/"), (Filters{"#", "sport/#", "sport/tennis/+"}));
}

TEST(TopicTree, HidesDollarTopicsFromLeadingWildcards) {  // [MQTT-4.7.2-1]
  Tree t;
  for (auto filter : {"#", "+/x", "$SYS/#", "$SYS/+"}) t.add(filter);
  EXPECT_EQ(t.matching("$SYS/x"), (Filters{"$SYS/#", "$SYS/+"}));
}

TEST(TopicTree, ForgetsWhatLeftAndItsNodes) {
  Tree t;
  auto& first = t.add("a/b/c");
  auto& second = t.add("a/b/c");
  auto& third = t.add("a/+/#");
  EXPECT_EQ(t.matching("a/b/c").size(), 3U);
  t.tree.remove(first);
  EXPECT_EQ(t.matching("a/b/c").size(), 2U);
  t.tree.remove(second);
  t.tree.remove(third);
  EXPECT_TRUE(t.matching("a/b/c").empty());
  EXPECT_EQ(t.tree.nodes(), 0U);
}

RC_GTEST_PROP(TopicTree, AgreesWithMatchingEachFilterAlone, ()) {
  auto level = rc::gen::element<std::string>("a", "b", "", "$s");
  auto join = [](const std::vector<std::string>& levels) {
    std::string text;
    for (std::size_t i = 0; i < levels.size(); ++i) text += (i == 0 ? "" : "/") + levels[i];
    return text;
  };
  auto filter_level = rc::gen::element<std::string>("a", "b", "", "+", "$s");
  Tree t;
  std::vector<bool> present;
  int steps = *rc::gen::inRange(1, 20);
  for (int i = 0; i < steps; ++i) {
    auto levels = *rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(filter_level)));
    if (*rc::gen::inRange(0, 3) == 0) levels.push_back("#");
    std::string filter = join(levels);
    if (!mqtt::is_topic_filter(filter)) continue;
    t.add(filter);
    present.push_back(true);
    if (*rc::gen::inRange(0, 3) == 0) {
      auto victim = *rc::gen::inRange<std::size_t>(0, present.size());
      if (present[victim]) t.tree.remove(*t.all[victim]);
      present[victim] = false;
    }
    std::string topic = join(*rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(level))));
    if (!mqtt::is_topic_name(topic)) continue;
    Filters expected;
    for (std::size_t k = 0; k < present.size(); ++k)
      if (present[k] && mqtt::matches(t.all[k]->filter, topic)) expected.push_back(t.all[k]->filter);
    std::ranges::sort(expected);
    RC_ASSERT(t.matching(topic) == expected);
  }
}

// What an attacker can make the look-up of one topic cost: every combination of a name and '+' on each level.
TEST(TopicTree, VisitsNoNodeTwiceHoweverManyWildcardsThereAre) {
  constexpr std::size_t levels = 10;
  Tree t;
  for (unsigned bits = 0; bits < 1U << levels; ++bits) {
    std::string filter;
    for (std::size_t level = 0; level < levels; ++level) {
      if (level > 0) filter += '/';
      filter += (bits >> level & 1U) != 0 ? "+" : "a";
    }
    t.add(filter);
  }
  std::string topic = "a";
  for (std::size_t level = 1; level < levels; ++level) topic += "/a";
  EXPECT_EQ(t.tree.match(topic).size(), 1U << levels);
  EXPECT_LE(t.tree.visited(), t.tree.nodes() + 1);
  EXPECT_LE(t.tree.visited(), 1U << (levels + 1));

  const auto once = t.tree.visited();
  t.tree.match(topic);
  EXPECT_EQ(t.tree.visited(), once) << "it is remembered";
  t.tree.match(topic + "/b");
  EXPECT_LE(t.tree.visited() - once, t.tree.nodes() + 1);
}

TEST(TopicTree, ALongTopicTakesNoStack) {
  Tree t;
  std::string filter = "+", topic = "a";
  for (int i = 1; i < 32'000; ++i) {
    filter += "/+";
    topic += "/a";
  }
  t.add(filter);
  EXPECT_EQ(t.matching(topic).size(), 1U);
}

TEST(TopicTree, FiltersThatDoNotBeginLikeTheTopicCostNothing) {
  Tree t;
  for (int i = 0; i < 1000; ++i) t.add("plant/" + std::to_string(i) + "/+/+/+/+/+/+/#");
  t.matching("plant/7/a/b/c/d/e/f/g");
  EXPECT_LE(t.tree.visited(), 10U);
  t.matching("office/7/a/b/c/d/e/f/g");
  EXPECT_LE(t.tree.visited(), 12U);
}

TEST(TopicTree, RemembersSoManyBytesAndNoMore) {
  Tree t;
  t.add("#");
  const std::string prefix(60'000, 'x');
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(t.tree.match(prefix + std::to_string(i)).size(), 1U);
    ASSERT_LE(t.tree.bytes_remembered(), TopicTree::most_bytes_remembered + 70'000);
  }
}

TEST(TopicTree, WhatItRemembersCountsAndIsAPartOfTheBudget) {
  constexpr std::size_t most = 16 << 20, trees = 4, part = most / 16 / trees;
  Budget budget(most);
  {
    Tree t(&budget, trees);
    t.add("#");
    const std::string prefix(10'000, 'x');
    std::size_t largest = 0;
    for (int i = 0; i < 500; ++i) {
      t.tree.match(prefix + std::to_string(i));
      largest = std::max(largest, budget.used());
      ASSERT_LE(budget.used(), part + 20'000);
      ASSERT_GT(budget.used() + Charge::step, t.tree.bytes_remembered());
    }
    EXPECT_GT(largest, part - 20'000) << "it remembers as much as it may";
    t.add("a");
    EXPECT_EQ(budget.used(), 0U) << "whoever subscribes makes it forget";
    t.tree.match(prefix);
    EXPECT_GT(budget.used(), 0U);
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(TopicTree, WhileMemoryIsShortItRemembersTheLastTopicAlone) {
  Budget budget(16 << 20);
  Tree t(&budget);
  t.add("#");
  const Charge full(&budget, 13 << 20);
  for (int i = 0; i < 100; ++i) {
    t.tree.match(std::string(10'000, 'x') + std::to_string(i));
    ASSERT_LT(t.tree.bytes_remembered(), 20'000U);
  }
  const auto visited = t.tree.visited();
  t.tree.match(std::string(10'000, 'x') + "99");
  EXPECT_EQ(t.tree.visited(), visited);
}

}  // namespace
}  // namespace sealmq::broker
