// Statements of MQTT 3.1.1 that MQTT 5 has too, said by clients of 3.1.1; with one shard and with three, with a store and
// without. docs/mqtt.md has the whole list; numbers are those of MQTT 3.1.1.
#include <gtest/gtest.h>

#include <map>

#include "support/broker_bench.h"

namespace sealmq::testing {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Version;
using Payloads = std::vector<std::string>;

constexpr Version v3 = Version::v3_1_1;

class Mqtt311 : public ::testing::TestWithParam<std::tuple<std::size_t, bool>> {
 protected:
  static broker::Settings settings() {
    broker::Settings settings;
    settings.durable = std::get<1>(GetParam());
    return settings;
  }
  TestClient& connect(std::string_view id, bool clean = true) { return broker.connect(id, v3, clean); }
  TestClient& with_will(std::string_view id, QoS qos = QoS::at_least_once, bool retain = false) {
    mqtt::Connect packet;
    packet.version = v3;
    packet.client_id = id;
    packet.will = mqtt::Will{"status", as_bytes("gone"), qos, retain, {}};
    return broker.connect(packet);
  }
  static Payloads payloads(const TestClient& client) {
    Payloads all;
    for (const auto& got : client.publishes) all.push_back(got.payload);
    return all;
  }
  BrokerBench broker{std::get<0>(GetParam()), settings()};
};
INSTANTIATE_TEST_SUITE_P(Shards, Mqtt311, ::testing::Combine(::testing::Values(1, 3), ::testing::Bool()));

TEST_P(Mqtt311, ClosesForWhatIsMalformed) {  // [MQTT-4.8.0-1]
  const Buffer all[] = {
      {0x30, 0x04, 0x00, 0x02, 0xC3, 0x28},             // [MQTT-1.4.0-1]
      {0x30, 0x05, 0x00, 0x03, 0xED, 0xA0, 0x80},       // a surrogate
      {0x30, 0x04, 0x00, 0x02, 't', 0x00},              // [MQTT-1.4.0-2]
      {0x36, 0x05, 0x00, 0x01, 't', 0x00, 0x01},        // QoS 3 [MQTT-3.3.1-4]
      {0x80, 0x06, 0x00, 0x01, 0x00, 0x01, 't', 0x00},  // [MQTT-3.8.1-1]
      {0xA0, 0x05, 0x00, 0x01, 0x00, 0x01, 't'},        // [MQTT-3.10.1-1]
      {0xE1, 0x00},                                     // [MQTT-2.2.2-2]
      {0xC1, 0x00},
      {0x82, 0x06, 0x00, 0x01, 0x00, 0x01, 't', 0x03},  // [MQTT-3-8.3-4]
      {0x82, 0x06, 0x00, 0x01, 0x00, 0x01, 't', 0x04},
      {0x82, 0x02, 0x00, 0x01},                   // [MQTT-3.8.3-3]
      {0x32, 0x05, 0x00, 0x01, 't', 0x00, 0x00},  // [MQTT-2.3.1-1]
      {0x30, 0x03, 0x00, 0x01, '#'},              // [MQTT-3.3.2-2]
      {0x30, 0x02, 0x00, 0x00},                   // [MQTT-4.7.3-1]
      {0xF0, 0x00},                               // no packet of this version
  };
  for (const Buffer& bytes : all) {
    auto& client = connect("c");
    const std::size_t before = client.everything.size();
    broker.send_bytes(client, bytes);
    EXPECT_TRUE(client.closed) << int{bytes[0]} << " " << bytes.size();
    EXPECT_EQ(client.everything.size(), before) << "there is no word for it";
  }
}

// Before MQTT 5 these are filters like others, and any may be refused.
TEST_P(Mqtt311, AShareWithoutANameIsRefusedAndTheConnectionGoesOn) {  // [MQTT-3.8.4-5]
  auto& client = connect("c");
  for (const std::string_view filter : {"$share//a", "$share/+/a/+", "$share/a/", "$share//", "$share/g"}) {
    broker.subscribe(client, std::string(filter));
    ASSERT_FALSE(client.closed) << filter;
    EXPECT_EQ(client.answers.back().reasons[0], mqtt::Reason::unspecified_error) << filter;
    broker.send(client, mqtt::Unsubscribe{.packet_id = 9, .properties = {}, .filters = {filter}});
    ASSERT_FALSE(client.closed) << filter;
  }
}

TEST_P(Mqtt311, ARefusedNameIsAnsweredWith2AndClosed) {  // [MQTT-3.1.3-9]
  auto& client = connect("bell\a");
  EXPECT_EQ(client.everything, (Buffer{0x20, 2, 0, 2}));
  EXPECT_TRUE(client.closed);
}

TEST_P(Mqtt311, TwoWithoutANameAreTwoClients) {  // [MQTT-3.1.3-6]
  auto& first = connect("");
  auto& second = connect("");
  broker.subscribe(first, "t");
  broker.publish(second, "t", "x");
  EXPECT_EQ(payloads(first), Payloads{"x"});
  EXPECT_FALSE(first.closed);
  EXPECT_EQ(broker.counters().sessions, 2U);
}

TEST_P(Mqtt311, KnowsSessionsByTheirIdentifier) {  // [MQTT-3.1.3-2] [MQTT-3.1.3-5]
  for (const char* id : {"a", "A", "0123456789abcdefghijklm", "NOPQRSTUVWXYZ"}) {
    auto& before = connect(id, false);
    EXPECT_FALSE(before.session_present);
    broker.subscribe(before, "t", {.qos = QoS::at_least_once});
    broker.cut(before);
    auto& after = connect(id, false);
    EXPECT_TRUE(after.session_present);
    broker.send(after, mqtt::Disconnect{});
  }
  EXPECT_EQ(broker.counters().sessions, 4U);
}

TEST_P(Mqtt311, PublishesTopicAndPayloadOfAWillAndRetainsItIfItSaysSo) {  // [MQTT-3.1.2-9] [MQTT-3.1.2-16] [MQTT-3.1.2-17]
  auto& reader = connect("reader");
  broker.subscribe(reader, "#", {.qos = QoS::exactly_once});
  broker.cut(with_will("a"));
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].topic, "status");
  EXPECT_EQ(reader.publishes[0].payload, "gone");
  EXPECT_EQ(reader.publishes[0].qos, QoS::at_least_once);
  broker.subscribe(reader, "status");
  EXPECT_EQ(reader.publishes.size(), 1U) << "nothing was retained";
  broker.cut(with_will("b", QoS::exactly_once, true));
  auto& late = connect("late");
  broker.subscribe(late, "status", {.qos = QoS::exactly_once});
  ASSERT_EQ(late.publishes.size(), 1U);
  EXPECT_TRUE(late.publishes[0].retain);
  EXPECT_EQ(late.publishes[0].qos, QoS::exactly_once);
}

