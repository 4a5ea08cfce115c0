#include "net/address.h"

#include <gtest/gtest.h>

namespace sealmq::net {
namespace {

TEST(Address, IsAtAPlace) {
  EXPECT_EQ(place_of("[2001:db8:1:2:3:4:5:6]:1883"), place_of("[2001:db8:1:2::9]:1"));
  EXPECT_NE(place_of("[2001:db8:1:2::9]:1"), place_of("[2001:db8:1:3::9]:1"));
  EXPECT_EQ(place_of("10.0.0.1:77"), "10.0.0.1");
  EXPECT_EQ(place_of("[::ffff:10.0.0.1]:77"), "10.0.0.1");
  EXPECT_EQ(place_of("unix:uid=1000"), "unix:uid=1000");
  EXPECT_EQ(place_of("unknown"), "unknown");
  EXPECT_EQ(place_of(""), "");
}

TEST(Address, IsInANetwork) {
  const auto is_in = [](std::string_view address, std::string_view network) {
    return Network::parse(network)->contains(address);
  };
  EXPECT_TRUE(is_in("10.1.2.3:77", "10.0.0.0/8"));
  EXPECT_FALSE(is_in("11.1.2.3:77", "10.0.0.0/8"));
  EXPECT_TRUE(is_in("192.0.2.7:1", "192.0.2.7"));
  EXPECT_FALSE(is_in("192.0.2.8:1", "192.0.2.7"));
  EXPECT_TRUE(is_in("[::ffff:10.1.2.3]:77", "10.0.0.0/8"));
  EXPECT_TRUE(is_in("[2001:db8::5]:1", "2001:db8::/32"));
  EXPECT_FALSE(is_in("[2001:db9::5]:1", "2001:db8::/32"));
  EXPECT_TRUE(is_in("10.1.2.3:77", "0.0.0.0/0"));
  EXPECT_FALSE(is_in("[2001:db8::5]:1", "0.0.0.0/0"));
  EXPECT_FALSE(is_in("unix:uid=0", "0.0.0.0/0"));
  EXPECT_FALSE(is_in("unknown", "::/0"));
  for (auto none : {"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "name"})
    EXPECT_FALSE(Network::parse(none)) << none;
}

}  // namespace
}  // namespace sealmq::net
