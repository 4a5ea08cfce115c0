// Shared subscriptions (MQTT 5 section 4.8.2), whose members may sit on different shards.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

class SharedTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  BrokerBench broker{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Shards, SharedTest, ::testing::Values(1, 3));

TEST_P(SharedTest, EachMessageGoesToOneMemberInTurn) {  // [MQTT-4.8.2-4]
  TestClient* members[3];
  for (int i = 0; i < 3; ++i) {
    members[i] = &broker.connect("member-" + std::to_string(i), i == 1 ? Version::v3_1_1 : Version::v5);
    broker.subscribe(*members[i], "$share/group/t/+", {.qos = QoS::at_least_once});
  }
  auto& alone = broker.connect("alone");
  broker.subscribe(alone, "t/#");
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 30; ++i)
    broker.publish(writer, "t/x", std::to_string(i), i % 2 == 0 ? QoS::at_most_once : QoS::at_least_once);
  for (auto* member : members) EXPECT_EQ(member->publishes.size(), 10U);
  EXPECT_EQ(alone.publishes.size(), 30U);
}

TEST_P(SharedTest, GroupsOfOtherNamesGetTheirOwnCopy) {
  auto& one = broker.connect("one");
  auto& two = broker.connect("two");
  broker.subscribe(one, "$share/a/t");
  broker.subscribe(two, "$share/b/t");
  broker.subscribe(two, "t");
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "x");
  EXPECT_EQ(one.publishes.size(), 1U);
  EXPECT_EQ(two.publishes.size(), 2U);
}

TEST_P(SharedTest, AMemberThatWentAwayGetsNothingWhileAnotherIsThere) {
  auto& present = broker.connect("present");
  broker.subscribe(present, "$share/group/t", {.qos = QoS::at_least_once});
  auto& absent = broker.connect("absent", Version::v5, false);
  broker.subscribe(absent, "$share/group/t", {.qos = QoS::at_least_once});
  broker.cut(absent);
  auto& writer = broker.connect("writer");
  for (int i = 0; i < 4; ++i) broker.publish(writer, "t", "x", QoS::at_least_once);
  EXPECT_EQ(present.publishes.size(), 4U);
  broker.send(present, mqtt::Disconnect{});
  broker.publish(writer, "t", "kept", QoS::at_least_once);
  auto& back = broker.connect("absent", Version::v5, false);
  ASSERT_EQ(back.publishes.size(), 1U);
  EXPECT_EQ(back.publishes[0].payload, "kept");
  broker.publish(writer, "t", "now");
  EXPECT_EQ(back.publishes.size(), 2U);
}

// MQTT 5 section 4.8.2: what the session of a member has not acknowledged when it ends goes to another one.
TEST_P(SharedTest, WhatAMemberHasNotAcknowledgedWhenItLeavesForGoodGoesToAnother) {
  auto& leaver = broker.connect("leaver", Version::v5, false);
  leaver.acknowledges = false;
  broker.subscribe(leaver, "$share/group/t", {.qos = QoS::at_least_once});
  auto& writer = broker.connect("writer");
  for (std::uint16_t i = 1; i <= 300; ++i) broker.publish(writer, "t", std::to_string(i), QoS::at_least_once, false, i);
  EXPECT_EQ(leaver.publishes.size(), 100U) << "in flight; the others wait";
  broker.send(leaver, mqtt::Puback{.packet_id = leaver.publishes[0].packet_id, .properties = {}});
  auto& other = broker.connect("other");
  broker.subscribe(other, "$share/group/t", {.qos = QoS::at_least_once});
  broker.cut(leaver);
  EXPECT_TRUE(other.publishes.empty()) << "it may come back";
  broker.connect("leaver", Version::v5, true);
  ASSERT_EQ(other.publishes.size(), 299U);
  for (std::size_t i = 0; i < 299; ++i) EXPECT_EQ(other.publishes[i].payload, std::to_string(i + 2));
}

TEST_P(SharedTest, WhatARevokedMemberWasToGetGoesToAnother) {
  Identity member = identity_named("member");
  member.status = Status::active;
  member.subscribe = {"t"};
  broker.enroll(member);
  broker.peer.identity = "member";
  auto& revoked = broker.connect("revoked", Version::v5, false);
  broker.subscribe(revoked, "$share/group/t", {.qos = QoS::at_least_once});
  broker.cut(revoked);
  broker.peer.identity = "";
  broker.publish(broker.connect("writer"), "t", "job", QoS::at_least_once);
  auto& other = broker.connect("other");
  broker.subscribe(other, "$share/group/t", {.qos = QoS::at_least_once});
  broker.revoke("member");
  ASSERT_EQ(other.publishes.size(), 1U);
  EXPECT_EQ(other.publishes[0].payload, "job");
}

