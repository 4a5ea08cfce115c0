// What every client may rely on, with one shard and with three, with a store and without: all must behave the same.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq::testing {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

class ShardTest : public ::testing::TestWithParam<std::tuple<std::size_t, bool>> {
 protected:
  static broker::Settings settings() {
    broker::Settings settings;
    settings.durable = std::get<1>(GetParam());
    return settings;
  }
  static std::size_t shards() { return std::get<0>(GetParam()); }
  BrokerBench broker{shards(), settings()};
};
INSTANTIATE_TEST_SUITE_P(Shards, ShardTest, ::testing::Combine(::testing::Values(1, 3), ::testing::Bool()));

TEST_P(ShardTest, DeliversToAMatchingSubscriberAndNobodyElse) {
  auto& near = broker.connect("near");
  auto& far = broker.connect("far", Version::v3_1_1);
  auto& other = broker.connect("other");
  broker.subscribe(near, "plant/+/temp");
  broker.subscribe(far, "plant/#");
  broker.subscribe(other, "plant/7");
  auto& device = broker.connect("device", Version::v3_1_1);
  broker.publish(device, "plant/7/temp", "21.5");
  ASSERT_EQ(near.publishes.size(), 1U);
  EXPECT_EQ(near.publishes[0].payload, "21.5");
  EXPECT_EQ(near.publishes[0].topic, "plant/7/temp");
  EXPECT_EQ(far.publishes.size(), 1U);
  EXPECT_TRUE(other.publishes.empty());
}

TEST_P(ShardTest, KeepsTheOrderOfAPublisher) {
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 200; ++i) broker.publish(writer, "t", std::to_string(i), QoS::at_least_once);
  ASSERT_EQ(reader.publishes.size(), 200U);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(reader.publishes[i].payload, std::to_string(i));
}

TEST_P(ShardTest, AnswersEachQoSAsTheStandardSays) {
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "one", QoS::at_least_once, false, 11);
  broker.publish(writer, "t", "two", QoS::exactly_once, false, 12);
  using Answer = TestClient::Answer;
  EXPECT_EQ(writer.answers[0], (Answer{PacketType::puback, 11, {Reason::success}}));
  EXPECT_EQ(writer.answers[1], (Answer{PacketType::pubrec, 12, {Reason::success}}));
  EXPECT_EQ(writer.answers[2], (Answer{PacketType::pubcomp, 12, {Reason::success}}));
  ASSERT_EQ(reader.publishes.size(), 2U);
  EXPECT_EQ(reader.publishes[0].qos, QoS::at_least_once);
  EXPECT_EQ(reader.publishes[1].qos, QoS::exactly_once);
}

TEST_P(ShardTest, TakesAQoS2MessageOnce) {  // [MQTT-4.3.3-10]
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& writer = broker.connect("writer");
  mqtt::Publish packet;
  packet.topic = "t";
  packet.qos = QoS::exactly_once;
  packet.packet_id = 5;
  broker.send(writer, packet);
  packet.dup = true;
  broker.send(writer, packet);
  EXPECT_EQ(reader.publishes.size(), 1U);
  broker.send(writer, mqtt::Pubrel{.packet_id = 5, .properties = {}});
  packet.dup = false;
  broker.send(writer, packet);  // the identifier is free again
  EXPECT_EQ(reader.publishes.size(), 2U);
}

TEST_P(ShardTest, GivesAReturningClientWhatItMissed) {
  auto& before = broker.connect("reader", Version::v5, false);
  broker.subscribe(before, "t", {.qos = QoS::at_least_once});
  broker.cut(before);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "missed", QoS::at_least_once);
  broker.publish(writer, "t", "lost", QoS::at_most_once);  // QoS 0 is not kept for absent clients
  auto& after = broker.connect("reader", Version::v5, false);
  EXPECT_TRUE(after.session_present);
  ASSERT_EQ(after.publishes.size(), 1U);
  EXPECT_EQ(after.publishes[0].payload, "missed");
}

