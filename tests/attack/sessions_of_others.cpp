// Somebody wants what another one's session holds, or its name. SL1's subscribers prove who they are in SUBSCRIBE and need not
// log in: the attacker comes under their client identifier, or uses their SUBSCRIBE on a connection of its own. Against the form
// as published, whose subscriptions prove nobody, it succeeds. Names: an identity holds a client identifier that is not its own.
#include <gtest/gtest.h>

#include "support/identities.h"
#include "support/parties.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

broker::Settings durable() {
  broker::Settings settings;
  settings.durable = true;
  return settings;
}

/// A device that signs what it publishes, and an application that signs what it subscribes to and goes away.
class OthersSession : public ::testing::TestWithParam<std::string> {
 protected:
  OthersSession() { broker.allow({GetParam()}, {GetParam()}, "plant/#"); }

  TestClient& connect_owner(QoS qos) {
    auto& link = broker.connect("control", Version::v5, false);
    subscribe(application, broker, link, "plant/#", qos);
    EXPECT_EQ(link.answers.back().reasons[0], static_cast<Reason>(qos));
    return link;
  }
  void publish(QoS qos = QoS::at_least_once) {
    broker.publish(broker.connect("device"), "plant/7", protect(device, broker, "plant/7", "21.5"), qos);
  }
  /// By its name alone.
  TestClient& take_session() { return broker.connect("control", Version::v5, false); }
  std::size_t loot() const { return GetParam() == "sl1" ? 0 : 1; }

  BrokerBench broker{2, durable()};
  Party device{broker, "boiler-7", {"plant/#"}, {}, GetParam()};
  Party application{broker, "desk", {}, {"plant/#"}, GetParam(), {device.keys->identity()}};
};
INSTANTIATE_TEST_SUITE_P(Forms, OthersSession, ::testing::Values("sl1", "sl1@paper"),
                         [](const auto& its) { return its.param == "sl1" ? "hardened" : "paper"; });

TEST_P(OthersSession, WhatASignedSubscriptionBringsIsNotForWhoTakesTheSession) {
  broker.cut(connect_owner(QoS::at_least_once));
  auto& thief = take_session();
  EXPECT_TRUE(thief.session_present);
  publish();
  EXPECT_EQ(thief.publishes.size(), loot());
}

TEST_P(OthersSession, WhatWaitsByASignedSubscriptionIsNotForWhoTakesTheSession) {
  broker.cut(connect_owner(QoS::at_least_once));
  publish();
  EXPECT_EQ(take_session().publishes.size(), loot());
}

TEST_P(OthersSession, WhatIsInFlightIsNotForWhoTakesTheSession) {
  for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
    auto& owner = connect_owner(qos);
    owner.acknowledges = false;
    publish(qos);
    ASSERT_EQ(owner.publishes.size(), 1U);
    auto& thief = take_session();
    EXPECT_EQ(owner.disconnect, Reason::session_taken_over);
    EXPECT_EQ(thief.publishes.size(), loot());
    broker.connect("control", Version::v5, true);
  }
}

TEST_P(OthersSession, NorIsItAfterARestart) {
  for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
    for (const bool is_sent : {false, true}) {
      auto& owner = connect_owner(qos);
      owner.acknowledges = false;
      if (is_sent) publish(qos);
      broker.cut(owner);
      if (!is_sent) publish(qos);
      broker.crash();
      auto& thief = take_session();
      EXPECT_EQ(thief.publishes.size(), loot());
      publish(qos);
      EXPECT_EQ(thief.publishes.size(), 2 * loot());
      broker.connect("control", Version::v5, true);
    }
  }
}

TEST_P(OthersSession, WhoProvesItAgainHasItAgain) {
  broker.cut(connect_owner(QoS::at_least_once));
  auto& again = connect_owner(QoS::at_least_once);
  publish();
  ASSERT_EQ(again.publishes.size(), 1U);
  EXPECT_TRUE(unprotect(application, broker, again.publishes[0]));
}

