#include "server/bridge_rules.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

using mqtt::QoS;

const std::vector<BridgeTopic> rows{
    {.filter = "sensors/#", .direction = BridgeDirection::out, .qos = QoS::at_least_once, .remote_prefix = "plant-7/"},
    {.filter = "orders/+", .direction = BridgeDirection::in, .qos = QoS::exactly_once, .local_prefix = "head-office/"},
    {.filter = "shared/#", .direction = BridgeDirection::both, .qos = QoS::at_most_once},
};

TEST(BridgeRules, SubscribesOnEachSideToWhatTheRowsTakeFromThere) {
  const auto local = local_subscriptions(rows), remote = remote_subscriptions(rows);
  ASSERT_EQ(local.size(), 2U);
  EXPECT_EQ(local[0].filter, "sensors/#");
  EXPECT_EQ(local[1].filter, "shared/#");
  ASSERT_EQ(remote.size(), 2U);
  EXPECT_EQ(remote[0].filter, "orders/+");
  EXPECT_EQ(remote[0].qos, QoS::exactly_once);
}

TEST(BridgeRules, ChangesThePrefixOfANameAndNothingElse) {
  EXPECT_EQ(to_remote(rows, "sensors/a/b")->topic, "plant-7/sensors/a/b");
  EXPECT_EQ(to_remote(rows, "sensors")->topic, "plant-7/sensors");
  EXPECT_EQ(to_local(rows, "orders/1")->topic, "head-office/orders/1");
  EXPECT_EQ(to_remote(rows, "shared/x")->topic, to_local(rows, "shared/x")->topic);
}

TEST(BridgeRules, TakesNothingThatNoRowNames) {
  EXPECT_FALSE(to_remote(rows, "orders/1"));
  EXPECT_FALSE(to_remote(rows, "head-office/orders/1"));
  EXPECT_FALSE(to_local(rows, "sensors/a"));
  EXPECT_FALSE(to_local(rows, "orders/1/2"));
  EXPECT_FALSE(to_remote({{.filter = "#", .local_prefix = "x/"}}, "x"));  // its name there would be empty
}

TEST(BridgeRules, NothingComesToATopicUnderDollar) {
  const std::vector<BridgeTopic> up{
      {.filter = "#", .direction = BridgeDirection::both, .local_prefix = "up/", .remote_prefix = "r/"},
      {.filter = "#", .direction = BridgeDirection::out, .local_prefix = "up/"}};
  EXPECT_TRUE(to_remote({up[1]}, "up/$CONTROL/dynamic-security/v1")->is_reserved());
  EXPECT_FALSE(to_remote({up[0]}, "up/$CONTROL/x")->is_reserved()) << "behind a prefix it is a topic like others";
  EXPECT_TRUE(to_local({{.filter = "#", .direction = BridgeDirection::in, .remote_prefix = "r/"}}, "r/$sl/x")->is_reserved());
}

TEST(BridgeRules, UnlessItsRowNamesThem) {
  const std::vector<BridgeTopic> cloud{
      {.filter = "shadow/#", .direction = BridgeDirection::both, .local_prefix = "aws/", .remote_prefix = "$aws/things/plant/"}};
  EXPECT_EQ(to_remote(cloud, "aws/shadow/update")->topic, "$aws/things/plant/shadow/update");
  EXPECT_FALSE(to_remote(cloud, "aws/shadow/update")->is_reserved());
  EXPECT_EQ(to_local(cloud, "$aws/things/plant/shadow/update/delta")->topic, "aws/shadow/update/delta");
}

TEST(BridgeRules, AMessageCrossesABridgeOnlyOnce) {
  const auto once = cross({{"unit", "bar"}}, "b1/x");
  ASSERT_TRUE(once);
  EXPECT_EQ(*once, (UserProperties{{"unit", "bar"}, {"bridge-path", "b1/x"}}));
  const auto twice = cross(*once, "b2/y");
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->back().second, "b1/x,b2/y");
  EXPECT_FALSE(cross(*twice, "b1/x"));
  EXPECT_FALSE(cross(*twice, "b2/y"));
  EXPECT_TRUE(cross(*twice, "b2"));
}

TEST(BridgeRules, APathThatGrowsForEverEnds) {
  UserProperties properties;
  int crossed = 0;
  for (auto next = cross(properties, "0"); next; next = cross(properties, std::to_string(crossed))) {
    properties = *next;
    ++crossed;
  }
  EXPECT_EQ(crossed, 16);
}

TEST(BridgeRules, WhatABrokerVouchesForIsNotPassedOn) {
  EXPECT_EQ(cross({{"sealmq-from", "boiler-7"}, {"sealmq-scheme", "plain"}}, "b")->size(), 1U);
}

TEST(Echoes, EachCopyThatWasSentIsExpectedOnceAndForAMinute) {
  Echoes echoes;
  const Bytes on = as_bytes("on"), off = as_bytes("off");
  echoes.expect("lamp", on, 1000);
  echoes.expect("lamp", on, 2000);
  EXPECT_FALSE(echoes.is_one("lamp", off, 2000));
  EXPECT_FALSE(echoes.is_one("lamps", on, 2000));
  EXPECT_TRUE(echoes.is_one("lamp", on, 3000));
  EXPECT_TRUE(echoes.is_one("lamp", on, 3000));
  EXPECT_FALSE(echoes.is_one("lamp", on, 3000));
  echoes.expect("lamp", on, 10'000);
  EXPECT_FALSE(echoes.is_one("lamp", on, 70'000));
}

TEST(Echoes, WhatCameBackLongAgoDoesNotTakeAwayALaterOne) {
  Echoes echoes;
  const Bytes on = as_bytes("on");
  echoes.expect("lamp", on, 0);
  EXPECT_TRUE(echoes.is_one("lamp", on, 1));
  echoes.expect("lamp", on, 59'000);
  EXPECT_TRUE(echoes.is_one("lamp", on, 60'500));
}

}  // namespace
}  // namespace sealmq::server
