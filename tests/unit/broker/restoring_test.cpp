#include "broker/sessions/restoring.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::Awaiting;
using mqtt::QoS;
using namespace sealmq::testing;

class RestoringTest : public ShardParts {
 protected:
  static Restored::Session session_of(std::string client_id, Number number = 5) {
    return {.saved = {.session = number,
                      .client_id = std::move(client_id),
                      .owner = "boiler",
                      .expiry_interval = 100,
                      .expires = 2'000'000,
                      .will = nullptr,
                      .will_delay = 0}};
  }
  static SubscriptionSaved subscription(const std::string& filter) {
    SubscriptionSaved made{
        .session = 5, .filter = filter, .options = {}, .identifier = 3, .scheme = plain, .subscriber = nullptr};
    made.options.qos = QoS::at_least_once;
    return made;
  }
  static DeliverySaved delivery(Number number, std::string_view payload, std::uint16_t packet_id) {
    return {.session = 5,
            .delivery = number,
            .message = payload.empty() ? nullptr : message(view("plant/oven", payload, QoS::exactly_once)),
            .qos = QoS::exactly_once,
            .retain = false,
            .scheme = plain,
            .packet_id = packet_id,
            .subscriber = nullptr,
            .identifiers = {}};
  }
  /// The one session.
  Session& restore(Restored::Session its) {
    Restored all;
    all.sessions.push_back(std::move(its));
    EXPECT_EQ(restoring.restore(all, now), 1U);
    return *sessions.find(5);
  }
  Restoring::Neighbours around(std::size_t shards, Router& its_router) {
    return {0, shards, settings, kinds, memory, tree, retained, durability, sessions, grants, its_router, counters, nullptr};
  }

  Router router{around_router()}, first_of_three{around_router(3)};
  Restoring restoring{around(1, router)}, third{around(3, first_of_three)};
};

TEST_F(RestoringTest, ASessionIsAsItWas) {
  Restored::Session its = session_of("client");
  its.saved.speakers.add("boiler");
  its.incoming = {9};
  const Session& session = restore(std::move(its));
  EXPECT_EQ(session.owner, "boiler");
  EXPECT_EQ(session.expires, 2'000'000U);
  EXPECT_EQ(session.speakers.only(), "boiler");
  EXPECT_TRUE(session.incoming.contains(9));
  EXPECT_TRUE(session.saved);
  EXPECT_EQ(session.link, nullptr);
  EXPECT_TRUE(sessions.take("client", "boiler", false, "there", now).second);
}

TEST_F(RestoringTest, TheTimeOfWhoWasThereBeginsNowAndTheStoreIsTold) {
  settings.durable = true;
  Restored::Session its = session_of("client");
  its.saved.expires = UINT64_MAX;
  its.saved.will = message(view("plant/oven", "gone"));
  its.saved.will_delay = 7;
  const Session& session = restore(std::move(its));
  EXPECT_EQ(session.expires, now.steady + 100'000);
  EXPECT_EQ(session.will_due, now.steady + 7'000);
  EXPECT_EQ(durability.count_changes(), 1U);
}

TEST_F(RestoringTest, SubscriptionsStandInTheTreeOrWithTheirGroup) {
  Restored::Session its = session_of("client");
  its.subscriptions = {subscription("plant/#"), subscription("$share/g/plant/#")};
  its.subscriptions[0].owes_retained = true;
  its.subscriptions[0].subscriber = std::make_shared<const std::string>("boiler");
  Session& session = restore(std::move(its));
  EXPECT_EQ(counters.subscriptions, 2U);
  EXPECT_EQ(tree.match("plant/oven").size(), 2U) << "one of them for the group";
  ASSERT_NE(groups.find("$share/g/plant/#"), nullptr);
  EXPECT_EQ(groups.find("$share/g/plant/#")->members.size(), 1U);
  EXPECT_EQ(session.retained.size(), 1U);
  const Subscription& its_own = *session.subscriptions.find("plant/#")->second;
  EXPECT_EQ(its_own.identifier, 3U);
  ASSERT_NE(its_own.subscriber, nullptr);
  EXPECT_EQ(*its_own.subscriber, "boiler");
  grants.forget_all(session);
}

TEST_F(RestoringTest, DeliveriesGoOnWhereTheyWere) {
  Restored::Session its = session_of("client");
  its.deliveries = {delivery(1, "", 4), delivery(2, "sent", 6), delivery(3, "queued", 0)};
  its.deliveries[0].message = nullptr;
  Session& session = restore(std::move(its));
  ASSERT_EQ(session.outgoing.size(), 2U);
  EXPECT_EQ(session.outgoing.find(4)->awaiting, Awaiting::pubcomp);
  EXPECT_EQ(session.outgoing.find(6)->awaiting, Awaiting::pubrec);
  ASSERT_EQ(session.queue.size(), 1U);
  EXPECT_EQ(session.queued_bytes, session.queue[0].message->size());
}

TEST_F(RestoringTest, AShardTakesItsOwnSessionsAndAllThatIsRetained) {
  Restored all;
  MessageView kept = view("plant/oven", "hot", QoS::at_most_once, true);
  kept.stamp = first_of_three.next_stamp(now) + 3'000'000'000;
  all.retained.push_back(message(kept));
  std::size_t own = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string id = "client" + std::to_string(i);
    all.sessions.push_back(session_of(id, static_cast<Number>(100 + i)));
    if (Shard::shard_of(id, 3, settings.shard_key) == 0) ++own;
  }
  EXPECT_EQ(third.restore(all, now), own);
  EXPECT_EQ(sessions.size(), own);
  EXPECT_TRUE(retained.holds("plant/oven"));
  EXPECT_GT(first_of_three.next_stamp(now), kept.stamp);
}

TEST_F(RestoringTest, WhatWasOnItsWayArrivesAndTheStoreIsTold) {
  settings.durable = true;
  Client& here = connect("here");
  subscribe(here, "plant/#");
  Restored all;
  const auto its = message(view("plant/oven", "hot"));
  const auto was = static_cast<std::uint32_t>(Shard::shard_of("here", 2, settings.shard_key));
  all.in_transit = {{.transit = 8, .message = its, .shard = was, .shards = 2, .session = 0, .filter = {}},
                    {.transit = 9, .message = its, .shard = 1 - was, .shards = 2, .session = 0, .filter = {}}};
  const std::size_t before = durability.count_changes();
  restoring.restore_transits(all, now);
  EXPECT_EQ(payloads(here), "hot") << "once: it was on the one shard";
  EXPECT_EQ(durability.count_changes(), before + 2);
}

TEST_F(RestoringTest, WhatWasForAMemberThatIsGoneGoesToAnother) {
  Client& here = connect("here");
  const std::string filter = "$share/g/plant/#";
  subscribe(here, filter);
  Restored all;
  all.in_transit = {
      {.transit = 8, .message = message(view("plant/oven", "hot")), .shard = 1, .shards = 2, .session = 77, .filter = filter}};
  restoring.restore_transits(all, now);
  EXPECT_EQ(payloads(here), "hot");
}

}  // namespace
}  // namespace sealmq::broker
