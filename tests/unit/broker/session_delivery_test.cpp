#include "broker/sessions/session_delivery.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using namespace sealmq::testing;

class SessionDeliveryTest : public ShardParts {
 protected:
  /// As the Router does.
  void give(Client& client, std::string_view payload, QoS qos = QoS::at_least_once, std::uint64_t expires = UINT64_MAX) {
    MessageView its = view("plant/oven", payload, qos);
    its.expires = expires;
    Delivery delivery;
    delivery.message = message(its);
    delivery.qos = qos;
    delivery.scheme = plain;
    encoder.begin_message(delivery.message);
    deliveries.give(*client.session, std::move(delivery), now);
  }
  void give_unkept(const Subscription& subscription, std::string_view payload) {
    encoder.begin_message();
    deliveries.give_unkept(subscription, view("plant/oven", payload), false, {}, now);
  }
  /// PUBACK.
  void finish(Client& client, std::uint16_t packet_id) {
    durability.finished(*client.session, client.session->outgoing.finish(packet_id));
    --client.session->in_flight;
    deliveries.pump(*client.session, now);
  }
  void retain(const std::string& topic, std::string_view payload) {
    MessageView its = view(topic, payload, QoS::at_most_once, true);
    its.stamp = ++stamp_;
    retained.store(message(its), now.steady);
  }

 private:
  std::uint64_t stamp_ = 0;
};

TEST_F(SessionDeliveryTest, NoMoreAreInFlightThanTheClientTakes) {
  mqtt::Connect packet{.version = mqtt::Version::v5};
  packet.properties.receive_maximum = 2;
  Client& client = connect("client", packet);
  for (const char* payload : {"1", "2", "3", "4"}) give(client, payload);
  const auto written = client.take();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_EQ(client.session->queue.size(), 2U);
  finish(client, written[0].packet_id);
  EXPECT_EQ(payloads(client), "3");
  give(client, "5", QoS::at_most_once);
  EXPECT_EQ(payloads(client), "") << "none overtakes another";
  finish(client, written[1].packet_id);
  EXPECT_EQ(payloads(client), "4 5");
}

TEST_F(SessionDeliveryTest, WhatIsForAClientThatIsAwayWaitsForIt) {
  Client& client = connect("client");
  leave(client);
  give(client, "1");
  give(client, "2");
  deliveries.pump(*client.session, now);
  EXPECT_EQ(client.session->queue.size(), 2U);
  come_back(client);
  deliveries.pump(*client.session, now);
  EXPECT_EQ(payloads(client), "1 2");
  EXPECT_EQ(client.session->queued_bytes, 0U);
}

TEST_F(SessionDeliveryTest, AQueueHasItsBounds) {
  settings.maximum_queued_messages = 2;
  Client& client = connect("client");
  leave(client);
  for (const char* payload : {"1", "2", "3"}) give(client, payload);
  EXPECT_EQ(client.session->queue.size(), 2U);
  EXPECT_EQ(dropped(Drop::queue_full), 1U);
  settings.maximum_queued_messages = 10;
  settings.maximum_queued_bytes = client.session->queued_bytes;
  give(client, "4");
  EXPECT_EQ(dropped(Drop::queue_full), 2U);
}

TEST_F(SessionDeliveryTest, WhatHasExpiredOrMayNotBeHadAnyMoreIsDropped) {
  Client& client = connect("client");
  leave(client);
  give(client, "expires", QoS::at_least_once, now.steady + 10);
  give(client, "stays");
  now.steady += 10;
  come_back(client);
  deliveries.pump(*client.session, now);
  EXPECT_EQ(payloads(client), "stays");
  EXPECT_EQ(dropped(Drop::expired), 1U);
  leave(client);
  give(client, "closed");
  access.set(policy(false));
  come_back(client);
  deliveries.pump(*client.session, now);
  EXPECT_EQ(payloads(client), "");
  EXPECT_EQ(dropped(Drop::not_entitled), 2U) << "that one, and what is sent again";
  EXPECT_EQ(client.session->outgoing.size(), 0U);
}

