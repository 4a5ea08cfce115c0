#include "broker/limits/flow_control.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"

namespace sealmq::broker {
namespace {

using namespace sealmq::testing;

class FlowControlTest : public ::testing::Test {
 protected:
  /// Two clients, by their slots; `gone` are not found.
  struct Clients final : FlowControl::Connections {
    explicit Clients(const Settings& settings)
        : flows{ConnectionFlow({0, 1}, transports[0].connection, settings, false, now),
                ConnectionFlow({1, 1}, transports[1].connection, settings, false, now)} {}
    ConnectionFlow* flow_of(ConnectionId id) override { return gone.contains(id.slot) ? nullptr : &flows[id.slot]; }
    void resume(ConnectionId id, Now) override { resumed.push_back(id.slot); }

    Now now{1000, 2000};
    std::array<OpenConnection, 2> transports;
    std::array<ConnectionFlow, 2> flows;
    std::set<std::uint32_t> gone;
    std::vector<std::uint32_t> resumed;
  };

  static Settings rates(std::uint32_t messages) {
    Settings made;
    made.publish_rate = messages;
    made.publish_burst = 1;
    return made;
  }
  ConnectionFlow& first() { return clients.flows[0]; }
  ConnectionFlow& second() { return clients.flows[1]; }
  /// What the transports were told since, as "slot reads".
  std::string told() {
    std::string text;
    for (const auto& [connection, wanted] : std::exchange(effects.reading, {}))
      text += std::to_string(connection.slot) + (wanted ? "+" : "-");
    return text;
  }
  static Parcel parcel(std::size_t bytes) {
    const std::string large(bytes, 'x');
    MessageView view;
    view.topic = "t";
    view.payload = as_bytes(large);
    Parcel made;
    made.message = std::make_shared<const Message>(view);
    return made;
  }

  Settings settings = rates(5);
  Budget budget{1 << 20};
  MemoryLimits memory{settings, &budget, 2};
  Effects effects;
  Clients clients{settings};
  FlowControl flow{settings, memory, effects, clients};
  Now now{1000, 2000};
};

TEST_F(FlowControlTest, WhoSendsTooFastIsNotReadForAWhile) {
  flow.count_against_rate(first(), 10, now);
  EXPECT_EQ(told(), "");
  flow.count_against_rate(first(), 10, now);
  EXPECT_EQ(told(), "0-");
  EXPECT_TRUE(first().is_slowed());
  EXPECT_TRUE(first().connection().held());
  EXPECT_EQ(flow.next_resumption(), now.steady + 200);
  flow.count_against_rate(first(), 10, now);  // what it had sent before
  EXPECT_EQ(told(), "");
  flow.resume_slowed(now);
  EXPECT_TRUE(clients.resumed.empty());
  now.steady += 200;
  flow.resume_slowed(now);
  EXPECT_EQ(clients.resumed, std::vector<std::uint32_t>{0});
  EXPECT_EQ(flow.next_resumption(), UINT64_MAX);
  flow.review(first(), 0);
  EXPECT_EQ(told(), "0+");
}

TEST_F(FlowControlTest, WhoHasGoneIsNotResumed) {
  for (int i = 0; i < 2; ++i) flow.count_against_rate(first(), 10, now);
  clients.gone.insert(0);
  now.steady += 1000;
  flow.resume_slowed(now);
  EXPECT_TRUE(clients.resumed.empty());
}

TEST_F(FlowControlTest, ABridgeOfThisBrokerHasNoRate) {
  OpenConnection transport;
  ConnectionFlow bridge({7, 1}, transport.connection, settings, true, now);
  for (int i = 0; i < 100; ++i) flow.count_against_rate(bridge, 1000, now);
  EXPECT_FALSE(bridge.is_slowed());
}

TEST_F(FlowControlTest, WhoHasTakenMuchTimeWaitsForTheOthers) {
  flow.begin_turn(1000);
  flow.take_turns(first(), 2000);
  EXPECT_FALSE(flow.has_waiting_for_turn());
  flow.take_turns(first(), 1000 + 40'001);
  flow.take_turns(first(), 1000 + 50'000);
  flow.take_turns(second(), 1000 + 50'000);
  EXPECT_EQ(told(), "0-1-");
  flow.resume_next(now);
  EXPECT_EQ(clients.resumed, std::vector<std::uint32_t>{0});
  flow.resume_next(now);
  flow.resume_next(now);
  EXPECT_EQ(clients.resumed, (std::vector<std::uint32_t>{0, 1}));
}

TEST_F(FlowControlTest, NobodyIsHeldForItsTurnWhileMemoryIsShort) {
  const Charge others(&budget, budget.most() / 8 * 7);
  flow.take_turns(first(), 50'000);
  EXPECT_FALSE(flow.has_waiting_for_turn());
}

TEST_F(FlowControlTest, PublishersWaitUntilTheParcelsAreTaken) {
  flow.wait_for_others(first(), false);
  EXPECT_FALSE(first().is_slowed());
  flow.hand_over(parcel(2 << 20));
  EXPECT_TRUE(flow.has_much_to_hand_over());
  EXPECT_TRUE(flow.is_heard(second())) << "has not published";
  flow.wait_for_others(first(), false);
  EXPECT_TRUE(first().is_slowed());
  flow.handed_over(HeldBack::nobody, now);
  EXPECT_EQ(clients.resumed, std::vector<std::uint32_t>{0});
  EXPECT_FALSE(first().is_slowed());
}

TEST_F(FlowControlTest, WhoWasPromisedWaitsForShardsThatLoseMessages) {
  flow.handed_over(HeldBack::who_was_promised, now);
  flow.wait_for_others(first(), false);
  flow.wait_for_others(second(), true);
  EXPECT_TRUE(flow.is_heard(first()));
  EXPECT_FALSE(flow.is_heard(second()));
  flow.handed_over(HeldBack::publishers, now);
  EXPECT_FALSE(flow.is_heard(first()));
  flow.handed_over(HeldBack::nobody, now);
  EXPECT_EQ(clients.resumed, std::vector<std::uint32_t>{1});
}

TEST_F(FlowControlTest, WhoDoesNotTakeItsAnswersIsNotRead) {
  flow.review(first(), 10'001);
  EXPECT_EQ(told(), "0-");
  flow.review(first(), 5'001);
  EXPECT_EQ(told(), "");
  flow.review(first(), 5'000);
  EXPECT_EQ(told(), "0+");
}

TEST_F(FlowControlTest, WhoTakesNothingForLongHasStalled) {
  settings.slow_consumer_timeout = 10;
  settings.outbox_high_water = 4;
  EXPECT_FALSE(flow.is_stalled(first(), now));
  clients.transports[0].connection.outbox().append(as_bytes(std::string_view("owed bytes")));
  EXPECT_FALSE(flow.is_stalled(first(), now));
  now.steady += 9'999;
  EXPECT_FALSE(flow.is_stalled(first(), now));
  now.steady += 1;
  EXPECT_TRUE(flow.is_stalled(first(), now));
  first().has_taken();
  EXPECT_FALSE(flow.is_stalled(first(), now));
}

TEST_F(FlowControlTest, SlowWorkHoldsWhatComesBehindIt) {
  first().wait_for_work();
  EXPECT_TRUE(first().is_held_back());
  EXPECT_FALSE(first().is_slowed());
  flow.review(first(), 0);
  EXPECT_EQ(told(), "") << "a little is read ahead";
  first().end_waiting_for_work();
  EXPECT_FALSE(first().is_held_back());
}

}  // namespace
}  // namespace sealmq::broker