TEST_P(Mqtt311, NoWillNoMessageAndOneOnlyOnce) {  // [MQTT-3.1.2-10] [MQTT-3.1.2-12]
  auto& reader = connect("reader");
  broker.subscribe(reader, "#");
  broker.cut(connect("none"));
  broker.cut(with_will("one"));
  broker.cut(connect("one"));  // its next connection has none
  EXPECT_EQ(payloads(reader), Payloads{"gone"});
}

TEST_P(Mqtt311, RetainedMessagesAreNoPartOfASession) {  // [MQTT-3.1.2-7] [MQTT-3.3.1-5] [MQTT-3.3.1-7] [MQTT-3.3.1-12]
  auto& writer = connect("writer");
  broker.publish(writer, "t", "one", QoS::exactly_once, true);
  broker.send(writer, mqtt::Disconnect{});
  auto& reader = connect("reader");
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].qos, QoS::exactly_once);
  auto& again = connect("writer");
  broker.publish(again, "t", "without the flag");
  auto& second = connect("second");
  broker.subscribe(second, "t");
  EXPECT_EQ(payloads(second), Payloads{"one"});
  broker.publish(again, "t", "two", QoS::at_most_once, true);
  auto& third = connect("third");
  broker.subscribe(third, "t");
  EXPECT_EQ(payloads(third), Payloads{"two"});
}

