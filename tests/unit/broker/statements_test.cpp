// What the standards demand of a server and no other test here shows, statement by statement; with one shard and with three, with
// a store and without.
// docs/mqtt.md has the whole list. Numbers are those of MQTT 5 unless a line says 3.1.1.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "support/broker_bench.h"

namespace sealmq::testing {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;
using Answer = TestClient::Answer;

class Statements : public ::testing::TestWithParam<std::tuple<std::size_t, bool>> {
 protected:
  static broker::Settings settings() {
    broker::Settings settings;
    settings.durable = std::get<1>(GetParam());
    return settings;
  }
  static std::size_t shards() { return std::get<0>(GetParam()); }
  BrokerBench broker{shards(), settings()};

  TestClient& connect_with(std::string_view id, const mqtt::Properties& properties, bool clean_start = true) {
    mqtt::Connect packet;
    packet.client_id = id;
    packet.clean_start = clean_start;
    packet.properties = properties;
    return broker.connect(packet);
  }
  /// Stays subscribed while it is away.
  TestClient& reader_of(std::string_view filter, QoS qos, std::string_view id = "reader", Version version = Version::v5) {
    TestClient& reader = broker.connect(id, version, false);
    broker.subscribe(reader, filter, {.qos = qos});
    return reader;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, Statements, ::testing::Combine(::testing::Values(1, 3), ::testing::Bool()));

/// Every packet the broker sent, in order; views into the client.
std::vector<mqtt::Packet> all_to(const TestClient& client) {
  std::vector<mqtt::Packet> packets;
  for (Bytes rest = client.everything; !rest.empty();) {
    auto header = mqtt::decode_header(rest, client.version).value().value();
    packets.push_back(mqtt::decode(header, rest.subspan(header.size, header.remaining), client.version).value());
    rest = rest.subspan(header.size + header.remaining);
  }
  return packets;
}

template <class P>
std::vector<P> all_to(const TestClient& client) {
  std::vector<P> packets;
  for (const auto& packet : all_to(client))
    if (const P* p = std::get_if<P>(&packet)) packets.push_back(*p);
  return packets;
}

std::vector<std::string> payloads(const TestClient& client) {
  std::vector<std::string> list;
  for (const auto& got : client.publishes) list.push_back(got.payload);
  return list;
}
using Payloads = std::vector<std::string>;

mqtt::Publish message(std::string_view topic, std::string_view payload, QoS qos = QoS::at_most_once, std::uint16_t id = 0) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = as_bytes(payload);
  packet.qos = qos;
  packet.packet_id = id;
  return packet;
}

mqtt::Connect with_will(std::string_view id, bool retain = false) {
  mqtt::Connect packet;
  packet.client_id = id;
  packet.will = mqtt::Will{"status", as_bytes("gone"), QoS::at_least_once, retain, {}};
  return packet;
}

template <class P>
Buffer encoded(const P& packet, Version version = Version::v5) {
  Buffer bytes;
  mqtt::encode(packet, version, bytes);
  return bytes;
}

// -- CONNECT and CONNACK --------------------------------------------------------------------------------------------------------

TEST_P(Statements, AnswersConnectWithOneConnackBeforeAnythingElse) {  // [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2]
  for (Version version : {Version::v3_1_1, Version::v5}) {
    auto& before = reader_of("t", QoS::at_least_once, "reader", version);
    broker.cut(before);
    auto& writer = broker.connect("writer");
    broker.publish(writer, "t", "waiting", QoS::at_least_once);
    auto& after = broker.connect("reader", version, false);
    auto packets = all_to(after);
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<mqtt::Connack>(packets[0]));
    EXPECT_TRUE(std::holds_alternative<mqtt::Publish>(packets[1]));
    EXPECT_EQ(after.everything[2] & 0xFE, 0);  // [MQTT-3.2.2-1]
    broker.send(after, mqtt::Disconnect{});
  }
}

TEST_P(Statements, TreatsASecondConnectAsAProtocolError) {  // [MQTT-3.1.0-2]
  for (Version version : {Version::v3_1_1, Version::v5}) {
    auto& client = broker.connect("twice", version);
    mqtt::Connect again;
    again.version = version;
    again.client_id = "twice";
    Buffer bytes;
    mqtt::encode(again, bytes);
    broker.send_bytes(client, bytes);
    EXPECT_TRUE(client.closed);
    EXPECT_EQ(client.disconnect, version == Version::v5 ? std::optional(Reason::protocol_error) : std::nullopt);
    EXPECT_EQ(all_to<mqtt::Connack>(client).size(), 1U);
  }
}

TEST_P(Statements, ForgetsASessionWhenAskedToStartClean) {  // [MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2]
  for (Version version : {Version::v3_1_1, Version::v5}) {
    broker.cut(reader_of("t", QoS::at_least_once, "reader", version));
    auto& writer = broker.connect("writer");
    broker.publish(writer, "t", "old", QoS::at_least_once);
    auto& clean = broker.connect("reader", version, true);
    EXPECT_EQ(clean.connack, Reason::success);
    EXPECT_FALSE(clean.session_present);
    broker.publish(writer, "t", "new", QoS::at_least_once);
    EXPECT_TRUE(clean.publishes.empty());
    broker.cut(clean);
  }
}

TEST_P(Statements, ResumesASessionAndMakesOneWhereThereIsNone) {  // [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.2.2-3]
  for (Version version : {Version::v3_1_1, Version::v5}) {
    auto& first = broker.connect("reader", version, false);
    EXPECT_EQ(first.connack, Reason::success);
    EXPECT_FALSE(first.session_present);
    broker.subscribe(first, "t");
    broker.cut(first);
    auto& second = broker.connect("reader", version, false);
    EXPECT_EQ(second.connack, Reason::success);
    EXPECT_TRUE(second.session_present);
    broker.publish(second, "t", "still subscribed");
    EXPECT_EQ(payloads(second), Payloads{"still subscribed"});
    broker.connect("reader", version, true);
  }
}

TEST_P(Statements, KnowsSessionsByTheirIdentifier) {  // [MQTT-3.1.3-2]
  broker.cut(reader_of("t", QoS::at_least_once, "one"));
  EXPECT_FALSE(broker.connect("One", Version::v5, false).session_present);
  EXPECT_TRUE(broker.connect("one", Version::v5, false).session_present);
}

TEST_P(Statements, TakesEveryNameOfLettersAndDigits) {  // [MQTT-3.1.3-5]
  const std::string_view letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (std::size_t at = 0; at < letters.size(); at += 23)
    EXPECT_EQ(broker.connect(letters.substr(at, 23)).connack, Reason::success);
  for (std::size_t size = 1; size <= 23; ++size) EXPECT_EQ(broker.connect(letters.substr(0, size)).connack, Reason::success);
}

TEST_P(Statements, MakesUpNamesThatNobodyElseHas) {  // [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
  mqtt::Properties lasting;
  lasting.session_expiry_interval = 100;
  auto& first = connect_with("", lasting);
  auto& second = connect_with("", lasting);
  EXPECT_FALSE(first.assigned_id.empty());
  EXPECT_NE(first.assigned_id, second.assigned_id);
  EXPECT_FALSE(first.closed);
  broker.cut(first);
  EXPECT_TRUE(broker.connect(first.assigned_id, Version::v5, false).session_present);  // as if the client had said it
  auto& old = broker.connect("", Version::v3_1_1, true);
  EXPECT_EQ(old.connack, Reason::success);
}

