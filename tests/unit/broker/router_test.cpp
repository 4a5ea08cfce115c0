#include "broker/routing/router.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using namespace sealmq::testing;

class RouterTest : public ShardParts {
 protected:
  /// The shard whose groups are not this one's, of three.
  static std::string group_of_another_shard() {
    for (int i = 0;; ++i) {
      std::string filter = "$share/g" + std::to_string(i) + "/plant/#";
      if (Shard::shard_of(filter, 3, {}) != 0) return filter;
    }
  }
  bool publish(Router& by, std::string_view topic, std::string_view payload, QoS qos = QoS::at_most_once, bool retain = false) {
    MessageView its = view(topic, payload, qos, retain);
    if (retain) its.stamp = by.next_stamp(now);
    return by.publish(its, now);
  }

  Router router{around_router()};
  Router first_of_three{around_router(3)};
};

TEST_F(RouterTest, AMessageGoesToWhoeverHasSubscribed) {
  Client &one = connect("one"), &two = connect("two");
  subscribe(one, "plant/+");
  subscribe(two, "plant/oven");
  EXPECT_TRUE(publish(router, "plant/oven", "hot"));
  EXPECT_FALSE(publish(router, "office/lamp", "on"));
  EXPECT_TRUE(publish(router, "plant/door", "open"));
  EXPECT_EQ(payloads(one), "hot open");
  EXPECT_EQ(payloads(two), "hot");
  EXPECT_EQ(effects.writable.size(), 2U) << "each is named once";
}

TEST_F(RouterTest, WhatNobodyKeepsIsNotCopied) {
  Client& client = connect("client");
  subscribe(client, "plant/#");
  publish(router, "plant/oven", "hot");
  EXPECT_TRUE(client.session->queue.empty());
  EXPECT_EQ(client.session->outgoing.size(), 0U);
  publish(router, "plant/oven", "hot", QoS::at_least_once);
  EXPECT_EQ(client.session->outgoing.size(), 1U);
}

TEST_F(RouterTest, OverlappingFiltersOfAClientGiveOneCopyWithTheHighestQos) {  // [MQTT-3.3.4-2]
  Client& client = connect("client");
  subscribe(client, "plant/#", QoS::at_most_once).identifier = 3;
  subscribe(client, "plant/+", QoS::exactly_once).identifier = 4;
  subscribe(client, "plant/oven", QoS::at_least_once);
  publish(router, "plant/oven", "hot", QoS::exactly_once);
  const auto written = client.take();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].qos, QoS::exactly_once);
  EXPECT_EQ(written[0].identifiers.size(), 2U);  // [MQTT-3.3.4-3]
}

TEST_F(RouterTest, NoLocalKeepsAMessageFromItsPublisher) {  // [MQTT-3.8.3-3]
  Client &one = connect("one"), &two = connect("two");
  subscribe(one, "plant/#").options.no_local = true;
  subscribe(two, "plant/#").options.no_local = true;
  MessageView its = view("plant/oven", "hot");
  its.publisher = one.session->name;
  router.publish(its, now);
  EXPECT_EQ(payloads(one), "");
  EXPECT_EQ(payloads(two), "hot");
}

TEST_F(RouterTest, WhoMayNotHaveItIsPassedOver) {
  Client& client = connect("client");
  subscribe(client, "vault/#");
  EXPECT_FALSE(publish(router, "vault/door", "open"));
  EXPECT_EQ(payloads(client), "");
  EXPECT_EQ(dropped(Drop::not_entitled), 1U);
}

TEST_F(RouterTest, ARetainedMessageIsKeptAndErasedAndTheStoreIsTold) {
  settings.durable = true;
  publish(router, "plant/oven", "", QoS::at_most_once, true);
  EXPECT_FALSE(durability.has_changes()) << "there was nothing to erase";
  publish(router, "plant/oven", "hot", QoS::at_most_once, true);
  EXPECT_TRUE(retained.holds("plant/oven"));
  EXPECT_EQ(durability.count_changes(), 1U);
  publish(router, "plant/oven", "", QoS::at_most_once, true);
  EXPECT_FALSE(retained.holds("plant/oven"));
  EXPECT_EQ(durability.count_changes(), 2U);
}

TEST_F(RouterTest, TheBrokersOwnMessagesAreNotForTheStore) {
  settings.durable = true;
  Client& client = connect("client");
  subscribe(client, "plant/#");
  router.publish_own("plant/state", "up", now, true);
  EXPECT_EQ(payloads(client), "up");
  EXPECT_TRUE(retained.holds("plant/state"));
  EXPECT_EQ(durability.count_changes(), 0U);
}

TEST_F(RouterTest, StampsRiseWhateverTheClockSays) {
  const std::uint64_t before = first_of_three.next_stamp(now);
  now.wall -= 5000;
  EXPECT_GT(first_of_three.next_stamp(now), before);
  const std::uint64_t seen = before + 3'000'000'000;
  first_of_three.has_seen_stamp(seen);
  const std::uint64_t after = first_of_three.next_stamp(now);
  EXPECT_GT(after, seen);
  EXPECT_EQ(after % 3, 0U) << "the shard's own";
}

TEST_F(RouterTest, OtherShardsGetTheMessageOnce) {
  Client& client = connect("client");
  subscribe(client, "plant/#");
  EXPECT_TRUE(publish(first_of_three, "plant/oven", "hot"));
  ASSERT_EQ(effects.parcels.size(), 1U);
  EXPECT_EQ(effects.parcels[0].to, Parcel::everyone);
  EXPECT_EQ(as_text(effects.parcels[0].message->view().payload), "hot");
  EXPECT_EQ(payloads(client), "hot");
  const Parcel parcel = effects.parcels[0];
  first_of_three.take_in(parcel, now);
  EXPECT_EQ(payloads(client), "hot") << "as on the shard to which it was sent";
  EXPECT_EQ(effects.parcels.size(), 1U) << "it goes no further";
}