TEST_P(Mqtt311, AnEmptyRetainedMessageErasesAndIsDelivered) {  // [MQTT-3.3.1-10] [MQTT-3.3.1-11]
  auto& writer = connect("writer");
  auto& reader = connect("reader");
  broker.publish(writer, "t", "kept", QoS::at_least_once, true);
  broker.subscribe(reader, "t");
  broker.publish(writer, "t", "", QoS::at_least_once, true);
  EXPECT_EQ(payloads(reader), (Payloads{"kept", ""}));
  EXPECT_FALSE(reader.publishes.back().retain);
  auto& late = connect("late");
  broker.subscribe(late, "t");
  EXPECT_TRUE(late.publishes.empty());
}

TEST_P(Mqtt311, OverlappingFiltersGetTheHighestQoS) {  // [MQTT-3.3.5-1]
  auto& reader = connect("reader");
  broker.subscribe(reader, "t/#", {.qos = QoS::at_most_once});
  broker.subscribe(reader, "t/+", {.qos = QoS::exactly_once});
  broker.subscribe(reader, "t/1", {.qos = QoS::at_least_once});
  broker.publish(connect("writer"), "t/1", "x", QoS::exactly_once);
  ASSERT_FALSE(reader.publishes.empty());
  EXPECT_EQ(reader.publishes[0].qos, QoS::exactly_once);
}