TEST_F(SessionDeliveryTest, WhatWasNotAcknowledgedComesAgainFirst) {  // [MQTT-4.4.0-1]
  Client& client = connect("client");
  give(client, "1");
  give(client, "2");
  client.take();
  leave(client);
  give(client, "3");
  come_back(client);
  deliveries.pump(*client.session, now);
  const auto written = client.take();
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(written[0].payload, "1");
  EXPECT_TRUE(written[0].dup);
  EXPECT_EQ(written[2].payload, "3");
  EXPECT_FALSE(written[2].dup);
}

TEST_F(SessionDeliveryTest, WhatTheClientCannotTakeIsAsIfItHadIt) {  // [MQTT-3.1.2-25]
  mqtt::Connect packet{.version = mqtt::Version::v5};
  packet.properties.maximum_packet_size = 60;
  Client& client = connect("client", packet);
  give(client, std::string(100, 'x'));
  give(client, "small");
  EXPECT_EQ(payloads(client), "small");
  EXPECT_EQ(dropped(Drop::too_large), 1U);
  EXPECT_EQ(client.session->outgoing.size(), 1U);
}

TEST_F(SessionDeliveryTest, AClientThatDoesNotReadMissesQos0AndGetsTheRestLater) {
  settings.outbox_high_water = 4096;
  Client& client = connect("client");
  const Subscription& subscription = subscribe(client, "plant/#");
  give_unkept(subscription, std::string(5000, 'x'));
  EXPECT_FALSE(deliveries.sendable(*client.session));
  give_unkept(subscription, "lost");
  give(client, "later");
  EXPECT_EQ(dropped(Drop::slow_consumer), 1U);
  EXPECT_EQ(client.take().size(), 1U);
  deliveries.pump(*client.session, now);
  EXPECT_EQ(payloads(client), "later");
}

TEST_F(SessionDeliveryTest, Qos0IsNothingToAClientThatIsAway) {
  Client& client = connect("client");
  const Subscription& subscription = subscribe(client, "plant/#");
  leave(client);
  give_unkept(subscription, "gone");
  EXPECT_TRUE(client.session->queue.empty());
  EXPECT_FALSE(deliveries.sendable(*client.session));
}

TEST_F(SessionDeliveryTest, AQos2MessageIsStoredBeforeItIsSentAndOthersStandBehindIt) {
  settings.durable = true;
  Client& client = connect("client");
  durability.save(*client.session);
  give(client, "1", QoS::exactly_once);
  give(client, "2", QoS::at_least_once);
  EXPECT_EQ(payloads(client), "");
  EXPECT_EQ(client.link.waiting_acks.publishes(), 2U);
  store_all();
  ASSERT_EQ(world.deferred.size(), 2U);
  for (const DeferredAck& ack : world.deferred) {
    client.link.waiting_acks.remove(ack.type);
    deliveries.make_step(client.link, ack);
  }
  EXPECT_EQ(payloads(client), "1 2");
}

TEST_F(SessionDeliveryTest, AStepOfADeliveryThatIsOverIsPassedOver) {
  Client& client = connect("client");
  give(client, "1");
  const std::uint16_t packet_id = client.take().at(0).packet_id;
  deliveries.make_step(client.link, {.type = mqtt::PacketType::pubrel, .packet_id = packet_id});
  deliveries.make_step(client.link, {.type = mqtt::PacketType::publish, .packet_id = 77});
  EXPECT_EQ(take_written(client.link.connection), "");
}

TEST_F(SessionDeliveryTest, APubrelCarriesTheRelaysKeyOrTheConnectionEnds) {
  Client& client = connect("client");
  auto guard = std::make_unique<FakeRelay>();
  FakeRelay& relay = *guard;
  client.link.writer.protect_with(std::move(guard));
  client.session->exactly_once = true;
  give(client, "1", QoS::exactly_once);
  const std::uint16_t packet_id = client.take().at(0).packet_id;
  client.session->outgoing.find(packet_id)->awaiting = mqtt::Awaiting::pubcomp;
  const DeferredAck step{.type = mqtt::PacketType::pubrel, .packet_id = packet_id};
  deliveries.make_step(client.link, step);
  const auto sent = take_packets(client.link.connection);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].type, mqtt::PacketType::pubrel);
  EXPECT_NE(sent[0].body.find("release"), std::string::npos);
  relay.fails = true;
  deliveries.make_step(client.link, step);
  EXPECT_EQ(world.happened, std::vector<std::string>{"part: it has other keys"});
  EXPECT_EQ(take_written(client.link.connection), "");
}