TEST_P(Statements,
       EndsAConnectionWhoseConnectItRefuses) {  // [MQTT-3.1.3-8] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] [MQTT-4.13.2-1]
  auto& other = reader_of("t", QoS::at_most_once);
  mqtt::Connect bad;
  bad.client_id = "a\nb";
  bad.clean_start = false;
  Buffer bytes;
  mqtt::encode(bad, bytes);
  append(bytes, encoded(message("t", "must not be looked at")));  // [MQTT-3.1.4-6]
  auto& client = broker.dial();
  broker.send_bytes(client, bytes);
  EXPECT_EQ(client.connack, Reason::client_identifier_not_valid);
  EXPECT_FALSE(client.session_present);
  EXPECT_TRUE(client.closed);
  EXPECT_EQ(all_to(client).size(), 1U);  // [MQTT-3.14.0-1] no DISCONNECT
  EXPECT_TRUE(other.publishes.empty());
}

TEST_P(Statements, EndsAConnectionWhoseWillMayNotBePublished) {  // [MQTT-3.1.4-2]
  broker.set_rules({{"open/#", broker.schemes({"plain"}), broker.schemes({"plain"})}});
  auto& client = broker.connect(with_will("device"));
  EXPECT_EQ(client.connack, Reason::not_authorized);
  EXPECT_TRUE(client.closed);
}

TEST_P(Statements, ChecksTheFormOfConnect) {  // [MQTT-3.1.4-1] [MQTT-3.14.0-1]
  auto& client = broker.dial();
  client.version = Version::v5;
  Buffer bytes;
  mqtt::Connect packet;
  packet.client_id = "x";
  mqtt::encode(packet, bytes);
  bytes[9] |= 0x01;  // the reserved flag [MQTT-3.1.2-3]
  broker.send_bytes(client, bytes);
  EXPECT_TRUE(client.closed);
  for (const auto& answer : all_to(client)) EXPECT_TRUE(std::holds_alternative<mqtt::Connack>(answer));
  EXPECT_NE(client.connack, Reason::success);
}

TEST_P(Statements, SendsNoAuthAndNoMethodToWhoNamedNone) {  // [MQTT-4.12.0-6] [MQTT-3.1.2-28]
  auto& client = broker.connect("client");
  auto connacks = all_to<mqtt::Connack>(client);
  ASSERT_EQ(connacks.size(), 1U);
  EXPECT_FALSE(connacks[0].properties.authentication_method);
  EXPECT_FALSE(connacks[0].properties.response_information);
  EXPECT_TRUE(all_to<mqtt::Auth>(client).empty());
}

TEST_P(Statements, ClosesWhereItDoesNotKnowTheAuthenticationMethod) {  // [MQTT-4.12.0-1]
  mqtt::Properties properties;
  properties.authentication_method = "NO-SUCH";
  auto& client = connect_with("x", properties);
  EXPECT_EQ(client.connack, Reason::bad_authentication_method);
  EXPECT_TRUE(client.closed);
}

// -- the Will -------------------------------------------------------------------------------------------------------------------

TEST_P(Statements, RetainsAWillOnlyIfItSaysSo) {  // [MQTT-3.1.2-14] [MQTT-3.1.2-15]
  broker.cut(broker.connect(with_will("plain")));
  EXPECT_EQ(broker.counters().retained, 0U);
  broker.cut(broker.connect(with_will("kept", true)));
  EXPECT_EQ(broker.counters().retained, 1U);
  auto& late = broker.connect("late");
  broker.subscribe(late, "status");
  EXPECT_EQ(payloads(late), Payloads{"gone"});
}

TEST_P(Statements, PublishesAWillOnceAndOnlyItsConnections) {  // [MQTT-3.1.2-7] [MQTT-3.1.2-10]; 3.1.1 [MQTT-3.1.2-12]
  auto& reader = reader_of("status", QoS::at_least_once);
  for (Version version : {Version::v3_1_1, Version::v5}) {
    auto packet = with_will("device");
    packet.version = version;
    packet.clean_start = false;
    if (version == Version::v5) packet.properties.session_expiry_interval = 1000;
    broker.cut(broker.connect(packet));
    EXPECT_EQ(reader.publishes.size(), 1U);
    packet.will.reset();
    broker.cut(broker.connect(packet));  // the same session, no Will
    broker.advance(5000);
    EXPECT_EQ(reader.publishes.size(), 1U);
    reader.publishes.clear();
  }
}

TEST_P(Statements, PublishesADelayedWillWhenItsSessionEndsEarlier) {  // [MQTT-3.1.2-8]
  auto& reader = reader_of("status", QoS::at_least_once);
  auto packet = with_will("device");
  packet.will->properties.will_delay_interval = 1000;
  packet.properties.session_expiry_interval = 10;
  broker.cut(broker.connect(packet));
  broker.advance(8'000);
  EXPECT_TRUE(reader.publishes.empty());
  broker.advance(4'000);
  EXPECT_EQ(reader.publishes.size(), 1U);
  broker.cut(broker.connect(packet));
  packet.will.reset();
  broker.connect(packet);  // starting clean ends the old session too
  EXPECT_EQ(reader.publishes.size(), 2U);
}

TEST_P(Statements, PassesOnWhatAWillSaysOfItself) {  // [MQTT-3.1.3-10]
  auto& reader = reader_of("status", QoS::at_least_once);
  auto packet = with_will("device");
  packet.will->properties.content_type = "text/plain";
  packet.will->properties.user = {{"b", "1"}, {"a", "2"}, {"b", "3"}};
  broker.cut(broker.connect(packet));
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].user, (std::vector<std::pair<std::string, std::string>>{{"b", "1"}, {"a", "2"}, {"b", "3"}}));
  auto publishes = all_to<mqtt::Publish>(reader);
  EXPECT_EQ(publishes[0].properties.content_type, "text/plain");
  EXPECT_FALSE(publishes[0].properties.will_delay_interval);
}

