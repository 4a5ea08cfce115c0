#include "net/forwarded.h"

#include <gtest/gtest.h>

namespace sealmq::net {
namespace {

const ProxyRules proxies{.forwarded = true, .from = {*Network::parse("10.0.0.0/8"), *Network::parse("::1")}};

std::string client(std::string_view forwarded) {
  return client_of(forwarded, "10.0.0.1:4711", proxies).value_or("none");
}

TEST(Forwarded, IsTheLastThatIsNoProxy) {
  EXPECT_EQ(client("192.0.2.7"), "192.0.2.7:0");
  EXPECT_EQ(client("192.0.2.7, 10.0.0.9"), "192.0.2.7:0");
  EXPECT_EQ(client("192.0.2.7,10.0.0.9 , ::1"), "192.0.2.7:0");
  EXPECT_EQ(client("[2001:db8::7]:99"), "[2001:db8::7]:0");
  EXPECT_EQ(client("192.0.2.7:4711"), "192.0.2.7:0");
}

// Claim: what a client says itself is not believed.
TEST(Forwarded, WhatStandsBeforeItIsAnybodysWord) {
  EXPECT_EQ(client("203.0.113.1, 192.0.2.7"), "192.0.2.7:0");
  EXPECT_EQ(client("garbage, 192.0.2.7"), "192.0.2.7:0");
  EXPECT_EQ(client("10.0.0.5, 192.0.2.7, 10.0.0.9"), "192.0.2.7:0");
}

TEST(Forwarded, AProxyThatNamesNobodyComesForItself) {
  EXPECT_EQ(client(""), "10.0.0.1:4711");
  EXPECT_EQ(client(" "), "10.0.0.1:4711");
  EXPECT_EQ(client("10.0.0.9"), "10.0.0.9:0");
}

TEST(Forwarded, WhatIsNoAddressIsNobodys) {
  for (const char* text : {"unknown", "192.0.2.7, _hidden", "192.0.2.7,", "host.example", "1.2.3", "[2001:db8::7"})
    EXPECT_EQ(client(text), "none") << text;
  EXPECT_EQ(client(std::string("192.0.2.7\0", 10)), "none");
}

}  // namespace
}  // namespace sealmq::net
