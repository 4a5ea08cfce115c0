// Bytes written by hand from the standards' figures and tables, so that a mistake made on both sides of the codec shows.
#include <gtest/gtest.h>

#include "mqtt/wire.h"
#include "unit/mqtt/packet_support.h"
#include "unit/mqtt/same_packet.h"

namespace sealmq::mqtt::test {
namespace {

/// Both directions: the bytes decode to the packet, the packet encodes to the bytes.
void expect_both(std::string_view form, Version version, const Packet& packet) {
  Buffer bytes = from(form);
  auto decoded = decode_whole(bytes, version);
  ASSERT_TRUE(decoded) << form << ": " << decoded.error().what;
  EXPECT_TRUE(same(*decoded, packet)) << form;
  EXPECT_EQ(encoded(packet, version), bytes) << form;
}

TEST(Vectors, ConnectOfMqtt3_1) {
  Connect p;
  p.version = Version::v3_1;
  p.clean_start = false;
  p.keep_alive = 10;
  p.client_id = "a";
  expect_both("10 0F 00 06 'MQIsdp' 03 00 00 0A 00 01 'a'", Version::v3_1, p);
}

// MQTT 3.1 section 3.1 says 23 characters; no broker keeps to it, and clients rely on that.
TEST(Vectors, ConnectOfMqtt3_1MayHaveALongName) {
  Connect p;
  p.version = Version::v3_1;
  p.client_id = "abcdefghijklmnopqrstuvwxyz";
  expect_both("10 28 00 06 'MQIsdp' 03 02 00 00 00 1A 'abcdefghijklmnopqrstuvwxyz'", Version::v3_1, p);
}

// MQTT 3.1.1 section 3.1.2, figure 3.6: user name, password, no will retain, will QoS 1, clean session, keep alive 10
TEST(Vectors, ConnectOfMqtt3_1_1) {
  Connect p;
  p.version = Version::v3_1_1;
  p.keep_alive = 10;
  p.client_id = "id";
  p.will = Will{"w", as_bytes("bye"), QoS::at_least_once, false, {}};
  p.user_name = "u";
  p.password = as_bytes("pw");
  expect_both("10 1D 00 04 'MQTT' 04 CE 00 0A 00 02 'id' 00 01 'w' 00 03 'bye' 00 01 'u' 00 02 'pw'", Version::v3_1_1, p);
}

TEST(Vectors, ConnectOfABridge) {
  Connect p;
  p.version = Version::v3_1_1;
  p.bridge = true;
  expect_both("10 0C 00 04 'MQTT' 84 02 00 00 00 00", Version::v3_1_1, p);
}

// MQTT 5 section 3.1.2.12, figure 3-6: session expiry interval 10
TEST(Vectors, ConnectOfMqtt5) {
  Connect p;
  p.version = Version::v5;
  p.keep_alive = 10;
  p.properties.session_expiry_interval = 10;
  Will will{"w", as_bytes("x"), QoS::exactly_once, true, {}};
  will.properties.will_delay_interval = 5;
  p.will = will;
  p.password = as_bytes("only");
  expect_both("10 24 00 04 'MQTT' 05 76 00 0A 05 11 00 00 00 0A 00 00 05 18 00 00 00 05 00 01 'w' 00 01 'x' 00 04 'only'",
              Version::v5, p);
}

// MQTT 3.1 section 3.1: the flags say there are a user name and a password, the Remaining Length says otherwise, and that wins.
TEST(Vectors, ConnectOfMqtt3_1MayLackTheUserNameItAnnounces) {
  Buffer bytes = packet(0x10, "00 06 'MQIsdp' 03 C2 00 0A 00 01 'a'");
  auto decoded = decode_whole(bytes, Version::v3_1);
  ASSERT_TRUE(decoded) << decoded.error().what;
  EXPECT_FALSE(std::get<Connect>(*decoded).user_name);
  EXPECT_FALSE(std::get<Connect>(*decoded).password);
}

TEST(Vectors, Connack) {
  expect_both("20 02 01 00", Version::v3_1_1, Connack{true, Reason::success, {}});
  expect_both("20 02 00 01", Version::v3_1_1, Connack{false, Reason::unsupported_protocol_version, {}});
  expect_both("20 02 00 02", Version::v3_1_1, Connack{false, Reason::client_identifier_not_valid, {}});
  expect_both("20 02 00 03", Version::v3_1_1, Connack{false, Reason::server_unavailable, {}});
  expect_both("20 02 00 04", Version::v3_1, Connack{false, Reason::bad_user_name_or_password, {}});
  expect_both("20 02 00 05", Version::v3_1, Connack{false, Reason::not_authorized, {}});
  Connack p;
  p.session_present = true;
  p.properties.receive_maximum = 20;
  p.properties.maximum_qos = QoS::at_least_once;
  p.properties.retain_available = false;
  p.properties.assigned_client_identifier = "x";
  expect_both("20 0E 01 00 0B 12 00 01 'x' 21 00 14 24 01 25 00", Version::v5, p);
}

TEST(Vectors, ReasonsWithoutANumberInMqtt3BecomeItsNearest) {
  EXPECT_EQ(encoded(Connack{false, Reason::banned, {}}, Version::v3_1_1), from("20 02 00 05"));
  EXPECT_EQ(encoded(Connack{false, Reason::server_busy, {}}, Version::v3_1_1), from("20 02 00 03"));
  EXPECT_EQ(encoded(Suback{1, {}, {Reason::not_authorized, Reason::granted_qos_2}}, Version::v3_1_1), from("90 04 00 01 80 02"));
  EXPECT_EQ(encoded(Connack{true, Reason::success, {}}, Version::v3_1), from("20 02 00 00"));
}

// MQTT 3.1.1 section 3.3.2.3, figure 3.11: topic a/b, packet identifier 10
TEST(Vectors, Publish) {
  Publish p;
  p.topic = "a/b";
  p.packet_id = 10;
  p.qos = QoS::at_least_once;
  expect_both("32 07 00 03 'a/b' 00 0A", Version::v3_1_1, p);
  p.dup = true;
  p.retain = true;
  p.qos = QoS::exactly_once;
  p.payload = as_bytes("hi");
  expect_both("3D 0A 00 03 'a/b' 00 0A 00 'hi'", Version::v5, p);
  Publish q;
  q.topic = "a/b";
  expect_both("30 06 00 03 'a/b' 00", Version::v5, q);
  q.topic = "";
  q.properties.topic_alias = 3;
  q.properties.subscription_identifiers = {1, 200};
  expect_both("30 0B 00 00 08 0B 01 0B C8 01 23 00 03", Version::v5, q);
}

TEST(Vectors, Acknowledgements) {
  expect_both("40 02 12 34", Version::v3_1, Puback{0x1234, Reason::success, {}});
  expect_both("40 02 12 34", Version::v5, Puback{0x1234, Reason::success, {}});
  expect_both("50 03 00 01 97", Version::v5, Pubrec{1, Reason::quota_exceeded, {}});
  expect_both("62 02 00 01", Version::v3_1_1, Pubrel{1, Reason::success, {}});
  Pubcomp p{1, Reason::packet_identifier_not_found, {}};
  p.properties.reason_string = "no";
  expect_both("70 09 00 01 92 05 1F 00 02 'no'", Version::v5, p);
  Buffer spelled_out = from("40 04 00 01 00 00");  // legal, though longer than need be
  EXPECT_TRUE(decode_whole(spelled_out, Version::v5));
}

// MQTT 3.1 section 3.6: QoS 1 and DUP in the fixed header of a repeated PUBREL
TEST(Vectors, Mqtt3_1MayRepeatPubrelSubscribeAndUnsubscribeWithDup) {
  EXPECT_TRUE(decode_whole(from("6A 02 00 01"), Version::v3_1));
  EXPECT_TRUE(decode_whole(from("8A 06 00 01 00 01 'a' 00"), Version::v3_1));
  EXPECT_TRUE(decode_whole(from("AA 05 00 01 00 01 'a'"), Version::v3_1));
}

// MQTT 3.1.1 section 3.8.3, figure 3.23: a/b with QoS 1, c/d with QoS 2
TEST(Vectors, Subscribe) {
  Subscribe p{10, {}, {{"a/b", {QoS::at_least_once}}, {"c/d", {QoS::exactly_once}}}};
  expect_both("82 0E 00 0A 00 03 'a/b' 01 00 03 'c/d' 02", Version::v3_1_1, p);
  p.entries[0].options = {QoS::at_least_once, true, true, RetainHandling::do_not_send};
  p.properties.subscription_identifiers = {1};
  expect_both("82 11 00 0A 02 0B 01 00 03 'a/b' 2D 00 03 'c/d' 02", Version::v5, p);
}

TEST(Vectors, TheRestOfThem) {
  expect_both("90 05 00 0A 01 02 80", Version::v3_1_1,
              Suback{10, {}, {Reason::granted_qos_1, Reason::granted_qos_2, Reason::unspecified_error}});
  expect_both("90 05 00 0A 00 00 9E", Version::v5, Suback{10, {}, {Reason::success, Reason::shared_subscriptions_not_supported}});
  expect_both("A2 07 00 0A 00 03 'a/b'", Version::v3_1_1, Unsubscribe{10, {}, {"a/b"}});
  expect_both("B0 02 00 0A", Version::v3_1_1, Unsuback{10, {}, {}});
  expect_both("B0 05 00 0A 00 00 11", Version::v5, Unsuback{10, {}, {Reason::success, Reason::no_subscription_existed}});
  expect_both("C0 00", Version::v3_1_1, Pingreq{});
  expect_both("D0 00", Version::v5, Pingresp{});
  expect_both("E0 00", Version::v3_1_1, Disconnect{});
  expect_both("E0 00", Version::v5, Disconnect{});
  expect_both("E0 01 04", Version::v5, Disconnect{Reason::disconnect_with_will, {}});
  Auth auth{Reason::continue_authentication, {}};
  auth.properties.authentication_method = "m";
  auth.properties.authentication_data = as_bytes("d");
  expect_both("F0 0A 18 08 15 00 01 'm' 16 00 01 'd'", Version::v5, auth);
  expect_both("F0 00", Version::v5, Auth{});
}

TEST(Vectors, AHeaderThatIsNotCompleteIsNothingYet) {
  for (const char* form : {"", "30", "30 80", "30 FF FF FF"}) {
    auto header = decode_header(from(form), Version::v5);
    ASSERT_TRUE(header) << form;
    EXPECT_FALSE(*header) << form;
  }
  auto largest = decode_header(from("30 FF FF FF 7F"), Version::v5);
  ASSERT_TRUE(largest && *largest);
  EXPECT_EQ((*largest)->remaining, largest_remaining_length);
  EXPECT_EQ((*largest)->size, 5);
}

TEST(Names, AreTheStandards) {
  EXPECT_EQ(name(Reason::not_authorized), "Not authorized");
  EXPECT_EQ(name(static_cast<Reason>(0x03)), "Unknown reason code");
  EXPECT_EQ(name(PacketType::connect), "CONNECT");
  EXPECT_EQ(name(PacketType::unsuback), "UNSUBACK");
  EXPECT_EQ(name(PacketType::auth), "AUTH");
  EXPECT_EQ(name(Version::v3_1_1), "MQTT 3.1.1");
}

// MQTT 5 tables 3-1 and 3-10, in numbers
TEST(Names, KnowWhichReasonsAPacketMayCarry) {
  auto all = [](PacketType packet) {
    Buffer numbers;
    for (unsigned number = 0; number < 256; ++number)
      if (may_carry(packet, static_cast<Reason>(number))) numbers.push_back(static_cast<std::uint8_t>(number));
    return numbers;
  };
  EXPECT_EQ(all(PacketType::connack), from("00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F"));
  EXPECT_EQ(all(PacketType::puback), from("00 10 80 83 87 90 91 97 99"));
  EXPECT_EQ(all(PacketType::pubrec), from("00 10 80 83 87 90 91 97 99"));
  EXPECT_EQ(all(PacketType::pubrel), from("00 92"));
  EXPECT_EQ(all(PacketType::pubcomp), from("00 92"));
  EXPECT_EQ(all(PacketType::suback), from("00 01 02 80 83 87 8F 91 97 9E A1 A2"));
  EXPECT_EQ(all(PacketType::unsuback), from("00 11 80 83 87 8F 91"));
  EXPECT_EQ(all(PacketType::disconnect),
            from("00 04 80 81 82 83 87 89 8B 8C 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2"));
  EXPECT_EQ(all(PacketType::auth), from("00 18 19"));
}

}  // namespace
}  // namespace sealmq::mqtt::test
