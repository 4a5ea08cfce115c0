#include "broker/connections/client_connection.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using namespace sealmq::testing;

class ClientConnectionTest : public ShardParts {
 protected:
  /// Whoever has the connections: writes down what it is asked.
  struct Owner final : ClientConnection::Owner, LoginFlow::Connections, Publishing::Connections, Acknowledgements::Connections {
    void refuse(Link&, const Refused& refused, Now, bool) override { happened.push_back("refuse: " + refused.cause); }
    void part(Link& link, const Error& error) override {
      happened.push_back("part: " + std::string(error.what));
      link.ended = true;
    }
    void abort(Link& link, const Error& error) override { part(link, error); }
    void end(Link& link, Ending ending, bool with_will, Now) override {
      happened.push_back("end: " + std::string(name(ending)) + (with_will ? ", with its Will" : ""));
      link.ended = true;
    }
    void take_turns(Link&) override { ++turns; }
    void make_room(ConnectionId, Now) override {}
    void send_frame(ConnectionId, std::string_view, Bytes) override {}
    std::vector<std::string> happened;
    int turns = 0;
  };

  static mqtt::Connect connect_packet(std::string_view client_id) {
    mqtt::Connect made{.version = mqtt::Version::v5};
    made.client_id = client_id;
    made.properties.session_expiry_interval = 100;
    return made;
  }
  ClientConnection& open() {
    opened.push_back(std::make_unique<ClientConnection>(around, ConnectionId{100 + static_cast<std::uint32_t>(opened.size()), 1},
                                                        Peer{.address = "there:1", .place = "there"}, now));
    return *opened.back();
  }
  template <class Packet>
  Result<> receive(ClientConnection& to, const Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    return to.connection.receive(bytes, to, now);
  }
  ClientConnection& come_in(std::string_view client_id) {
    ClientConnection& made = open();
    EXPECT_TRUE(receive(made, connect_packet(client_id)));
    EXPECT_EQ(types(made), std::vector{PacketType::connack});
    return made;
  }
  /// Of what has been written to it.
  static std::vector<PacketType> types(ClientConnection& of) {
    std::vector<PacketType> all;
    for (const auto& packet : take_packets(of.connection)) all.push_back(packet.type);
    return all;
  }
  static mqtt::Publish publish(std::string_view topic, QoS qos, std::uint16_t packet_id = 0) {
    mqtt::Publish made;
    made.topic = topic;
    made.payload = as_bytes(std::string_view("hot"));
    made.qos = qos;
    made.packet_id = packet_id;
    return made;
  }
  static mqtt::Subscribe subscribe_packet(std::string_view filter, QoS qos = QoS::exactly_once) {
    mqtt::Subscribe made;
    made.packet_id = 1;
    made.entries.emplace_back();
    made.entries[0].filter = filter;
    made.entries[0].options.qos = qos;
    return made;
  }

  CountingRandom random;
  Owner owner;
  FakeGate gate;
  BeginLogin no_passwords;
  BackgroundJobs jobs{settings, schemes.size(), &gate, effects};
  SchemeRequests requests{{settings, schemes, access, admission, memory, jobs, &gate}};
  LoginFlow logins{{settings, schemes, access, &gate, no_passwords, effects, counters, owner}};
  Acknowledgements acknowledgements{durability, deliveries, owner};
  Router router{around_router()};
  Publishing publishing{{settings, schemes, access, admission, requests, grants, memory, retained, durability, router, deliveries,
                         journal, counters, owner, nullptr, nullptr}};
  ClientConnection::Neighbours around{
      0,          1,      settings,   schemes,          random,     memory,  flow,     logins, sessions, jobs,   requests,
      publishing, grants, deliveries, acknowledgements, durability, effects, counters, steps,  owner,    nullptr};
  std::vector<std::unique_ptr<ClientConnection>> opened;
};

TEST_F(ClientConnectionTest, AClientComesInAndGetsItsSession) {
  ClientConnection& client = come_in("client");
  ASSERT_NE(client.session, nullptr);
  EXPECT_EQ(client.session->link, &client);
  EXPECT_EQ(client.session->expiry_interval, 100U);
  EXPECT_EQ(counters.logins, 1U);
  EXPECT_EQ(client.label(), "client");
}

TEST_F(ClientConnectionTest, WhoHasNoIdentifierIsGivenOne) {
  ClientConnection& client = come_in("");
  ASSERT_NE(client.session, nullptr);
  EXPECT_TRUE(client.session->client_id.starts_with("auto-"));
}

TEST_F(ClientConnectionTest, AnIdentifierOfAnotherShardMovesTheConnection) {
  around.shards = 3;
  std::string id = "a";
  while (Shard::shard_of(id, 3, settings.shard_key) != 2) id += 'a';
  ClientConnection& client = open();
  EXPECT_TRUE(receive(client, connect_packet(id)));
  EXPECT_EQ(client.moving_to, 2U);
  EXPECT_FALSE(client.moving.empty());
  EXPECT_EQ(client.session, nullptr);
  EXPECT_TRUE(types(client).empty());
}

TEST_F(ClientConnectionTest, WhatWouldSpoilTheLogIsNoIdentifier) {
  for (const char* id : {"a\x1b[2J", "a\xC2\x85"}) {
    ClientConnection& client = open();
    EXPECT_FALSE(receive(client, connect_packet(id)));
    EXPECT_EQ(client.session, nullptr);
  }
  EXPECT_FALSE(receive(open(), connect_packet("sealmq-own-bridge")));
}

