#include "broker/schemes/scheme_requests.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"
#include "support/fakes.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using namespace sealmq::testing;

class SchemeRequestsTest : public ::testing::Test {
 protected:
  struct Recorder final : SchemeRequests::Connection {
    Accepted pass_on(const mqtt::Publish&, const Admission::Admitted& admitted) override {
      happened.push_back("message to " + std::string(admitted.opened->topic));
      return {Reason::success, true};
    }
    OrRefused<Subscription*> subscribe(std::size_t, Asked& asked, QoS) override {
      if (!may) return refused(Refusal::subscription_refused, "no");
      happened.push_back("subscribes " + std::string(asked.topic));
      return &subscription;
    }
    void is_subscribed(Subscription&) override { happened.emplace_back("is subscribed"); }
    void is_heard_of(const std::string& identity) override { happened.push_back("heard of " + identity); }
    void send_frame(std::string_view, Bytes frame) override { happened.push_back("reply " + std::string(as_text(frame))); }
    void refuse(const Refused& why, bool may_disconnect) override {
      happened.push_back("refused: " + why.cause + (may_disconnect ? "" : ", silently"));
    }
    bool may = true;
    Subscription subscription;
    std::vector<std::string> happened;
  };

  static Admission::Schemes two_schemes() {
    Admission::Schemes made;
    made.push_back(std::make_unique<FakeScheme>("fake"));
    made.push_back(std::make_unique<FakePlain>());
    return made;
  }
  static std::shared_ptr<const Policy> policy() {
    TopicRule rule{.filter = "plant/#", .publish = {}, .subscribe = {}};
    rule.publish.add(0);
    return std::make_shared<const Policy>(Policy::make({std::move(rule)}).value());
  }
  static std::shared_ptr<const Directory> list() {
    std::vector<Identity> all(1);
    all[0].name = "boiler";
    all[0].publish.push_back({"plant/#"});
    return std::make_shared<const Directory>(std::move(all));
  }
  FakeScheme& fake() { return static_cast<FakeScheme&>(*schemes[0]); }
  Accepted take(std::string_view topic, std::string_view payload, BackgroundJobs::Finished* finished = nullptr) {
    mqtt::Publish packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    return requests.take(connection, {.caller = caller, .proved_by = {}, .states = states}, "address", packet, finished, now);
  }
  std::string happened() {
    std::string all;
    for (const auto& one : std::exchange(connection.happened, {})) all += (all.empty() ? "" : "; ") + one;
    return all;
  }

  Settings settings;
  Admission::Schemes schemes = two_schemes();
  std::shared_ptr<const Directory> directory = list();
  Access access{schemes, policy(), directory};
  SimpleReplayMemory replays;
  Admission admission{settings, schemes, access, replays, nullptr};
  MemoryLimits memory{settings, nullptr, 1};
  FakeGate gate;
  Effects effects;
  BackgroundJobs jobs{settings, 2, &gate, effects};
  SchemeRequests requests{{settings, schemes, access, admission, memory, jobs, &gate}};
  const Proved nothing;
  const Caller caller{nothing};
  SchemeStates states;
  Recorder connection;
  const Now now{1000, 2000};
};

TEST_F(SchemeRequestsTest, WhatNoSchemeReadsIsRefused) {
  EXPECT_EQ(take("$elsewhere", "fake(x)").reason, Reason::not_authorized);
  EXPECT_EQ(happened(), "refused: clients may not publish under $");
  EXPECT_EQ(take("$it/message", "x").reason, Reason::not_authorized);
}

TEST_F(SchemeRequestsTest, AHiddenMessageIsJudgedByItsRealTopic) {
  fake().author = directory->find("boiler");
  fake().hidden = "plant/oven";
  EXPECT_EQ(take("$it/message", "fake(hot)").reason, Reason::success);
  EXPECT_EQ(happened(), "message to plant/oven");
  fake().hidden = "office/door";
  EXPECT_EQ(take("$it/message", "fake(hot)").reason, Reason::not_authorized);
  EXPECT_EQ(happened(), "refused: no rule for the real topic");
  fake().hidden = "$it/ask";
  take("$it/message", "fake(hot)");
  EXPECT_EQ(happened(), "refused: hides what is not a topic for messages");
}

TEST_F(SchemeRequestsTest, WhereAnAnswerWouldHelpToDecryptThereIsOneForAll) {
  fake().tells = false;
  fake().fails = true;
  EXPECT_EQ(take("$it/message", "fake(hot)").reason, Reason::success);
  EXPECT_EQ(happened(), "refused: is not signed, silently");
}

