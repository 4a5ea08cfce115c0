#include "net/url.h"

#include <gtest/gtest.h>

namespace sealmq::net {
namespace {

TEST(Url, TakesItsPartsApart) {
  auto url = parse_url("mqtt://anna:p%40ss:word@broker.example:1884/plant/boiler%207");
  ASSERT_TRUE(url) << url.error().what;
  EXPECT_EQ(*url, (Url{Transport::tcp, "broker.example", 1884, "anna", "p@ss:word", "plant/boiler 7"}));
}

TEST(Url, EachTransportHasItsPort) {
  EXPECT_EQ(parse_url("mqtt://h")->port, 1883);
  EXPECT_EQ(parse_url("mqtts://h")->port, 8883);
  EXPECT_EQ(parse_url("ws://h/mqtt")->port, 8083);
  EXPECT_EQ(parse_url("wss://h/mqtt")->transport, Transport::secure_websocket);
}

TEST(Url, AnIpv6AddressStandsInBrackets) {
  EXPECT_EQ(parse_url("mqtt://[::1]:1884")->host, "::1");
  EXPECT_EQ(parse_url("mqtt://[::1]:1884")->port, 1884);
  EXPECT_EQ(parse_url("mqtt://[::1]")->port, 1883);
}

TEST(Url, ASocketOfThisMachineIsItsPath) {
  auto url = parse_url("unix:/run/sealmq.sock");
  ASSERT_TRUE(url) << url.error().what;
  EXPECT_EQ(url->transport, Transport::unix_socket);
  EXPECT_EQ(url->path, "/run/sealmq.sock");
  EXPECT_FALSE(parse_url("unix:sealmq.sock"));
  EXPECT_FALSE(parse_url("unix:/" + std::string(200, 'x')));
}

TEST(Url, WhoListensMayLeaveThePortToTheSystem) {
  EXPECT_EQ(parse_listener_url("wss://h:0/mqtt")->port, 0);
  EXPECT_FALSE(parse_listener_url("wss://h:65536"));
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* text :
       {"", "localhost", "http://h", "mqtt://", "mqtt://:1883", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:18x",
        "mqtt://h:", "mqtt://[::1", "mqtt://[::1]x", "mqtt://u%4@h", "mqtt://u%zz@h", "mqtt://::1", "mqtt://h\n"})
    EXPECT_FALSE(parse_url(text)) << text;
}

}  // namespace
}  // namespace sealmq::net
