#include "net/proxy_header.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace sealmq::net {
namespace {

const std::string signature = "0d0a0d0a000d0a515549540a";
const std::string v4 = signature +
                       "2111000c"
                       "c0000207"
                       "0a000001"
                       "1267"
                       "075b";
const std::string v6 = signature +
                       "21210024"
                       "20010db8000000000000000000000007"
                       "00000000000000000000000000000001"
                       "1267"
                       "075b";

Result<std::optional<ProxyHeader>> parsed(const std::string& hex) {
  return parse_proxy_header(from_hex(hex).value());
}

TEST(ProxyHeader, NamesTheSource) {
  EXPECT_EQ(parsed(v4).value().value(), (ProxyHeader{28, "192.0.2.7:4711"}));
  EXPECT_EQ(parsed(v6).value().value(), (ProxyHeader{52, "[2001:db8::7]:4711"}));
  EXPECT_EQ(parsed(v4 + "1000").value()->size, 28U);  // MQTT follows
}

TEST(ProxyHeader, TheProxyMaySpeakForItself) {
  EXPECT_EQ(parsed(signature + "20000000").value().value(), (ProxyHeader{16, ""}));
}

TEST(ProxyHeader, FurtherValuesAreSkipped) {
  std::string longer = v4 +
                       "010004"
                       "6d717474"
                       "04"
                       "0000";
  longer.replace(28, 4, "0016");
  EXPECT_EQ(parsed(longer).value().value(), (ProxyHeader{38, "192.0.2.7:4711"}));
  longer.replace(longer.size() - 4, 4, "0001");  // the last one is longer than there is
  EXPECT_FALSE(parsed(longer));
}

TEST(ProxyHeader, IsWaitedForUntilItIsWhole) {
  for (std::size_t size = 0; size < v6.size(); size += 2) EXPECT_FALSE(parsed(v6.substr(0, size)).value()) << size;
}

TEST(ProxyHeader, RefusesEverythingElse) {
  EXPECT_FALSE(parsed("10"));                                           // MQTT
  EXPECT_FALSE(parsed(signature + "11110000"));                         // another version
  EXPECT_FALSE(parsed(signature + "22110000"));                         // another command
  EXPECT_FALSE(parsed(signature + "2112000c" + std::string(24, '0')));  // UDP
  EXPECT_FALSE(parsed(signature + "2100000c" + std::string(24, '0')));  // unspecified
  EXPECT_FALSE(parsed(signature + "21110004"
                                  "c0000207"));  // too short for its family
  EXPECT_FALSE(parsed(signature + "2111ffff"));  // at once, not after 64 KB
}

Result<std::optional<ProxyHeader>> line(std::string_view text) {
  return parse_proxy_header(as_bytes(text));
}

TEST(ProxyLine, NamesTheSource) {
  EXPECT_EQ(line("PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n").value().value(), (ProxyHeader{41, "192.0.2.7:4711"}));
  EXPECT_EQ(line("PROXY TCP6 2001:db8::7 ::1 4711 1883\r\n\x10\x0c").value().value(), (ProxyHeader{38, "[2001:db8::7]:4711"}));
  EXPECT_EQ(line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n").value()->source, "255.255.255.255:65535");
}

TEST(ProxyLine, TheProxyMaySpeakForItself) {
  EXPECT_EQ(line("PROXY UNKNOWN\r\n").value().value(), (ProxyHeader{15, ""}));
  EXPECT_EQ(line("PROXY UNKNOWN ffff::1 whatever it is\r\n").value()->source, "");
}

TEST(ProxyLine, IsWaitedForUntilItIsWhole) {
  const std::string_view whole = "PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(line(whole.substr(0, size)).value()) << size;
}

TEST(ProxyLine, RefusesEverythingElse) {
  for (const char* rest :
       {"TCP4 192.0.2.7 10.0.0.1 4711", "TCP4 192.0.2.7 10.0.0.1 4711 1883 ", "TCP4  192.0.2.7 10.0.0.1 4711 1883",
        "TCP4 192.0.2.7 10.0.0.1 04711 1883", "TCP4 192.0.2.7 10.0.0.1 65536 1883", "TCP4 192.0.2.7 10.0.0.1 -1 1883",
        "TCP4 2001:db8::7 ::1 4711 1883", "TCP6 192.0.2.7 10.0.0.1 4711 1883", "UDP4 192.0.2.7 10.0.0.1 4711 1883",
        "TCP4 192.0.2 10.0.0.1 4711 1883", "TCP4 host.example 10.0.0.1 4711 1883", "UNKNOWNS", ""})
    EXPECT_FALSE(line("PROXY " + std::string(rest) + "\r\n")) << rest;
  EXPECT_FALSE(line(std::string("PROXY TCP4 192.0.2.7\0 10.0.0.1 4711 1883\r\n", 42)));
  EXPECT_FALSE(line("PROXX"));
  EXPECT_FALSE(line("PROXY UNKNOWN" + std::string(94, ' '))) << "107 bytes without an end";
}

}  // namespace
}  // namespace sealmq::net
