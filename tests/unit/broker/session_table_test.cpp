#include "broker/sessions/session_table.h"

#include <gtest/gtest.h>

#include "support/fakes.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using namespace sealmq::testing;

class SessionTableTest : public ::testing::Test {
 protected:
  struct NoAcks final : Durability::AckSender {
    void send_deferred(DeferredAck&, Now) override {}
  };
  struct Recorder final : SessionTable::Connections, SessionTable::Deliveries {
    void end_connection(Session& session, Reason reason, Ending, bool with_will, Now now) override {
      happened.push_back("told " + std::to_string(static_cast<int>(reason)));
      table->leave(session, with_will, now);
    }
    std::size_t forget_identity(Session&, std::string_view, std::uint64_t&) override { return keyed; }
    void publish_will(const std::shared_ptr<const Message>& will, Now) override {
      happened.push_back("Will " + std::string(as_text(will->view().payload)));
    }
    void is_unsubscribed(Session&, Subscription& subscription) override {
      happened.push_back("unsubscribed " + subscription.filter);
    }
    void has_ended(Session& session) override { happened.push_back("ended " + session.client_id); }
    void is_away(const Session& session) override { happened.push_back("away " + session.client_id); }
    void give_to_others(const std::vector<Delivery>& jobs, Number, Now) override { given += jobs.size(); }

    SessionTable* table = nullptr;
    std::vector<std::string> happened;
    std::size_t keyed = 0, given = 0;
  };

  SessionTableTest() { world.table = &table; }
  /// Its client is there.
  Session& take(std::string_view id, std::string_view identity = {}, bool clean = false, std::uint32_t expiry = 100) {
    Session& session = *table.take(id, identity, clean, "party", now).first;
    session.link = reinterpret_cast<Link*>(&session);  // nobody looks behind it
    session.expiry_interval = expiry;
    return session;
  }
  static std::shared_ptr<const Message> message(std::string_view payload, std::string_view author = {}) {
    MessageView view;
    view.topic = "t";
    view.payload = as_bytes(payload);
    view.author = author;
    return std::make_shared<const Message>(view);
  }
  static Delivery delivery(std::string_view author, std::string_view subscriber = {}) {
    Delivery made;
    made.message = message("x", author);
    made.qos = QoS::at_least_once;
    if (!subscriber.empty()) made.subscriber = std::make_shared<const std::string>(subscriber);
    return made;
  }
  static void subscribe(Session& session, const std::string& filter, std::string_view subscriber = {}) {
    auto made = std::make_unique<Subscription>();
    made->session = &session;
    made->filter = filter;
    if (!subscriber.empty()) made->subscriber = std::make_shared<const std::string>(subscriber);
    session.subscriptions.emplace(filter, std::move(made));
  }
  void queue(Session& session, Delivery its) {
    session.queued_bytes += its.message->size();
    session.queue.push_back(std::move(its));
  }
  std::string happened() {
    std::string all;
    for (const auto& one : std::exchange(world.happened, {})) all += (all.empty() ? "" : "; ") + one;
    return all;
  }

  Settings settings;
  MemoryLimits memory{settings, nullptr, 1};
  SimpleReplayMemory replays;
  NoAcks acks;
  Durability durability{settings, 0, 1, replays, nullptr, acks};
  StepCounter steps;
  Counters counters;
  Recorder world;
  SessionTable table{{memory, durability, steps, counters, world, world}};
  Now now{1'000'000, 1};
};

TEST_F(SessionTableTest, ASessionIsFoundAgainByItsOwnerAlone) {
  Session& first = take("client", "boiler");
  table.leave(first, false, now);
  EXPECT_EQ(happened(), "away client");
  EXPECT_EQ(table.take("client", "boiler", false, "party", now), std::pair(&first, true));
  EXPECT_NE(table.take("client", "sensor", false, "party", now).first, &first);
  EXPECT_EQ(counters.sessions, 2U);
  EXPECT_EQ(table.find(first.number), &first);
}

TEST_F(SessionTableTest, WhoComesAgainTakesOver) {
  take("client").will = PendingWill{message("gone"), 0};
  EXPECT_TRUE(table.take("client", "", false, "party", now).second);
  EXPECT_EQ(happened(), "told 142; away client; Will gone");
}

