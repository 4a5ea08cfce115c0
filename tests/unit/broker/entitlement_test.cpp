#include "broker/routing/entitlement.h"

#include "support/shard_parts.h"

namespace sealmq::broker {
namespace {

using mqtt::QoS;
using namespace sealmq::testing;

class EntitlementTest : public ShardParts {
 protected:
  /// Who gets what its topic lets the first scheme in by; whether that scheme restricts it is read when this begins.
  std::optional<QoS> towards(std::string_view topic, std::uint8_t comes_by, std::uint8_t leaves_by,
                             const std::string* subscriber = nullptr) {
    const Access its_access{schemes, policy(), list()};
    const Entitlement its{schemes, its_access};
    MessageView message = view(topic, "x", QoS::exactly_once);
    message.scheme = comes_by;
    return its.towards(session, message, leaves_by, subscriber, its_access.rule(topic), now);
  }
  SchemeInfo& info() { return fake_scheme().its; }

  Client& client = connect("client");
  Session& session = *client.session;
};

TEST_F(EntitlementTest, PolicyAndRightsDecide) {
  const std::string boiler = "boiler", stranger = "stranger";
  EXPECT_EQ(towards("plant/oven", plain, plain), QoS::exactly_once);
  EXPECT_EQ(towards("vault/door", plain, plain), std::nullopt);
  EXPECT_EQ(towards("office/lamp", plain, plain), std::nullopt) << "no rule";
  EXPECT_EQ(towards("signed/oven", fake, plain), std::nullopt) << "it does not leave by that scheme";
  EXPECT_TRUE(towards("plant/oven", plain, plain, &boiler));
  EXPECT_FALSE(towards("plant/oven", plain, plain, &stranger));
  leave(client);
  EXPECT_TRUE(towards("plant/oven", plain, plain)) << "it is kept for it";
  EXPECT_FALSE(towards("vault/door", plain, plain));
}

TEST_F(EntitlementTest, AMessageThatWaitedAsksForItsAuthorsRightAgain) {
  Delivery delivery;
  MessageView its = view("plant/oven", "hot");
  its.author = "boiler";
  delivery.message = message(its);
  delivery.scheme = plain;
  EXPECT_TRUE(entitlement.still(session, delivery, now));
  access.set(list(false));
  EXPECT_FALSE(entitlement.still(session, delivery, now));
}

TEST_F(EntitlementTest, WhatALoginOpensIsForWhoeverHasLoggedInSo) {
  TopicRule rule{.filter = "plant/#", .publish = {}, .subscribe = {}};
  rule.subscribe.add(plain);
  rule.require = {{Factor::key}};
  access.set(std::make_shared<const Policy>(Policy::make({std::move(rule)}).value()));
  Delivery delivery;
  delivery.message = message(view("plant/oven", "hot"));
  delivery.scheme = plain;
  client.link.proved.factors = {Factor::password};
  EXPECT_FALSE(entitlement.still(session, delivery, now));
  client.link.proved.factors = {Factor::password, Factor::key};
  EXPECT_TRUE(entitlement.still(session, delivery, now));
}

TEST_F(EntitlementTest, WhatALoginProtectsLeavesOnItsConnectionsAlone) {
  info().login_protects = true;
  EXPECT_FALSE(towards("plant/oven", plain, fake));
  EXPECT_TRUE(towards("plant/oven", plain, plain));
  client.link.proved_by = plain;
  EXPECT_FALSE(towards("plant/oven", plain, fake));
  client.link.proved_by = fake;
  EXPECT_TRUE(towards("plant/oven", plain, fake));
  leave(client);
  EXPECT_TRUE(towards("plant/oven", plain, fake)) << "how it logs in when it is back decides";
}

TEST_F(EntitlementTest, WhatWasHiddenDoesNotLeaveForEverybodyToRead) {
  info().leaves_hidden = true;
  info().claims.confidentiality = Confidentiality::none;
  EXPECT_FALSE(towards("plant/oven", fake, plain));
  EXPECT_TRUE(towards("plant/oven", plain, plain)) << "it was not hidden";
  client.link.is_hidden = true;
  EXPECT_TRUE(towards("plant/oven", fake, plain));
}

TEST_F(EntitlementTest, ALoginThatWantsQos2GetsNothingElse) {
  const Session& its = session;
  EXPECT_EQ(Entitlement::qos_for(its, QoS::at_most_once, QoS::exactly_once), QoS::at_most_once);
  EXPECT_EQ(Entitlement::qos_for(its, QoS::exactly_once, QoS::at_least_once), QoS::at_least_once);
  session.exactly_once = true;
  EXPECT_EQ(Entitlement::qos_for(its, QoS::at_most_once, QoS::at_most_once), QoS::exactly_once);
}

}  // namespace
}  // namespace sealmq::broker
