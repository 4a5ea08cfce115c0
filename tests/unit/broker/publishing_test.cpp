#include "broker/routing/publishing.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using namespace sealmq::testing;

class PublishingTest : public ShardParts {
 protected:
  struct Refusals final : Publishing::Connections {
    void refuse(Link&, const Refused& refused, Now, bool) override { causes.push_back(refused.cause); }
    void send_frame(ConnectionId, std::string_view, Bytes payload) override { frames.emplace_back(as_text(payload)); }
    std::vector<std::string> causes, frames;
  };
  /// Of what is under guarded/: takes "good".
  struct Guard final : TopicGuard {
    bool watches(std::string_view topic) const override { return topic.starts_with("guarded/"); }
    Result<> judge(std::string_view, Bytes payload, bool, const Directory&) override {
      if (as_text(payload) != "good") return fail(Blame::peer_misbehaved, "proves nothing");
      return {};
    }
  };
  static mqtt::Publish packet(std::string_view topic, std::string_view payload, QoS qos = QoS::at_least_once,
                              bool retain = false) {
    mqtt::Publish made;
    made.topic = topic;
    made.payload = as_bytes(payload);
    made.qos = qos;
    made.retain = retain;
    return made;
  }
  static mqtt::Will will(std::string_view topic, std::string_view payload) {
    mqtt::Will made;
    made.topic = topic;
    made.payload = as_bytes(payload);
    return made;
  }
  Accepted accept(const mqtt::Publish& its) { return publishing.accept(by.link, its, nullptr, now); }

  Refusals refusals;
  Guard guard;
  FakeGate gate;
  BackgroundJobs jobs{settings, schemes.size(), &gate, effects};
  SchemeRequests requests{{settings, schemes, access, admission, memory, jobs, &gate}};
  Router router{around_router()};
  Publishing publishing{{settings, schemes, access, admission, requests, grants, memory, retained, durability, router, deliveries,
                         journal, counters, refusals, &guard, nullptr}};
  Client &by = connect("publisher"), &to = connect("subscriber");
};

TEST_F(PublishingTest, WhatIsAdmittedIsCountedAndHandedOn) {
  subscribe(to, "plant/#");
  EXPECT_EQ(accept(packet("plant/oven", "hot")).reason, Reason::success);
  EXPECT_EQ(payloads(to), "hot");
  EXPECT_EQ(counters.published, 1U);
  EXPECT_EQ(counters.published_bytes, 3U);
}

TEST_F(PublishingTest, ItIsSaidThatNobodyHasSubscribed) {
  EXPECT_EQ(accept(packet("plant/oven", "hot")).reason, Reason::no_matching_subscribers);
  EXPECT_EQ(accept(packet("plant/oven", "hot", QoS::at_most_once)).reason, Reason::success) << "there is nobody to be told";
}

TEST_F(PublishingTest, WhatIsRefusedGoesNoFurther) {
  subscribe(to, "plant/#");
  settings.maximum_levels = 3;
  EXPECT_EQ(accept(packet("office/lamp", "on")).reason, Reason::not_authorized);
  EXPECT_EQ(accept(packet("plant/a/b/c", "deep")).reason, Reason::topic_name_invalid);
  EXPECT_EQ(refusals.causes.size(), 2U);
  EXPECT_EQ(counters.published, 0U);
  EXPECT_EQ(payloads(to), "");
}

TEST_F(PublishingTest, ACopyIsAcknowledgedAndNotForwarded) {
  subscribe(to, "plant/#");
  fake_scheme().mark = ReplayMark{};
  accept(packet("plant/oven", "fake(hot)"));
  EXPECT_EQ(to.take().size(), 1U);
  const Accepted again = accept(packet("plant/oven", "fake(hot)"));
  EXPECT_EQ(again.reason, Reason::success);
  EXPECT_TRUE(again.relies) << "on what the first one brought";
  EXPECT_EQ(payloads(to), "");
  EXPECT_EQ(journal.refusals, std::vector{Refusal::replay});
}

TEST_F(PublishingTest, TheAuthorIsHeardOfAndEvidenceOfOthersIsStripped) {
  const Identity* boiler = access.directory().find("boiler");
  fake_scheme().author = boiler;
  mqtt::Publish its = packet("plant/oven", "fake(hot)", QoS::at_least_once, true);
  its.properties.user = {{"sealmq-from", "somebody"}, {"unit", "C"}};
  accept(its);
  EXPECT_EQ(by.session->speakers.only(), "boiler");
  std::string from;
  std::size_t budget = 100;
  retained.walk("plant/oven", from, now.steady, budget, [&](const auto& message, auto) {
    EXPECT_EQ(message->view().author, "boiler");
    EXPECT_EQ(message->view().properties->user.size(), 1U);
    EXPECT_EQ(message->view().publisher, by.session->name);
    return true;
  });
  EXPECT_EQ(retained.size(), 1U);
}