// A subscription is granted if some topic of its filter is allowed.
TEST_P(SharedTest, AnIdentityWithoutTheRightTakesNothingFromOthers) {
  for (const auto& [name, filter] : {std::pair("mallory", "plant/public"), std::pair("worker", "plant/#")}) {
    Identity identity = identity_named(name);
    identity.status = Status::active;
    identity.subscribe = {filter};
    broker.enroll(identity);
  }
  broker.peer.identity = "mallory";
  std::vector<TestClient*> takers;
  for (int i = 0; i < 400; ++i) {
    takers.push_back(&broker.connect("mallory-" + std::to_string(i)));
    broker.subscribe(*takers.back(), "$share/group/plant/#", {.qos = QoS::at_least_once});
  }
  broker.peer.identity = "";
  auto& writer = broker.connect("writer");
  broker.publish(writer, "plant/secret", "job", QoS::at_least_once, false, 5);
  if (GetParam() == 1) {
    EXPECT_EQ(writer.answers.back().reasons.front(), Reason::no_matching_subscribers) << "nobody got it";
  }
  broker.peer.identity = "worker";
  auto& worker = broker.connect("worker-1");
  broker.subscribe(worker, "$share/group/plant/#", {.qos = QoS::at_least_once});
  for (std::uint16_t i = 1; i <= 50; ++i) broker.publish(writer, "plant/secret", "job", QoS::at_least_once, false, i);
  EXPECT_EQ(worker.publishes.size(), 50U);
  for (TestClient* taker : takers) EXPECT_TRUE(taker->publishes.empty());
  for (std::uint16_t i = 1; i <= 401; ++i) broker.publish(writer, "plant/public", "job", QoS::at_least_once, false, i);
  EXPECT_EQ(worker.publishes.size(), 51U) << "of what all may have, each gets its part";
}

TEST_P(SharedTest, ASessionIsInAHundredGroupsAtMost) {
  auto& member = broker.connect("member");
  for (int i = 0; i < 100; ++i) {
    broker.subscribe(member, "$share/group-" + std::to_string(i) + "/t");
    ASSERT_EQ(member.answers.back().reasons[0], Reason::success);
  }
  broker.subscribe(member, "$share/one-more/t");
  EXPECT_EQ(member.answers.back().reasons[0], Reason::quota_exceeded);
  broker.subscribe(member, "$share/group-7/t");
  EXPECT_EQ(member.answers.back().reasons[0], Reason::success) << "it is in that one";
  broker.subscribe(member, "t");
  EXPECT_EQ(member.answers.back().reasons[0], Reason::success);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "x");
  EXPECT_EQ(member.publishes.size(), 101U);
}

TEST_P(SharedTest, LeavingEndsIt) {
  auto& member = broker.connect("member");
  broker.subscribe(member, "$share/group/t");
  broker.send(member, mqtt::Unsubscribe{.packet_id = 3, .properties = {}, .filters = {"$share/group/t"}});
  EXPECT_EQ(member.answers.back().reasons[0], Reason::success);
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "x");
  EXPECT_TRUE(member.publishes.empty());
  EXPECT_EQ(broker.counters().subscriptions, 0U);
}

TEST_P(SharedTest, SendsNoRetainedMessages) {  // MQTT 5 section 4.8.2
  auto& writer = broker.connect("writer");
  broker.publish(writer, "t", "old", QoS::at_most_once, true);
  auto& member = broker.connect("member");
  broker.subscribe(member, "$share/group/t");
  EXPECT_TRUE(member.publishes.empty());
}

TEST_P(SharedTest, AsksPolicyForTheFilterBehindTheName) {
  broker.allow({"plain"}, {"plain"}, "open/#");
  auto& member = broker.connect("member");
  broker.subscribe(member, "$share/group/open/1");
  EXPECT_EQ(member.answers.back().reasons[0], Reason::success);
  broker.subscribe(member, "$share/group/closed");
  EXPECT_EQ(member.answers.back().reasons[0], Reason::not_authorized);
}

TEST_P(SharedTest, RefusesMalformedNames) {  // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
  for (const char* text :
       {"$share/group", "$share//t", "$share/gr+oup/t", "$share/gr#oup/t", "$share/group/", "$share/group/a#"}) {
    auto& member = broker.connect("member");
    broker.subscribe(member, text);
    EXPECT_EQ(member.disconnect, Reason::malformed_packet) << text;
    EXPECT_TRUE(member.answers.empty()) << text;
  }
}

class AliasTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  BrokerBench broker{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Shards, AliasTest, ::testing::Values(1, 3));

// MQTT 5 section 3.3.2.3.4: towards a client no more aliases than it allowed; the name goes with the first use only.
TEST_P(AliasTest, UsesTopicAliasesTowardsAClientThatAllowsThem) {
  mqtt::Connect packet;
  packet.version = Version::v5;
  packet.client_id = "reader";
  packet.properties.topic_alias_maximum = 1;
  auto& reader = broker.connect(packet);
  broker.subscribe(reader, "#", {.qos = QoS::exactly_once});
  auto& writer = broker.connect("writer");
  for (auto qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    broker.publish(writer, "a/long/topic", "x", qos);
    broker.publish(writer, "another/topic", std::string(10'000, 'y'), qos);
  }
  ASSERT_EQ(reader.publishes.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(reader.publishes[i].alias, i % 2 == 0 ? 1 : 0);
    EXPECT_EQ(reader.publishes[i].topic, i == 0 ? "a/long/topic" : i % 2 == 0 ? "" : "another/topic");
    EXPECT_EQ(reader.publishes[i].payload.size(), i % 2 == 0 ? 1U : 10'000U);
  }
}

}  // namespace
}  // namespace sealmq::testing