TEST_F(ClientConnectionTest, AMessageIsAnsweredByItsQos) {
  ClientConnection& client = come_in("client");
  EXPECT_TRUE(receive(client, publish("plant/oven", QoS::at_most_once)));
  EXPECT_TRUE(types(client).empty());
  EXPECT_TRUE(receive(client, publish("plant/oven", QoS::at_least_once, 1)));
  EXPECT_EQ(types(client), std::vector{PacketType::puback});
  EXPECT_TRUE(receive(client, publish("plant/oven", QoS::exactly_once, 2)));
  EXPECT_TRUE(receive(client, mqtt::Pubrel{.packet_id = 2, .properties = {}}));
  EXPECT_EQ(types(client), (std::vector{PacketType::pubrec, PacketType::pubcomp}));
  EXPECT_EQ(counters.published, 3U);
  EXPECT_EQ(owner.turns, 4);
}

TEST_F(ClientConnectionTest, AQos2MessageIsTakenOnce) {  // [MQTT-4.3.3-10]
  ClientConnection& client = come_in("client");
  mqtt::Publish packet = publish("plant/oven", QoS::exactly_once, 2);
  EXPECT_TRUE(receive(client, packet));
  packet.dup = true;
  EXPECT_TRUE(receive(client, packet));
  EXPECT_EQ(types(client), (std::vector{PacketType::pubrec, PacketType::pubrec}));
  EXPECT_EQ(counters.published, 1U);
}

TEST_F(ClientConnectionTest, WhatIsRefusedIsToldOfAndAnswered) {
  ClientConnection& client = come_in("client");
  EXPECT_TRUE(receive(client, publish("office/lamp", QoS::at_least_once, 1)));
  EXPECT_EQ(owner.happened.size(), 1U);
  const auto packets = take_packets(client.connection);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(static_cast<Reason>(packets[0].body.at(2)), Reason::not_authorized);
}

TEST_F(ClientConnectionTest, WhoSubscribesGetsWhatOthersPublishAndAcknowledgesIt) {
  ClientConnection &one = come_in("one"), &two = come_in("two");
  EXPECT_TRUE(receive(two, subscribe_packet("plant/#")));
  EXPECT_EQ(types(two), std::vector{PacketType::suback});
  EXPECT_TRUE(receive(one, publish("plant/oven", QoS::at_least_once, 1)));
  const auto written = take_publishes_of(two.connection);
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(two.session->in_flight, 1U);
  EXPECT_TRUE(receive(two, mqtt::Puback{.packet_id = written[0].packet_id, .properties = {}}));
  EXPECT_EQ(two.session->in_flight, 0U);
  EXPECT_EQ(two.session->outgoing.size(), 0U);
  EXPECT_TRUE(receive(one, publish("plant/oven", QoS::exactly_once, 2)));
  const std::uint16_t second = take_publishes_of(two.connection).at(0).packet_id;
  EXPECT_FALSE(receive(two, mqtt::Puback{.packet_id = second, .properties = {}})) << "it is one of QoS 2";
}

TEST_F(ClientConnectionTest, AFilterIsForgottenOnce) {
  ClientConnection& client = come_in("client");
  EXPECT_TRUE(receive(client, subscribe_packet("plant/#")));
  mqtt::Unsubscribe packet{.packet_id = 2};
  packet.filters.emplace_back("plant/#");
  types(client);
  for (const Reason reason : {Reason::success, Reason::no_subscription_existed}) {
    EXPECT_TRUE(receive(client, packet));
    const auto packets = take_packets(client.connection);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(static_cast<Reason>(packets[0].body.back()), reason);
  }
}

TEST_F(ClientConnectionTest, OnePacketAsksForNoMoreThanASessionMayHave) {
  settings.maximum_subscriptions = 1;
  ClientConnection& client = come_in("client");
  mqtt::Subscribe packet = subscribe_packet("plant/a");
  packet.entries.push_back(packet.entries[0]);
  EXPECT_FALSE(receive(client, packet));
}

TEST_F(ClientConnectionTest, ALoginThatRelaysKeysTakesQos2AloneAndEndsWhenTheyDoNotFit) {
  ClientConnection &client = come_in("client"), &other = come_in("other");
  client.writer.protect_with(std::make_unique<FakeRelay>());
  EXPECT_FALSE(receive(client, publish("plant/oven", QoS::at_least_once, 1)));
  auto guard = std::make_unique<FakeRelay>();
  guard->fails = true;
  other.writer.protect_with(std::move(guard));
  EXPECT_TRUE(receive(other, publish("plant/oven", QoS::exactly_once, 1)));
  EXPECT_EQ(owner.happened, std::vector<std::string>{"part: it has other keys"});
}

TEST_F(ClientConnectionTest, AClientLeavesWithoutItsWillUnlessItAsks) {  // [MQTT-3.14.4-3]
  EXPECT_TRUE(receive(come_in("one"), mqtt::Disconnect{}));
  EXPECT_TRUE(receive(come_in("two"), mqtt::Disconnect{.reason = Reason::disconnect_with_will}));
  EXPECT_EQ(owner.happened, (std::vector<std::string>{"end: by client", "end: by client, with its Will"}));
}

}  // namespace
}  // namespace sealmq::broker