TEST_F(SessionTableTest, ACleanStartEndsWhatWasThere) {
  table.leave(take("client"), false, now);
  happened();
  EXPECT_FALSE(table.take("client", "", true, "party", now).second);
  EXPECT_EQ(happened(), "ended client");
  EXPECT_EQ(counters.sessions, 1U);
}

TEST_F(SessionTableTest, ThereAreNoMoreThanTheLimit) {
  settings.maximum_sessions = 1;
  take("one");
  EXPECT_EQ(table.take("two", "", false, "party", now).first, nullptr);
  EXPECT_NE(table.take("one", "", true, "party", now).first, nullptr) << "it has its place";
}

TEST_F(SessionTableTest, ASessionOfOneConnectionEndsWithIt) {
  Session& session = take("client", "", false, 0);
  session.will = PendingWill{message("gone"), 50};
  table.leave(session, true, now);
  EXPECT_EQ(happened(), "ended client; Will gone");
  EXPECT_EQ(table.size(), 0U);
}

TEST_F(SessionTableTest, AWillWaitsForItsDelayAndIsForgottenWhenTheClientIsBack) {
  Session& session = take("client");
  session.will = PendingWill{message("gone"), 50};
  table.leave(session, true, now);
  now.steady += 49'999;
  table.tick(now);
  EXPECT_EQ(happened(), "away client");
  table.take("client", "", false, "party", now);
  EXPECT_FALSE(session.will);
  session.will = PendingWill{message("again"), 50};
  table.leave(session, true, now);
  now.steady += 50'000;
  table.tick(now);
  EXPECT_EQ(happened(), "away client; Will again");
}

TEST_F(SessionTableTest, ASessionEndsWhenItsTimeIsUp) {
  table.leave(take("client"), false, now);
  now.steady += 99'999;
  table.tick(now);
  EXPECT_EQ(table.size(), 1U);
  now.steady += 1;
  table.tick(now);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(counters.expired_sessions, 1U);
}

TEST_F(SessionTableTest, WhatSomebodyElseProvedIsNotForWhoGoesOn) {
  Session& session = take("client", "boiler");
  subscribe(session, "own", "boiler");
  subscribe(session, "others", "sensor");
  queue(session, delivery("a", "sensor"));
  queue(session, delivery("a", "boiler"));
  table.leave(session, false, now);
  happened();
  table.take("client", "boiler", false, "party", now);
  EXPECT_EQ(happened(), "unsubscribed others");
  EXPECT_EQ(session.subscriptions.size(), 1U);
  EXPECT_EQ(session.queue.size(), 1U);
  EXPECT_EQ(counters.dropped[static_cast<std::size_t>(Drop::not_entitled)], 1U);
}

TEST_F(SessionTableTest, WhatAMemberOfAGroupDidNotGetGoesToOthers) {
  Session& session = take("client", "", false, 0);
  Delivery shared = delivery("a");
  shared.share = std::make_shared<const std::string>("$share/g/t");
  queue(session, shared);
  queue(session, delivery("a"));
  table.leave(session, false, now);
  EXPECT_EQ(world.given, 1U);
}

TEST_F(SessionTableTest, RevokingEndsWhatIsTheIdentitysAndLeavesTheRest) {
  Session& its_own = take("boiler", "boiler");
  Session& gateway = take("gateway");
  gateway.speakers.add("boiler");
  gateway.speakers.add("sensor");
  queue(gateway, delivery("boiler"));
  queue(gateway, delivery("sensor"));
  subscribe(gateway, "plant/#", "boiler");
  world.keyed = 0;
  const Number number = its_own.number;
  RevocationReport report;
  its_own.expiry_interval = 100;
  table.revoke("boiler", report, now);
  EXPECT_EQ(report.sessions, 1U);
  EXPECT_EQ(report.queued, 1U);
  EXPECT_EQ(report.subscriptions, 1U);
  EXPECT_EQ(table.find(number), nullptr);
  EXPECT_EQ(gateway.queue.size(), 1U);
  EXPECT_TRUE(gateway.subscriptions.empty());
}

TEST_F(SessionTableTest, CountsWhatIsQueued) {
  Session& session = take("client");
  queue(session, delivery("a"));
  table.tick(now);
  EXPECT_EQ(counters.queued, 1U);
  EXPECT_EQ(counters.queued_bytes, session.queued_bytes);
}

}  // namespace
}  // namespace sealmq::broker
