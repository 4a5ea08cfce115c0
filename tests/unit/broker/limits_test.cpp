// Bounds that docs/overload.md promises and that are small enough to be shown alone.
#include <gtest/gtest.h>

#include "mqtt/packet.h"
#include "support/broker_bench.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;
using testing::BrokerBench;

Buffer messages(std::size_t count, Version version, QoS qos = QoS::at_most_once) {
  Buffer bytes;
  for (std::size_t i = 0; i < count; ++i) {
    mqtt::Publish packet;
    packet.topic = "t";
    packet.payload = as_bytes("x");
    packet.qos = qos;
    packet.packet_id = static_cast<std::uint16_t>(qos == QoS::at_most_once ? 0 : i + 1);
    mqtt::encode(packet, version, bytes);
  }
  return bytes;
}

TEST(Limits, ARetainedMessageWithoutRoomIsDeliveredAndNotKept) {
  Settings settings;
  settings.maximum_retained = 2;
  BrokerBench broker(1, settings);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  auto& writer = broker.connect("writer");
  for (const char* topic : {"a", "b", "c"}) broker.publish(writer, topic, topic, QoS::at_least_once, true);
  EXPECT_EQ(writer.answers.back().reasons, std::vector{Reason::success});
  ASSERT_EQ(reader.publishes.size(), 3U);
  EXPECT_EQ(reader.publishes.back().topic, "c");
  EXPECT_EQ(broker.counters().retained, 2U);
}

TEST(Limits, NoMoreIsInFlightThanMaximumInflight) {
  Settings settings;
  settings.maximum_inflight = 5;
  BrokerBench broker(1, settings);
  auto& reader = broker.connect("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 20; ++i) broker.publish(writer, "t", "x", QoS::at_least_once);
  EXPECT_EQ(reader.publishes.size(), 5U);
  broker.send(reader, mqtt::Puback{.packet_id = reader.publishes.front().packet_id, .properties = {}});
  EXPECT_EQ(reader.publishes.size(), 6U);
}

TEST(Limits, ABurstMayBeLargerThanASecondsWorth) {
  Settings settings;
  settings.publish_rate = 10;
  settings.publish_burst = 50;
  BrokerBench broker(1, settings);
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  broker.send_bytes(broker.connect("fast"), messages(100, Version::v5));
  EXPECT_EQ(reader.publishes.size(), 51U);
}

TEST(Limits, FailuresOfAMinuteAreCountedAndThenForgotten) {
  BrokerBench broker(1);
  broker.allow({"sl1"}, {"plain"});
  auto& clumsy = broker.connect("clumsy");
  const auto fail = [&](int times) {
    for (int i = 0; i < times && !clumsy.closed; ++i) {
      mqtt::Publish packet;
      packet.topic = "t";
      const std::string frame("\x02\x12 begins well, and is none");
      packet.payload = as_bytes(frame);
      packet.qos = QoS::at_least_once;
      packet.packet_id = 1;
      broker.send(clumsy, packet);
    }
  };
  fail(9);
  broker.advance(61'000);
  fail(9);
  EXPECT_FALSE(clumsy.closed);
  fail(1);
  EXPECT_TRUE(clumsy.closed);
  EXPECT_EQ(clumsy.disconnect, Reason::not_authorized);
}

TEST(Limits, WhoSendsOnThoughNothingIsStoredIsNotReadAfterTenThousandAnswers) {
  Settings settings;
  settings.durable = true;
  BrokerBench broker(1, settings);
  auto& absent = broker.connect("absent", Version::v5, false);
  broker.subscribe(absent, "t", {.qos = QoS::at_least_once});
  broker.cut(absent);
  auto& writer = broker.connect("writer", Version::v3_1_1);  // MQTT 3 has no Receive Maximum
  broker.hold_store();
  broker.send_bytes(writer, messages(10'000, Version::v3_1_1, QoS::at_least_once));
  EXPECT_TRUE(writer.is_read);
  broker.send_bytes(writer, messages(1, Version::v3_1_1, QoS::at_least_once));
  EXPECT_FALSE(writer.is_read);
  EXPECT_TRUE(writer.answers.empty());
  broker.let_store();
  EXPECT_TRUE(writer.is_read);
  EXPECT_EQ(writer.answers.size(), 10'001U);
}

}  // namespace
}  // namespace sealmq::broker