TEST_P(OthersSession, ASignedSubscribeIsGoodOnItsConnectionAlone) {
  for (const bool has_tls : {false, true}) {
    broker.peer.channel_binding.fill(has_tls ? 1 : 0);
    auto& owner = broker.connect("control");
    auto asked = application.scheme->subscribe_property("plant/#", owner.on(), broker.now).value().value();
    mqtt::Properties properties;  // kept back on the wire, and used on a connection of the attacker's own
    properties.user.push_back({asked.first, asked.second});
    broker.peer.channel_binding.fill(has_tls ? 2 : 0);
    auto& thief = broker.connect(has_tls ? "control" : "thief");
    broker.subscribe(thief, "plant/#", {.qos = QoS::at_least_once}, properties);
    EXPECT_EQ(thief.answers.back().reasons[0], GetParam() == "sl1" ? Reason::not_authorized : Reason::granted_qos_1);
    publish();
    EXPECT_EQ(thief.publishes.size(), loot());
    broker.cut(thief);
  }
}

TEST_P(OthersSession, NorIsOneThatCameByPublish) {
  auto& owner = broker.connect("control", Version::v3_1_1);
  auto request = application.scheme->subscribe_request("plant/7", owner.on(), broker.now).value().value();
  auto& thief = broker.connect("thief", Version::v3_1_1);
  broker.publish(thief, request.topic, as_text(request.payload), QoS::at_least_once);
  publish();
  EXPECT_EQ(thief.publishes.size(), loot());
}

// -- names

class OthersIdentifier : public ::testing::Test {
 protected:
  OthersIdentifier() {
    for (const char* name : {"boiler-7", "mallory"}) {
      Identity identity = identity_named(name);
      if (identity.name == "boiler-7") identity.publish = identity.subscribe = {"plant/7/#"};
      broker.enroll(identity);
    }
  }
  TestClient& connect(std::string_view identity, bool clean_start = false) {
    broker.peer.identity = identity;
    auto& client = broker.connect("boiler-7", Version::v5, clean_start);
    broker.peer.identity.clear();
    return client;
  }
  void publish() { broker.publish(broker.connect("writer"), "plant/7/x", "21.5", QoS::at_least_once); }

  BrokerBench broker{2, durable()};
};

TEST_F(OthersIdentifier, NobodyKeepsAnIdentifierFromItsOwner) {
  auto& mallory = connect("mallory");
  auto& nobody = connect("");
  auto& boiler = connect("boiler-7");
  for (auto* client : {&mallory, &nobody, &boiler}) {
    EXPECT_EQ(client->connack, Reason::success);
    EXPECT_FALSE(client->session_present);
    EXPECT_FALSE(client->closed) << "no identity's connection ends another's";
  }
}

TEST_F(OthersIdentifier, SessionsOfOneIdentifierHaveNothingOfEachOther) {
  for (const bool restarts : {false, true}) {
    auto& boiler = connect("boiler-7");
    broker.subscribe(boiler, "plant/7/#", {.qos = QoS::at_least_once});
    broker.cut(boiler);
    broker.cut(connect("mallory"));
    publish();
    if (restarts) broker.crash();
    auto& mallory = connect("mallory");
    EXPECT_TRUE(mallory.session_present);
    EXPECT_TRUE(mallory.publishes.empty());
    EXPECT_TRUE(connect("").publishes.empty());
    auto& again = connect("boiler-7");
    EXPECT_TRUE(again.session_present);
    EXPECT_EQ(again.publishes.size(), 1U);
    broker.cut(connect("boiler-7", true));
  }
}

TEST_F(OthersIdentifier, ACleanStartOrATakeoverIsOfOnesOwnSession) {
  auto& boiler = connect("boiler-7");
  broker.subscribe(boiler, "plant/7/#", {.qos = QoS::at_least_once});
  connect("mallory", true);
  EXPECT_FALSE(boiler.closed);
  publish();
  EXPECT_EQ(boiler.publishes.size(), 1U);
  auto& same = connect("boiler-7");
  EXPECT_EQ(boiler.disconnect, Reason::session_taken_over);
  EXPECT_TRUE(same.session_present);
}

TEST_F(OthersIdentifier, NoLocalIsOfOnesOwnMessagesAlone) {
  auto& boiler = connect("boiler-7");
  broker.subscribe(boiler, "plant/7/#", {.qos = QoS::at_least_once, .no_local = true});
  broker.publish(connect(""), "plant/7/x", "of another", QoS::at_least_once);
  broker.publish(boiler, "plant/7/x", "its own", QoS::at_least_once);
  ASSERT_EQ(boiler.publishes.size(), 1U);
  EXPECT_EQ(boiler.publishes[0].payload, "of another");
}

}  // namespace
}  // namespace sealmq::testing