TEST_P(ShardTest, SendsUnacknowledgedMessagesAgainWithDupAndTheSameIdentifier) {  // [MQTT-4.4.0-1]
  auto& before = broker.connect("reader", Version::v3_1_1, false);
  before.acknowledges = false;
  broker.subscribe(before, "t", {.qos = QoS::exactly_once});
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "a", QoS::at_least_once);
  broker.publish(writer, "t", "b", QoS::exactly_once, false, 2);
  ASSERT_EQ(before.publishes.size(), 2U);
  broker.send(before, mqtt::Pubrec{.packet_id = before.publishes[1].packet_id, .properties = {}});
  broker.cut(before);
  auto& after = broker.connect("reader", Version::v3_1_1, false);
  ASSERT_EQ(after.publishes.size(), 1U);  // of the second only PUBREL is left
  EXPECT_TRUE(after.publishes[0].dup);
  EXPECT_EQ(after.publishes[0].packet_id, before.publishes[0].packet_id);
  ASSERT_EQ(after.answers.size(), 1U);
  EXPECT_EQ(after.answers[0].type, PacketType::pubrel);
}

TEST_P(ShardTest, ForgetsACleanSessionAndOneThatExpired) {
  auto& clean = broker.connect("a", Version::v3_1_1, true);
  broker.subscribe(clean, "t");
  broker.cut(clean);
  EXPECT_EQ(broker.counters().sessions, 0U);
  mqtt::Connect packet;
  packet.client_id = "b";
  packet.properties.session_expiry_interval = 10;
  auto& brief = broker.connect(packet);
  broker.cut(brief);
  broker.advance(9'000);
  EXPECT_EQ(broker.counters().sessions, 1U);
  broker.advance(2'000);
  EXPECT_EQ(broker.counters().sessions, 0U);
  EXPECT_EQ(broker.counters().subscriptions, 0U);
}

TEST_P(ShardTest, TakesOverASessionAndTellsTheOldConnection) {  // [MQTT-3.1.4-3]
  auto& first = broker.connect("same", Version::v5, false);
  broker.subscribe(first, "t");
  mqtt::Connect packet;
  packet.client_id = "same";
  packet.clean_start = false;
  auto& second = broker.connect(packet, 2);
  EXPECT_EQ(first.disconnect, Reason::session_taken_over);
  EXPECT_TRUE(first.closed);
  EXPECT_TRUE(second.session_present);
  broker.publish(second, "t", "still subscribed");
  EXPECT_EQ(second.publishes.size(), 1U);
}

TEST_P(ShardTest, KeepsRetainedMessagesForLaterSubscribers) {
  auto& writer = broker.connect("writer");
  broker.publish(writer, "plant/1", "one", QoS::at_least_once, true);
  broker.publish(writer, "plant/2", "two", QoS::at_most_once, true);
  broker.publish(writer, "plant/2", "", QoS::at_most_once, true);  // erases [MQTT-3.3.1-6]
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "plant/+", {.qos = QoS::at_least_once});
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].payload, "one");
  EXPECT_TRUE(reader.publishes[0].retain);  // [MQTT-3.3.1-8]
  broker.publish(writer, "plant/1", "live", QoS::at_most_once, true);
  EXPECT_FALSE(reader.publishes[1].retain);  // [MQTT-3.3.1-12]
  EXPECT_EQ(broker.counters().retained, 1U);
}

TEST_P(ShardTest, ObeysRetainHandlingAndRetainAsPublished) {
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "kept", QoS::at_most_once, true);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t", {.retain_handling = mqtt::RetainHandling::do_not_send});
  EXPECT_TRUE(reader.publishes.empty());
  broker.subscribe(reader, "t", {.retain_handling = mqtt::RetainHandling::send_if_new});
  EXPECT_TRUE(reader.publishes.empty());
  broker.subscribe(reader, "t", {.retain_as_published = true, .retain_handling = mqtt::RetainHandling::send});
  EXPECT_EQ(reader.publishes.size(), 1U);
  broker.publish(writer, "t", "live", QoS::at_most_once, true);
  EXPECT_TRUE(reader.publishes[1].retain);
}

TEST_P(ShardTest, SendsOneCopyForOverlappingFiltersWithTheHighestQoS) {  // [MQTT-3.3.4-2]
  auto& reader = broker.connect("reader");
  mqtt::Properties first, second;
  first.subscription_identifiers = {3};
  second.subscription_identifiers = {4};
  broker.subscribe(reader, "a/#", {.qos = QoS::at_least_once}, first);
  broker.subscribe(reader, "a/+", {.qos = QoS::exactly_once}, second);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "a/b", "x", QoS::exactly_once);
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].qos, QoS::exactly_once);
  std::ranges::sort(reader.publishes[0].identifiers);
  EXPECT_EQ(reader.publishes[0].identifiers, (std::vector<std::uint32_t>{3, 4}));
}

