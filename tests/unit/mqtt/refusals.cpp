// Each thing a decoder must refuse, with the reason code that it must name.
#include <gtest/gtest.h>

#include "unit/mqtt/packet_support.h"

namespace sealmq::mqtt::test {
namespace {

namespace testing = ::testing;  // not sealmq's

constexpr Version v31 = Version::v3_1, v311 = Version::v3_1_1, v5 = Version::v5;
constexpr Reason malformed = Reason::malformed_packet, protocol = Reason::protocol_error;

struct Refusal {
  const char* name;
  Version version;
  int first;
  std::string body;
  Reason reason;
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

class Refuses : public testing::TestWithParam<Refusal> {};

TEST_P(Refuses, WithItsReason) {
  const Refusal& r = GetParam();
  Buffer bytes = packet(static_cast<std::uint8_t>(r.first), r.body);
  auto decoded = decode_whole(bytes, r.version);
  ASSERT_FALSE(decoded) << r.name;
  EXPECT_EQ(name(static_cast<Reason>(decoded.error().code)), name(r.reason)) << decoded.error().what;
}

auto named = [](auto& chosen) { return std::string(chosen.param.name); };

const std::string mqtt4 = "00 04 'MQTT' 04 ", mqtt5 = "00 04 'MQTT' 05 ";

INSTANTIATE_TEST_SUITE_P(
    FixedHeader, Refuses,
    testing::Values(Refusal{"Type0", v5, 0x00, "", malformed},              //
                    Refusal{"AuthBeforeMqtt5", v311, 0xF0, "", malformed},  //
                    Refusal{"ConnectFlags", v311, 0x11, mqtt4 + "02 00 00 00 00", malformed},
                    Refusal{"PubrelWithoutItsFlag", v311, 0x60, "00 01", malformed},                   // [MQTT-3.6.1-1]
                    Refusal{"PubrelWithDup", v311, 0x6A, "00 01", malformed},                          //
                    Refusal{"SubscribeWithoutItsFlag", v5, 0x80, "00 01 00 00 01 'a' 00", malformed},  // [MQTT-3.8.1-1]
                    Refusal{"UnsubscribeWithoutItsFlag", v5, 0xA0, "00 01 00 00 01 'a'", malformed},   // [MQTT-3.10.1-1]
                    Refusal{"PingreqFlags", v5, 0xC2, "", malformed},                                  //
                    Refusal{"AuthFlags", v5, 0xF1, "", malformed},                                     // [MQTT-3.15.1-1]
                    Refusal{"DisconnectFlags", v311, 0xE1, "", malformed}),                            // [MQTT-3.14.1-1]
    named);

INSTANTIATE_TEST_SUITE_P(
    Connect, Refuses,
    testing::Values(
        Refusal{"UnknownProtocol", v311, 0x10, "00 04 'HTTP' 04 02 00 00 00 00", Reason::unsupported_protocol_version},
        Refusal{"UnknownLevel", v311, 0x10, "00 04 'MQTT' 06 02 00 00 00 00 00", Reason::unsupported_protocol_version},
        Refusal{"TheOldNameWithANewLevel", v311, 0x10, "00 06 'MQIsdp' 04 02 00 00 00 01 'a'",
                Reason::unsupported_protocol_version},
        Refusal{"ABridgeOfMqtt5", v311, 0x10, "00 04 'MQTT' 85 02 00 00 00 00 00", Reason::unsupported_protocol_version},
        Refusal{"AnEnd", v311, 0x10, "00 04 'MQ'", malformed},
        Refusal{"ReservedFlag", v311, 0x10, mqtt4 + "03 00 00 00 00", malformed},              // [MQTT-3.1.2-3]
        Refusal{"WillQosWithoutAWill", v311, 0x10, mqtt4 + "0A 00 00 00 00", malformed},       // [MQTT-3.1.2-11]
        Refusal{"WillRetainWithoutAWill", v5, 0x10, mqtt5 + "22 00 00 00 00 00", malformed},   // [MQTT-3.1.2-13]
        Refusal{"WillQos3", v311, 0x10, mqtt4 + "1E 00 00 00 00 00 01 'w' 00 00", malformed},  // [MQTT-3.1.2-12]
        Refusal{"WillTopicWithAWildcard", v311, 0x10, mqtt4 + "06 00 00 00 00 00 03 'w/#' 00 00", Reason::topic_name_invalid},
        Refusal{"WillTopicThatIsNotUtf8", v5, 0x10, mqtt5 + "06 00 00 00 00 00 00 00 01 FF 00 00", malformed},  // [MQTT-3.1.3-11]
        Refusal{"WillTopicThatIsNotUtf8OfMqtt3", v311, 0x10, mqtt4 + "06 00 00 00 00 00 01 FF 00 00",
                malformed},  // [MQTT-3.1.3-10]
        Refusal{"WillWithoutATopic", v5, 0x10, mqtt5 + "06 00 00 00 00 00 00 00 00 00 00", Reason::topic_name_invalid},
        Refusal{"WillWithATopicAlias", v5, 0x10, mqtt5 + "06 00 00 00 00 00 03 23 00 01 00 01 'w' 00 00", malformed},
        Refusal{"PasswordWithoutUserName", v311, 0x10, mqtt4 + "42 00 00 00 00 00 01 'p'", malformed},  // [MQTT-3.1.2-22]
        Refusal{"NoNameAndNoCleanSession", v311, 0x10, mqtt4 + "00 00 00 00 00",
                Reason::client_identifier_not_valid},  // [MQTT-3.1.3-8]
        Refusal{"NoNameInMqtt3_1", v31, 0x10, "00 06 'MQIsdp' 03 02 00 00 00 00", Reason::client_identifier_not_valid},
        Refusal{"NameThatIsNotUtf8", v311, 0x10, mqtt4 + "02 00 00 00 01 FF", malformed},  // [MQTT-3.1.3-4]
        Refusal{"UserNameWithNul", v311, 0x10, mqtt4 + "82 00 00 00 00 00 01 00", malformed},
        Refusal{"MissingUserName", v311, 0x10, mqtt4 + "82 00 00 00 00", malformed},
        Refusal{"LeftOverBytes", v311, 0x10, mqtt4 + "02 00 00 00 00 00", malformed},
        Refusal{"ReceiveMaximum0", v5, 0x10, mqtt5 + "02 00 00 03 21 00 00 00 00", protocol},
        Refusal{"MaximumPacketSize0", v5, 0x10, mqtt5 + "02 00 00 05 27 00 00 00 00 00 00", protocol},
        Refusal{"RequestProblemInformation2", v5, 0x10, mqtt5 + "02 00 00 02 17 02 00 00", protocol},
        Refusal{"AuthenticationDataWithoutAMethod", v5, 0x10, mqtt5 + "02 00 00 04 16 00 01 'd' 00 00", protocol}),
    named);

INSTANTIATE_TEST_SUITE_P(Connack, Refuses,
                         testing::Values(Refusal{"ReservedFlags", v311, 0x20, "02 00", malformed},       // [MQTT-3.2.2-1]
                                         Refusal{"ReservedReturnCode", v311, 0x20, "00 06", malformed},  //
                                         Refusal{"UnknownReason", v5, 0x20, "00 8D 00", malformed},      //
                                         Refusal{"RefusalWithASession", v311, 0x20, "01 05",
                                                 protocol},  // MQTT 3.1.1 [MQTT-3.2.2-4]
                                         Refusal{"RefusalWithASession5", v5, 0x20, "01 87 00", protocol},  // [MQTT-3.2.2-6]
                                         Refusal{"MaximumQos2", v5, 0x20, "00 00 02 24 02", protocol},     //
                                         Refusal{"NoProperties", v5, 0x20, "00 00", malformed}),
                         named);

INSTANTIATE_TEST_SUITE_P(
    Publish, Refuses,
    testing::Values(Refusal{"Qos3", v311, 0x36, "00 01 'a' 00 01", malformed},                               // [MQTT-3.3.1-4]
                    Refusal{"DupWithQos0", v311, 0x38, "00 01 'a'", malformed},                              // [MQTT-3.3.1-2]
                    Refusal{"PacketId0", v311, 0x32, "00 01 'a' 00 00", protocol},                           // [MQTT-2.2.1-3]
                    Refusal{"Hash", v311, 0x30, "00 03 'a/#'", Reason::topic_name_invalid},                  // [MQTT-3.3.2-2]
                    Refusal{"Plus", v5, 0x30, "00 03 'a/+' 00", Reason::topic_name_invalid},                 //
                    Refusal{"EmptyTopic", v311, 0x30, "00 00", protocol},                                    // [MQTT-4.7.3-1]
                    Refusal{"EmptyTopicWithoutAlias", v5, 0x30, "00 00 00", protocol},                       //
                    Refusal{"TopicWithNul", v311, 0x30, "00 01 00", malformed},                              // [MQTT-1.5.4-2]
                    Refusal{"TopicWithASurrogate", v311, 0x30, "00 03 ED A0 80", malformed},                 // [MQTT-1.5.4-1]
                    Refusal{"TopicBeyondTheEnd", v311, 0x30, "00 05 'a'", malformed},                        //
                    Refusal{"NoPacketId", v311, 0x32, "00 01 'a'", malformed},                               //
                    Refusal{"TopicAlias0", v5, 0x30, "00 01 'a' 03 23 00 00", Reason::topic_alias_invalid},  // [MQTT-3.3.2-8]
                    Refusal{"PayloadFormat2", v5, 0x30, "00 01 'a' 02 01 02", protocol},                     //
                    Refusal{"PropertyTwice", v5, 0x30, "00 01 'a' 04 01 00 01 00", protocol},                //
                    Refusal{"SubscriptionIdentifier0", v5, 0x30, "00 01 'a' 02 0B 00", protocol},            //
                    Refusal{"ResponseTopicWithAWildcard", v5, 0x30, "00 01 'a' 04 08 00 01 '+'", protocol},  // [MQTT-3.3.2-14]
                    Refusal{"ResponseTopicThatIsNotUtf8", v5, 0x30, "00 01 'a' 04 08 00 01 FF", malformed},  // [MQTT-3.3.2-13]
                    Refusal{"EmptyResponseTopic", v5, 0x30, "00 01 'a' 03 08 00 00", protocol}),             //
    named);

INSTANTIATE_TEST_SUITE_P(Filters, Refuses,
                         testing::Values(Refusal{"Hash", v311, 0x82, "00 01 00 03 'a#b' 00", malformed},  // [MQTT-4.7.1-1]
                                         Refusal{"HashInTheMiddle", v5, 0x82, "00 01 00 00 05 'a/#/b' 00", malformed},  //
                                         Refusal{"Plus", v31, 0x82, "00 01 00 04 'ab+e' 00", malformed},  // [MQTT-4.7.1-2]
                                         Refusal{"Empty", v5, 0x82, "00 01 00 00 00 00", malformed},      // [MQTT-4.7.3-1]
                                         Refusal{"ShareWithoutAFilter", v5, 0x82, "00 01 00 00 08 '$share/g' 00",
                                                 malformed},                                                    // [MQTT-4.8.2-2]
                                         Refusal{"OfUnsubscribe", v5, 0xA2, "00 01 00 00 02 'a+'", malformed},  //
                                         Refusal{"EmptyOfUnsubscribe", v311, 0xA2, "00 01 00 00", malformed}),  //
                         named);

INSTANTIATE_TEST_SUITE_P(
    Properties, Refuses,
    testing::Values(Refusal{"UnknownIdentifier", v5, 0x30, "00 01 'a' 02 7F 00", malformed},             // section 2.2.2.2
                    Refusal{"IdentifierOfAnotherPacket", v5, 0x30, "00 01 'a' 03 21 00 01", malformed},  //
                    Refusal{"LongFormOfAnIdentifier", v5, 0x30, "00 01 'a' 03 81 00 00", malformed},     // [MQTT-1.5.5-1]
                    Refusal{"LongFormOfTheLength", v5, 0x30, "00 01 'a' 80 00", malformed},              //
                    Refusal{"LengthOfFiveBytes", v5, 0x30, "00 01 'a' FF FF FF FF 01", malformed},       //
                    Refusal{"LengthBeyondTheEnd", v5, 0x30, "00 01 'a' 05 01 00", malformed},            //
                    Refusal{"ValueBeyondTheSection", v5, 0x30, "00 01 'a' 04 02 00 00 00 01 'rest'", malformed},
                    Refusal{"ValueCutShortByTheLength", v5, 0x32, "00 05 'topic' 04 D2 01 01 'payload'", malformed},
                    Refusal{"LengthCutShortByTheLength", v5, 0x30, "00 01 'a' 02 03 00 05 'rest'", malformed},
                    Refusal{"TextThatIsNotUtf8", v5, 0x30, "00 01 'a' 04 03 00 01 FF", malformed},
                    Refusal{"UserPropertyThatIsNotUtf8", v5, 0x30, "00 01 'a' 07 26 00 01 'n' 00 01 C0", malformed},
                    Refusal{"SubscribeWithTwoIdentifiers", v5, 0x82, "00 01 04 0B 01 0B 02 00 01 'a' 00", protocol},
                    Refusal{"SubscribeWithAReasonString", v5, 0x82, "00 01 04 1F 00 01 'r' 00 01 'a' 00", malformed}),
    named);

INSTANTIATE_TEST_SUITE_P(Acknowledgements, Refuses,
                         testing::Values(Refusal{"PacketId0", v311, 0x40, "00 00", protocol},
                                         Refusal{"Short", v311, 0x50, "00", malformed},
                                         Refusal{"LeftOverBytes", v311, 0x40, "00 01 00", malformed},
                                         Refusal{"ReasonOfAnotherPacket", v5, 0x40, "00 01 92", malformed},  // [MQTT-3.4.2-1]
                                         Refusal{"PubrelReason", v5, 0x62, "00 01 80", malformed},           // [MQTT-3.6.2-1]
                                         Refusal{"LeftOverBytes5", v5, 0x70, "00 01 00 00 00", malformed}),
                         named);

INSTANTIATE_TEST_SUITE_P(
    Subscribe, Refuses,
    testing::Values(Refusal{"NoFilter", v311, 0x82, "00 01", protocol},                                   // [MQTT-3.8.3-2]
                    Refusal{"NoFilter5", v5, 0x82, "00 01 00", protocol},                                 //
                    Refusal{"PacketId0", v311, 0x82, "00 00 00 01 'a' 00", protocol},                     //
                    Refusal{"Qos3", v311, 0x82, "00 01 00 01 'a' 03", malformed},                         // [MQTT-3-8.3-4]
                    Refusal{"Qos3InMqtt5", v5, 0x82, "00 01 00 00 01 'a' 03", protocol},                  //
                    Refusal{"ReservedBits", v311, 0x82, "00 01 00 01 'a' 04", malformed},                 //
                    Refusal{"ReservedBits5", v5, 0x82, "00 01 00 00 01 'a' 40", malformed},               // [MQTT-3.8.3-5]
                    Refusal{"RetainHandling3", v5, 0x82, "00 01 00 00 01 'a' 30", protocol},              //
                    Refusal{"NoLocalOnAShare", v5, 0x82, "00 01 00 00 0A '$share/g/a' 04", protocol},     // [MQTT-3.8.3-4]
                    Refusal{"FilterThatIsNotUtf8", v311, 0x82, "00 01 00 01 80 00", malformed},           // [MQTT-3.8.3-1]
                    Refusal{"FilterWithoutOptions", v311, 0x82, "00 01 00 01 'a'", malformed},            //
                    Refusal{"UnsubscribeFromNothing", v311, 0xA2, "00 01", protocol},                     // [MQTT-3.10.3-2]
                    Refusal{"UnsubscribeFilterThatIsNotUtf8", v5, 0xA2, "00 01 00 00 01 80", malformed},  //
                    Refusal{"SubackReasonInMqtt3", v311, 0x90, "00 01 87", malformed},                    //
                    Refusal{"SubackWithoutReason", v311, 0x90, "00 01", malformed},                       //
                    Refusal{"SubackUnknownReason", v5, 0x90, "00 01 00 11", malformed},                   //
                    Refusal{"UnsubackWithoutReason", v5, 0xB0, "00 01 00", malformed},                    //
                    Refusal{"UnsubackUnknownReason", v5, 0xB0, "00 01 00 01", malformed},                 //
                    Refusal{"UnsubackLeftOverBytes", v311, 0xB0, "00 01 00", malformed}),
    named);

INSTANTIATE_TEST_SUITE_P(TheRest, Refuses,
                         testing::Values(Refusal{"PingreqWithABody", v311, 0xC0, "00", malformed},
                                         Refusal{"PingrespWithABody", v311, 0xD0, "00", malformed},
                                         Refusal{"DisconnectWithABodyInMqtt3", v311, 0xE0, "00", malformed},
                                         Refusal{"DisconnectUnknownReason", v5, 0xE0, "01", malformed},  // [MQTT-3.14.2-1]
                                         Refusal{"DisconnectLeftOverBytes", v5, 0xE0, "00 00 00", malformed},
                                         Refusal{"AuthUnknownReason", v5, 0xF0, "80 00", malformed},  // [MQTT-3.15.2-1]
                                         Refusal{"AuthReasonAlone", v5, 0xF0, "18", malformed},
                                         Refusal{"AuthDataWithoutAMethod", v5, 0xF0, "18 04 16 00 01 'd'", protocol}),
                         named);

// [MQTT-1.5.5-1]
TEST(RefusesARemainingLength, ThatIsNotInItsShortestForm) {
  for (const char* form : {"30 80 00", "30 85 00", "30 FF 80 00", "30 80 80 80 00"}) {
    auto header = decode_header(from(form), Version::v5);
    ASSERT_FALSE(header) << form;
    EXPECT_EQ(header.error().code, 0x81) << form;
  }
}

TEST(ARemainingLength, MayHaveMoreBytesThanItNeedsBeforeMqtt5) {
  for (const Version version : {Version::v3_1, Version::v3_1_1}) {
    const auto header = decode_header(from("C0 80 80 00"), version);
    ASSERT_TRUE(header && *header);
    EXPECT_EQ((*header)->remaining, 0U);
    EXPECT_EQ((*header)->size, 4);
  }
}

TEST(RefusesARemainingLength, OfMoreThanFourBytes) {
  auto header = decode_header(from("30 80 80 80 80"), Version::v5);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, 0x81);
}

// What cuts a packet short never reads beyond it (the address sanitizer watches) and never passes for the packet.
TEST(Refuses, EveryBeginningOfAConnect) {
  Buffer whole = packet(0x10, "00 04 'MQTT' 05 C6 00 0A 05 11 00 00 00 0A 00 01 'i' 00 00 01 'w' 00 01 'x' 00 01 'u' 00 01 'p'");
  Bytes body = Bytes(whole).subspan(2);
  ASSERT_TRUE(decode_connect(body));
  for (std::size_t size = 0; size < body.size(); ++size) {
    Buffer cut = to_buffer(body.first(size));  // its own allocation, so that reading beyond is noticed
    EXPECT_FALSE(decode_connect(cut)) << size;
  }
}

}  // namespace
}  // namespace sealmq::mqtt::test
