#include "cli/message_format.h"

#include <gtest/gtest.h>

namespace sealmq::cli {
namespace {

ReceivedMessage message() {
  ReceivedMessage m;
  m.topic = "plant/7";
  m.payload = to_buffer(as_bytes("4.2"));
  m.qos = mqtt::QoS::at_least_once;
  m.retain = true;
  m.scheme = "sl1";
  m.verified = true;
  m.author = "boiler-7";
  m.checked = "signature";
  return m;
}

TEST(MessageFormat, PutsFieldsIntoText) {
  auto format = MessageFormat::parse("%t|%p|%x|%l|%q|%r|%f|%s|%g|%U|100%%\\n");
  ASSERT_TRUE(format) << format.error().what;
  EXPECT_EQ(format->apply(message(), 1'700'000'000'042), "plant/7|4.2|342e32|3|1|1|boiler-7|sl1|signature|1700000000.042|100%\n");
}

TEST(MessageFormat, PrintsThePropertiesOfMqtt5) {
  auto m = message();
  m.packet_id = 7;
  m.properties = {
      .is_text = true, .expiry = 60, .content_type = "text/plain", .response_topic = "reply", .correlation_data = {'c'}};
  m.user_properties = {{"unit", "bar"}, {"site", "north"}};
  m.subscription_identifiers = {3, 4};
  const std::string format = "%m|%C|%D|%E|%F|%P|%R|%S|%X";
  EXPECT_EQ(MessageFormat::parse(format)->apply(m, 0), "7|text/plain|c|60|1|unit:bar site:north|reply|3 4|342E32");
  EXPECT_EQ(MessageFormat::parse(format)->apply({}, 0), "||||||||");
}

TEST(MessageFormat, PrintsTheObjectOfMosquittoSub) {
  auto m = message();
  m.packet_id = 7;
  m.properties.content_type = "text/plain";
  m.user_properties = {{"unit", "bar"}};
  const std::string start = R"(,"topic":"plant/7","qos":1,"retain":1,"payloadlen":3,"mid":7,)";
  const std::string properties = R"("properties":{"content-type":"text/plain","user-properties":[{"unit":"bar"}]},)";
  EXPECT_TRUE(MessageFormat::parse("%j")->apply(m, 0).ends_with(start + properties + R"("payload":"4.2"})"));
  EXPECT_TRUE(MessageFormat::parse("%J")->apply(m, 0).ends_with(start + properties + R"("payload":4.2})"));
  m.payload = to_buffer(as_bytes("{"));
  EXPECT_TRUE(MessageFormat::parse("%J")->apply(m, 0).ends_with(R"("payload":"{"})"));
}

TEST(MessageFormat, AFieldInAPayloadIsText) {
  auto m = message();
  m.payload = to_buffer(as_bytes("%t\\n"));
  EXPECT_EQ(MessageFormat::parse("%p")->apply(m, 0), "%t\\n");
}

TEST(MessageFormat, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"%", "%y", "\\", "\\q", "%5t"}) EXPECT_FALSE(MessageFormat::parse(text)) << text;
}

TEST(MessageFormat, JsonHasTheFieldsOfTheContract) {
  EXPECT_EQ(
      to_json(message()),
      R"({"topic":"plant/7","payload":"4.2","payload_encoding":"utf8","from":"boiler-7","scheme":"sl1","verified":true,"qos":1,"retain":true})");
}

TEST(MessageFormat, APayloadThatIsNoTextIsBase64InJson) {
  auto m = message();
  m.payload = {0xFF, 0x00};
  auto json = to_json(m);
  EXPECT_NE(json.find(R"("payload":"/wA=","payload_encoding":"base64")"), json.npos) << json;
}

TEST(MessageFormat, NoMessageControlsATerminal) {
  EXPECT_EQ(harmless("a\x1b[2Jb\nc\td\x7f\xc2\x9b"
                     "1mé"),
            "a.[2Jb\nc\td..1mé");
}

}  // namespace
}  // namespace sealmq::cli