TEST_P(ShardTest, DoesNotEchoWhereNoLocalIsSet) {  // [MQTT-3.8.3-3]
  auto& client = broker.connect("client");
  broker.subscribe(client, "t", {.no_local = true});
  broker.publish(client, "t", "own");
  EXPECT_TRUE(client.publishes.empty());
}

mqtt::Connect with_will(std::string_view id, std::uint32_t delay = 0, std::uint32_t expiry = 0) {
  mqtt::Connect packet;
  packet.client_id = id;
  packet.properties.session_expiry_interval = expiry;
  packet.will = mqtt::Will{"status", as_bytes("gone"), QoS::at_most_once, false, {}};
  if (delay != 0) packet.will->properties.will_delay_interval = delay;
  return packet;
}

TEST_P(ShardTest, ItsOwnWillIsNotEchoedEither) {  // [MQTT-3.8.3-3]
  mqtt::Connect packet;
  packet.client_id = "own";
  packet.properties.session_expiry_interval = 60;
  packet.will = mqtt::Will{"t", as_bytes("own will"), QoS::at_least_once, false, {}};
  auto& client = broker.connect(packet);
  broker.subscribe(client, "t", {.qos = QoS::at_least_once, .no_local = true});
  auto& other = broker.connect("other");
  broker.subscribe(other, "t", {.no_local = true});
  broker.cut(client);
  EXPECT_EQ(other.publishes.size(), 1U);
  EXPECT_TRUE(broker.connect("own", Version::v5, false).publishes.empty());
}

TEST_P(ShardTest, PublishesTheWillWhenAConnectionBreaksAndNotAfterDisconnect) {  // [MQTT-3.1.2-8] [MQTT-3.14.4-3]
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "status");
  auto& polite = broker.connect(with_will("polite"));
  broker.send(polite, mqtt::Disconnect{});
  EXPECT_TRUE(polite.closed);
  EXPECT_TRUE(reader.publishes.empty());
  auto& rude = broker.connect(with_will("rude"));
  broker.cut(rude);
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].payload, "gone");
  auto& willing = broker.connect(with_will("willing"));
  broker.send(willing, mqtt::Disconnect{Reason::disconnect_with_will, {}});
  EXPECT_EQ(reader.publishes.size(), 2U);
}

