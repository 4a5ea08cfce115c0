// No packet costs a shard more than some milliseconds, and no connection more than that at a time, whatever it sends. Counted in
// steps (Shard::steps), so that it does not matter what else the machine does.
#include <gtest/gtest.h>

#include "support/broker_bench.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using testing::BrokerBench;
using testing::TestClient;

constexpr std::uint64_t steps_of_some_milliseconds = 60'000;
constexpr std::size_t largest_packet = 1 << 20;

class WorstPacket : public ::testing::TestWithParam<std::size_t> {
 protected:
  BrokerBench broker{GetParam()};

  /// Of what these bytes cost the shard that gets them, until it has had its say in one turn.
  std::uint64_t cost(TestClient& client, Bytes bytes) {
    Shard& shard = broker.shard(client.shard);
    const std::uint64_t before = shard.steps();
    shard.receive(client.connection, bytes, broker.now);
    const std::uint64_t taken = shard.steps() - before;
    broker.advance(1);  // and the rest
    return taken;
  }
  template <class Packet>
  std::uint64_t cost_of(TestClient& client, const Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, client.version, bytes);
    EXPECT_LE(bytes.size(), largest_packet);
    return cost(client, bytes);
  }
  /// Retained messages that every filter with a '+' in front walks through.
  void fill_retained(std::size_t count) {
    auto& writer = broker.connect("fills");
    for (std::size_t i = 0; i < count; ++i) broker.publish(writer, std::to_string(i) + "/x", "x", QoS::at_most_once, true);
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, WorstPacket, ::testing::Values(1, 3));

TEST_P(WorstPacket, OfSubscribe) {
  fill_retained(5000);
  std::vector<std::string> filters;
  for (int i = 0; i < 1000; ++i) filters.push_back("+/none-" + std::to_string(i));
  mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
  for (const auto& filter : filters) packet.entries.push_back({filter, {.qos = QoS::at_least_once}});
  for (int i = 0; i < 10'000; ++i) packet.properties.user.push_back({"", ""});
  auto& client = broker.connect("subscribes");
  EXPECT_LE(cost_of(client, packet), steps_of_some_milliseconds);
  EXPECT_LE(cost_of(client, packet), steps_of_some_milliseconds) << "and again";
}

TEST_P(WorstPacket, OfUnsubscribe) {
  auto& client = broker.connect("unsubscribes");
  std::vector<std::string> filters;
  for (int i = 0; i < 1000; ++i) filters.push_back("a/" + std::to_string(i));
  mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
  for (const auto& filter : filters) packet.entries.push_back({filter, {}});
  broker.send(client, packet);
  EXPECT_LE(cost_of(client, mqtt::Unsubscribe{.packet_id = 8, .properties = {}, .filters = {filters.begin(), filters.end()}}),
            steps_of_some_milliseconds);
}

TEST_P(WorstPacket, OfPublishWhoeverSubscribedToWhat) {
  // As many kinds of filters as all limits let in, from as many addresses; and groups.
  std::string topic = "a";
  for (int level = 1; level < 12; ++level) topic += "/a";
  TestClient* client = nullptr;
  for (unsigned bits = 0; bits < 1U << 12; ++bits) {
    broker.peer.address = "10.0.0." + std::to_string(bits / 256);
    if (bits % 64 == 0) client = &broker.connect("subscribes-" + std::to_string(bits / 64));
    std::string filter;
    for (unsigned level = 0; level < 12; ++level)
      filter += std::string(level > 0 ? "/" : "") + ((bits >> level & 1U) != 0 ? "+" : "a");
    broker.subscribe(*client, filter);
    if (bits % 64 < 4) broker.subscribe(*client, "$share/group-" + std::to_string(bits) + "/#");
  }
  auto& writer = broker.connect("writer");
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = as_bytes("x");
  EXPECT_LE(cost_of(writer, packet), steps_of_some_milliseconds);
}

TEST_P(WorstPacket, OfPublishWithTheLongestTopic) {
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  auto& writer = broker.connect("writer");
  std::string topic;
  for (int i = 0; i < 199; ++i) topic += std::string(300, 'x') + "/";
  mqtt::Publish packet;
  packet.topic = topic;
  EXPECT_LE(cost_of(writer, packet), steps_of_some_milliseconds);
}

TEST_P(WorstPacket, OfAcknowledgementsThatLetAQueueGo) {
  auto& reader = broker.connect("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (std::uint16_t i = 1; i <= 1100; ++i) broker.publish(writer, "t", "x", QoS::at_least_once, false, i);
  ASSERT_EQ(reader.publishes.size(), 100U);
  EXPECT_LE(cost_of(reader, mqtt::Puback{.packet_id = reader.publishes.front().packet_id, .properties = {}}),
            steps_of_some_milliseconds);
}

// The bytes of one read, of whatever packets.
TEST_P(WorstPacket, ManyInOneReadTakeTurns) {
  auto& client = broker.connect("greedy");
  auto& other = broker.connect("other");
  Buffer bytes;
  std::size_t packets = 0;
  for (; bytes.size() < 256 * 1024; ++packets) {
    mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
    for (int i = 0; i < 500; ++i) packet.entries.push_back({"a", {}});
    mqtt::encode(packet, mqtt::Version::v5, bytes);
  }
  EXPECT_LE(cost(client, bytes), steps_of_some_milliseconds);
  broker.send(other, mqtt::Pingreq{});
  EXPECT_EQ(other.pings, 1U);
  EXPECT_EQ(client.answers.size(), packets) << "all of them in the end";
  EXPECT_TRUE(client.is_read);
}

}  // namespace
}  // namespace sealmq::broker
