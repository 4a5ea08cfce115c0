#include "broker/policy/policy.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

SchemeSet set(std::initializer_list<std::size_t> indices) {
  SchemeSet out;
  for (auto index : indices) out.add(index);
  return out;
}

TEST(SchemeSet, IsWalkedFromOneToTheNext) {
  const std::vector<std::size_t> members = {0, 3, 63, 64, 127, 200};
  SchemeSet some;
  for (const std::size_t member : members) some.add(member);
  std::vector<std::size_t> walked;
  for (std::size_t i = some.next(0); i != SchemeSet::none; i = some.next(i + 1)) walked.push_back(i);
  EXPECT_EQ(walked, members);
  EXPECT_EQ(some.next(128), 200U);
  EXPECT_EQ(SchemeSet().next(0), SchemeSet::none);
}

TEST(SchemeSet, HoldsAnyNumberOfSchemes) {
  SchemeSet some = set({3, 31, 32, 40, 63, 64, 200});
  for (std::size_t index : {3, 31, 32, 40, 63, 64, 200}) EXPECT_TRUE(some.contains(index)) << index;
  for (std::size_t index : {0, 8, 35, 65, 72, 96, 199, 201, 1000}) EXPECT_FALSE(some.contains(index)) << index;
  EXPECT_FALSE(some.empty());
  EXPECT_TRUE(SchemeSet().empty());
  SchemeSet sum = set({1});
  sum.add(some);
  EXPECT_TRUE(sum.contains(1) && sum.contains(200) && !sum.contains(2));
  EXPECT_EQ(set({1, 70}), set({70, 1}));
  EXPECT_NE(set({1, 70}), set({1}));
}

TEST(Policy, DeniesWhatNoRuleNames) {
  Policy policy = Policy::make({{"plant/#", set({0}), set({0})}}).value();
  EXPECT_EQ(policy.find("office/1"), nullptr);
  EXPECT_FALSE(policy.may_subscribe_somewhere("office/#", 0));
  EXPECT_EQ(Policy().find("x"), nullptr);
}

TEST(Policy, LetsTheMostSpecificFilterWinWhateverTheOrder) {
  Policy policy =
      Policy::make({{"#", set({1}), set({1})}, {"a/+/c", set({2}), {}}, {"a/b/c", set({3}), {}}, {"a/#", set({4}), {}}}).value();
  EXPECT_TRUE(policy.find("a/b/c")->publish.contains(3));
  EXPECT_TRUE(policy.find("a/x/c")->publish.contains(2));
  EXPECT_TRUE(policy.find("a/x")->publish.contains(4));
  EXPECT_TRUE(policy.find("b")->publish.contains(1));
}

TEST(Policy, GrantsASubscriptionThatCanReceiveSomething) {
  Policy policy = Policy::make({{"#", set({0}), set({0})}, {"secret/#", set({0}), {}}}).value();
  EXPECT_TRUE(policy.may_subscribe_somewhere("#", 0));
  EXPECT_TRUE(policy.may_subscribe_somewhere("+/x", 0));
  EXPECT_FALSE(policy.may_subscribe_somewhere("secret/x", 0));
  EXPECT_FALSE(policy.may_subscribe_somewhere("secret/#", 0));
  EXPECT_FALSE(policy.may_subscribe_somewhere("#", 1));
}

TEST(Policy, ClosesOnlyWhatARuleClosesWhole) {
  Policy policy =
      Policy::make({{"#", set({0}), set({0})}, {"secret/#", set({0}), {}}, {"secret/but", set({0}), set({0})}}).value();
  EXPECT_TRUE(policy.is_closed("secret/x"));
  EXPECT_FALSE(policy.is_closed("secret/but"));
  EXPECT_FALSE(policy.is_closed("secret/#")) << "part of it is open";
  EXPECT_FALSE(policy.is_closed("#"));
  EXPECT_FALSE(Policy().is_closed("x")) << "what no rule names is denied, not closed";
}

TEST(Policy, RefusesWhatIsNoFilterAndWhatStandsTwice) {
  EXPECT_FALSE(Policy::make({{"a/#/b", {}, {}}}));
  EXPECT_FALSE(Policy::make({{"a", {}, {}}, {"b", {}, {}}, {"a", {}, {}}}));
}

}  // namespace
}  // namespace sealmq::broker
