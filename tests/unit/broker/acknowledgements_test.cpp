#include "broker/connections/acknowledgements.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::PacketType;
using mqtt::Reason;
using namespace sealmq::testing;

class AcknowledgementsTest : public ShardParts {
 protected:
  struct Ends final : Acknowledgements::Connections {
    void abort(Link& link, const Error& error) override { end(link, "abort: ", error); }
    void part(Link& link, const Error& error) override { end(link, "part: ", error); }
    void end(Link& link, const char* how, const Error& error) {
      happened.push_back(how + std::string(error.what));
      link.ended = true;
    }
    std::vector<std::string> happened;
  };
  static DeferredAck ack(PacketType type, std::uint16_t packet_id, Reason reason = Reason::success) {
    return {.type = type, .packet_id = packet_id, .reason = reason};
  }
  /// Types of the packets that were sent.
  std::vector<PacketType> sent() {
    std::vector<PacketType> all;
    for (const auto& packet : take_packets(client.link.connection)) all.push_back(packet.type);
    return all;
  }
  /// What the store has, and what waited for it.
  void store() {
    store_all();
    for (const DeferredAck& its : std::exchange(world.deferred, {})) {
      client.link.waiting_acks.remove(its.type);
      acknowledgements.send(client.link, its);
    }
  }
  void change() { durability.change(IncomingSaved{1, 2}); }

  Ends ends;
  Acknowledgements acknowledgements{durability, deliveries, ends};
  Client& client = connect("client");
};

TEST_F(AcknowledgementsTest, NothingWaitsWithoutAStore) {
  acknowledgements.promise(client.link, ack(PacketType::puback, 1), true);
  acknowledgements.promise(client.link, ack(PacketType::pubrec, 2), true);
  acknowledgements.promise(client.link, ack(PacketType::pubcomp, 2), true);
  EXPECT_EQ(sent(), (std::vector{PacketType::puback, PacketType::pubrec, PacketType::pubcomp}));
  EXPECT_EQ(effects.writable.size(), 1U);
}

TEST_F(AcknowledgementsTest, WhatReliesOnAChangeWaitsForTheStoreAndOthersStandBehindIt) {  // [MQTT-4.6.0-2]
  settings.durable = true;
  acknowledgements.promise(client.link, ack(PacketType::puback, 1), false);
  EXPECT_EQ(sent(), std::vector{PacketType::puback}) << "it relies on nothing";
  change();
  acknowledgements.promise(client.link, ack(PacketType::puback, 2), true);
  acknowledgements.promise(client.link, ack(PacketType::pubrec, 3), false);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(client.link.waiting_acks.count(), 2U);
  store();
  EXPECT_EQ(sent(), (std::vector{PacketType::puback, PacketType::pubrec}));
  EXPECT_EQ(client.link.waiting_acks.count(), 0U);
}

TEST_F(AcknowledgementsTest, AnAnswerThatIsTooLargeForItsClientEndsTheConnection) {
  mqtt::Connect packet{.version = mqtt::Version::v5};
  packet.properties.maximum_packet_size = 20;
  Client& small = connect("small", packet);
  DeferredAck suback = ack(PacketType::suback, 1);
  suback.encoded = Buffer(20, 0);
  acknowledgements.send(small.link, suback);
  EXPECT_TRUE(ends.happened.empty());
  EXPECT_EQ(take_written(small.link.connection).size(), 20U);
  suback.encoded.push_back(0);
  acknowledgements.send(small.link, suback);
  ASSERT_EQ(ends.happened.size(), 1U);
  EXPECT_TRUE(ends.happened[0].starts_with("abort: "));
  EXPECT_EQ(take_written(small.link.connection), "");
}

TEST_F(AcknowledgementsTest, APubrecCarriesTheRelaysReceiptOrTheConnectionEnds) {
  auto guard = std::make_unique<FakeRelay>();
  FakeRelay& relay = *guard;
  client.link.writer.protect_with(std::move(guard));
  acknowledgements.send(client.link, ack(PacketType::pubrec, 1));
  const auto packets = take_packets(client.link.connection);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_NE(packets[0].body.find("receipt"), std::string::npos);
  relay.fails = true;
  acknowledgements.send(client.link, ack(PacketType::pubrec, 2, Reason::quota_exceeded));
  EXPECT_EQ(sent(), std::vector{PacketType::pubrec}) << "a refusal needs no receipt";
  acknowledgements.send(client.link, ack(PacketType::pubrec, 3));
  EXPECT_EQ(ends.happened, std::vector<std::string>{"part: it has other keys"});
  EXPECT_TRUE(sent().empty());
}

TEST_F(AcknowledgementsTest, AStepOfTheSessionsOwnIsMadeByWhoeverDelivers) {
  encoder.begin_message();
  Delivery delivery;
  delivery.message = message(view("plant/oven", "hot", mqtt::QoS::exactly_once));
  delivery.qos = mqtt::QoS::exactly_once;
  delivery.scheme = plain;
  deliveries.give(*client.session, std::move(delivery), now);
  const std::uint16_t packet_id = client.take().at(0).packet_id;
  client.session->outgoing.find(packet_id)->awaiting = mqtt::Awaiting::pubcomp;
  acknowledgements.promise(client.link, ack(PacketType::pubrel, packet_id), true);
  EXPECT_EQ(sent(), std::vector{PacketType::pubrel});
}

}  // namespace
}  // namespace sealmq::broker