TEST_P(ShardTest, WaitsWithADelayedWillAndForgetsItWhenTheClientReturns) {  // [MQTT-3.1.3-9]
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "status");
  auto& first = broker.connect(with_will("d", 10, 100));
  broker.cut(first);
  broker.advance(5'000);
  mqtt::Connect again;
  again.client_id = "d";
  again.clean_start = false;
  again.properties.session_expiry_interval = 100;
  auto& second = broker.connect(again);
  broker.advance(20'000);
  EXPECT_TRUE(reader.publishes.empty());
  broker.send(second, mqtt::Disconnect{});
  auto& third = broker.connect(with_will("d", 10, 100));
  broker.cut(third);
  broker.advance(11'000);
  EXPECT_EQ(reader.publishes.size(), 1U);
}

TEST_P(ShardTest, AWillsLifeBeginsWhenItIsPublished) {  // MQTT 5 section 3.1.3.2.4
  auto& reader = broker.connect("reader", Version::v5, false);
  broker.subscribe(reader, "status", {.qos = QoS::at_least_once});
  broker.cut(reader);
  auto dying = with_will("device", 30, 100);
  dying.will->qos = QoS::at_least_once;
  dying.will->properties.message_expiry_interval = 20;
  broker.cut(broker.connect(dying));
  broker.advance(35'000);
  auto& soon = broker.connect("reader", Version::v5, false);
  ASSERT_EQ(soon.publishes.size(), 1U);
  EXPECT_EQ(soon.publishes[0].expiry, 15U);
  broker.cut(soon);
  broker.cut(broker.connect(dying));
  broker.advance(51'000);
  auto& late = broker.connect("reader", Version::v5, false);
  EXPECT_TRUE(late.publishes.empty());
}

TEST_P(ShardTest, HidesDollarTopicsFromWildcardsAndFromPublishers) {  // [MQTT-4.7.2-1]
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  auto& writer = broker.connect("writer");
  broker.publish(writer, "$SYS/uptime", "1", QoS::at_least_once);
  EXPECT_TRUE(reader.publishes.empty());
  EXPECT_EQ(writer.answers.back().reasons[0], Reason::not_authorized);
}

TEST_P(ShardTest, KeepsMessagesOfQos0ForThoseWhoAreAwayWhereThatIsWanted) {
  for (const bool wanted : {false, true}) {
    broker::Settings bounds = settings();
    bounds.queue_qos0 = wanted;
    bounds.maximum_queued_messages = 2;
    BrokerBench bench(shards(), bounds);
    for (const char* name : {"lasting", "passing"}) {
      mqtt::Connect packet;
      packet.client_id = name;
      packet.properties.session_expiry_interval = std::string_view(name) == "lasting" ? 100 : 0;
      auto& reader = bench.connect(packet);
      bench.subscribe(reader, "t", {.qos = QoS::at_least_once});
      bench.cut(reader);
    }
    auto& writer = bench.connect("writer");
    for (const char* payload : {"1", "2", "3"}) bench.publish(writer, "t", payload);
    const auto full = bench.counters().dropped[static_cast<std::size_t>(broker::Drop::queue_full)];
    auto& back = bench.connect("lasting", Version::v5, false);
    ASSERT_EQ(back.publishes.size(), wanted ? 2U : 0U);
    if (!wanted) continue;
    EXPECT_EQ(full, 1U);
    EXPECT_EQ(back.publishes[0].payload, "1");
    EXPECT_EQ(back.publishes[0].qos, QoS::at_most_once);
    EXPECT_EQ(back.publishes[1].payload, "2");
    bench.publish(writer, "t", "4");
    EXPECT_EQ(back.publishes.size(), 3U) << "who is there gets it at once";
  }
}

TEST_P(ShardTest, RefusesByDefault) {
  broker.set_rules({});
  auto& client = broker.connect("client");
  EXPECT_EQ(client.connack, Reason::success);
  broker.subscribe(client, "#");
  EXPECT_EQ(client.answers.back().reasons[0], Reason::not_authorized);
  broker.publish(client, "t", "x", QoS::at_least_once);
  EXPECT_EQ(client.answers.back().reasons[0], Reason::not_authorized);
  auto& old = broker.connect("old", Version::v3_1_1);
  broker.subscribe(old, "t");
  EXPECT_EQ(old.answers.back().reasons[0], Reason::unspecified_error);  // 0x80 on the wire of 3.1.1
}

TEST_P(ShardTest, LetsTheMostSpecificRuleDecide) {
  broker.set_rules({{"#", broker.schemes({"plain"}), broker.schemes({"plain"})}, {"secret/#", {}, {}}});
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  EXPECT_EQ(reader.answers.back().reasons[0], Reason::success);
  broker.subscribe(reader, "secret/+");
  EXPECT_EQ(reader.answers.back().reasons[0], Reason::unspecified_error) << "nobody may, whoever it is";
  auto& writer = broker.connect("writer");
  broker.publish(writer, "secret/x", "no");
  broker.publish(writer, "open/x", "yes");
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].payload, "yes");
}

TEST_P(ShardTest, StopsWhatIsQueuedWhenPolicyTakesTheTopicAway) {
  auto& before = broker.connect("reader", Version::v5, false);
  broker.subscribe(before, "t", {.qos = QoS::at_least_once});
  broker.cut(before);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "queued", QoS::at_least_once);
  broker.publish(writer, "t", "retained", QoS::at_least_once, true);
  broker.set_rules({});
  auto& after = broker.connect("reader", Version::v5, false);
  EXPECT_TRUE(after.publishes.empty());
}

TEST_P(ShardTest, BoundsWhatItKeepsForAnAbsentClient) {
  broker::Settings settings;
  settings.maximum_queued_messages = 10;
  BrokerBench bounded(shards(), settings);
  auto& before = bounded.connect("reader", Version::v5, false);
  bounded.subscribe(before, "t", {.qos = QoS::at_least_once});
  bounded.cut(before);
  auto& writer = bounded.connect("writer");
  for (int i = 0; i < 50; ++i) bounded.publish(writer, "t", std::to_string(i), QoS::at_least_once);
  EXPECT_EQ(bounded.counters().dropped[static_cast<std::size_t>(broker::Drop::queue_full)], 40U);
  auto& after = bounded.connect("reader", Version::v5, false);
  EXPECT_EQ(after.publishes.size(), 10U);
}

TEST_P(ShardTest, BoundsTheBytesItKeepsForAnAbsentClient) {
  broker::Settings bounds = settings();
  bounds.maximum_queued_bytes = 2000;
  BrokerBench bounded(shards(), bounds);
  auto& away = bounded.connect("away", Version::v5, false);
  bounded.subscribe(away, "t", {.qos = QoS::at_least_once});
  bounded.cut(away);
  auto& writer = bounded.connect("writer");
  for (int i = 0; i < 20; ++i) bounded.publish(writer, "t", std::to_string(i) + std::string(500, 'x'), QoS::at_least_once);
  const auto& back = bounded.connect("away", Version::v5, false).publishes;
  ASSERT_FALSE(back.empty());
  EXPECT_LT(back.size(), 4U);
  EXPECT_TRUE(back[0].payload.starts_with("0x")) << "the newest are dropped";
}

TEST_P(ShardTest, BoundsSubscriptionsTheirShapeAndTheirTree) {
  broker::Settings bounds = settings();
  bounds.maximum_subscriptions = 3;
  bounds.maximum_levels = 5;
  bounds.maximum_wildcards = 1;
  bounds.maximum_topic_nodes = 16;
  BrokerBench bounded(shards(), bounds);
  auto& client = bounded.connect("client");
  const auto answer = [&](TestClient& who, std::string_view filter) {
    bounded.subscribe(who, filter);
    return who.answers.back().reasons[0];
  };
  EXPECT_EQ(answer(client, "a/b/c/d/e/f"), Reason::topic_filter_invalid);
  EXPECT_EQ(answer(client, "+/+"), Reason::topic_filter_invalid);
  EXPECT_EQ(answer(client, "a/+/c/d/e"), Reason::success);
  EXPECT_EQ(answer(client, "t/2"), Reason::success);
  EXPECT_EQ(answer(client, "t/3"), Reason::success);
  EXPECT_EQ(answer(client, "t/4"), Reason::quota_exceeded);
  EXPECT_EQ(answer(client, "t/3"), Reason::success) << "it has that one";
  bounded.publish(client, "a/b/c/d/e/f", "x", QoS::at_least_once);
  EXPECT_EQ(client.answers.back().reasons[0], Reason::topic_name_invalid);
  std::size_t granted = 0;  // each shard has a tree
  for (int i = 0; i < 20; ++i)
    for (int k = 0; k < 3; ++k)
      granted += answer(bounded.connect("client-" + std::to_string(i)), "n/" + std::to_string(100 * i + k)) == Reason::success;
  EXPECT_LE(granted, shards() * 16 * 3) << "each client came three times, and its former subscription went";
  EXPECT_LE(bounded.counters().subscriptions, shards() * 16);
  EXPECT_GE(granted, 1U);
}

TEST_P(ShardTest, BoundsSessions) {
  broker::Settings bounds = settings();
  bounds.maximum_sessions = 2;
  BrokerBench bounded(shards(), bounds);
  std::size_t refused = 0;
  for (int i = 0; i < 20; ++i) refused += bounded.connect("client-" + std::to_string(i)).connack == Reason::quota_exceeded;
  EXPECT_GE(refused, 20 - 2 * shards());
  EXPECT_EQ(bounded.counters().sessions, 20 - refused);
}

TEST_P(ShardTest, BoundsTheLifeOfASession) {
  broker::Settings bounds = settings();
  bounds.maximum_session_expiry = 10;
  BrokerBench bounded(shards(), bounds);
  bounded.cut(bounded.connect("a", Version::v5, false));
  EXPECT_EQ(bounded.counters().sessions, 1U);
  bounded.advance(12'000);
  EXPECT_EQ(bounded.counters().sessions, 0U);
}

TEST_P(ShardTest, ASessionThatEndsWithItsConnectionIsNotProlonged) {  // [MQTT-3.14.2-2]
  auto& client = broker.connect("client");
  mqtt::Disconnect bye;
  bye.properties.session_expiry_interval = 100;
  broker.send(client, bye);
  EXPECT_EQ(client.disconnect, Reason::protocol_error);
  EXPECT_EQ(broker.counters().sessions, 0U);
}

// -- rights are asked again

Identity device_with(Rights publish, Rights subscribe) {
  Identity device = identity_named("device");
  device.status = Status::active;
  device.publish = std::move(publish);
  device.subscribe = std::move(subscribe);
  return device;
}

TEST_P(ShardTest, AQueuedMessageIsNotGivenToWhoHasLostTheRight) {
  broker.enroll(device_with({}, {"own/#"}));
  broker.peer.identity = "device";
  auto& mine = broker.connect("mine", Version::v5, false);
  broker.subscribe(mine, "own/#", {.qos = QoS::at_least_once});
  broker.cut(mine);
  broker.peer.identity = "";
  broker.publish(broker.connect("writer"), "own/b", "queued", QoS::at_least_once);
  broker.set_identity(device_with({}, {"else/#"}));
  broker.peer.identity = "device";
  EXPECT_TRUE(broker.connect("mine", Version::v5, false).publishes.empty());
}

TEST_P(ShardTest, AQueuedMessageOfAnAuthorWhoHasLostTheRightIsNotDelivered) {
  broker.enroll(device_with({"own/#"}, {}));
  auto& reader = broker.connect("reader", Version::v5, false);
  broker.subscribe(reader, "own/#", {.qos = QoS::at_least_once});
  broker.cut(reader);
  broker.peer.identity = "device";
  auto& writer = broker.connect("writer");
  broker.publish(writer, "own/b", "queued", QoS::at_least_once);
  EXPECT_EQ(writer.answers.back().reasons[0], Reason::success);
  broker.set_identity(device_with({"else/#"}, {}));
  broker.peer.identity = "";
  EXPECT_TRUE(broker.connect("reader", Version::v5, false).publishes.empty());
}

TEST_P(ShardTest, AWillOfWhoHasLostTheRightIsNotPublished) {
  broker.enroll(device_with({"status"}, {}));
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "status");
  broker.peer.identity = "device";
  mqtt::Connect packet;
  packet.client_id = "x";
  packet.will = mqtt::Will{"status", as_bytes("gone"), QoS::at_most_once, false, {}};
  auto& dying = broker.connect(packet);
  ASSERT_EQ(dying.connack, Reason::success);
  broker.set_identity(device_with({"else"}, {}));
  broker.cut(dying);
  EXPECT_TRUE(reader.publishes.empty());
}

TEST_P(ShardTest, WhatARevokedIdentityHasInFlightIsGone) {
  broker.enroll(device_with({"t"}, {}));
  auto& reader = broker.connect("reader", Version::v5, false);
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  broker.peer.identity = "device";
  broker.publish(broker.connect("writer"), "t", "one", QoS::at_least_once);
  broker.peer.identity = "";
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(broker.revoke("device").queued, 1U);
}

TEST_P(ShardTest, SendsNoMoreThanTheClientsReceiveMaximum) {  // [MQTT-3.3.4-7]
  mqtt::Connect packet;
  packet.client_id = "slow";
  packet.properties.receive_maximum = 3;
  auto& reader = broker.connect(packet);
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 10; ++i) broker.publish(writer, "t", std::to_string(i), QoS::at_least_once);
  ASSERT_EQ(reader.publishes.size(), 3U);
  broker.send(reader, mqtt::Puback{.packet_id = reader.publishes[0].packet_id, .properties = {}});
  EXPECT_EQ(reader.publishes.size(), 4U);
}

