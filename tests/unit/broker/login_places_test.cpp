#include "broker/connections/login_places.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

using At = LoginPlaces::At;

ConnectionId id(std::uint32_t slot) {
  return {slot, 1};
}

TEST(LoginPlaces, TheOldestThatLetsTheBrokerWaitMakesRoom) {
  LoginPlaces places(3);
  places.set(places.enter("a", id(1)), At::work);
  const auto second = places.enter("b", id(2));
  const auto third = places.enter("c", id(3));
  EXPECT_TRUE(places.is_full());
  EXPECT_FALSE(places.displaced_by("d")) << "all are being looked at";
  places.set(third, At::peer);
  places.set(second, At::peer);
  EXPECT_EQ(places.displaced_by("d"), id(2));
  places.set(second, At::work);
  EXPECT_EQ(places.displaced_by("d"), id(3));
  places.leave(third);
  EXPECT_FALSE(places.is_full());
}

TEST(LoginPlaces, AFloodFromOneAddressDisplacesItself) {
  LoginPlaces places(10);
  const auto alone = places.enter("alone", id(100));
  places.set(alone, At::peer);
  for (std::uint32_t i = 0; i < 9; ++i) places.set(places.enter("flood", id(i)), At::peer);
  EXPECT_EQ(places.displaced_by("flood"), id(0)) << "not the oldest of all";
  EXPECT_EQ(places.displaced_by("another"), id(0));
}

TEST(LoginPlaces, NobodyLeavesForAnAddressThatHasMore) {
  LoginPlaces places(4);
  const auto alone = places.enter("alone", id(100));
  for (std::uint32_t i = 0; i < 3; ++i) places.enter("flood", id(i));
  places.set(alone, At::peer);
  EXPECT_FALSE(places.displaced_by("flood"));
  EXPECT_EQ(places.displaced_by("another"), id(2)) << "of the flood, whoever came last";
}

}  // namespace
}  // namespace sealmq::broker