TEST_F(SessionDeliveryTest, WhatIsRetainedIsSentToANewSubscription) {
  retain("plant/oven", "hot");
  retain("plant/door", "open");
  retain("office/lamp", "on");
  Client& client = connect("client");
  Subscription& subscription = subscribe(client, "plant/#", QoS::at_most_once);
  deliveries.owe_retained(subscription, now);
  const auto written = client.take();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_TRUE(written[0].retain);
  EXPECT_FALSE(subscription.retained) << "it has all of them";
}

TEST_F(SessionDeliveryTest, ManyRetainedMessagesComeInSlices) {
  for (int i = 0; i < 100; ++i) retain("plant/" + std::to_string(i), "x");
  Client& client = connect("client");
  Subscription& subscription = subscribe(client, "plant/#", QoS::at_most_once);
  deliveries.owe_retained(subscription, now);
  const std::size_t first = client.take().size();
  EXPECT_GT(first, 0U);
  EXPECT_LT(first, 100U);
  ASSERT_TRUE(deliveries.has_in_line());
  EXPECT_EQ(deliveries.take_from_line(), client.session->number);
  client.session->is_in_line = false;
  deliveries.pump(*client.session, now);
  EXPECT_EQ(client.take().size(), 100 - first);
  EXPECT_FALSE(deliveries.has_in_line());
}

TEST_F(SessionDeliveryTest, ARetainedMessageThatWasDroppedLiveIsMadeUpFor) {
  settings.outbox_high_water = 4096;
  retain("plant/a", std::string(5000, 'x'));
  retain("plant/b", "old");
  Client& client = connect("client");
  Subscription& subscription = subscribe(client, "plant/#", QoS::at_most_once);
  deliveries.owe_retained(subscription, now);
  retain("plant/a", "new");
  encoder.begin_message();
  deliveries.give_unkept(subscription, view("plant/a", "new", QoS::at_most_once, true), true, {}, now);
  EXPECT_EQ(dropped(Drop::slow_consumer), 1U);
  EXPECT_EQ(client.take().size(), 1U);
  deliveries.pump(*client.session, now);
  EXPECT_EQ(payloads(client), "old new");
}

TEST_F(SessionDeliveryTest, ABusyQueueDoesNotHoldUpWhatIsRetained) {
  settings.maximum_inflight = 4;
  Client& client = connect("client");
  for (int i = 0; i < 6; ++i) give(client, std::to_string(i));
  auto written = client.take();
  ASSERT_EQ(written.size(), 4U);
  retain("plant/door", "open");
  Subscription& subscription = subscribe(client, "plant/door");
  deliveries.owe_retained(subscription, now);
  for (int i = 6; i < 20; ++i) give(client, std::to_string(i));
  std::string all;
  for (int i = 0; i < 6 && !written.empty(); ++i) {
    const std::uint16_t packet_id = written.front().packet_id;
    written.erase(written.begin());
    finish(client, packet_id);
    for (auto& next : client.take()) {
      all += next.payload + " ";
      written.push_back(std::move(next));
    }
  }
  EXPECT_NE(all.find("open "), std::string::npos) << "behind those that waited when it subscribed: " << all;
  EXPECT_GT(client.session->queue.size(), 0U);
}

TEST_F(SessionDeliveryTest, WhoNoLongerSubscribesIsOwedNothing) {
  Client& client = connect("client");
  leave(client);
  retain("plant/oven", "hot");
  Subscription& subscription = subscribe(client, "plant/#");
  deliveries.owe_retained(subscription, now);
  EXPECT_EQ(client.session->retained.size(), 1U);
  deliveries.forget_retained(subscription);
  EXPECT_TRUE(client.session->retained.empty());
  come_back(client);
  deliveries.pump(*client.session, now);
  EXPECT_EQ(payloads(client), "");
}

}  // namespace
}  // namespace sealmq::broker
