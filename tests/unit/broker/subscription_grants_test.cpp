#include "broker/routing/subscription_grants.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"
#include "support/fakes.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using namespace sealmq::testing;

class SubscriptionGrantsTest : public ::testing::Test {
 protected:
  struct World final : SubscriptionGrants::Retaining,
                       Durability::AckSender,
                       KeyedSubscriptions::Outlet,
                       FlowControl::Connections {
    void forget_retained(Subscription& subscription) override { forgotten.push_back(subscription.filter); }
    void send_deferred(DeferredAck&, Now) override {}
    bool may_still_get(const Session&, const Delivery&, Now) const override { return true; }
    void send_frame(ConnectionId, std::string_view, Bytes) override {}
    ConnectionFlow* flow_of(ConnectionId) override { return nullptr; }
    void resume(ConnectionId, Now) override {}
    std::vector<std::string> forgotten;
  };

  static SubscriptionGrants::Schemes one_scheme() {
    SubscriptionGrants::Schemes made;
    made.push_back(std::make_unique<FakePlain>());
    return made;
  }
  static std::shared_ptr<const Policy> policy() {
    TopicRule open{.filter = "plant/#", .publish = {}, .subscribe = {}},
        closed{.filter = "vault/#", .publish = {}, .subscribe = {}};
    open.subscribe.add(0);
    return std::make_shared<const Policy>(Policy::make({std::move(open), std::move(closed)}).value());
  }
  ~SubscriptionGrantsTest() override {
    for (auto& [filter, subscription] : session.subscriptions)
      if (subscription->node != nullptr) tree.remove(*subscription);
    keyed.end_all(connection, session);
  }
  SubscriptionGrants::Subscriber by() { return {session, connection, {caller, {}, states}, party, exactly_once}; }
  OrRefused<SubscriptionGrants::Granted> subscribe(std::string_view filter, QoS qos = QoS::at_least_once) {
    mqtt::SubscribeEntry entry;
    entry.filter = filter;
    entry.options.qos = qos;
    return grants.subscribe(by(), entry, {}, now);
  }
  Reason refused(std::string_view filter, QoS qos = QoS::at_least_once) {
    const auto granted = subscribe(filter, qos);
    return granted ? Reason::success : granted.error().reason;
  }

  Settings settings;
  SubscriptionGrants::Schemes schemes = one_scheme();
  Access access{schemes, policy(), std::make_shared<const Directory>()};
  SimpleReplayMemory replays;
  Admission admission{settings, schemes, access, replays, nullptr};
  FilterKinds kinds;
  MemoryLimits memory{settings, nullptr, 1};
  TopicTree tree;
  SharedGroups groups{tree};
  StepCounter steps;
  Counters counters;
  Effects effects;
  World world;
  PublishEncoder encoder{schemes, access, steps};
  KeyedSubscriptions keyed{{settings, access, tree, kinds, memory, encoder, counters, world}};
  Durability durability{settings, 0, 1, replays, nullptr, world};
  FlowControl flow{settings, memory, effects, world};
  SubscriptionGrants grants{
      {0, 1, settings, schemes, access, admission, memory, kinds, tree, groups, keyed, durability, flow, counters, steps, world}};

  const Proved nothing;
  const Caller caller{nothing};
  SchemeStates states;
  KeyedConnection connection{{0, 1}};
  Session session{"", "client", 1};
  const std::string party = "there";
  bool exactly_once = false;
  const Now now{1000, 2000};
};

TEST_F(SubscriptionGrantsTest, AGrantedFilterStandsInTheTree) {
  const auto granted = subscribe("plant/+");
  ASSERT_TRUE(granted);
  EXPECT_TRUE(granted->is_new);
  EXPECT_EQ(granted->qos, QoS::at_least_once);
  EXPECT_EQ(tree.match("plant/oven").size(), 1U);
  EXPECT_EQ(counters.subscriptions, 1U);
}

TEST_F(SubscriptionGrantsTest, TheSameFilterAgainChangesItsOptions) {
  subscribe("plant/+").value();
  const auto again = subscribe("plant/+", QoS::exactly_once);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->is_new);
  EXPECT_EQ(session.subscriptions.size(), 1U);
  EXPECT_EQ(again->subscription->options.qos, QoS::exactly_once);
}