TEST_P(Statements, KeepsTheWillOfASecondConnectionThatIsTakenOver) {  // [MQTT-3.1.3-9]
  auto& reader = reader_of("status", QoS::at_least_once);
  auto packet = with_will("device");
  packet.clean_start = false;
  packet.will->properties.will_delay_interval = 10;
  packet.properties.session_expiry_interval = 100;
  broker.connect(packet);
  auto& second = broker.connect(packet);  // takes over before the delay is over
  broker.advance(20'000);
  EXPECT_TRUE(reader.publishes.empty());
  broker.cut(second);
  broker.advance(11'000);
  EXPECT_EQ(reader.publishes.size(), 1U);
}

// -- what a client can take -----------------------------------------------------------------------------------------------------

TEST_P(Statements, SendsNothingLargerThanTheClientTakes) {  // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
  mqtt::Properties properties;
  properties.maximum_packet_size = 60;
  auto& reader = connect_with("reader", properties);
  auto& writer = broker.connect("writer");
  for (QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    broker.subscribe(reader, "t", {.qos = qos});
    broker.publish(writer, "t", std::string(100, 'x'), qos, false, 1);
    broker.publish(writer, "t", "fits", qos, false, 2);
  }
  EXPECT_EQ(payloads(reader), (Payloads{"fits", "fits", "fits"}));
  EXPECT_FALSE(reader.closed);
}

TEST_P(Statements, ATopicAliasDoesNotMakeAPacketTooLarge) {  // [MQTT-3.1.2-24]
  auto& writer = broker.connect("writer");
  for (std::uint32_t maximum = 100; maximum < 150; ++maximum) {
    mqtt::Properties properties;
    properties.maximum_packet_size = maximum;
    properties.topic_alias_maximum = 10;
    auto& reader = connect_with("reader", properties);
    broker.subscribe(reader, "a/long/topic", {.qos = QoS::at_least_once});
    broker.publish(writer, "a/long/topic", std::string(110, 'x'), QoS::at_least_once);
    for (Bytes rest = reader.everything; !rest.empty();) {
      auto header = mqtt::decode_header(rest, Version::v5).value().value();
      EXPECT_LE(header.size + header.remaining, maximum);
      rest = rest.subspan(header.size + header.remaining);
    }
    EXPECT_FALSE(reader.closed);
    EXPECT_EQ(reader.publishes.size(), maximum < 129 ? 0U : 1U) << maximum;
  }
}

TEST_P(Statements, SendsNoTopicAliasUnlessTheClientTakesThem) {  // [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
  mqtt::Properties two;
  two.topic_alias_maximum = 2;
  auto& none = reader_of("t/#", QoS::at_least_once, "none");
  auto& some = connect_with("some", two);
  broker.subscribe(some, "t/#", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 12; ++i) broker.publish(writer, "t/" + std::to_string(i % 4), "x", QoS::at_least_once);
  EXPECT_EQ(none.publishes.size(), 12U);
  for (const auto& publish : all_to<mqtt::Publish>(none)) EXPECT_FALSE(publish.properties.topic_alias);
  auto to_some = all_to<mqtt::Publish>(some);
  EXPECT_EQ(to_some.size(), 12U);
  for (const auto& publish : to_some) EXPECT_LE(publish.properties.topic_alias.value_or(0), 2U);
}

TEST_P(Statements, AnswersEverythingElseWhileTheQuotaIsUsedUp) {  // [MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
  mqtt::Properties one;
  one.receive_maximum = 1;
  auto& reader = connect_with("reader", one);
  reader.acknowledges = false;
  broker.subscribe(reader, "t", {.qos = QoS::exactly_once});
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "first", QoS::exactly_once, false, 1);
  broker.publish(writer, "t", "second", QoS::exactly_once, false, 2);
  ASSERT_EQ(reader.publishes.size(), 1U);
  std::uint16_t id = reader.publishes[0].packet_id;
  broker.send(reader, mqtt::Pingreq{});
  EXPECT_EQ(reader.pings, 1U);
  broker.subscribe(reader, "u");
  EXPECT_EQ(reader.answers.back(), (Answer{PacketType::suback, 7, {Reason::success}}));
  broker.publish(writer, "u", "QoS 0 is not counted");
  EXPECT_EQ(reader.publishes.size(), 2U);
  broker.send(reader, mqtt::Pubrec{.packet_id = id, .properties = {}});
  EXPECT_EQ(reader.answers.back().type, PacketType::pubrel);
  EXPECT_EQ(reader.publishes.size(), 2U);  // counted until PUBCOMP
  broker.send(reader, mqtt::Pubcomp{.packet_id = id, .properties = {}});
  ASSERT_EQ(reader.publishes.size(), 3U);
  EXPECT_EQ(reader.publishes[2].payload, "second");
  broker.send(reader,
              mqtt::Pubrec{.packet_id = reader.publishes[2].packet_id, .reason = Reason::quota_exceeded, .properties = {}});
  broker.publish(writer, "t", "third", QoS::at_least_once, false, 3);
  EXPECT_EQ(reader.publishes.back().payload, "third");  // an error ends it at PUBREC
}

TEST_P(Statements, AnnouncesAndAcceptsEveryTopicAlias) {  // [MQTT-3.3.2-7] [MQTT-3.3.2-12] [MQTT-3.2.2-17] [MQTT-3.2.2-18]
  auto& reader = reader_of("t/#", QoS::at_most_once);
  auto& writer = broker.connect("writer");
  std::uint16_t most = all_to<mqtt::Connack>(writer)[0].properties.topic_alias_maximum.value_or(0);
  ASSERT_GT(most, 0U);
  for (std::uint16_t alias = 1; alias <= most; ++alias) {
    std::string topic = "t/" + std::to_string(alias);
    mqtt::Publish packet = message(topic, "x");
    packet.properties.topic_alias = alias;
    broker.send(writer, packet);
  }
  mqtt::Publish by_alias = message("", "by alias");
  by_alias.properties.topic_alias = most;
  broker.send(writer, by_alias);
  EXPECT_EQ(reader.publishes.back().topic, "t/" + std::to_string(most));
  broker.cut(writer);
  auto& again = broker.connect("writer");
  broker.send(again, by_alias);  // of the other connection
  EXPECT_TRUE(again.closed);
  EXPECT_EQ(again.disconnect, Reason::protocol_error);
  auto& third = broker.connect("third");
  mqtt::Publish beyond = message("t", "x");
  beyond.properties.topic_alias = static_cast<std::uint16_t>(most + 1);
  broker.send(third, beyond);
  EXPECT_EQ(third.disconnect, Reason::topic_alias_invalid);
}

TEST_P(Statements, RefusesWhatIsLargerThanItAnnounced) {  // [MQTT-3.2.2-15]
  broker::Settings limited = settings();
  limited.limits.maximum_packet_size = 200;
  BrokerBench small(shards(), limited);
  auto& writer = small.connect("writer");
  EXPECT_EQ(all_to<mqtt::Connack>(writer)[0].properties.maximum_packet_size, 200U);
  small.publish(writer, "t", std::string(300, 'x'));
  EXPECT_EQ(writer.disconnect, Reason::packet_too_large);
  EXPECT_TRUE(writer.closed);
}

// -- PUBLISH --------------------------------------------------------------------------------------------------------------------

TEST_P(Statements, MarksRepetitionsAndNothingElseAsDup) {  // [MQTT-3.3.1-1] [MQTT-3.3.1-2] [MQTT-3.3.1-3] [MQTT-4.3.1-1]
  auto& reader = reader_of("t", QoS::at_least_once);
  reader.acknowledges = false;
  auto& writer = broker.connect("writer");
  auto packet = message("t", "x", QoS::at_least_once, 4);
  packet.dup = true;
  broker.send(writer, packet);
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_FALSE(reader.publishes[0].dup);  // the publisher's DUP is its own
  broker.publish(writer, "t", "y");
  EXPECT_FALSE(reader.publishes[1].dup);
  broker.cut(reader);
  auto& back = broker.connect("reader", Version::v5, false);
  ASSERT_EQ(back.publishes.size(), 1U);
  EXPECT_TRUE(back.publishes[0].dup);
}

TEST_P(Statements, KeepsTheLastRetainedMessageOfATopic) {  // [MQTT-3.3.1-5] [MQTT-3.3.1-8]; 3.1.1 [MQTT-3.3.1-7] [MQTT-3.3.1-12]
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "one", QoS::exactly_once, true);
  broker.publish(writer, "t", "two", QoS::at_least_once, true);
  broker.publish(writer, "t", "not retained", QoS::at_least_once, false);
  broker.publish(writer, "t", "", QoS::at_least_once, false);
  auto& reader = reader_of("t", QoS::exactly_once);
  ASSERT_EQ(reader.publishes.size(), 1U);
  EXPECT_EQ(reader.publishes[0].payload, "two");
  EXPECT_EQ(reader.publishes[0].qos, QoS::at_least_once);  // it is stored with its QoS
  broker.publish(writer, "t", "three", QoS::at_most_once, true);
  auto& late = reader_of("t", QoS::exactly_once, "late");
  EXPECT_EQ(payloads(late), Payloads{"three"});
  broker.cut(writer);
  EXPECT_EQ(broker.counters().retained, 1U);  // 3.1.1 [MQTT-3.1.2-7]: no part of a session
}

