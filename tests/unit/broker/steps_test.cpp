// No packet costs a shard more than some milliseconds, and no connection more than that at a time, whatever it sends. Counted in
// steps (Shard::steps), so that it does not matter what else the machine does. tests/fuzz/worst_packet.cpp looks for dearer ones.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/logins_of_tests.h"
#include "support/parties.h"

namespace sealmq::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using testing::BrokerBench;
using testing::TestClient;

constexpr std::size_t largest_packet = 1 << 20;

class WorstPacket : public ::testing::TestWithParam<std::size_t> {
 protected:
  explicit WorstPacket(std::size_t shards = GetParam())
      : broker(shards, {}, nullptr, [](Ports& ports) {
          ports.schemes.back() = std::make_unique<testing::WithLogin>(std::move(ports.schemes.back()));
        }) {}

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
    if constexpr (std::is_same_v<Packet, mqtt::Connect>)
      mqtt::encode(packet, bytes);
    else
      mqtt::encode(packet, client.version, bytes);
    EXPECT_LE(bytes.size(), largest_packet);
    return cost(client, bytes);
  }
  /// Of the whole broker, until everything has come where it belongs.
  template <class Packet>
  std::uint64_t cost_everywhere(TestClient& client, const Packet& packet) {
    const auto steps = [&] {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < shards(); ++i) sum += broker.shard(i).steps();
      return sum;
    };
    const std::uint64_t before = steps();
    broker.send(client, packet);
    return steps() - before;
  }
  std::size_t shards() const { return GetParam(); }
  /// Retained messages that every filter with a '+' in front walks through.
  void fill_retained(std::size_t count) {
    auto& writer = broker.connect("fills");
    for (std::size_t i = 0; i < count; ++i) broker.publish(writer, std::to_string(i) + "/x", "x", QoS::at_most_once, true);
  }

  BrokerBench broker;
};
INSTANTIATE_TEST_SUITE_P(Shards, WorstPacket, ::testing::Values(1, 3));

/// The worst that is known of each type, in whatever state it is worst.
class OfEachType : public WorstPacket {
 protected:
  static constexpr std::size_t in_queue = 1000, in_flight = 100;

  void send_worst(PacketType type) {
    switch (type) {  // a type that is missing here is an error of the compiler
      case PacketType::connect:
        return connect();
      case PacketType::publish:
        return publish();
      case PacketType::puback:
      case PacketType::pubrec:
      case PacketType::pubcomp:
        return acknowledge(type);
      case PacketType::pubrel:
        return release();
      case PacketType::subscribe:
        return subscribe();
      case PacketType::unsubscribe:
        return unsubscribe();
      case PacketType::pingreq:
        return check(cost_of(broker.connect("pings"), mqtt::Pingreq{}));
      case PacketType::disconnect:
        return disconnect();
      case PacketType::auth:
        return authenticate();
      case PacketType::connack:
        return from_a_server(mqtt::Connack{.reason = Reason::success, .properties = many_properties()});
      case PacketType::suback:
        return from_a_server(mqtt::Suback{.packet_id = 1, .properties = many_properties(), .reasons = {Reason::success}});
      case PacketType::unsuback:
        return from_a_server(mqtt::Unsuback{.packet_id = 1, .properties = many_properties(), .reasons = {Reason::success}});
      case PacketType::pingresp:
        return from_a_server(mqtt::Pingresp{});
    }
    FAIL() << "no such type";
  }

 private:
  void check(std::uint64_t steps) { EXPECT_LE(steps, Shard::most_steps); }