TEST_F(SchemeRequestsTest, ASubscriptionIsGrantedThenAnsweredThenFed) {
  fake().asked = {.what = Asked::What::subscription, .topic = "plant/#"};
  append(fake().asked.reply, as_bytes(std::string_view("yes")));
  EXPECT_EQ(take("$it/ask", "fake()").reason, Reason::success);
  EXPECT_EQ(happened(), "subscribes plant/#; reply yes; is subscribed");
  connection.may = false;
  fake().asked = {.what = Asked::What::subscription, .topic = "plant/#"};
  EXPECT_EQ(take("$it/ask", "fake()").reason, Reason::not_authorized);
  EXPECT_EQ(happened(), "refused: no");
}

TEST_F(SchemeRequestsTest, APublishersSessionNeedsItsRight) {
  fake().asked = {.what = Asked::What::publishing, .topic = "plant/oven", .identity = directory->find("boiler")};
  take("$it/ask", "fake()");
  EXPECT_EQ(happened(), "heard of boiler");
  fake().asked = {.what = Asked::What::publishing, .topic = "office/door", .identity = directory->find("boiler")};
  take("$it/ask", "fake()");
  EXPECT_EQ(happened(), "refused: boiler may not publish here");
  fake().asked = {.what = Asked::What::publishing, .topic = "plant/oven"};
  EXPECT_EQ(take("$it/ask", "fake()").reason, Reason::not_authorized);
}

TEST_F(SchemeRequestsTest, ACopyOfARequestIsRefused) {
  for (int i = 0; i < 2; ++i) {
    fake().asked = {.what = Asked::What::other, .mark = ReplayMark{}};
    take("$it/ask", "fake()");
  }
  EXPECT_EQ(happened(), "refused: a copy of a request");
}

TEST_F(SchemeRequestsTest, WithoutAPolicyOnlyWhatConcernsTheListIsTaken) {
  access.set(std::make_shared<const Policy>());
  fake().asked.what = Asked::What::other;
  EXPECT_EQ(take("$it/ask", "fake()").reason, Reason::not_authorized);
  fake().is_of_the_list = true;
  EXPECT_EQ(take("$it/ask", "fake()").reason, Reason::success);
}

TEST_F(SchemeRequestsTest, ATryAtASecretIsCountedAndEndsWithTheAnswer) {
  fake().is_guessable = true;
  fake().asked.what = Asked::What::other;
  take("$it/ask", "fake()");
  EXPECT_EQ(gate.outcomes, std::vector<LoginGate::Outcome>{LoginGate::Outcome::succeeded});
  fake().fails = true;
  take("$it/ask", "fake()");
  EXPECT_EQ(gate.outcomes.back(), LoginGate::Outcome::failed);
  gate.closed = true;
  EXPECT_EQ(take("$it/ask", "fake()").reason, Reason::quota_exceeded);
}

TEST_F(SchemeRequestsTest, SlowWorkIsBegunOnceAndOnlyWhereItIsTaken) {
  int runs = 0;
  const std::string place = "there";
  const BackgroundJobs::Of of{{1, 1}, place, place};
  mqtt::Publish packet;
  packet.topic = "$it/ask";
  packet.payload = as_bytes(std::string_view("fake()"));
  EXPECT_FALSE(requests.begin_work(of, packet, mqtt::Version::v5, now)) << "nothing is slow";
  fake().work = std::make_unique<FakeWork>(runs);
  EXPECT_TRUE(requests.begin_work(of, packet, mqtt::Version::v5, now));
  EXPECT_EQ(effects.jobs.size(), 1U);
  fake().work = std::make_unique<FakeWork>(runs);
  fake().is_guessable = gate.closed = true;
  EXPECT_FALSE(requests.begin_work(of, packet, mqtt::Version::v5, now)) << "take() refuses it";
  packet.topic = "plant/oven";
  EXPECT_FALSE(requests.begin_work(of, packet, mqtt::Version::v5, now));
}

TEST_F(SchemeRequestsTest, KnowsTheTopicsThatMeanThisConnection) {
  EXPECT_TRUE(requests.is_reply_topic("$it/inbox"));
  EXPECT_FALSE(requests.is_reply_topic("$it/ask"));
  EXPECT_FALSE(requests.is_reply_topic(""));
}

}  // namespace
}  // namespace sealmq::broker