TEST_P(Statements,
       AnEmptyRetainedMessageErasesAndIsDelivered) {  // [MQTT-3.3.1-6] [MQTT-3.3.1-7]; 3.1.1 [MQTT-3.3.1-10] [MQTT-3.3.1-11]
  auto& reader = reader_of("t", QoS::at_least_once);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "x", QoS::at_least_once, true);
  broker.publish(writer, "t", "", QoS::at_least_once, true);
  EXPECT_EQ(payloads(reader), (Payloads{"x", ""}));
  EXPECT_EQ(broker.counters().retained, 0U);
  auto& late = reader_of("t", QoS::at_least_once, "late");
  EXPECT_TRUE(late.publishes.empty());
}

TEST_P(Statements, SendsRetainedMessagesAsTheSubscriptionWishes) {  // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
  auto& writer = broker.connect("writer");
  broker.publish(writer, "a", "kept", QoS::at_least_once, true);
  broker.publish(writer, "b", "kept too", QoS::at_least_once, true);
  auto count_of = [&](TestClient& client, mqtt::RetainHandling handling) {
    client.publishes.clear();
    broker.subscribe(client, "+", {.retain_handling = handling});
    return client.publishes.size();
  };
  auto& client = broker.connect("client");
  EXPECT_EQ(count_of(client, mqtt::RetainHandling::send_if_new), 2U);
  EXPECT_EQ(count_of(client, mqtt::RetainHandling::send_if_new), 0U);
  EXPECT_EQ(count_of(client, mqtt::RetainHandling::send), 2U);
  EXPECT_EQ(count_of(client, mqtt::RetainHandling::do_not_send), 0U);
  auto& other = broker.connect("other");
  EXPECT_EQ(count_of(other, mqtt::RetainHandling::do_not_send), 0U);
}

TEST_P(Statements,
       ForwardsTheRetainFlagOnlyWhereAskedFor) {  // [MQTT-3.3.1-12] [MQTT-3.3.1-13]; 3.1.1 [MQTT-3.3.1-8] [MQTT-3.3.1-9]
  auto& plain = broker.connect("plain");
  auto& keeps = broker.connect("keeps");
  auto& old = broker.connect("old", Version::v3_1_1);
  broker.subscribe(plain, "t");
  broker.subscribe(keeps, "t", {.retain_as_published = true});
  broker.subscribe(old, "t");
  auto& writer = broker.connect("writer");
  for (bool retain : {true, false}) {
    broker.publish(writer, "t", "x", QoS::at_most_once, retain);
    EXPECT_FALSE(plain.publishes.back().retain);
    EXPECT_FALSE(old.publishes.back().retain);
    EXPECT_EQ(keeps.publishes.back().retain, retain);
  }
  auto& late = broker.connect("late", Version::v3_1_1);
  broker.subscribe(late, "t");
  ASSERT_EQ(late.publishes.size(), 1U);
  EXPECT_TRUE(late.publishes[0].retain);
}

// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
TEST_P(Statements, ForwardsPropertiesUnaltered) {
  auto& near = reader_of("t", QoS::at_most_once, "near");
  auto& queued = reader_of("t", QoS::at_least_once, "queued");
  broker.cut(queued);
  auto& writer = broker.connect("writer");
  const Buffer correlation{0, 0xFF, 7};
  auto packet = message("t", "x", QoS::at_least_once, 1);
  packet.retain = true;
  packet.properties.payload_format_indicator = 1;
  packet.properties.content_type = "text/x";
  packet.properties.response_topic = "reply/\xEF\xBB\xBF/here";  // [MQTT-1.5.4-3]
  packet.properties.correlation_data = correlation;
  packet.properties.user = {{"z", "1"}, {"a", ""}, {"z", "2"}, {"", "nameless"}};
  broker.send(writer, packet);
  auto& back = broker.connect("queued", Version::v5, false);
  auto& late = reader_of("t", QoS::at_most_once, "late");
  for (TestClient* client : {&near, &back, &late}) {
    auto publishes = all_to<mqtt::Publish>(*client);
    ASSERT_EQ(publishes.size(), 1U);
    EXPECT_EQ(publishes[0].properties, packet.properties);
  }
}

TEST_P(Statements, AddsAMessageToTheSessionsOfAllWhoSubscribed) {  // [MQTT-4.5.0-1]; 3.1.1 [MQTT-3.1.2-5]
  std::vector<TestClient*> here;
  for (auto id : {"a", "b", "c", "d"}) here.push_back(&reader_of("t", QoS::exactly_once, id));
  for (auto id : {"e", "f", "g", "h"}) broker.cut(reader_of("t", QoS::exactly_once, id, Version::v3_1_1));
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "one", QoS::at_least_once);
  broker.publish(writer, "t", "two", QoS::exactly_once, false, 2);
  for (auto id : {"e", "f", "g", "h"}) here.push_back(&broker.connect(id, Version::v3_1_1, false));
  for (TestClient* client : here) EXPECT_EQ(payloads(*client), (Payloads{"one", "two"})) << client->shard;
}

// -- SUBSCRIBE and UNSUBSCRIBE --------------------------------------------------------------------------------------------------

// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-2.2.1-6]
TEST_P(Statements, AnswersEachFilterOfASubscribeInOrder) {
  broker.set_rules({{"#", broker.schemes({"plain"}), broker.schemes({"plain"})}, {"secret/#", {}, {}}});
  auto& client = broker.connect("client");
  const std::string deep(250, '/');  // more levels than are allowed
  mqtt::Subscribe packet{.packet_id = 0x1234, .properties = {}, .entries = {}};
  packet.entries = {
      {"a", {.qos = QoS::exactly_once}}, {"secret/x", {}}, {deep, {}}, {"d", {.qos = QoS::at_least_once}}, {"e", {}}};
  broker.send(client, packet);
  EXPECT_EQ(client.answers.back(), (Answer{PacketType::suback,
                                           0x1234,
                                           {Reason::granted_qos_2, Reason::unspecified_error, Reason::topic_filter_invalid,
                                            Reason::granted_qos_1, Reason::success}}));
  auto& old = broker.connect("old", Version::v3_1_1);
  broker.send(old, packet);
  EXPECT_EQ(old.answers.back(), (Answer{PacketType::suback,
                                        0x1234,
                                        {Reason::granted_qos_2, Reason::unspecified_error, Reason::unspecified_error,
                                         Reason::granted_qos_1, Reason::success}}));
  EXPECT_FALSE(old.closed);
}

TEST_P(Statements, ReplacesASubscriptionWithTheSameFilter) {  // [MQTT-3.8.4-3] [MQTT-3.8.4-4]
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "kept", QoS::exactly_once, true);
  auto& client = broker.connect("client");
  mqtt::Properties identifier;
  identifier.subscription_identifiers = {5};
  broker.subscribe(client, "t", {.qos = QoS::exactly_once}, identifier);
  broker.subscribe(client, "t", {.qos = QoS::at_least_once});
  EXPECT_EQ(payloads(client), (Payloads{"kept", "kept"}));
  client.publishes.clear();
  broker.publish(writer, "t", "x", QoS::exactly_once, false, 2);
  ASSERT_EQ(client.publishes.size(), 1U);
  EXPECT_EQ(client.publishes[0].qos, QoS::at_least_once);
  EXPECT_TRUE(client.publishes[0].identifiers.empty());
  EXPECT_EQ(broker.counters().subscriptions, 1U);
}

