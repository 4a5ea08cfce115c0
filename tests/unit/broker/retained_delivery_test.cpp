// Retained messages for a new subscription: each one comes, as fast as its client takes them, whatever the bounds of what is
// live.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/broker_bench.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Version;

class RetainedDelivery : public ::testing::TestWithParam<std::size_t> {
 protected:
  BrokerBench broker{GetParam()};

  void fill(std::size_t count, QoS qos, std::size_t size = 1) {
    auto& writer = broker.connect("writer");
    for (std::size_t i = 0; i < count; ++i)
      broker.publish(writer, "state/" + std::to_string(i), std::string(size, 'x'), qos, true);
  }
  static std::set<std::string> topics(const TestClient& client) {
    std::set<std::string> all;
    for (const auto& got : client.publishes) {
      EXPECT_TRUE(all.insert(got.topic).second) << got.topic << " came twice";
      EXPECT_TRUE(got.retain);
    }
    return all;
  }
  static mqtt::Connect connect_with(std::uint16_t receive_maximum) {
    mqtt::Connect packet;
    packet.client_id = "reader";
    packet.properties.receive_maximum = receive_maximum;
    packet.properties.session_expiry_interval = 3600;
    packet.clean_start = false;
    return packet;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, RetainedDelivery, ::testing::Values(1, 3));

TEST_P(RetainedDelivery, ASubscriberGetsEveryOneBeyondTheBoundsOfItsQueue) {
  fill(3000, QoS::at_least_once);
  for (QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    auto& reader = broker.connect("reader");
    broker.subscribe(reader, "#", {.qos = qos});
    EXPECT_EQ(topics(reader).size(), 3000U);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(broker::Drop::count_); ++i) EXPECT_EQ(broker.counters().dropped[i], 0U);
}

TEST_P(RetainedDelivery, KeepsToTheWindowOfASlowClient) {
  fill(200, QoS::at_least_once);
  auto& reader = broker.connect(connect_with(10));
  reader.acknowledges = false;
  broker.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  EXPECT_EQ(reader.publishes.size(), 10U);
  for (std::size_t i = 0; i < reader.publishes.size(); ++i)
    broker.send(reader, mqtt::Puback{.packet_id = reader.publishes[i].packet_id, .properties = {}});
  EXPECT_EQ(topics(reader).size(), 200U);
}

TEST_P(RetainedDelivery, OwesAClientThatDoesNotReadLittleAndALiveMessageFindsRoom) {
  fill(100, QoS::at_most_once, 50'000);
  broker::Budget budget(512 << 20);
  auto& reader = broker.connect("reader");
  reader.reads = false;
  broker.subscribe(reader, "#");
  auto& writer = broker.connect("writer");
  broker.publish(writer, "live", "y");
  EXPECT_EQ(broker.counters().dropped[static_cast<std::size_t>(broker::Drop::slow_consumer)], 0U);
  EXPECT_LT(broker.counters().delivered, 20U);
  reader.reads = true;
  broker.publish(writer, "live", "z");  // and the client reads again
  std::set<std::string> states;
  for (const auto& got : reader.publishes)
    if (got.retain) states.insert(got.topic);
  EXPECT_EQ(states.size(), 100U);
}

TEST_P(RetainedDelivery, GoesOnWhenTheClientIsBack) {
  fill(200, QoS::at_least_once);
  auto& reader = broker.connect(connect_with(10));
  reader.acknowledges = false;
  broker.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  broker.cut(reader);
  auto& again = broker.connect(connect_with(50));
  EXPECT_EQ(topics(again).size(), 200U);
}

TEST_P(RetainedDelivery, EndsWithItsSubscription) {
  fill(200, QoS::at_least_once);
  auto& reader = broker.connect(connect_with(10));
  reader.acknowledges = false;
  broker.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  broker.send(reader, mqtt::Unsubscribe{.packet_id = 9, .properties = {}, .filters = {"state/+"}});
  for (std::size_t i = 0; i < reader.publishes.size(); ++i)
    broker.send(reader, mqtt::Puback{.packet_id = reader.publishes[i].packet_id, .properties = {}});
  EXPECT_EQ(reader.publishes.size(), 10U);
}

TEST_P(RetainedDelivery, WhatChangesMeanwhileComesOnceAndNeverOlder) {
  fill(200, QoS::at_least_once);
  auto& reader = broker.connect(connect_with(10));
  reader.acknowledges = false;
  broker.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 200; i += 2) broker.publish(writer, "state/" + std::to_string(i), "new", QoS::at_least_once, true);
  broker.publish(writer, "state/1", "", QoS::at_least_once, true);
  for (std::size_t i = 0; i < reader.publishes.size(); ++i)
    broker.send(reader, mqtt::Puback{.packet_id = reader.publishes[i].packet_id, .properties = {}});
  std::map<std::string, std::vector<std::string>> got;
  for (const auto& publish : reader.publishes) got[publish.topic].push_back(publish.payload);
  EXPECT_EQ(got.size(), 200U);
  for (const auto& [topic, payloads] : got) {
    const int number = std::stoi(topic.substr(6));
    if (number % 2 == 0) {
      EXPECT_EQ(payloads.back(), "new") << topic;
    }
    EXPECT_EQ(std::ranges::count(payloads, "new"), number % 2 == 0 ? 1 : 0) << topic;
  }
}

TEST_P(RetainedDelivery, AMessageThatWasDroppedMeanwhileComesAsARetainedOne) {
  broker::Settings settings;
  settings.maximum_queued_messages = 5;
  BrokerBench bounded(GetParam(), settings);
  auto& writer = bounded.connect("writer");
  for (int i = 0; i < 100; ++i) bounded.publish(writer, "state/" + std::to_string(i), "old", QoS::at_least_once, true);
  auto& reader = bounded.connect(connect_with(10));
  reader.acknowledges = false;
  bounded.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  for (int i = 0; i < 100; ++i) bounded.publish(writer, "state/" + std::to_string(i), "new", QoS::at_least_once, true);
  for (std::size_t i = 0; i < reader.publishes.size(); ++i)
    bounded.send(reader, mqtt::Puback{.packet_id = reader.publishes[i].packet_id, .properties = {}});
  std::set<std::string> seen;
  for (const auto& got : reader.publishes) seen.insert(got.topic);
  EXPECT_EQ(seen.size(), 100U) << "its latest state or an older one, but each";
}

// The client takes so little that its queue never empties.
TEST_P(RetainedDelivery, ABusyQueueDoesNotHoldThemUp) {
  fill(50, QoS::at_least_once);
  auto& reader = broker.connect(connect_with(4));
  reader.acknowledges = false;
  broker.subscribe(reader, "live", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 20; ++i) broker.publish(writer, "live", std::to_string(i), QoS::at_least_once);
  broker.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  std::size_t lives = 20;
  for (std::size_t i = 0; i < 200 && i < reader.publishes.size(); ++i) {
    broker.publish(writer, "live", std::to_string(lives++), QoS::at_least_once);
    broker.send(reader, mqtt::Puback{.packet_id = reader.publishes[i].packet_id, .properties = {}});
  }
  std::set<std::string> states;
  for (const auto& got : reader.publishes)
    if (got.retain) states.insert(got.topic);
  EXPECT_GT(states.size(), 20U);
}

TEST_P(RetainedDelivery, WhatWasDroppedIsMadeUpForAlsoWhereTheWalkHasPassed) {
  broker::Settings settings;
  settings.maximum_queued_messages = 5;
  BrokerBench bounded(GetParam(), settings);
  auto& writer = bounded.connect("writer");
  for (int i = 0; i < 100; ++i) bounded.publish(writer, "state/" + std::to_string(1000 + i), "old", QoS::at_least_once, true);
  auto& reader = bounded.connect(connect_with(10));
  reader.acknowledges = false;
  bounded.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  ASSERT_EQ(reader.publishes.size(), 10U);
  // The first ten have passed. Of these only five fit into the queue.
  for (int i = 0; i < 10; ++i) bounded.publish(writer, "state/" + std::to_string(1000 + i), "new", QoS::at_least_once, true);
  for (std::size_t i = 0; i < reader.publishes.size(); ++i)
    bounded.send(reader, mqtt::Puback{.packet_id = reader.publishes[i].packet_id, .properties = {}});
  std::map<std::string, std::string> last;
  for (const auto& got : reader.publishes) last[got.topic] = got.payload;
  EXPECT_EQ(last.size(), 100U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(last["state/" + std::to_string(1000 + i)], "new") << i;
}

TEST_P(RetainedDelivery, BeginsAgainAfterTheBrokersEnd) {
  broker::Settings settings;
  settings.durable = true;
  BrokerBench durable(GetParam(), settings);
  auto& writer = durable.connect("writer");
  for (int i = 0; i < 200; ++i) durable.publish(writer, "state/" + std::to_string(i), "x", QoS::at_least_once, true);
  auto& reader = durable.connect(connect_with(10));
  reader.acknowledges = false;
  durable.subscribe(reader, "state/+", {.qos = QoS::at_least_once});
  ASSERT_EQ(reader.publishes.size(), 10U);
  durable.crash();
  auto& again = durable.connect(connect_with(50));
  std::set<std::string> seen;
  for (const auto& got : again.publishes) seen.insert(got.topic);
  EXPECT_EQ(seen.size(), 200U);
  durable.crash();
  auto& third = durable.connect(connect_with(50));
  EXPECT_TRUE(third.publishes.empty()) << "it has had all";
}

TEST_P(RetainedDelivery, ManyFiltersTakeManyTurns) {
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 5000; ++i) broker.publish(writer, std::to_string(i) + "/x", "x", QoS::at_most_once, true);
  broker::Shard& shard = broker.shard(broker::Shard::shard_of("greedy", GetParam(), {}));
  auto& greedy = broker.connect("greedy");
  mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
  std::vector<std::string> filters;
  for (int i = 0; i < 100; ++i) filters.push_back("+/none-" + std::to_string(i));
  for (const auto& filter : filters) packet.entries.push_back({filter, {}});
  Buffer bytes;
  mqtt::encode(packet, mqtt::Version::v5, bytes);
  shard.receive(greedy.connection, bytes, broker.now);
  std::size_t turns = 0;
  for (; shard.has_work(); ++turns) shard.go_on(broker.now);
  EXPECT_GE(turns, 100U * 5000 / 1024 - 1) << "each looks at no more than its slice";
}

TEST_P(RetainedDelivery, ALargeTableDelaysNobody) {
  fill(20'000, QoS::at_most_once);
  auto& reader = broker.connect("reader");
  auto& other = broker.connect("other");
  broker.subscribe(reader, "+/none");
  broker.subscribe(other, "state/19999");
  EXPECT_EQ(other.publishes.size(), 1U);
  EXPECT_TRUE(reader.publishes.empty());
}

}  // namespace
}  // namespace sealmq::testing