TEST_F(RouterTest, WhatTheStoreKnowsToBeOnItsWayHasArrived) {
  settings.durable = true;
  publish(first_of_three, "plant/oven", "hot", QoS::at_least_once);
  EXPECT_EQ(durability.count_changes(), 2U) << "one for each of the others";
  ASSERT_NE(effects.parcels.at(0).transit, 0U);
  first_of_three.take_in(effects.parcels[0], now);
  EXPECT_EQ(durability.count_changes(), 3U);
}

TEST_F(RouterTest, ARetainedMessageFromAnotherShardIsOlderThanTheNextOneHere) {
  Parcel parcel;
  MessageView its = view("plant/oven", "hot", QoS::at_most_once, true);
  its.stamp = first_of_three.next_stamp(now) + 3'000'000'000;
  parcel.message = message(its);
  first_of_three.take_in(parcel, now);
  EXPECT_TRUE(retained.holds("plant/oven"));
  EXPECT_GT(first_of_three.next_stamp(now), its.stamp);
}

TEST_F(RouterTest, AGroupsMessagesGoToItsMembersInTurn) {
  Client &one = connect("one"), &two = connect("two");
  subscribe(one, "$share/g/plant/#");
  subscribe(two, "$share/g/plant/#");
  EXPECT_TRUE(publish(router, "plant/oven", "1"));
  EXPECT_TRUE(publish(router, "plant/oven", "2"));
  EXPECT_EQ(one.take().size(), 1U);
  EXPECT_EQ(two.take().size(), 1U);
}

TEST_F(RouterTest, AMemberOnAnotherShardGetsAParcelAndWhatItRefusesGoesToTheNext) {
  const std::string filter = "$share/g/plant/#";
  groups.apply({MemberEvent::What::present, filter, 1, 77, nullptr, plain});
  EXPECT_TRUE(publish(router, "plant/oven", "hot"));
  ASSERT_EQ(effects.parcels.size(), 1U);
  EXPECT_EQ(effects.parcels[0].to, 1U);
  EXPECT_EQ(effects.parcels[0].route->session, 77U);
  Client& here = connect("here");
  subscribe(here, filter);
  Parcel back = effects.parcels[0];
  SharedRoute refused = *back.route;
  refused.refused = true;
  back.route = std::make_shared<const SharedRoute>(refused);
  router.take_in(back, now);
  EXPECT_EQ(payloads(here), "hot");
}

TEST_F(RouterTest, WhatItsMemberCannotTakeGoesBackToTheGroupsOwner) {
  const std::string filter = group_of_another_shard();
  Parcel parcel;
  parcel.message = message(view("plant/oven", "hot"));
  parcel.route = std::make_shared<const SharedRoute>(SharedRoute{filter, 77});
  first_of_three.take_in(parcel, now);
  ASSERT_EQ(effects.parcels.size(), 1U);
  EXPECT_EQ(effects.parcels[0].to, Shard::shard_of(filter, 3, {}));
  EXPECT_TRUE(effects.parcels[0].route->refused);
  EXPECT_EQ(effects.parcels[0].route->session, 77U);
}

TEST_F(RouterTest, WhatAMemberLeavesBehindGoesToOthersUnlessItIsTooLate) {
  Client &one = connect("one"), &two = connect("two");
  const std::string filter = "$share/g/plant/#";
  subscribe(one, filter);
  subscribe(two, filter);
  MessageView late = view("plant/oven", "late", QoS::at_least_once),
              of_nobody = view("plant/oven", "of nobody", QoS::at_least_once);
  late.expires = now.steady;
  of_nobody.author = "stranger";
  std::vector<Delivery> jobs(3);
  jobs[0].message = message(view("plant/oven", "hot", QoS::at_least_once));
  jobs[1].message = message(late);
  jobs[2].message = message(of_nobody);
  for (Delivery& job : jobs) job.share = std::make_shared<const std::string>(filter);
  router.give_to_others(jobs, one.session->number, now);
  EXPECT_EQ(payloads(one), "");
  EXPECT_EQ(payloads(two), "hot");
  EXPECT_EQ(dropped(Drop::expired), 1U);
  EXPECT_EQ(dropped(Drop::not_entitled), 1U);
}

TEST_F(RouterTest, WhatWasOnItsWayGoesToThoseWhoWereThere) {
  Client &one = connect("one"), &two = connect("two");
  subscribe(one, "plant/#");
  subscribe(two, "plant/#");
  router.deliver_again(
      message(view("plant/oven", "hot")), [](std::string_view name) { return name == "two"; }, now);
  EXPECT_EQ(payloads(one), "");
  EXPECT_EQ(payloads(two), "hot");
}

TEST_F(RouterTest, AKeyedSubscriptionGetsItOnceItsInboxIsOpen) {
  Client& client = connect("client");
  auto receiver = std::make_shared<FakeKeyed>("key");
  ASSERT_TRUE(keyed.add(client.link.keyed, *client.session, {"plant/#", plain, nullptr, receiver}, client.link.caller(now),
                        "there", now));
  EXPECT_FALSE(publish(router, "plant/oven", "early"));
  client.link.keyed.open_inbox(receiver->topic(), QoS::exactly_once);
  EXPECT_TRUE(publish(router, "plant/oven", "hot", QoS::exactly_once));
  const auto written = client.take();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].payload, "key:plant/oven:hot");
  EXPECT_EQ(written[0].qos, QoS::at_least_once) << "its frames are counted: QoS 2 gains nothing";
  keyed.end_all(client.link.keyed, *client.session);
}

}  // namespace
}  // namespace sealmq::broker