TEST_P(Statements, ReplacingASubscriptionLosesNothing) {  // [MQTT-3.8.4-4]
  mqtt::Connect slow;
  slow.client_id = "slow";
  slow.properties.receive_maximum = 1;
  auto& client = broker.connect(slow);
  client.acknowledges = false;
  broker.subscribe(client, "t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (const char* text : {"in flight", "waiting", "waiting too"}) broker.publish(writer, "t", text, QoS::at_least_once);
  broker.subscribe(client, "t", {.qos = QoS::exactly_once});
  broker.publish(writer, "t", "after", QoS::at_least_once);
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(client.publishes.size(), i + 1);
    broker.send(client, mqtt::Puback{.packet_id = client.publishes[i].packet_id, .properties = {}});
  }
  EXPECT_EQ(payloads(client), (Payloads{"in flight", "waiting", "waiting too", "after"}));
}

TEST_P(Statements, EveryTopicIsOrdered) {  // [MQTT-4.6.0-6]
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#", {.qos = QoS::exactly_once});
  auto& writer = broker.connect("writer");
  std::map<std::pair<std::string, QoS>, Payloads> sent, got;
  for (int i = 0; i < 90; ++i) {
    const std::string topic = "t/" + std::to_string(i % 5);
    const auto qos = static_cast<QoS>(i % 3);
    sent[{topic, qos}].push_back(std::to_string(i));
    broker.publish(writer, topic, std::to_string(i), qos, false,
                   static_cast<std::uint16_t>(qos == QoS::at_most_once ? 0 : i + 1));
  }
  for (const auto& publish : reader.publishes) got[{publish.topic, publish.qos}].push_back(publish.payload);
  EXPECT_EQ(got, sent);
}

TEST_P(Statements, DeliversWithTheSmallerOfTwoQoS) {  // [MQTT-3.8.4-8]; 3.1.1 [MQTT-3.8.4-6]
  auto& writer = broker.connect("writer");
  for (Version version : {Version::v3_1_1, Version::v5})
    for (QoS granted : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once})
      for (QoS sent : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
        auto& reader = broker.connect("reader", version);
        broker.subscribe(reader, "t", {.qos = granted});
        broker.publish(writer, "t", "x", sent, false, 9);
        ASSERT_EQ(reader.publishes.size(), 1U);
        EXPECT_EQ(reader.publishes[0].qos, std::min(granted, sent));
      }
}

// [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2]
TEST_P(Statements, UnsubscribesWhatIsSpelledTheSame) {
  for (Version version : {Version::v3_1_1, Version::v5}) {
    auto& client = broker.connect("client", version);
    for (auto filter : {"a/+", "a/b", "c"}) broker.subscribe(client, filter);
    broker.send(client, mqtt::Unsubscribe{.packet_id = 0x4321, .properties = {}, .filters = {"a/#", "a/+", "A/B", "c"}});
    Answer expected{PacketType::unsuback,
                    0x4321,
                    {Reason::no_subscription_existed, Reason::success, Reason::no_subscription_existed, Reason::success}};
    if (version != Version::v5) expected.reasons.clear();
    EXPECT_EQ(client.answers.back(), expected);
    auto& writer = broker.connect("writer");
    for (auto topic : {"a/b", "a/x", "c"}) broker.publish(writer, topic, topic);
    EXPECT_EQ(payloads(client), Payloads{"a/b"});
  }
}

TEST_P(Statements, FinishesWhatItBeganBeforeUnsubscribe) {  // [MQTT-3.10.4-3]
  auto& before = reader_of("t", QoS::exactly_once);
  before.acknowledges = false;
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "begun", QoS::exactly_once);
  broker.send(before, mqtt::Unsubscribe{.packet_id = 9, .properties = {}, .filters = {"t"}});
  broker.publish(writer, "t", "after", QoS::exactly_once, false, 2);
  ASSERT_EQ(payloads(before), Payloads{"begun"});
  broker.cut(before);
  auto& back = broker.connect("reader", Version::v5, false);
  EXPECT_EQ(payloads(back), Payloads{"begun"});
  EXPECT_EQ(back.answers.back().type, PacketType::pubrel);
}

TEST_P(Statements, ComparesTopicsOctetByOctet) {  // [MQTT-4.7.3-4] [MQTT-1.5.4-3]
  auto& client = broker.connect("client");
  for (auto filter : {"/t", "t/", "T", "\xEF\xBB\xBFt", "e\xCC\x81", "a//b"}) broker.subscribe(client, filter);
  auto& writer = broker.connect("writer");
  for (auto topic : {"t", "\xC3\xA9", "a/b"}) broker.publish(writer, topic, "no");
  EXPECT_TRUE(client.publishes.empty());
  for (auto topic : {"/t", "t/", "T", "\xEF\xBB\xBFt", "e\xCC\x81", "a//b"}) broker.publish(writer, topic, topic);
  EXPECT_EQ(payloads(client), (Payloads{"/t", "t/", "T", "\xEF\xBB\xBFt", "e\xCC\x81", "a//b"}));
  EXPECT_EQ(client.publishes[3].topic, "\xEF\xBB\xBFt");
}

TEST_P(Statements, AnswersPings) {  // [MQTT-3.12.4-1]
  for (Version version : {Version::v3_1, Version::v3_1_1, Version::v5}) {
    auto& client = broker.connect("client", version);
    broker.send(client, mqtt::Pingreq{});
    broker.send(client, mqtt::Pingreq{});
    EXPECT_EQ(client.pings, 2U);
  }
}

TEST_P(Statements, AShareKeepsToTheGrantedQoS) {  // [MQTT-4.8.2-3]
  auto& member = reader_of("$share/group/t", QoS::at_least_once);
  auto& writer = broker.connect("writer");
  for (QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    broker.publish(writer, "t", "x", qos, false, 1);
    EXPECT_EQ(member.publishes.back().qos, std::min(qos, QoS::at_least_once));
  }
  EXPECT_EQ(member.publishes.size(), 3U);
}

TEST_P(Statements, AMessageBegunWithAMemberOfAShareStaysWithIt) {  // [MQTT-4.8.2-4] [MQTT-4.8.2-5] [MQTT-4.8.2-6]
  auto& writer = broker.connect("writer");
  auto& first = reader_of("$share/group/t", QoS::exactly_once, "first");
  first.acknowledges = false;
  broker.publish(writer, "t", "begun", QoS::exactly_once);
  ASSERT_EQ(payloads(first), Payloads{"begun"});
  auto& second = reader_of("$share/group/t", QoS::exactly_once, "second");
  broker.cut(first);
  EXPECT_TRUE(second.publishes.empty());
  auto& again = broker.connect("first", Version::v5, false);
  EXPECT_EQ(payloads(again), Payloads{"begun"});
  broker.send(second, mqtt::Unsubscribe{.packet_id = 9, .properties = {}, .filters = {"$share/group/t"}});
  again.acknowledges = false;
  broker.publish(writer, "t", "refused", QoS::exactly_once, false, 2);
  broker.publish(writer, "t", "left behind", QoS::exactly_once, false, 3);
  ASSERT_EQ(again.publishes.size(), 3U);
  broker.subscribe(second, "$share/group/t", {.qos = QoS::exactly_once});
  broker.send(again, mqtt::Pubrec{.packet_id = again.publishes[1].packet_id, .reason = Reason::quota_exceeded, .properties = {}});
  broker.cut(again);
  auto& clean = broker.connect("first", Version::v5, true);  // its session has ended
  EXPECT_TRUE(clean.publishes.empty());
  EXPECT_TRUE(second.publishes.empty());
}

