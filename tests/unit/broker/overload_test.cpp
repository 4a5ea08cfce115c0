// What clients that want too much get, and what the others notice of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/routing/topic_tree.h"
#include "mqtt/packet.h"
#include "support/broker_bench.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using testing::BrokerBench;
using testing::TestClient;

std::function<void(Ports&)> with(Budget& budget) {
  return [&budget](Ports& ports) { ports.budget = &budget; };
}

Buffer many(std::size_t count, QoS qos = QoS::at_most_once, std::size_t size = 1) {
  Buffer bytes;
  const std::string padding(size, '.');
  for (std::size_t i = 0; i < count; ++i) {
    const std::string payload = std::to_string(i) + padding;
    mqtt::Publish packet;
    packet.topic = "t";
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    packet.packet_id = static_cast<std::uint16_t>(qos == QoS::at_most_once ? 0 : i + 1);
    mqtt::encode(packet, mqtt::Version::v5, bytes);
  }
  return bytes;
}

std::size_t dropped(const BrokerBench& broker, Drop why) {
  return broker.counters().dropped[static_cast<std::size_t>(why)];
}

// -- rates

TEST(Overload, AFastPublisherIsReadMoreSlowlyAndLosesNothing) {
  Settings settings;
  settings.publish_rate = 10;
  BrokerBench broker(1, settings);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& fast = broker.connect("fast");
  broker.send_bytes(fast, many(100));
  EXPECT_EQ(reader.publishes.size(), 11U) << "a second's worth, and the one that went beyond it";
  EXPECT_FALSE(fast.is_read);
  broker.advance(1000);
  EXPECT_LE(reader.publishes.size(), 22U);
  EXPECT_GE(reader.publishes.size(), 20U);
  broker.advance(10'000);
  ASSERT_EQ(reader.publishes.size(), 100U);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(reader.publishes[i].payload, std::to_string(i) + ".");
  EXPECT_TRUE(fast.is_read);
  EXPECT_FALSE(fast.closed);
}

TEST(Overload, BytesHaveARateOfTheirOwn) {
  Settings settings;
  settings.publish_bytes_rate = 10'000;
  BrokerBench broker(1, settings);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& fast = broker.connect("fast");
  broker.send_bytes(fast, many(10, QoS::at_least_once, 5000));
  EXPECT_LE(reader.publishes.size(), 3U);
  broker.advance(10'000);
  EXPECT_EQ(reader.publishes.size(), 10U);
  EXPECT_EQ(fast.answers.size(), 10U);
}

TEST(Overload, WhoIsNotReadIsNotTakenForSilent) {
  Settings settings;
  settings.publish_rate = 1;
  BrokerBench broker(1, settings);
  mqtt::Connect packet;
  packet.version = mqtt::Version::v5;
  packet.client_id = "fast";
  packet.keep_alive = 1;
  auto& fast = broker.connect(packet);
  broker.send_bytes(fast, many(8));
  broker.advance(5000);
  EXPECT_FALSE(fast.closed);
  broker.advance(10'000);
  EXPECT_TRUE(fast.closed) << "it was read again, and said nothing";
}

TEST(Overload, SubscribingAndUnsubscribingHaveTheRateOfMessages) {
  Settings settings;
  settings.publish_rate = 10;
  for (const bool unsubscribes : {false, true}) {
    BrokerBench broker(1, settings);
    auto& fast = broker.connect("fast");
    Buffer bytes;
    for (std::uint16_t i = 1; i <= 50; ++i) {
      if (unsubscribes)
        mqtt::encode(mqtt::Unsubscribe{.packet_id = i, .properties = {}, .filters = {"t"}}, mqtt::Version::v5, bytes);
      else
        mqtt::encode(mqtt::Subscribe{.packet_id = i, .properties = {}, .entries = {{"t", {}}}}, mqtt::Version::v5, bytes);
    }
    broker.send_bytes(fast, bytes);
    EXPECT_EQ(fast.answers.size(), 11U) << "a second's worth, and the one that went beyond it";
    EXPECT_FALSE(fast.is_read);
    broker.advance(10'000);
    EXPECT_EQ(fast.answers.size(), 50U);
    EXPECT_TRUE(fast.is_read);
  }
}

TEST(Overload, FiltersCountAmongTheBytesOfTheRate) {
  Settings settings;
  settings.publish_bytes_rate = 10'000;
  for (const bool unsubscribes : {false, true}) {
    BrokerBench broker(1, settings);
    auto& fast = broker.connect("fast");
    const std::string filter(1000, 't');
    Buffer bytes;
    for (std::uint16_t i = 1; i <= 50; ++i) {
      if (unsubscribes)
        mqtt::encode(mqtt::Unsubscribe{.packet_id = i, .properties = {}, .filters = {filter}}, mqtt::Version::v5, bytes);
      else
        mqtt::encode(mqtt::Subscribe{.packet_id = i, .properties = {}, .entries = {{filter, {}}}}, mqtt::Version::v5, bytes);
    }
    broker.send_bytes(fast, bytes);
    EXPECT_EQ(fast.answers.size(), 11U);
    broker.advance(10'000);
    EXPECT_EQ(fast.answers.size(), 50U);
  }
}

TEST(Overload, OthersKeepTheirOwnRate) {
  Settings settings;
  settings.publish_rate = 10;
  BrokerBench broker(1, settings);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  broker.send_bytes(broker.connect("fast"), many(1000));
  const std::size_t before = reader.publishes.size();
  broker.send_bytes(broker.connect("modest"), many(5));
  EXPECT_EQ(reader.publishes.size(), before + 5);
}

// -- slow consumers

TEST(Overload, ASlowConsumerCostsItsBoundIsEndedAndDelaysNobody) {
  Settings settings;
  settings.outbox_high_water = 1'000'000;
  settings.slow_consumer_timeout = 60;
  Budget budget;
  BrokerBench broker(1, settings, nullptr, with(budget));
  auto& slow = broker.connect("slow");
  auto& quick = broker.connect("quick");
  for (auto* client : {&slow, &quick}) broker.subscribe(*client, "t");
  slow.reads = false;
  auto& writer = broker.connect("writer");
  const std::size_t before = budget.used();
  for (std::size_t i = 1; i <= 100; ++i) {
    broker.publish(writer, "t", std::string(100'000, 'x'));
    ASSERT_EQ(quick.publishes.size(), i) << "at once";
  }
  EXPECT_LE(budget.used() - before, settings.outbox_high_water + 200'000);
  EXPECT_GE(dropped(broker, Drop::slow_consumer), 85U);
  broker.advance(59'000);
  EXPECT_FALSE(slow.closed);
  broker.advance(2'000);
  EXPECT_TRUE(slow.closed);
  EXPECT_FALSE(quick.closed);
  EXPECT_EQ(broker.refused(Refusal::slow_consumer), 1U);
  EXPECT_LE(budget.used(), before + 100'000) << "the last message is kept for the next one's scratch";
}

TEST(Overload, WhoTakesSomethingNowAndThenIsNotEnded) {
  Settings settings;
  settings.outbox_high_water = 100'000;
  settings.slow_consumer_timeout = 10;
  BrokerBench broker(1, settings);
  auto& slow = broker.connect("slow");
  broker.subscribe(slow, "t");
  slow.reads = false;
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 10; ++i) broker.publish(writer, "t", std::string(50'000, 'x'));
  for (int i = 0; i < 10; ++i) {
    broker.advance(8'000);
    broker.shard(0).outbox(slow.connection)->consume(1);
    broker.shard(0).drained(slow.connection, broker.now);
  }
  EXPECT_FALSE(slow.closed);
  broker.advance(12'000);
  EXPECT_TRUE(slow.closed);
}

TEST(Overload, WhoDoesNotTakeItsAnswersIsNotReadUntilItDoes) {
  Settings settings;
  settings.outbox_high_water = 10'000;
  settings.limits.maximum_packet_size = 10'000;
  BrokerBench broker(1, settings);
  auto& pings = broker.connect("pings");
  pings.reads = false;
  const Buffer pingreqs = [] {
    Buffer bytes;
    for (int i = 0; i < 5'000; ++i) append(bytes, Bytes(std::array<std::uint8_t, 2>{0xC0, 0}));
    return bytes;
  }();
  std::size_t sent = 0;
  for (; pings.is_read && sent < 100; ++sent) broker.send_bytes(pings, pingreqs);
  EXPECT_EQ(sent, 3U) << "high water and a packet, which answers went beyond";
  pings.reads = true;
  broker.send_bytes(pings, Bytes(pingreqs).first(2));
  EXPECT_TRUE(pings.is_read);
  EXPECT_EQ(pings.pings, 15'001U);
}

// -- memory

constexpr std::size_t megabyte = 1 << 20;

TEST(Overload, QueuesStopAtThreeQuartersOfTheBudgetAndAConnectedClientGoesOn) {
  Budget budget(4 * megabyte);
  {
    BrokerBench broker(2, {}, nullptr, with(budget));
    for (int i = 0; i < 20; ++i) {
      auto& absent = broker.connect("absent-" + std::to_string(i), mqtt::Version::v5, false);
      broker.subscribe(absent, "t/" + std::to_string(i), {.qos = QoS::at_least_once});
      broker.cut(absent);
    }
    auto& reader = broker.connect("reader");
    broker.subscribe(reader, "t/x", {.qos = QoS::at_least_once});
    auto& writer = broker.connect("writer");
    for (int i = 0; i < 2000; ++i) {
      broker.publish(writer, "t/" + std::to_string(i % 20), std::string(5000, 'x'), QoS::at_least_once);
      ASSERT_LT(budget.used(), budget.most());
    }
    EXPECT_LE(budget.used(), budget.most() / 4 * 3 + 100'000);
    EXPECT_GT(dropped(broker, Drop::queue_full), 1000U);
    for (int i = 0; i < 10; ++i) broker.publish(writer, "t/x", std::string(5000, 'x'), QoS::at_least_once);
    EXPECT_EQ(reader.publishes.size(), 10U);
    // Who comes back is let in, and makes room.
    const std::size_t before = budget.used();
    auto& back = broker.connect("absent-3", mqtt::Version::v5, false);
    EXPECT_TRUE(back.session_present);
    EXPECT_GE(back.publishes.size(), 10U);
    EXPECT_LT(budget.used(), before);
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Overload, SessionsAndSubscriptionsGetHalfOfIt) {
  Budget budget(4 * megabyte);
  {
    BrokerBench broker(1, {}, nullptr, with(budget));
    auto& old = broker.connect("old");
    std::size_t refused = 0;
    for (int i = 0; i < 3000; ++i) {
      broker.peer.address = "address-" + std::to_string(i);  // each has its share
      auto& fresh = broker.connect("fresh-" + std::to_string(i), mqtt::Version::v5, false);
      if (fresh.connack == Reason::quota_exceeded)
        ++refused;
      else
        broker.cut(fresh);
    }
    EXPECT_GT(refused, 1000U);
    EXPECT_LE(budget.used(), budget.most() / 2 + 10'000);
    broker.subscribe(old, "t");
    EXPECT_EQ(old.answers.back().reasons, std::vector{Reason::quota_exceeded});
    broker.publish(old, "t", "x", QoS::at_least_once);
    EXPECT_EQ(old.answers.back().reasons, std::vector{Reason::no_matching_subscribers});
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Overload, OnePartyLeavesRoomForSessionsOfOthers) {
  for (const std::size_t shards : {1, 3}) {
    Budget budget(24 * megabyte);
    {
      BrokerBench broker(shards, {}, nullptr, with(budget));
      std::size_t refused = 0;
      for (int i = 0; i < 6000; ++i)
        refused +=
            broker.connect("greedy-" + std::to_string(i), mqtt::Version::v5, false).connack == Reason::quota_exceeded ? 1 : 0;
      EXPECT_GT(refused, 1000U);
      broker.peer.address = "elsewhere";
      for (int i = 0; i < 20; ++i) {
        auto& modest = broker.connect("modest-" + std::to_string(i), mqtt::Version::v5, false);
        ASSERT_EQ(modest.connack, Reason::success);
        broker.subscribe(modest, "t");
        EXPECT_EQ(modest.answers.back().reasons, std::vector{Reason::success});
      }
    }
    EXPECT_EQ(budget.used(), 0U);
  }
}

TEST(Overload, TheNumberOfSessionsIsShared) {
  Settings settings;
  settings.maximum_sessions = 200;
  settings.durable = true;
  for (const std::size_t shards : {1, 3}) {
    BrokerBench broker(shards, settings);
    const auto fill = [&](const std::string& address, const std::string& names = "", int tries = 1000) {
      broker.peer.address = address;
      std::size_t taken = 0;
      for (int i = 0; i < tries; ++i) {
        auto& client = broker.connect(address + names + std::to_string(i), mqtt::Version::v5, false);
        taken += client.connack == Reason::success ? 1 : 0;
        if (!client.closed) broker.cut(client);
      }
      return taken;
    };
    const std::size_t first = fill("greedy");
    EXPECT_EQ(first, shards * 150);
    for (const char* other : {"second", "third", "fourth"}) EXPECT_GE(fill(other, "", 20), 2U) << other;
    EXPECT_EQ(fill("greedy", "-more", 20), 0U);
    // Nor does a restart make it another.
    broker.crash();
    EXPECT_GE(fill("fifth", "", 20), 1U);
    EXPECT_EQ(fill("greedy"), first) << "they are still there";
    EXPECT_EQ(fill("greedy", "-more", 20), 0U);
    for (const bool clean : {false, true, true})
      EXPECT_EQ(broker.connect("greedy0", mqtt::Version::v5, clean).connack, Reason::success) << "it has had its place";
  }
}

TEST(Overload, WhoTakesASessionOverTakesItsShare) {
  Settings settings;
  settings.maximum_sessions = 200;
  settings.maximum_topic_nodes = 400;
  BrokerBench broker(1, settings);
  const auto comes = [&](const std::string& address, int number) {
    broker.peer.address = address;
    return &broker.connect("session-" + std::to_string(number), mqtt::Version::v5, false);
  };
  for (int i = 0; i < 150; ++i) {
    auto* client = comes("former", i);
    broker.subscribe(*client, std::to_string(i) + "/x");
    EXPECT_EQ(client->answers.back().reasons.front(), Reason::success);
  }
  for (int i = 0; i < 150; ++i) comes("later", i);
  EXPECT_EQ(comes("later", 1000)->connack, Reason::quota_exceeded);
  auto* again = comes("former", 2000);
  ASSERT_EQ(again->connack, Reason::success) << "it has none";
  broker.subscribe(*again, "a/b/c");
  EXPECT_EQ(again->answers.back().reasons.front(), Reason::success);
  broker.subscribe(*comes("later", 7), "a/b/d");
  EXPECT_EQ(comes("later", 7)->answers.size(), 0U);
}

TEST(Overload, OnePartyLeavesNodesOfTheTreeToOthers) {
  Settings settings;
  settings.maximum_topic_nodes = 4000;
  for (const std::size_t shards : {1, 3}) {
    BrokerBench broker(shards, settings);
    const auto fill = [&](const std::string& address, int clients, int filters) {
      broker.peer.address = address;
      std::size_t granted = 0;
      for (int c = 0; c < clients; ++c) {
        auto& client = broker.connect(address + std::to_string(c));
        for (int i = 0; i < filters; ++i) {
          broker.subscribe(client, address + "/" + std::to_string(c) + "/" + std::to_string(i) + "/x");
          granted += client.answers.back().reasons.front() == Reason::success ? 1 : 0;
        }
      }
      return granted;
    };
    const std::size_t first = fill("greedy", static_cast<int>(shards) * 20, 100);
    EXPECT_GE(first, shards * 700);
    EXPECT_LT(first, shards * 1550) << "three quarters, two nodes each";
    for (const char* other : {"second", "third", "fourth"}) EXPECT_GE(fill(other, 20, 10), 6U) << other;
    const auto before = broker.counters().subscriptions;
    broker.peer.address = "greedy";
    auto& more = broker.connect("greedy-more");
    broker.subscribe(more, "greedy/more");
    EXPECT_EQ(more.answers.back().reasons.front(), Reason::quota_exceeded);
    EXPECT_EQ(broker.counters().subscriptions, before);
  }
}

TEST(Overload, ASubscriptionOfManyLevelsIsCountedAsWhatItCosts) {
  Budget budget(4 * megabyte);
  {
    BrokerBench broker(1, {}, nullptr, with(budget));
    auto& greedy = broker.connect("greedy");
    std::string deep;
    for (int level = 0; level < 198; ++level) deep += "/x";
    std::size_t granted = 0;
    for (int i = 0; i < 1000; ++i) {
      broker.subscribe(greedy, std::to_string(i) + deep);
      granted += greedy.answers.back().reasons.front() == Reason::success ? 1 : 0;
    }
    EXPECT_LT(granted, 50U);
    EXPECT_LE(budget.used(), budget.most() / 2 + 100'000);
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Overload, RetainedMessagesBeyondTheirBytesAreDeliveredAndNotKept) {
  Settings settings;
  settings.maximum_retained_bytes = 100'000;
  BrokerBench broker(3, settings);
  auto& writer = broker.connect("writer");
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  for (int i = 0; i < 100; ++i) {
    broker.publish(writer, "t/" + std::to_string(i), std::string(5000, 'x'), QoS::at_least_once, true);
    EXPECT_FALSE(is_error(writer.answers.back().reasons.front()));
  }
  EXPECT_EQ(reader.publishes.size(), 100U);
  const std::size_t stored = broker.counters().retained;
  EXPECT_GE(stored, 12U);
  EXPECT_LT(stored, 16U) << "three quarters";
  EXPECT_GE(broker.refused(Refusal::limit_reached), 80U);
  broker.peer.address = "elsewhere";
  broker.publish(broker.connect("another"), "another", std::string(5000, 'x'), QoS::at_least_once, true);
  EXPECT_EQ(broker.counters().retained, stored + 1) << "who fills it leaves room for others";
  broker.publish(writer, "t/1", std::string(5000, 'x'), QoS::at_least_once, true);
  broker.publish(writer, "t/0", std::string(4000, 'y'), QoS::at_least_once, true);
  EXPECT_FALSE(is_error(writer.answers.back().reasons.front())) << "in the place of a larger one";
  broker.publish(writer, "t/0", "", QoS::at_least_once, true);
  EXPECT_FALSE(is_error(writer.answers.back().reasons.front())) << "erasing is always possible";
  EXPECT_EQ(broker.counters().retained, stored);
}

TEST(Overload, OnePacketAsksForNoMoreThanASessionMayHave) {
  Settings settings;
  settings.maximum_subscriptions = 50;
  BrokerBench broker(1, settings);
  mqtt::Subscribe subscribe{.packet_id = 7, .properties = {}, .entries = {}};
  subscribe.entries.resize(51, {"t", {}});
  auto& first = broker.connect("first");
  broker.send(first, subscribe);
  EXPECT_EQ(first.disconnect, Reason::quota_exceeded);
  mqtt::Unsubscribe unsubscribe{.packet_id = 7, .properties = {}, .filters = {}};
  unsubscribe.filters.resize(51, "t");
  auto& second = broker.connect("second");
  broker.send(second, unsubscribe);
  EXPECT_EQ(second.disconnect, Reason::quota_exceeded);
}

TEST(Overload, FiltersAreHeldAgainstFewPropertiesOnly) {
  BrokerBench broker(1);
  const std::string large(60'000, 'A');
  mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
  packet.entries.resize(1000, {"t", {}});
  for (int i = 0; i < 1000; ++i) packet.properties.user.push_back({"anything", "x"});
  auto& ordinary = broker.connect("ordinary");
  broker.send(ordinary, packet);
  EXPECT_EQ(ordinary.answers.size(), 1U) << "nobody reads those";
  packet.properties.user = {{"sl", large}};
  auto& greedy = broker.connect("greedy");
  broker.send(greedy, packet);
  EXPECT_EQ(greedy.disconnect, Reason::quota_exceeded);
  packet.entries.resize(1);
  packet.properties.user.assign(101, {"sl", "A"});
  auto& many = broker.connect("many");
  broker.send(many, packet);
  EXPECT_EQ(many.disconnect, Reason::quota_exceeded);
}

TEST(Overload, MarksOfErasuresTakeNobodysPlace) {
  for (std::size_t shards : {1, 3}) {
    Budget budget(64 * megabyte);
    Settings settings;
    settings.maximum_retained = 100;
    BrokerBench broker(shards, settings, nullptr, with(budget));
    auto& writer = broker.connect("writer");
    for (int i = 0; i < 1000; ++i) {
      broker.publish(writer, "t/" + std::to_string(i), "", QoS::at_least_once, true);
      EXPECT_FALSE(is_error(writer.answers.back().reasons.front()));
    }
    const std::size_t remembered = 1000 * (TopicTree::cost_of_remembered + 10);  // what the topics matched
    EXPECT_LT(budget.used(), shards * (100 * 500 + remembered) + 100'000);
    auto& other = broker.connect("other");
    for (int i = 0; i < 75; ++i) {  // its share
      broker.publish(other, "kept/" + std::to_string(i), "x", QoS::at_least_once, true);
      EXPECT_FALSE(is_error(other.answers.back().reasons.front()));
    }
    auto& reader = broker.connect("reader");
    broker.subscribe(reader, "#");
    EXPECT_EQ(reader.publishes.size(), 75U);
  }
}

TEST(Overload, ErasingWhatIsNotThereWritesNothing) {
  Settings settings;
  settings.durable = true;
  BrokerBench broker(1, settings);
  auto& writer = broker.connect("writer");
  broker.hold_store();
  broker.publish(writer, "t", "", QoS::at_least_once, true);
  EXPECT_EQ(writer.answers.size(), 1U);
}

TEST(Overload, PropertiesOfRetainedMessagesCountAmongTheirBytes) {
  Settings settings;
  settings.maximum_retained_bytes = 1 * megabyte;
  Budget budget(64 * megabyte);
  BrokerBench broker(1, settings, nullptr, with(budget));
  auto& writer = broker.connect("writer");
  const auto publish = [&](const std::string& topic, std::size_t properties) {
    const std::string text(50'000, 'p');
    mqtt::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes("x");
    packet.qos = QoS::at_least_once;
    packet.retain = true;
    packet.packet_id = 1;
    for (std::size_t i = 0; i < properties; ++i) packet.properties.user.push_back({"n", text});
    broker.send(writer, packet);
  };
  for (int i = 0; i < 30; ++i) publish("t/" + std::to_string(i), 2);
  EXPECT_LE(broker.counters().retained, 7U);
  EXPECT_GE(broker.counters().retained, 6U);
  publish("t/0", 15);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t/0");
  EXPECT_EQ(reader.publishes.at(0).user.size(), 2U) << "nor in the place of a small one";
  EXPECT_LT(budget.used(), 2 * megabyte);
}

TEST(Overload, WhatTopicsHaveMatchedCountsAndHasItsPart) {
  Budget budget(4 * megabyte);
  BrokerBench broker(1, {}, nullptr, with(budget));
  auto& writer = broker.connect("writer");
  const std::size_t before = budget.used();
  std::size_t largest = 0;
  for (int i = 0; i < 100; ++i) {
    broker.publish(writer, std::string(20'000, 'x') + std::to_string(i), "");
    largest = std::max(largest, budget.used() - before);
  }
  EXPECT_GT(largest, budget.most() / 16 - 30'000);
  EXPECT_LT(largest, budget.most() / 16 + 30'000);
}

TEST(Overload, WithFullMemoryOnlyWhatNobodyKeepsGoesThrough) {
  Budget budget(1 * megabyte);
  BrokerBench broker(1, {}, nullptr, with(budget));
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& writer = broker.connect("writer");
  const Charge all(&budget, 1 * megabyte);
  broker.publish(writer, "t", "x", QoS::at_least_once);
  EXPECT_EQ(writer.answers.back().reasons.front(), Reason::quota_exceeded);
  EXPECT_TRUE(reader.publishes.empty());
  broker.publish(writer, "t", "y");
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes.back().payload, "y");
}

TEST(Overload, WhileMemoryIsShortAClientIsOwedLittle) {
  for (const auto& [sixteenths, most] : {std::pair<std::size_t, std::size_t>{13, 32'000}, {15, 18'000}}) {
    Budget budget(8 * megabyte);
    BrokerBench broker(1, {}, nullptr, with(budget));
    auto& reader = broker.connect("reader");
    broker.subscribe(reader, "t");
    reader.reads = false;
    auto& writer = broker.connect("writer");
    const Charge others(&budget, 8 * megabyte / 16 * sixteenths);
    const std::size_t before = budget.used();
    for (int i = 0; i < 100; ++i) broker.publish(writer, "t", std::string(4'000, 'x'));
    EXPECT_LT(budget.used() - before, most + 16'000) << sixteenths;
    EXPECT_GT(dropped(broker, Drop::slow_consumer), 90U) << sixteenths;
  }
}

TEST(Overload, WhileMemoryIsShortFewMessagesAreInFlight) {
  Budget budget(8 * megabyte);
  BrokerBench broker(1, {}, nullptr, with(budget));
  auto& reader = broker.connect("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  const Charge others(&budget, 8 * megabyte / 16 * 13);
  for (std::uint16_t i = 1; i <= 20; ++i) broker.publish(writer, "t", "x", QoS::at_least_once, false, i);
  EXPECT_EQ(reader.publishes.size(), 8U);
}

TEST(Overload, ARetainedMessageIsNotKeptWhenMemoryIsShort) {
  Budget budget(4 * megabyte);
  BrokerBench broker(1, {}, nullptr, with(budget));
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 100; ++i)
    broker.publish(writer, "t/" + std::to_string(i), std::string(50'000, 'x'), QoS::at_least_once, true);
  EXPECT_EQ(writer.answers.back().reasons.front(), Reason::no_matching_subscribers);
  EXPECT_LE(budget.used(), budget.most() / 4 * 3 + 100'000);
  EXPECT_GE(broker.refused(Refusal::limit_reached), 20U);
}

TEST(Overload, PacketsCutShortFillNoMoreThanTheBudget) {
  Budget budget(8 * megabyte);
  {
    BrokerBench broker(1, {}, nullptr, with(budget));
    auto& reader = broker.connect("reader");
    broker.subscribe(reader, "t");
    const Buffer whole = many(1, QoS::at_most_once, 900'000);
    std::vector<TestClient*> clients;
    for (int i = 0; i < 50; ++i) {
      auto& client = *clients.emplace_back(&broker.connect("cut-" + std::to_string(i)));
      for (std::size_t part = 0; part < 8 && !client.closed; ++part)
        broker.send_bytes(client, Bytes(whole).subspan(part * 100'000, 100'000));
      ASSERT_LT(budget.used(), budget.most());
    }
    EXPECT_FALSE(clients.front()->closed);
    EXPECT_TRUE(clients.back()->closed);
    EXPECT_EQ(clients.back()->disconnect, Reason::quota_exceeded);
    broker.publish(broker.connect("writer"), "t", "x");
    EXPECT_EQ(reader.publishes.size(), 1U);
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Overload, TopicAliasesFillNoMoreThanTheBudget) {
  Budget budget(8 * megabyte);
  {
    BrokerBench broker(1, {}, nullptr, with(budget));
    std::size_t refused = 0;
    for (int i = 0; i < 20; ++i) {
      auto& client = broker.connect("alias-" + std::to_string(i));
      for (std::uint16_t alias = 1; alias <= 32 && !client.closed; ++alias) {
        const std::string topic(60'000, static_cast<char>('a' + alias % 26));
        mqtt::Publish packet;
        packet.topic = topic;
        packet.properties.topic_alias = alias;
        broker.send(client, packet);
      }
      refused += client.disconnect == Reason::quota_exceeded ? 1 : 0;
      ASSERT_LT(budget.used(), budget.most());
    }
    EXPECT_GT(refused, 10U);
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Overload, WillsAreRefusedWhenMemoryIsShort) {
  Budget budget(megabyte);
  BrokerBench broker(1, {}, nullptr, with(budget));
  const std::string text(50'000, 'x');
  std::size_t refused = 0;
  for (int i = 0; i < 30; ++i) {
    const std::string name = "w-" + std::to_string(i);
    mqtt::Connect packet;
    packet.version = mqtt::Version::v5;
    packet.client_id = name;
    packet.will = mqtt::Will{.topic = "t", .payload = as_bytes(text)};
    refused += broker.connect(packet).connack == Reason::quota_exceeded ? 1 : 0;
  }
  EXPECT_GT(refused, 10U);
  EXPECT_LT(budget.used(), budget.most());
}

TEST(Overload, ClientsThatConnectSubscribeAndVanishLeaveNothingBehind) {
  Budget budget(16 * megabyte);
  {
    BrokerBench broker(2, {}, nullptr, with(budget));
    auto& reader = broker.connect("reader");
    broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
    auto& writer = broker.connect("writer");
    const std::size_t before = budget.used();
    for (std::size_t i = 0; i < 2000; ++i) {
      auto& client = broker.connect("storm-" + std::to_string(i % 500));
      broker.subscribe(client, "s/" + std::to_string(i) + "/#");
      broker.publish(writer, "t", std::to_string(i), QoS::at_least_once);
      broker.cut(client);
    }
    ASSERT_EQ(reader.publishes.size(), 2000U);
    EXPECT_EQ(budget.used(), before);
  }
  EXPECT_EQ(budget.used(), 0U);
}

// -- other shards

TEST(Overload, ShardsThatDoNotKeepUpHoldBackPublishersAlone) {
  BrokerBench broker(2);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& writer = broker.connect("writer");
  auto& quiet = broker.connect("quiet");
  broker.held_back = HeldBack::publishers;
  broker.send_bytes(writer, many(1));  // then its shard hears of it
  reader.publishes.clear();
  broker.send_bytes(writer, many(10));
  EXPECT_FALSE(writer.is_read);
  EXPECT_EQ(reader.publishes.size(), 1U);
  for (auto* client : {&reader, &quiet}) {
    broker.send(*client, mqtt::Pingreq{});
    EXPECT_EQ(client->pings, 1U) << "who publishes nothing notices nothing";
  }
  EXPECT_EQ(broker.connect("newcomer").connack, Reason::success);
  broker.held_back = HeldBack::nobody;
  for (std::size_t i = 0; i < 2; ++i) broker.shard(i).handed_over(HeldBack::nobody, broker.now);
  broker.send(quiet, mqtt::Pingreq{});
  ASSERT_EQ(reader.publishes.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(reader.publishes[i].payload, std::to_string(i) + ".");
  EXPECT_TRUE(writer.is_read);
}

TEST(Overload, WhoWaitsForOtherShardsIsNotTakenForSilent) {
  BrokerBench broker(2);
  mqtt::Connect packet;
  packet.version = mqtt::Version::v5;
  packet.client_id = "writer";
  packet.keep_alive = 1;
  auto& writer = broker.connect(packet);
  broker.held_back = HeldBack::publishers;
  broker.send_bytes(writer, many(2));
  broker.send_bytes(writer, many(2));
  broker.advance(5000);
  EXPECT_FALSE(writer.closed);
}

TEST(Overload, WhereMessagesAreLostWhoWasPromisedNothingGoesOn) {
  BrokerBench broker(2);
  auto& promised = broker.connect("promised");
  auto& hasty = broker.connect("hasty");
  broker.held_back = HeldBack::who_was_promised;
  for (int i = 0; i < 3; ++i) {
    broker.send_bytes(hasty, many(2));
    broker.send_bytes(promised, many(2, QoS::at_least_once));
  }
  EXPECT_TRUE(hasty.is_read);
  EXPECT_FALSE(promised.is_read);
  EXPECT_LE(promised.answers.size(), 3U) << "one packet before its shard was told, and one message after";
}

TEST(Overload, AnErasureIsTakenHoweverFullMemoryIs) {
  Budget budget(1 << 20);
  BrokerBench broker(1, {}, nullptr, with(budget));
  auto& writer = broker.connect("writer");
  broker.publish(writer, "held", "x", QoS::at_least_once, true);
  const Charge full(&budget, 1 << 20);
  broker.publish(writer, "held", "", QoS::at_least_once, true);
  EXPECT_FALSE(is_error(writer.answers.back().reasons.front()));
  EXPECT_EQ(broker.counters().retained, 0U);
  broker.publish(writer, "held", "", QoS::at_least_once, true);
  EXPECT_EQ(writer.answers.back().reasons.front(), Reason::quota_exceeded) << "there is nothing to erase";
}

}  // namespace
}  // namespace sealmq::broker