TEST_P(Mqtt311, TheSameFilterAgainReplacesAndSendsRetainedMessagesAgain) {  // [MQTT-3.8.4-3]
  auto& writer = connect("writer");
  broker.publish(writer, "t", "kept", QoS::at_least_once, true);
  auto& reader = connect("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  broker.publish(writer, "t", "in flight", QoS::at_least_once);
  broker.subscribe(reader, "t", {.qos = QoS::at_most_once});
  EXPECT_EQ(payloads(reader), (Payloads{"kept", "in flight", "kept"}));
  broker.publish(writer, "t", "live", QoS::at_least_once);
  ASSERT_EQ(reader.publishes.size(), 4U) << "one subscription, one copy";
  EXPECT_EQ(reader.publishes.back().qos, QoS::at_most_once);
}

TEST_P(Mqtt311, FinishesWhatItBeganBeforeUnsubscribe) {  // [MQTT-3.10.4-3]
  auto& reader = connect("reader", false);
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  broker.publish(connect("writer"), "t", "begun", QoS::exactly_once);
  ASSERT_EQ(reader.publishes.size(), 1U);
  const std::uint16_t id = reader.publishes[0].packet_id;
  broker.send(reader, mqtt::Unsubscribe{.packet_id = 9, .properties = {}, .filters = {"t"}});
  broker.cut(reader);
  auto& back = connect("reader", false);
  ASSERT_EQ(back.publishes.size(), 1U);
  EXPECT_TRUE(back.publishes[0].dup);
  EXPECT_EQ(back.publishes[0].packet_id, id);
}

TEST_P(Mqtt311, KeepsTheStateOfAnOpenConnection) {  // [MQTT-4.1.0-2]
  auto& reader = connect("reader");
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  broker.publish(connect("writer"), "t", "x", QoS::exactly_once);
  broker.advance(600'000);
  const std::uint16_t id = reader.publishes.at(0).packet_id;
  broker.send(reader, mqtt::Pubrec{.packet_id = id, .properties = {}});
  ASSERT_FALSE(reader.answers.empty());
  EXPECT_EQ(reader.answers.back().type, PacketType::pubrel);
  EXPECT_EQ(reader.answers.back().packet_id, id);
}

TEST_P(Mqtt311, AMessageWithAnAcknowledgedIdentifierIsANewOne) {  // [MQTT-4.3.2-2]
  auto& reader = connect("reader");
  broker.subscribe(reader, "t", {.qos = QoS::at_least_once});
  auto& writer = connect("writer");
  for (const char* text : {"one", "two"}) {
    broker.publish(writer, "t", text, QoS::at_least_once, false, 5);
    EXPECT_EQ(writer.answers.back().type, PacketType::puback);
    EXPECT_EQ(writer.answers.back().packet_id, 5);
  }
  EXPECT_EQ(payloads(reader), (Payloads{"one", "two"}));
}

TEST_P(Mqtt311, AnswersEveryStepOfQoS2AndDeliversOnce) {  // [MQTT-4.3.3-2]
  auto& reader = connect("reader");
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  auto& writer = connect("writer");
  mqtt::Publish packet;
  packet.topic = "t";
  packet.payload = as_bytes("x");
  packet.qos = QoS::exactly_once;
  packet.packet_id = 5;
  broker.send(writer, packet);
  packet.dup = true;
  broker.send(writer, packet);
  for (int i = 0; i < 2; ++i) broker.send(writer, mqtt::Pubrel{.packet_id = 5, .properties = {}});
  std::vector<PacketType> types;
  for (const auto& answer : writer.answers) {
    types.push_back(answer.type);
    EXPECT_EQ(answer.packet_id, 5);
  }
  EXPECT_EQ(types, (std::vector{PacketType::pubrec, PacketType::pubrec, PacketType::pubcomp, PacketType::pubcomp}));
  EXPECT_EQ(payloads(reader), Payloads{"x"});
}

TEST_P(Mqtt311, RepeatsTheStepThatIsMissingAndNoEarlierOne) {  // [MQTT-4.3.3-1]
  auto& reader = connect("reader", false);
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  broker.publish(connect("writer"), "t", "x", QoS::exactly_once);
  const std::uint16_t id = reader.publishes.at(0).packet_id;
  broker.send(reader, mqtt::Pubrec{.packet_id = id, .properties = {}});
  broker.cut(reader);
  auto& back = connect("reader", false);
  EXPECT_TRUE(back.publishes.empty()) << "it was received";
  ASSERT_FALSE(back.answers.empty());
  EXPECT_EQ(back.answers.front().type, PacketType::pubrel);
}

TEST_P(Mqtt311, EveryTopicIsOrderedAndSoIsWhatIsRepeated) {  // [MQTT-4.6.0-1] [MQTT-4.6.0-5] [MQTT-4.6.0-6]
  auto& reader = connect("reader", false);
  reader.acknowledges = false;
  broker.subscribe(reader, "t/#", {.qos = QoS::at_least_once});
  auto& writer = connect("writer");
  std::map<std::string, Payloads> sent;
  for (int i = 0; i < 60; ++i) {
    const std::string topic = "t/" + std::to_string(i % 5), text = std::to_string(i);
    sent[topic].push_back(text);
    broker.publish(writer, topic, text, QoS::at_least_once, false, static_cast<std::uint16_t>(i + 1));
  }
  const auto by_topic = [](const TestClient& client) {
    std::map<std::string, Payloads> got;
    for (const auto& publish : client.publishes) got[publish.topic].push_back(publish.payload);
    return got;
  };
  EXPECT_EQ(by_topic(reader), sent);
  const Payloads first = payloads(reader);
  broker.cut(reader);
  auto& back = connect("reader", false);
  EXPECT_EQ(payloads(back), first) << "in the order in which they were sent first";
}

}  // namespace
}  // namespace sealmq::testing