// -- QoS 1 and 2 ----------------------------------------------------------------------------------------------------------------

TEST_P(
    Statements,
    GivesEachUnfinishedMessageItsOwnIdentifier) {  // [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2]
  auto& reader = reader_of("t", QoS::exactly_once);
  reader.acknowledges = false;
  auto& writer = broker.connect("writer");
  for (std::uint16_t i = 1; i <= 20; ++i)
    broker.publish(writer, "t", "x", i % 2 == 0 ? QoS::at_least_once : QoS::exactly_once, false, i);
  std::vector<std::uint16_t> ids;
  for (const auto& got : reader.publishes) {
    EXPECT_FALSE(got.dup);
    EXPECT_NE(got.packet_id, 0);
    ids.push_back(got.packet_id);
  }
  ASSERT_EQ(ids.size(), 20U);
  std::ranges::sort(ids);
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_P(Statements, AMessageWithAnAcknowledgedIdentifierIsANewOne) {  // [MQTT-4.3.2-4] [MQTT-4.3.2-5]
  auto& reader = reader_of("t", QoS::at_least_once);
  auto& writer = broker.connect("writer");
  auto packet = message("t", "x", QoS::at_least_once, 77);
  for (bool dup : {false, true}) {
    packet.dup = dup;
    broker.send(writer, packet);
    EXPECT_EQ(writer.answers.back(), (Answer{PacketType::puback, 77, {Reason::success}}));
  }
  EXPECT_EQ(reader.publishes.size(), 2U);
}

// [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT-2.2.1-5]
TEST_P(Statements, AnswersEveryStepOfQoS2WithTheSameIdentifier) {
  auto& reader = reader_of("t", QoS::exactly_once);
  auto& writer = broker.connect("writer", Version::v5, false);
  auto packet = message("t", "x", QoS::exactly_once, 500);
  broker.send(writer, packet);
  EXPECT_EQ(writer.answers.back(), (Answer{PacketType::pubrec, 500, {Reason::success}}));
  broker.cut(writer);
  auto& back = broker.connect("writer", Version::v5, false);  // what was received is part of the session
  packet.dup = true;
  broker.send(back, packet);
  EXPECT_EQ(back.answers.back(), (Answer{PacketType::pubrec, 500, {Reason::success}}));
  EXPECT_EQ(reader.publishes.size(), 1U);
  broker.send(back, mqtt::Pubrel{.packet_id = 500, .properties = {}});
  EXPECT_EQ(back.answers.back(), (Answer{PacketType::pubcomp, 500, {Reason::success}}));
  broker.send(back, mqtt::Pubrel{.packet_id = 500, .properties = {}});
  EXPECT_EQ(back.answers.back(), (Answer{PacketType::pubcomp, 500, {Reason::packet_identifier_not_found}}));
  packet.dup = false;
  broker.send(back, packet);
  EXPECT_EQ(reader.publishes.size(), 2U);
}

TEST_P(Statements, AMessageRefusedWithPubrecMayComeAgain) {  // [MQTT-4.3.3-9]
  broker.set_rules({});
  auto& writer = broker.connect("writer");
  auto packet = message("t", "x", QoS::exactly_once, 6);
  broker.send(writer, packet);
  EXPECT_EQ(writer.answers.back(), (Answer{PacketType::pubrec, 6, {Reason::not_authorized}}));
  broker.allow({"plain"}, {"plain"});
  auto& reader = reader_of("t", QoS::exactly_once);
  broker.send(writer, packet);
  EXPECT_EQ(writer.answers.back(), (Answer{PacketType::pubrec, 6, {Reason::success}}));
  EXPECT_EQ(reader.publishes.size(), 1U);
}

TEST_P(Statements, FinishesQoS2OfAMessageThatExpired) {  // [MQTT-4.3.3-13]
  auto& writer = broker.connect("writer");
  auto packet = message("t", "x", QoS::exactly_once, 3);
  packet.properties.message_expiry_interval = 1;
  broker.send(writer, packet);
  broker.advance(5'000);
  broker.send(writer, mqtt::Pubrel{.packet_id = 3, .properties = {}});
  EXPECT_EQ(writer.answers.back(), (Answer{PacketType::pubcomp, 3, {Reason::success}}));
}

// [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.4.0-1]
TEST_P(Statements, RepeatsTheStepThatIsMissingAndOnlyOnReconnection) {
  auto& first = reader_of("t", QoS::exactly_once);
  first.acknowledges = false;
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "x", QoS::exactly_once);
  ASSERT_EQ(first.publishes.size(), 1U);
  std::uint16_t id = first.publishes[0].packet_id;
  broker.advance(3'600'000);
  EXPECT_EQ(first.publishes.size(), 1U);  // waiting is no reason to repeat
  broker.cut(first);
  auto again = [&]() -> TestClient& {
    mqtt::Connect packet;
    packet.client_id = "reader";
    packet.clean_start = false;
    packet.properties.session_expiry_interval = 3600;
    auto& client = broker.dial();
    client.acknowledges = false;
    Buffer bytes;
    mqtt::encode(packet, bytes);
    broker.send_bytes(client, bytes);
    return client;
  };
  auto& second = again();
  ASSERT_EQ(second.publishes.size(), 1U);
  EXPECT_EQ(second.publishes[0].packet_id, id);
  EXPECT_TRUE(second.publishes[0].dup);
  broker.send(second, mqtt::Pubrec{.packet_id = id, .properties = {}});
  EXPECT_EQ(second.answers.back(), (Answer{PacketType::pubrel, id, {Reason::success}}));
  broker.cut(second);
  auto& third = again();
  EXPECT_TRUE(third.publishes.empty());
  EXPECT_EQ(third.answers.back(), (Answer{PacketType::pubrel, id, {Reason::success}}));
  broker.send(third, mqtt::Pubcomp{.packet_id = id, .properties = {}});
  broker.cut(third);
  auto& fourth = again();
  EXPECT_TRUE(fourth.publishes.empty());
  EXPECT_TRUE(fourth.answers.empty());
}

TEST_P(Statements, ARefusalOfTheReceiverEndsAMessage) {  // [MQTT-4.4.0-2]
  auto& first = reader_of("t", QoS::exactly_once);
  first.acknowledges = false;
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "one", QoS::at_least_once);
  broker.publish(writer, "t", "two", QoS::exactly_once, false, 2);
  ASSERT_EQ(first.publishes.size(), 2U);
  broker.send(first, mqtt::Puback{.packet_id = first.publishes[0].packet_id, .reason = Reason::quota_exceeded, .properties = {}});
  broker.send(first, mqtt::Pubrec{.packet_id = first.publishes[1].packet_id, .reason = Reason::quota_exceeded, .properties = {}});
  EXPECT_EQ(first.answers.size(), 1U);  // SUBACK; no PUBREL
  broker.cut(first);
  auto& second = broker.connect("reader", Version::v5, false);
  EXPECT_TRUE(second.publishes.empty());
}

TEST_P(Statements, KeepsTheOrderOfWhatItRepeatsAndOfWhatIsNew) {  // [MQTT-4.6.0-5] [MQTT-4.6.0-6]; 3.1.1 [MQTT-4.6.0-1]
  auto& first = reader_of("t", QoS::at_least_once);
  first.acknowledges = false;
  auto& writer = broker.connect("writer");
  Payloads expected;
  for (std::uint16_t i = 1; i <= 150; ++i) {
    expected.push_back(std::to_string(i));
    broker.publish(writer, "t", expected.back(), QoS::at_least_once, false, i);
  }
  broker.cut(first);
  for (std::uint16_t i = 151; i <= 200; ++i) {
    expected.push_back(std::to_string(i));
    broker.publish(writer, "t", expected.back(), QoS::at_least_once, false, i);
  }
  auto& second = broker.connect("reader", Version::v5, false);
  EXPECT_EQ(payloads(second), expected);
}