  static mqtt::Properties many_properties() {
    mqtt::Properties properties;
    properties.user.assign(200'000, {"", ""});
    return properties;
  }
  template <class Packet>
  void from_a_server(const Packet& packet) {
    auto& client = broker.connect("client");
    check(cost_of(client, packet));
    EXPECT_TRUE(client.closed);
  }

  static mqtt::Connect lasting(std::string_view name) {
    mqtt::Connect packet;
    packet.client_id = name;
    packet.clean_start = false;
    packet.properties.session_expiry_interval = 3600;
    return packet;
  }
  /// As much as one session may hold: subscriptions, groups among them that others are in too, and messages, some of them on
  /// their way.
  TestClient& full_session(std::string_view name, QoS qos = QoS::at_least_once) {
    auto& client = broker.connect(lasting(name));
    client.acknowledges = false;
    auto& member = broker.connect(std::string(name) + "-member");
    for (int group = 0; group < 100; ++group) {
      broker.subscribe(client, "$share/g" + std::to_string(group) + "/t", {.qos = qos});
      broker.subscribe(member, "$share/g" + std::to_string(group) + "/t", {.qos = qos});
    }
    mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
    std::vector<std::string> filters;
    for (int i = 0; i < 899; ++i) filters.push_back("own/" + std::to_string(i) + "/a/b/c/d/e/f/g/h");
    for (const auto& filter : filters) packet.entries.push_back({filter, {.qos = qos}});
    broker.send(client, packet);
    auto& writer = broker.connect(std::string(name) + "-writer");
    for (std::uint16_t i = 1; i <= 30; ++i) broker.publish(writer, "t", "x", qos, false, i);
    broker.subscribe(client, "q", {.qos = qos});
    for (std::uint16_t i = 1; i <= in_queue; ++i) broker.publish(writer, "q", "x", qos, false, i);
    EXPECT_EQ(client.publishes.size(), in_flight);
    return client;
  }

  void connect() {
    auto full = lasting("full");
    full.will = mqtt::Will{"t", as_bytes("gone"), QoS::exactly_once, true, {}};
    full.properties.user = many_properties().user;
    full_session("full");
    check(cost_of(broker.dial(), full));  // whoever is there with it goes, and its session goes on
    full_session("ends");
    auto clean = full;
    clean.client_id = "ends";
    clean.clean_start = true;
    check(cost_of(broker.dial(), clean));  // and another is thrown away
    check(cost_of(broker.dial(), full));   // its Will has many who want it
  }

  void publish() {
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
    check(cost_of(writer, packet));
    // And the longest topic.
    topic.clear();
    for (int i = 0; i < 199; ++i) topic += std::string(300, 'x') + "/";
    packet.topic = topic;
    check(cost_of(writer, packet));
  }

  /// One that lets the next of a long queue go.
  void acknowledge(PacketType type) {
    const QoS qos = type == PacketType::puback ? QoS::at_least_once : QoS::exactly_once;
    auto& reader = full_session(mqtt::name(type), qos);
    const auto its = [&](std::size_t i) { return reader.publishes[i].packet_id; };
    if (type == PacketType::puback) check(cost_of(reader, mqtt::Puback{.packet_id = its(0), .properties = many_properties()}));
    if (type == PacketType::pubrec)
      check(cost_of(reader, mqtt::Pubrec{.packet_id = its(0), .reason = Reason::unspecified_error, .properties = {}}));
    if (qos == QoS::exactly_once) check(cost_of(reader, mqtt::Pubrec{.packet_id = its(1), .properties = many_properties()}));
    if (type == PacketType::pubcomp) check(cost_of(reader, mqtt::Pubcomp{.packet_id = its(1), .properties = many_properties()}));
    EXPECT_FALSE(reader.closed);
  }

  void release() {
    auto& writer = broker.connect("releases");
    mqtt::Publish packet;
    packet.topic = "t";
    packet.qos = QoS::exactly_once;
    for (packet.packet_id = 1; packet.packet_id <= 1000; ++packet.packet_id) broker.send(writer, packet);
    check(cost_of(writer, mqtt::Pubrel{.packet_id = 1, .properties = many_properties()}));
    EXPECT_FALSE(writer.closed);
  }

  void subscribe() {
    fill_retained(5000);
    std::vector<std::string> filters;
    for (int i = 0; i < 1000; ++i) filters.push_back("+/none-" + std::to_string(i));
    mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
    for (const auto& filter : filters) packet.entries.push_back({filter, {.qos = QoS::at_least_once}});
    for (int i = 0; i < 10'000; ++i) packet.properties.user.push_back({"", ""});
    auto& client = broker.connect("subscribes");
    check(cost_of(client, packet));
    check(cost_of(client, packet));  // and again
  }

  void unsubscribe() {
    auto& client = broker.connect("unsubscribes");
    std::vector<std::string> filters;
    for (int i = 0; i < 1000; ++i) filters.push_back("a/" + std::to_string(i));
    mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
    for (const auto& filter : filters) packet.entries.push_back({filter, {}});
    broker.send(client, packet);
    check(cost_of(client, mqtt::Unsubscribe{.packet_id = 8, .properties = {}, .filters = {filters.begin(), filters.end()}}));
  }

  /// With a Will that all of the above want, at the end of a session that others' jobs go on from.
  void disconnect() {
    full_session("stays");
    auto& client = full_session("leaves");
    auto with_will = lasting("leaves");
    with_will.will = mqtt::Will{"t", as_bytes("gone"), QoS::exactly_once, true, {}};
    auto& again = broker.connect(with_will);
    EXPECT_TRUE(client.closed);
    mqtt::Disconnect packet{.reason = Reason::disconnect_with_will, .properties = many_properties()};
    packet.properties.session_expiry_interval = 0;
    check(cost_of(again, packet));
    EXPECT_TRUE(again.closed);
  }

  void authenticate() {
    mqtt::Connect packet;
    packet.client_id = "talks";
    packet.properties.authentication_method = "TALK";
    packet.properties.authentication_data = as_bytes("hello");
    auto& client = broker.connect(packet);
    const std::string data(20'000, 'x');
    mqtt::Auth answer{.reason = Reason::continue_authentication, .properties = many_properties()};
    answer.properties.authentication_method = "TALK";
    answer.properties.authentication_data = as_bytes(data);
    check(cost_of(client, answer));
    EXPECT_TRUE(client.closed) << "that was not the answer";
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, OfEachType, ::testing::Values(1, 3));

TEST_P(OfEachType, IsBounded) {
  for (int type = static_cast<int>(PacketType::connect); type <= static_cast<int>(PacketType::auth); ++type) {
    SCOPED_TRACE(mqtt::name(static_cast<PacketType>(type)));
    send_worst(static_cast<PacketType>(type));
  }
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
  EXPECT_LE(cost(client, bytes), Shard::most_steps);
  broker.send(other, mqtt::Pingreq{});
  EXPECT_EQ(other.pings, 1U);
  EXPECT_EQ(client.answers.size(), packets) << "all of them in the end";
  EXPECT_TRUE(client.is_read);
}

TEST_P(WorstPacket, AcknowledgementsTakeTurnsToo) {
  auto& client = broker.connect("greedy");
  Buffer bytes;
  std::size_t packets = 0;
  for (; bytes.size() < 128 * 1024; packets += 2) {
    mqtt::encode(mqtt::Pubrel{.packet_id = 9, .properties = {}}, mqtt::Version::v5, bytes);
    mqtt::encode(mqtt::Pubrec{.packet_id = 9, .properties = {}}, mqtt::Version::v5, bytes);
  }
  EXPECT_LE(cost(client, bytes), Shard::most_steps);
  EXPECT_EQ(client.answers.size(), packets);
}

// Each gets a copy by each scheme; who of the others has what is not looked at.
TEST_P(WorstPacket, ToClientsThatSubscribeByTwoSchemes) {
  constexpr std::size_t clients = 200, steps_of_one = 20;
  broker.allow({"sl1"}, {"plain", "sl1"});
  testing::Party device(broker, "boiler", {"t"}, {}, "sl1"), desk(broker, "desk", {}, {"#"}, "sl1", {device.keys->identity()});
  std::vector<TestClient*> all;
  for (std::size_t i = 0; i < clients; ++i) {
    all.push_back(&broker.connect("client-" + std::to_string(i)));
    broker.subscribe(*all.back(), "#");
    testing::subscribe(desk, broker, *all.back(), "t");
  }
  mqtt::Publish packet;
  packet.topic = "t";
  const std::string payload = testing::protect(device, broker, "t", "x");
  packet.payload = as_bytes(payload);
  EXPECT_LE(cost_everywhere(broker.connect("writer"), packet), clients * steps_of_one);
  for (const TestClient* client : all) EXPECT_EQ(client->publishes.size(), 2U);
}

// Each group has one member, on whichever shard: all of them get the same bytes.
TEST_P(WorstPacket, AMessageIsEncodedOnceForAllGroups) {
  constexpr std::size_t groups = 100;
  std::vector<TestClient*> members;
  for (std::size_t i = 0; i < groups; ++i) {
    members.push_back(&broker.connect("member-" + std::to_string(i)));
    broker.subscribe(*members.back(), "$share/group-" + std::to_string(i) + "/large");
  }
  const std::string payload(1'000'000, 'x');
  mqtt::Publish packet;
  packet.topic = "large";
  packet.payload = as_bytes(payload);
  constexpr std::uint64_t once = 1000, of_a_group = 30;
  EXPECT_LE(cost_everywhere(broker.connect("writer"), packet), shards() * once + groups * of_a_group);
  for (const TestClient* member : members) EXPECT_EQ(member->publishes.size(), 1U);
}

}  // namespace
}  // namespace sealmq::broker