TEST_F(SubscriptionGrantsTest, WherePolicyOpensNothingItIsRefused) {
  EXPECT_EQ(refused("office/#"), Reason::not_authorized);
  EXPECT_EQ(refused("vault/#"), Reason::unspecified_error) << "no other login would help";
  EXPECT_EQ(counters.subscriptions, 0U);
}

TEST_F(SubscriptionGrantsTest, ItsShapeAndNumberAreBounded) {
  settings.maximum_levels = 3;
  settings.maximum_wildcards = 1;
  settings.maximum_subscriptions = 1;
  EXPECT_EQ(refused("plant/a/b/c"), Reason::topic_filter_invalid);
  EXPECT_EQ(refused("plant/+/+"), Reason::topic_filter_invalid);
  EXPECT_EQ(refused("plant/a"), Reason::success);
  EXPECT_EQ(refused("plant/b"), Reason::quota_exceeded);
}

TEST_F(SubscriptionGrantsTest, ALoginThatWantsQos2GetsNothingElse) {
  exactly_once = true;
  EXPECT_EQ(refused("plant/a", QoS::at_least_once), Reason::implementation_specific_error);
  EXPECT_EQ(refused("plant/a", QoS::exactly_once), Reason::success);
}

TEST_F(SubscriptionGrantsTest, UnsubscribingTakesItOutAndForgetsWhatItIsOwed) {
  subscribe("plant/a").value();
  EXPECT_TRUE(grants.unsubscribe(session, "plant/a"));
  EXPECT_FALSE(grants.unsubscribe(session, "plant/a"));
  EXPECT_TRUE(tree.match("plant/a").empty());
  EXPECT_EQ(world.forgotten, std::vector<std::string>{"plant/a"});
  EXPECT_EQ(counters.subscriptions, 0U);
}

TEST_F(SubscriptionGrantsTest, AMemberOfAGroupStandsWithTheGroup) {
  ASSERT_TRUE(subscribe("$share/g/plant/#"));
  SharedGroup* group = groups.find("$share/g/plant/#");
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->members.size(), 1U);
  grants.tell_groups(session, MemberEvent::What::away);
  EXPECT_EQ(group->members.size(), 1U);
  grants.forget_all(session);
  EXPECT_EQ(groups.find("$share/g/plant/#"), nullptr);
}

TEST_F(SubscriptionGrantsTest, AnotherShardsGroupIsToldByAParcel) {
  SubscriptionGrants first{
      {0, 2, settings, schemes, access, admission, memory, kinds, tree, groups, keyed, durability, flow, counters, steps, world}};
  std::size_t told = 0;
  for (int i = 0; i < 16; ++i) {
    const std::string filter = "$share/g" + std::to_string(i) + "/plant/#";
    mqtt::SubscribeEntry entry;
    entry.filter = filter;
    ASSERT_TRUE(first.subscribe(by(), entry, {}, now));
    if (Shard::shard_of(filter, 2, settings.shard_key) != 0) ++told;
  }
  EXPECT_EQ(effects.parcels.size(), told);
  EXPECT_GT(told, 0U);
  first.forget_all(session);
  session.subscriptions.clear();
}

TEST_F(SubscriptionGrantsTest, ARequestGetsOneWithAKeyOfItsOwn) {
  Asked asked;
  asked.topic = "plant/#";
  asked.receiver = std::make_unique<FakeKeyed>("key");
  const auto granted = grants.subscribe(by(), 0, asked, QoS::at_most_once, now);
  ASSERT_TRUE(granted);
  EXPECT_EQ(*granted, nullptr);
  EXPECT_EQ(connection.size(), 1U);
  Asked hidden;
  hidden.topic = "$it/#";
  hidden.receiver = std::make_unique<FakeKeyed>("key");
  EXPECT_FALSE(grants.subscribe(by(), 0, hidden, QoS::at_most_once, now));
}

TEST_F(SubscriptionGrantsTest, ACopyOfARequestIsRefused) {
  for (const bool is_first : {true, false}) {
    Asked asked;
    asked.topic = "plant/#";
    asked.mark = ReplayMark{};
    EXPECT_EQ(grants.subscribe(by(), 0, asked, QoS::at_most_once, now).has_value(), is_first);
  }
}

}  // namespace
}  // namespace sealmq::broker