// -- sessions and endings -------------------------------------------------------------------------------------------------------

TEST_P(Statements, KeepsTheStateOfAnOpenConnection) {  // [MQTT-4.1.0-1]; 3.1.1 [MQTT-4.1.0-2]
  auto& client = broker.connect("client");             // its session ends with the connection, and not before
  broker.subscribe(client, "t");
  broker.advance(3'600'000);
  broker.publish(client, "t", "still there");
  EXPECT_EQ(payloads(client), Payloads{"still there"});
}

TEST_P(Statements, SendsNothingAfterItsDisconnect) {  // [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-1] [MQTT-3.14.2-2]
  auto& client = broker.connect("client");
  broker.subscribe(client, "t");
  Buffer bytes = encoded(mqtt::Pingreq{});
  append(bytes, Buffer{0x50, 0x02, 0x00, 0x00});  // PUBREC of identifier 0
  append(bytes, encoded(mqtt::Pingreq{}));
  broker.send_bytes(client, bytes);
  EXPECT_TRUE(client.closed);
  auto packets = all_to(client);
  const auto* last = std::get_if<mqtt::Disconnect>(&packets.back());
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->reason, Reason::protocol_error);
  EXPECT_FALSE(last->properties.session_expiry_interval);
  EXPECT_EQ(client.pings, 1U);
}

TEST_P(Statements, EndsAConnectionForWhatIsMalformed) {  // [MQTT-4.13.1-1]; 3.1.1 [MQTT-4.8.0-1] [MQTT-2.2.2-2]
  auto& reader = reader_of("status", QoS::at_most_once);
  struct Case {
    Buffer bytes;
    Reason reason;
  };
  const Case cases[] = {
      {{0x36, 0x05, 0x00, 0x01, 't', 0x00, 0x01}, Reason::malformed_packet},              // QoS 3 [MQTT-3.3.1-4]
      {{0x80, 0x07, 0x00, 0x01, 0x00, 0x00, 0x01, 't', 0x00}, Reason::malformed_packet},  // [MQTT-3.8.1-1]
      {{0x82, 0x03, 0x00, 0x01, 0x00}, Reason::protocol_error},                           // [MQTT-3.8.3-2]
      {{0xA0, 0x06, 0x00, 0x01, 0x00, 0x00, 0x01, 't'}, Reason::malformed_packet},        // [MQTT-3.10.1-1]
      {{0x60, 0x02, 0x00, 0x01}, Reason::malformed_packet},                               // [MQTT-3.6.1-1]
      {{0xE1, 0x00}, Reason::malformed_packet},                                           // [MQTT-3.14.1-1]
      {{0xF1, 0x00}, Reason::malformed_packet},                                           // [MQTT-3.15.1-1]
      {{0x30, 0x04, 0x00, 0x01, '#', 0x00}, Reason::topic_name_invalid},                  // [MQTT-3.3.2-2]
      {{0x30, 0x04, 0x00, 0x01, 0xFF, 0x00}, Reason::malformed_packet},                   // [MQTT-1.5.4-1]
      {{0x30, 0x04, 0x00, 0x01, 0x00, 0x00}, Reason::malformed_packet},                   // [MQTT-1.5.4-2]
      {{0xF0, 0x00}, Reason::protocol_error},                                             // [MQTT-4.12.0-7]
      {{0x82, 0x06, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00}, Reason::malformed_packet},       // [MQTT-4.7.3-1]
      {{0xA2, 0x05, 0x00, 0x01, 0x00, 0x00, 0x00}, Reason::malformed_packet},             //
      {{0xA2, 0x07, 0x00, 0x01, 0x00, 0x00, 0x02, 'a', '#'}, Reason::malformed_packet},   // [MQTT-4.7.1-1]
  };
  for (const Case& c : cases) {
    auto& client = broker.connect(with_will("client"));
    reader.publishes.clear();
    broker.send_bytes(client, c.bytes);
    EXPECT_TRUE(client.closed);
    EXPECT_EQ(client.disconnect, c.reason) << int(c.bytes[0]);
    EXPECT_EQ(reader.publishes.size(), 1U);  // its Will is published
  }
}

TEST_P(Statements, TakesNothingOfASubscribeWithAFilterThatIsNone) {  // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
  for (const char* filter : {"", "ab/+e", "a/#/b", "a#", "$share/g#/x", "$share/g"})
    for (const Version version : {Version::v5, Version::v3_1_1, Version::v3_1}) {
      if (filter == std::string_view("$share/g") && version != Version::v5) continue;  // levels as others: mqtt_3_1_1_test.cpp
      auto& client = broker.connect("client", version);
      broker.send(client, mqtt::Subscribe{.packet_id = 7, .properties = {}, .entries = {{"good", {}}, {filter, {}}}});
      EXPECT_TRUE(client.closed) << filter;
      EXPECT_TRUE(client.answers.empty()) << filter;
      if (version == Version::v5) {
        EXPECT_EQ(client.disconnect, Reason::malformed_packet) << filter;
      }
      EXPECT_EQ(broker.counters().subscriptions, 0U) << filter;
    }
}

// A client that acknowledges a message as one of another QoS is not where it says it is.
TEST_P(Statements, EndsAConnectionThatAcknowledgesAnotherQoS) {  // [MQTT-4.13.1-1]; 3.1.1 [MQTT-4.8.0-1]
  auto& writer = broker.connect("writer");
  const auto after = [&](QoS qos, bool received, auto answer) {
    auto& reader = reader_of("t", QoS::exactly_once, "reader");
    reader.acknowledges = false;
    broker.publish(writer, "t", "x", qos, false, 3);
    const std::uint16_t id = reader.publishes.back().packet_id;
    if (received) broker.send(reader, mqtt::Pubrec{.packet_id = id, .properties = {}});
    answer.packet_id = id;
    broker.send(reader, answer);
    EXPECT_TRUE(reader.closed);
    broker.connect("reader", Version::v5, true);
    return reader.disconnect;
  };
  EXPECT_EQ(after(QoS::at_least_once, false, mqtt::Pubrec{}), Reason::protocol_error);
  EXPECT_EQ(after(QoS::at_least_once, false, mqtt::Pubcomp{}), Reason::protocol_error);
  EXPECT_EQ(after(QoS::exactly_once, false, mqtt::Puback{}), Reason::protocol_error);
  EXPECT_EQ(after(QoS::exactly_once, false, mqtt::Pubcomp{}), Reason::protocol_error);
  EXPECT_EQ(after(QoS::exactly_once, true, mqtt::Puback{}), Reason::protocol_error);
}

