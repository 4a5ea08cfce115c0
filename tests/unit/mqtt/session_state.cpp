#include "mqtt/session_state.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>

namespace sealmq::mqtt {
namespace {

TEST(OutgoingState, KeepsTheOrderOfTheFirstPublish) {  // [MQTT-4.6.0-1]
  OutgoingState<std::string> state;
  state.start("a", QoS::at_least_once);
  state.start("b", QoS::exactly_once);
  state.start("c", QoS::at_least_once);
  EXPECT_EQ(state.finish(2), "b");
  std::string order;
  for (auto& entry : state) order += entry.message;
  EXPECT_EQ(order, "ac");
}

TEST(OutgoingState, FindsAnEntryOnlyByWhatItAwaits) {
  OutgoingState<std::string> state;
  std::uint16_t one = state.start("a", QoS::at_least_once).packet_id;
  std::uint16_t two = state.start("b", QoS::exactly_once).packet_id;
  ASSERT_TRUE(state.find(one, Awaiting::puback));
  EXPECT_EQ(state.find(one, Awaiting::puback)->message, "a");
  EXPECT_FALSE(state.find(one, Awaiting::pubrec));
  EXPECT_TRUE(state.find(two, Awaiting::pubrec));
  EXPECT_FALSE(state.find(two, Awaiting::pubcomp));
  EXPECT_FALSE(state.find(99, Awaiting::puback));
  EXPECT_FALSE(state.begin()->sent);
}

TEST(OutgoingState, NeverUsesTheIdentifier0AndWrapsAround) {  // [MQTT-2.2.1-3]
  OutgoingState<int> state;
  for (int i = 1; i <= 65535; ++i) {
    ASSERT_EQ(state.start(i, QoS::at_least_once).packet_id, i);
    state.finish(static_cast<std::uint16_t>(i));
  }
  EXPECT_EQ(state.start(0, QoS::at_least_once).packet_id, 1);
}

TEST(OutgoingState, StepsOverIdentifiersInUse) {
  OutgoingState<int> state;
  auto start_and_finish = [&](int count) {
    for (int i = 0; i < count; ++i) state.finish(state.start(0, QoS::at_least_once).packet_id);
  };
  for (int i = 0; i < 3; ++i) state.start(0, QoS::at_least_once);  // 1, 2, 3 stay
  start_and_finish(65531);                                         // 4 .. 65534
  EXPECT_EQ(state.start(0, QoS::at_least_once).packet_id, 65535);
  EXPECT_EQ(state.start(0, QoS::at_least_once).packet_id, 4);
  state.finish(2);
  start_and_finish(65530);  // 5 .. 65534
  EXPECT_EQ(state.start(0, QoS::at_least_once).packet_id, 2) << "65535 and 1 are in use";
}

TEST(OutgoingState, CanUseEveryIdentifierAtOnce) {
  OutgoingState<int> state;
  for (int i = 1; i < 65535; ++i) state.start(i, QoS::at_least_once);
  EXPECT_EQ(state.size(), 65534u);
  EXPECT_EQ(state.start(0, QoS::at_least_once).packet_id, 65535);
  state.finish(100);
  state.finish(40'000);
  EXPECT_EQ(state.start(0, QoS::at_least_once).packet_id, 100);
}

TEST(OutgoingState, ErasesWhatAPredicateNames) {
  OutgoingState<int> state;
  for (int i = 0; i < 10; ++i) state.start(i, QoS::at_least_once);
  EXPECT_EQ(state.erase_if([](auto& entry) { return entry.message % 2 == 0; }), 5u);
  EXPECT_EQ(state.size(), 5u);
  EXPECT_FALSE(state.in_use(1));
  EXPECT_TRUE(state.in_use(2));
}

RC_GTEST_PROP(OutgoingStateAtRandom, NeverGivesAnIdentifierTwice, ()) {
  OutgoingState<int> state;
  // Near the end of the numbers, so that few steps wrap around.
  for (int i = 0; i < 65500; ++i) state.finish(state.start(0, QoS::at_least_once).packet_id);
  std::set<std::uint16_t> in_use;
  for (unsigned step = *rc::gen::inRange(1u, 300u); step > 0; --step) {
    if (in_use.empty() || *rc::gen::inRange(0, 3) > 0) {
      std::uint16_t id = state.start(0, QoS::exactly_once).packet_id;
      RC_ASSERT(id != 0);
      RC_ASSERT(in_use.insert(id).second);
    } else {
      std::uint16_t id = *rc::gen::elementOf(in_use);
      state.finish(id);
      in_use.erase(id);
    }
  }
}

TEST(IncomingState, KnowsAnIdentifierUntilItIsReleased) {  // [MQTT-4.3.3-10]
  IncomingState state;
  EXPECT_TRUE(state.receive(7));
  EXPECT_FALSE(state.receive(7));
  EXPECT_TRUE(state.contains(7));
  EXPECT_EQ(state.size(), 1u);
  EXPECT_TRUE(state.release(7));
  EXPECT_FALSE(state.release(7));
  EXPECT_TRUE(state.receive(7));
}

}  // namespace
}  // namespace sealmq::mqtt
