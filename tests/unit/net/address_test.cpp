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

}  // namespace
}  // namespace sealmq::net