TEST_P(Statements, TellsAPublisherThatNobodyHasSubscribed) {  // MQTT 5 section 3.4.2.1
  auto& writer = broker.connect("writer");
  const auto answer = [&](std::string_view topic, QoS qos) {
    broker.publish(writer, topic, "x", qos, false, 5);
    return writer.answers[writer.answers.size() - (qos == QoS::exactly_once ? 2 : 1)].reasons.front();
  };
  for (QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
    EXPECT_EQ(answer("a/b", qos), Reason::no_matching_subscribers);
    for (const char* filter : {"a/b", "a/+", "+/b", "#", "a/b/#", "$share/group/a/b"})
      for (const char* id : {"one", "two", "three", "four"}) {  // on different shards
        auto& reader = broker.connect(id);
        broker.subscribe(reader, filter);
        EXPECT_EQ(answer("a/b", qos), Reason::success) << filter << " of " << id;
        if (filter[0] == 'a') {
          EXPECT_EQ(answer("b/b", qos), Reason::no_matching_subscribers) << filter << " of " << id;
        }
        broker.cut(reader);
        EXPECT_EQ(answer("a/b", qos), Reason::no_matching_subscribers) << filter << " of " << id;
      }
  }
  auto& old = broker.connect("old", Version::v3_1_1);
  broker.publish(old, "a/b", "x", QoS::at_least_once);
  EXPECT_EQ(old.answers.back().reasons.front(), Reason::success);
}

TEST_P(Statements, TellsAClientThatItsAnswerWouldBeTooLarge) {  // [MQTT-3.1.2-24]
  mqtt::Properties properties;
  properties.maximum_packet_size = 40;
  auto& client = connect_with("client", properties);
  mqtt::Subscribe packet{.packet_id = 7, .properties = {}, .entries = {}};
  packet.entries.resize(60, {"t", {}});
  broker.send(client, packet);
  EXPECT_TRUE(client.answers.empty());
  EXPECT_EQ(client.disconnect, Reason::packet_too_large);
  EXPECT_TRUE(client.closed);
}

// -- MQTT 3.1.1 and 3.1 ---------------------------------------------------------------------------------------------------------

class StatementsOfMqtt3 : public Statements {
 protected:
  TestClient& send_connect(Buffer bytes) {
    auto& client = broker.dial();
    client.version = Version::v3_1_1;
    broker.send_bytes(client, bytes);
    return client;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, StatementsOfMqtt3, ::testing::Combine(::testing::Values(1, 3), ::testing::Bool()));

TEST_P(StatementsOfMqtt3, AnswersALevelItDoesNotSpeakWith1) {  // [MQTT-3.1.2-2]
  auto& client = send_connect({0x10, 0x0D, 0, 4, 'M', 'Q', 'T', 'T', 2, 2, 0, 0, 0, 1, 'a'});
  EXPECT_EQ(client.everything, (Buffer{0x20, 2, 0, 1}));
  EXPECT_TRUE(client.closed);
}

TEST_P(StatementsOfMqtt3, AnswersNoNameAndNoCleanSessionWith2) {  // [MQTT-3.1.3-8] [MQTT-3.1.3-9] [MQTT-3.2.2-4] [MQTT-3.2.2-5]
  auto& client = send_connect({0x10, 0x0C, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 0, 0, 0});
  EXPECT_EQ(client.everything, (Buffer{0x20, 2, 0, 2}));
  EXPECT_TRUE(client.closed);
}

TEST_P(StatementsOfMqtt3, DoesNotAnswerAConnectThatBreaksTheRules) {  // [MQTT-3.1.4-1] [MQTT-3.2.2-6] [MQTT-3.1.2-3]
  auto& client = send_connect({0x10, 0x0D, 0, 4, 'M', 'Q', 'T', 'T', 4, 3, 0, 0, 0, 1, 'a'});
  EXPECT_TRUE(client.everything.empty());
  EXPECT_TRUE(client.closed);
}

TEST_P(StatementsOfMqtt3, IgnoresWhatFollowsARefusedConnect) {  // [MQTT-3.1.4-5]
  auto& reader = reader_of("t", QoS::at_most_once);
  Buffer bytes{0x10, 0x0C, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 0, 0, 0};
  append(bytes, Buffer{0x30, 0x04, 0, 1, 't', 'x'});
  send_connect(bytes);
  EXPECT_TRUE(reader.publishes.empty());
}

TEST_P(StatementsOfMqtt3, EndsTheConnectionThatIsTakenOver) {  // [MQTT-3.1.4-2]
  auto& first = broker.connect("same", Version::v3_1_1, false);
  auto& second = broker.connect("same", Version::v3_1_1, false);
  EXPECT_TRUE(first.closed);
  EXPECT_EQ(first.everything.size(), 4U);  // CONNACK; MQTT 3 has no word for the end
  EXPECT_FALSE(second.closed);
  EXPECT_TRUE(second.session_present);
}

TEST_P(StatementsOfMqtt3, KeepsAUncleanSessionAndItsMessages) {  // [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2] [MQTT-4.1.0-1]
  broker.cut(reader_of("t", QoS::exactly_once, "reader", Version::v3_1_1));
  auto& writer = broker.connect("writer", Version::v3_1_1);
  broker.publish(writer, "t", "one", QoS::at_least_once);
  broker.publish(writer, "t", "two", QoS::exactly_once, false, 2);
  broker.advance(3'600'000);
  auto& back = broker.connect("reader", Version::v3_1_1, false);
  EXPECT_TRUE(back.session_present);
  EXPECT_EQ(payloads(back), (Payloads{"one", "two"}));
}

TEST_P(StatementsOfMqtt3, AcknowledgesWhatItMayNotForward) {  // [MQTT-3.3.5-2]
  broker.set_rules({{"open/#", broker.schemes({"plain"}), broker.schemes({"plain"})}});
  auto& writer = broker.connect("writer", Version::v3_1_1);
  broker.publish(writer, "secret", "x", QoS::at_least_once, true, 8);
  EXPECT_EQ(writer.answers.back(), (Answer{PacketType::puback, 8, {Reason::success}}));
  broker.publish(writer, "secret", "x", QoS::exactly_once, true, 9);
  EXPECT_EQ(writer.answers.back(), (Answer{PacketType::pubcomp, 9, {Reason::success}}));
  EXPECT_FALSE(writer.closed);
  EXPECT_EQ(broker.counters().retained, 0U);
}

TEST_P(StatementsOfMqtt3, PublishesNoWillAfterDisconnectAndOneWithoutIt) {  // [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3]
  auto& reader = reader_of("status", QoS::at_least_once);
  auto packet = with_will("device");
  packet.version = Version::v3_1_1;
  broker.send(broker.connect(packet), mqtt::Disconnect{});
  EXPECT_TRUE(reader.publishes.empty());
  broker.cut(broker.connect(packet));
  EXPECT_EQ(payloads(reader), Payloads{"gone"});
  packet.keep_alive = 10;
  broker.connect(packet);
  broker.advance(16'000);  // [MQTT-3.1.2-24]
  EXPECT_EQ(reader.publishes.size(), 2U);
}

TEST_P(StatementsOfMqtt3, SpeaksMqtt3_1) {
  auto& client = send_connect({0x10, 0x0F, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 0, 0, 1, 'a'});
  EXPECT_EQ(client.everything, (Buffer{0x20, 2, 0, 0}));
  broker.subscribe(client, "t", {.qos = QoS::exactly_once});
  broker.publish(client, "t", "x", QoS::exactly_once, false, 1);
  EXPECT_EQ(payloads(client), Payloads{"x"});
  auto& nameless = send_connect({0x10, 0x0E, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 0, 0, 0});
  EXPECT_EQ(nameless.everything, (Buffer{0x20, 2, 0, 2}));
  auto& unused_bit = send_connect({0x10, 0x0F, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 3, 0, 0, 0, 1, 'b'});
  EXPECT_EQ(unused_bit.everything, (Buffer{0x20, 2, 0, 0})) << "section 3.1: not used, hence not looked at";
}

}  // namespace
}  // namespace sealmq::testing
