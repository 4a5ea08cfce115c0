#include "broker/schemes/keyed_subscriptions.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using namespace sealmq::testing;

constexpr std::string_view inbox = "$it/inbox";

class KeyedSubscriptionsTest : public ::testing::Test {
 protected:
  struct RecordingOutlet final : KeyedSubscriptions::Outlet {
    bool may_still_get(const Session&, const Delivery&, Now) const override { return may; }
    void send_frame(ConnectionId, std::string_view, Bytes payload) override { frames.emplace_back(as_text(payload)); }
    bool may = true;
    std::vector<std::string> frames;
  };

  static PublishEncoder::Schemes one_scheme() {
    PublishEncoder::Schemes made;
    made.push_back(std::make_unique<FakePlain>());
    return made;
  }
  static std::shared_ptr<const Policy> everything() {
    TopicRule rule{.filter = "#", .publish = {}, .subscribe = {}};
    rule.publish.add(0);
    rule.subscribe.add(0);
    return std::make_shared<const Policy>(Policy::make({std::move(rule)}).value());
  }
  ~KeyedSubscriptionsTest() override { keyed.end_all(connection, session); }

  std::shared_ptr<FakeKeyed> subscribe(std::string_view filter, const void* group = nullptr, std::uint64_t pace = 0) {
    auto receiver = std::make_shared<FakeKeyed>("key", group);
    receiver->every = pace;
    if (!keyed.add(connection, session, {filter, 0, nullptr, receiver}, caller, "party", now)) return nullptr;
    return receiver;
  }
  std::shared_ptr<const Message> message(std::string_view payload, std::uint64_t expires = UINT64_MAX) {
    MessageView view;
    view.topic = "plant/oven";
    view.payload = view.wire = as_bytes(payload);
    view.expires = expires;
    return std::make_shared<const Message>(view);
  }

  Settings settings;
  PublishEncoder::Schemes schemes = one_scheme();
  Access access{schemes, everything(), std::make_shared<const Directory>()};
  FilterKinds kinds;
  MemoryLimits memory{settings, nullptr, 1};
  TopicTree tree;
  StepCounter steps;
  PublishEncoder encoder{schemes, access, steps};
  Counters counters;
  RecordingOutlet outlet;
  KeyedSubscriptions keyed{{settings, access, tree, kinds, memory, encoder, counters, outlet}};

  const Proved nothing;
  const Caller caller{nothing};
  KeyedConnection connection{{0, 1}};
  Session session{"", "client", 1};
  Now now{1'000'000, 1};
};

TEST_F(KeyedSubscriptionsTest, StandInTheTreeUntilTheirConnectionEnds) {
  ASSERT_NE(subscribe("plant/#"), nullptr);
  EXPECT_EQ(tree.match("plant/oven").size(), 1U);
  EXPECT_EQ(counters.subscriptions, 1U);
  connection.open_inbox(inbox, QoS::at_most_once);
  Delivery for_it{message("queued")};
  for_it.receiver = std::make_shared<FakeKeyed>("key");
  session.queue = {for_it, Delivery{message("for the session")}};
  session.queued_bytes = session.queue[0].message->size() + session.queue[1].message->size();
  keyed.end_all(connection, session);
  EXPECT_TRUE(tree.match("plant/oven").empty());
  EXPECT_EQ(counters.subscriptions, 0U);
  EXPECT_EQ(connection.inbox(inbox), nullptr);
  ASSERT_EQ(session.queue.size(), 1U);
  EXPECT_EQ(session.queued_bytes, session.queue[0].message->size());
}

TEST_F(KeyedSubscriptionsTest, AskingAgainRenewsTheKeyAndTakesNoSecondPlace) {
  settings.maximum_receivers = 2;
  subscribe("plant/#");
  subscribe("plant/#");
  EXPECT_EQ(connection.size(), 1U);
  EXPECT_NE(subscribe("office/#"), nullptr);
  EXPECT_EQ(subscribe("garden/#"), nullptr) << "too many";
  EXPECT_EQ(tree.match("plant/oven").size(), 1U);
}