TEST_F(PublishingTest, WhatCannotBeRetainedIsDeliveredAllTheSame) {
  subscribe(to, "plant/#");
  for (std::size_t i = 0; i < 200 && refusals.causes.empty(); ++i)
    accept(packet("plant/" + std::to_string(i), "x", QoS::at_most_once, true));
  ASSERT_EQ(refusals.causes.size(), 1U) << "one party has its share";
  to.take();
  const std::size_t before = retained.size();
  EXPECT_EQ(accept(packet("plant/last", "x", QoS::at_most_once, true)).reason, Reason::success);
  EXPECT_EQ(retained.size(), before);
  EXPECT_EQ(payloads(to), "x");
  EXPECT_EQ(accept(packet("plant/0", "", QoS::at_most_once, true)).reason, Reason::success);
  EXPECT_EQ(retained.size(), before - 1) << "to erase, there is always room";
}

TEST_F(PublishingTest, WhatProvesItselfNeedsNoRight) {
  EXPECT_EQ(accept(packet("guarded/list", "good", QoS::at_least_once, true)).reason, Reason::success);
  EXPECT_TRUE(retained.holds("guarded/list"));
  EXPECT_EQ(accept(packet("guarded/list", "bad", QoS::at_least_once, true)).reason, Reason::not_authorized);
  EXPECT_EQ(refusals.causes, std::vector<std::string>{"proves nothing"});
}

TEST_F(PublishingTest, ABridgeSpeaksForItselfAndPolicyDecidesWhoHears) {
  const std::string own = "$SYS/broker/connection/publisher/state", others = "$SYS/broker/connection/subscriber/state";
  EXPECT_EQ(accept(packet(own, "1", QoS::at_least_once, true)).reason, Reason::success) << "taken and forgotten";
  EXPECT_EQ(retained.size(), 0U);
  TopicRule rule{.filter = "$SYS/#", .publish = {}, .subscribe = {}};
  rule.publish.add(plain);
  access.set(std::make_shared<const Policy>(Policy::make({std::move(rule)}).value()));
  accept(packet(own, "1", QoS::at_least_once, true));
  EXPECT_TRUE(retained.holds(own));
  EXPECT_TRUE(is_error(accept(packet(others, "1", QoS::at_least_once, true)).reason));
  EXPECT_TRUE(is_error(accept(packet(own, "2", QoS::at_least_once, true)).reason));
}

TEST_F(PublishingTest, ARequestIsAnsweredToItsConnection) {
  fake_scheme().asked.topic = "plant/#";
  fake_scheme().asked.receiver = std::make_unique<FakeKeyed>("key");
  EXPECT_EQ(accept(packet("$it/ask", "fake(please)")).reason, Reason::success);
  EXPECT_EQ(by.link.keyed.size(), 1U);
  keyed.end_all(by.link.keyed, *by.session);
}

TEST_F(PublishingTest, AWillIsAdmittedWhenItComesAndPublishedByTheRightsOfItsTime) {
  subscribe(to, "plant/#");
  fake_scheme().author = access.directory().find("boiler");
  mqtt::Will its = will("plant/oven", "fake(gone)");
  its.properties.will_delay_interval = 7;
  const auto admitted = publishing.admit_will(by.link, "publisher", its, now);
  ASSERT_TRUE(admitted);
  EXPECT_EQ(admitted->delay, 7U);
  EXPECT_EQ(admitted->message->view().publisher, session_name("", "publisher"));
  publishing.publish_will(admitted->message, now);
  EXPECT_EQ(payloads(to), "gone");
  access.set(list(false));
  publishing.publish_will(admitted->message, now);
  EXPECT_EQ(payloads(to), "");
  EXPECT_EQ(dropped(Drop::not_entitled), 1U);
}

TEST_F(PublishingTest, SomeTopicsAreNotForWills) {
  settings.maximum_levels = 5;
  for (const char* topic : {"$it/ask", "guarded/list", "plant/a/b/c/d/e", "office/lamp"})
    EXPECT_FALSE(publishing.admit_will(by.link, "publisher", will(topic, "gone"), now)) << topic;
  EXPECT_TRUE(publishing.admit_will(by.link, "publisher", will("$SYS/broker/connection/publisher/state", "0"), now));
}

}  // namespace
}  // namespace sealmq::broker