TEST_P(ShardTest, TellsWhatIsLeftOfAMessagesLifeAndDropsWhatExpired) {  // [MQTT-3.3.2-5] [MQTT-3.3.2-6]
  auto& before = broker.connect("reader", Version::v5, false);
  broker.subscribe(before, "t", {.qos = QoS::at_least_once});
  broker.cut(before);
  auto& writer = broker.connect("writer");
  mqtt::Publish packet;
  packet.topic = "t";
  packet.qos = QoS::at_least_once;
  packet.packet_id = 1;
  packet.properties.message_expiry_interval = 5;
  broker.send(writer, packet);
  packet.properties.message_expiry_interval = 60;
  broker.send(writer, packet);
  broker.advance(10'000);
  auto& after = broker.connect("reader", Version::v5, false);
  ASSERT_EQ(after.publishes.size(), 1U);
  EXPECT_EQ(after.publishes[0].expiry, 50U);
}

TEST_P(ShardTest, FinishesAfterItsTimeWhatItHasBegunToSend) {  // [MQTT-4.3.3-7]
  auto& before = broker.connect("reader", Version::v5, false);
  before.acknowledges = false;
  broker.subscribe(before, "t", {.qos = QoS::exactly_once});
  auto& writer = broker.connect("writer");
  mqtt::Publish packet;
  packet.topic = "t";
  packet.qos = QoS::exactly_once;
  packet.packet_id = 1;
  packet.properties.message_expiry_interval = 5;
  broker.send(writer, packet);
  ASSERT_EQ(before.publishes.size(), 1U);
  broker.cut(before);
  broker.advance(10'000);
  auto& after = broker.connect("reader", Version::v5, false);
  ASSERT_EQ(after.publishes.size(), 1U);
  EXPECT_EQ(after.publishes[0].packet_id, before.publishes[0].packet_id);
  EXPECT_EQ(after.publishes[0].expiry, 0U);
}

TEST_P(ShardTest, TreatsAsDeliveredWhatAReturningClientCannotTakeAnyMore) {  // [MQTT-3.1.2-25]
  auto& before = broker.connect("reader", Version::v5, false);
  before.acknowledges = false;
  broker.subscribe(before, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", std::string(500, 'x'), QoS::at_least_once);
  broker.publish(writer, "t", "small", QoS::at_least_once, false, 2);
  broker.cut(before);
  mqtt::Connect smaller;
  smaller.client_id = "reader";
  smaller.clean_start = false;
  smaller.properties.maximum_packet_size = 100;
  smaller.properties.receive_maximum = 1;
  auto& after = broker.connect(smaller);
  ASSERT_EQ(after.publishes.size(), 1U);
  EXPECT_EQ(after.publishes[0].payload, "small");
  broker.publish(writer, "t", "next", QoS::at_least_once);
  EXPECT_EQ(after.publishes.back().payload, "next");
}

TEST_P(ShardTest, AssignsAnIdentifierWhereTheClientHasNone) {  // [MQTT-3.2.2-16]
  auto& client = broker.connect("");
  EXPECT_EQ(client.connack, Reason::success);
  EXPECT_TRUE(client.assigned_id.starts_with("auto-"));
}

TEST_P(ShardTest, EndsAConnectionThatCannotTakeItsConnack) {  // [MQTT-3.1.2-24]
  mqtt::Connect packet;
  packet.client_id = "tiny";
  packet.properties.maximum_packet_size = 4;
  auto& tiny = broker.connect(packet);
  EXPECT_FALSE(tiny.connack);
  EXPECT_TRUE(tiny.closed);
  EXPECT_EQ(broker.counters().sessions, 0U);
}

TEST_P(ShardTest, TakesIdentifiersWithoutControlCharacters) {
  for (const char* name : {"a+b", "a#", "YWJj+/==", "\u00A0", "\u00E9"}) EXPECT_EQ(broker.connect(name).connack, Reason::success);
  for (const char* name : {"a\nb", "\x1F", "\x7F", "a\u0080", "\u009Fb"})
    EXPECT_EQ(broker.connect(name).connack, Reason::client_identifier_not_valid);
}

TEST_P(ShardTest, AnIdentifierIsNoPattern) {
  auto& reader = broker.connect("a/#");
  broker.subscribe(reader, "t", {.no_local = true});
  auto& writer = broker.connect("a/b");
  broker.publish(writer, "t", "x");
  EXPECT_EQ(reader.publishes.size(), 1U);
  broker.connect("a/+");
  EXPECT_FALSE(reader.closed);
}

TEST_P(ShardTest, KeepsTheNamesOfItsOwnClientsToItself) {
  EXPECT_EQ(broker.connect("sealmq-own-bridge-1").connack, Reason::client_identifier_not_valid);
  broker.peer.is_own = true;
  EXPECT_EQ(broker.connect("sealmq-own-bridge-1").connack, Reason::success);
}

TEST_P(ShardTest, StripsWhatOnlyTheBrokerMaySay) {
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& writer = broker.connect("writer");
  mqtt::Publish packet;
  packet.topic = "t";
  packet.properties.user = {
      {"sealmq-from", "boiler-7"}, {"unit", "C"}, {"sealmq-scheme", "sl1"}, {"sealmq-login", "scacauth"}, {"sealmq-x", "y"}};
  broker.send(writer, packet);
  ASSERT_EQ(reader.publishes.size(), 1U);
  using User = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(reader.publishes[0].user, (User{{"unit", "C"}, {"sealmq-x", "y"}})) << "no other name is touched";
  mqtt::Connect dying;
  dying.client_id = "dying";
  dying.will = mqtt::Will{"t", as_bytes("gone"), QoS::at_most_once, false, {}};
  dying.will->properties.user = {{"sealmq-from", "boss"}, {"unit", "F"}};
  broker.cut(broker.connect(dying));
  ASSERT_EQ(reader.publishes.size(), 2U);
  EXPECT_EQ(reader.publishes[1].user, (User{{"unit", "F"}})) << "nor may a Will forge it";
}

TEST_P(ShardTest, EndsAConnectionThatSaysNothing) {
  auto& silent = broker.dial();
  mqtt::Connect packet;
  packet.client_id = "quiet";
  packet.keep_alive = 10;
  auto& quiet = broker.connect(packet);
  broker.advance(11'000);
  EXPECT_TRUE(silent.closed);
  EXPECT_FALSE(quiet.closed);
  broker.advance(5'000);
  EXPECT_TRUE(quiet.closed);  // [MQTT-3.1.2-22]
  EXPECT_EQ(quiet.disconnect, Reason::keep_alive_timeout);
  EXPECT_EQ(broker.counters().connections, 0U);
}

TEST_P(ShardTest, BoundsTheKeepAlive) {  // [MQTT-3.1.2-21] [MQTT-3.2.2-22]
  broker::Settings bounds = settings();
  bounds.maximum_keep_alive = 20;
  BrokerBench bounded(shards(), bounds);
  auto with_keep_alive = [&](std::string_view id, std::uint16_t seconds, Version version) -> TestClient& {
    mqtt::Connect packet;
    packet.version = version;
    packet.client_id = id;
    packet.keep_alive = seconds;
    return bounded.connect(packet);
  };
  auto& never = with_keep_alive("never", 0, Version::v5);
  auto& slow = with_keep_alive("slow", 60, Version::v5);
  auto& quick = with_keep_alive("quick", 10, Version::v5);
  auto& old = with_keep_alive("old", 60, Version::v3_1_1);  // there is no way to tell it
  EXPECT_EQ(never.server_keep_alive, 20U);
  EXPECT_EQ(slow.server_keep_alive, 20U);
  EXPECT_FALSE(quick.server_keep_alive);
  bounded.advance(16'000);
  EXPECT_TRUE(quick.closed);
  EXPECT_FALSE(slow.closed);
  bounded.advance(15'000);
  EXPECT_TRUE(slow.closed);
  EXPECT_TRUE(never.closed);
  EXPECT_FALSE(old.closed);
}

TEST_P(ShardTest, AnswersAnUnknownAuthenticationMethod) {
  mqtt::Connect packet;
  packet.client_id = "x";
  packet.properties.authentication_method = "NO-SUCH";
  EXPECT_EQ(broker.connect(packet).connack, Reason::bad_authentication_method);
}

TEST_P(ShardTest, SaysGoodbyeWhenItShutsDown) {
  auto& client = broker.connect("client");
  for (std::size_t i = 0; i < shards(); ++i) broker.shard(i).shut_down(broker.now);
  broker.advance(500);
  EXPECT_EQ(client.disconnect, Reason::server_shutting_down);
  EXPECT_TRUE(client.closed);
}

TEST_P(ShardTest, SharesALargePayloadAndDeliversItWhole) {
  auto& reader = broker.connect("reader");
  auto& second = broker.connect("second");
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  broker.subscribe(second, "t");
  auto& writer = broker.connect("writer");
  std::string large(100'000, 'x');
  broker.publish(writer, "t", large, QoS::exactly_once);
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].payload, large);
  EXPECT_EQ(second.publishes[0].payload, large);
}

}  // namespace
}  // namespace sealmq::testing