TEST_F(KeyedSubscriptionsTest, WhatIsDueGoesToAnOpenInboxOnly) {
  auto receiver = subscribe("plant/#");
  receiver->due = "new key";
  keyed.send_due(connection, *receiver, now);
  EXPECT_TRUE(outlet.frames.empty());
  EXPECT_EQ(receiver->due, "new key") << "kept until somebody can get it";
  connection.open_inbox(inbox, QoS::at_most_once);
  keyed.tick(connection, now);
  EXPECT_EQ(outlet.frames, std::vector<std::string>{"new key"});
  EXPECT_TRUE(connection.close_inbox(inbox));
  EXPECT_FALSE(connection.close_inbox(inbox));
}

TEST_F(KeyedSubscriptionsTest, AKeyThatHasServedItsTimeEndsTheSubscription) {
  auto receiver = subscribe("plant/#");
  receiver->ended = true;
  keyed.tick(connection, now);
  EXPECT_EQ(connection.size(), 0U);
  EXPECT_TRUE(tree.match("plant/oven").empty());
}

TEST_F(KeyedSubscriptionsTest, APacedOneSendsAMessageOrCoverAtEachInterval) {
  auto receiver = subscribe("plant/#", nullptr, 5000);
  connection.open_inbox(inbox, QoS::at_most_once);
  keyed.queue_paced(connection.at(0), message("one"));
  keyed.queue_paced(connection.at(0), message("two"));
  keyed.tick(connection, now);
  EXPECT_TRUE(outlet.frames.empty()) << "not yet";
  now.steady += 5000;
  keyed.tick(connection, now);
  keyed.tick(connection, now);
  EXPECT_EQ(outlet.frames, std::vector<std::string>{"key:plant/oven:one"});
  now.steady += 5000;
  keyed.tick(connection, now);
  receiver->due = "cover";
  now.steady += 5000;
  keyed.tick(connection, now);
  EXPECT_EQ(outlet.frames.size(), 3U);
  EXPECT_EQ(outlet.frames.back(), "cover");
  EXPECT_EQ(counters.delivered, 2U);
}

TEST_F(KeyedSubscriptionsTest, APacedMessageIsJudgedAgainWhenItLeaves) {
  subscribe("plant/#", nullptr, 5000);
  connection.open_inbox(inbox, QoS::at_most_once);
  keyed.queue_paced(connection.at(0), message("old", now.steady + 1));
  outlet.may = false;
  keyed.queue_paced(connection.at(0), message("forbidden"));
  now.steady += 5000;
  keyed.tick(connection, now);
  EXPECT_TRUE(outlet.frames.empty());
  EXPECT_EQ(counters.dropped[static_cast<std::size_t>(Drop::expired)], 1U);
  EXPECT_EQ(counters.dropped[static_cast<std::size_t>(Drop::not_entitled)], 1U);
}

TEST_F(KeyedSubscriptionsTest, WaitingFramesAreBounded) {
  subscribe("plant/#", nullptr, 5000);
  for (int i = 0; i < 65; ++i) keyed.queue_paced(connection.at(0), message("x"));
  EXPECT_EQ(counters.dropped[static_cast<std::size_t>(Drop::queue_full)], 1U);
}

TEST_F(KeyedSubscriptionsTest, AReviewTakesAwayWhatPolicyAllowsNoMore) {
  subscribe("plant/#");
  keyed.review(connection, caller);
  EXPECT_EQ(connection.size(), 1U);
  access.set(std::make_shared<const Policy>());
  keyed.review(connection, caller);
  EXPECT_EQ(connection.size(), 0U);
}

TEST_F(KeyedSubscriptionsTest, WhoIsRevokedLosesItsOwnAndItsPartInGroups) {
  Identity boiler;
  boiler.name = "boiler";
  const int group = 0;
  auto receiver = std::make_shared<FakeKeyed>("key", &group);
  ASSERT_TRUE(keyed.add(connection, session, {"plant/#", 0, &boiler, receiver}, caller, "party", now));
  subscribe("office/#");
  receiver->shares = true;
  std::uint64_t groups = 0;
  EXPECT_EQ(keyed.end_of(connection, "boiler", groups), 1U);
  EXPECT_EQ(groups, 1U);
  EXPECT_FALSE(receiver->shares);
  EXPECT_EQ(connection.size(), 1U);
}

}  // namespace
}  // namespace sealmq::broker
