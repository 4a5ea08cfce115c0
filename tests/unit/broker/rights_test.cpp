// Rights by topic, QoS and pattern, against independent vectors (rights.json) and through a broker: at PUBLISH, at SUBSCRIBE, at
// each delivery, for Wills and retained messages.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "broker/policy/access.h"
#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq::testing {
namespace {

using broker::Own;
using broker::TopicRule;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

nlohmann::json vectors(const char* part) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/rights.json");
  auto its = nlohmann::json::parse(file).at(part);
  EXPECT_FALSE(its.empty());
  return its;
}

std::string text(const nlohmann::json& value, const char* name) {
  return value.at(name).get<std::string>();
}

mqtt::PatternNames names_in(const nlohmann::json& v, const std::string& identity, const std::string& client_id) {
  return {.identity = identity, .client_id = v.at("bound").get<bool>() ? std::string_view(client_id) : std::string_view()};
}

QosSet qos_set(const nlohmann::json& list) {
  QosSet set = QosSet::none();
  for (const auto& qos : list) set.add(static_cast<QoS>(qos.get<int>()));
  return set;
}

TEST(RightsVectors, PatternsAreFilledWithWhatFitsALevel) {
  for (const auto& v : vectors("pattern_fill")) {
    const auto identity = text(v, "identity"), client_id = text(v, "client_id");
    const auto filled = mqtt::fill_pattern(text(v, "pattern"), names_in(v, identity, client_id));
    EXPECT_EQ(filled, v.at("filter").is_null() ? std::nullopt : std::optional(text(v, "filter"))) << v;
  }
}

TEST(RightsVectors, WhatIsNoPatternIsRefused) {
  for (const auto& v : vectors("pattern_syntax"))
    EXPECT_EQ(mqtt::is_topic_pattern(text(v, "pattern")), v.at("valid").get<bool>()) << v;
}

/// Plain MQTT alone, and one identity.
class RightsAsVectors : public ::testing::Test {
 protected:
  RightsAsVectors() : keys(make_memory_keys("broker-1", Kind::broker, random)) {
    schemes.push_back(find_scheme("plain")->broker_side({*keys, random}));
    all.add(0);
  }
  broker::Access access_to(TopicRule rule, const Identity& identity) {
    rule.publish = rule.subscribe = all;
    std::vector<TopicRule> rules{std::move(rule)};
    return {schemes, std::make_shared<const broker::Policy>(broker::Policy::make(std::move(rules)).value()),
            std::make_shared<const Directory>(std::vector{identity})};
  }

  CountingRandom random;
  std::unique_ptr<KeyStore> keys;
  std::vector<std::unique_ptr<BrokerScheme>> schemes;
  broker::SchemeSet all;
  broker::Proved nobody;
};

TEST_F(RightsAsVectors, RowsOfOnesOwn) {
  for (const auto& v : vectors("rows")) {
    const auto identity = text(v, "identity"), client_id = text(v, "client_id"), own = text(v, "own"), topic = text(v, "topic");
    TopicRule rule{.filter = {}, .publish = {}, .subscribe = {}};
    rule.pattern = text(v, "pattern");
    rule.own = own == "pub" ? Own::publish : own == "sub" ? Own::subscribe : Own::both;
    const auto access = access_to(rule, identity_named("other"));
    const TopicRule* decides = access.rule(topic);
    if (text(v, "row") == "other") {
      EXPECT_EQ(decides, nullptr) << v;
      continue;
    }
    ASSERT_NE(decides, nullptr) << v;
    const broker::Caller caller{nobody, names_in(v, identity, client_id)};
    const bool is_open = text(v, "operation") == "pub" ? !access.may_publish(nullptr, 0, topic, caller).empty()
                                                       : access.may_receive(nullptr, 0, topic, decides, caller.names).has_value();
    EXPECT_EQ(is_open, text(v, "row") == "open") << v;
  }
}

// An identity that is invited or revoked has no right, whatever the list says it may do.
TEST_F(RightsAsVectors, WhoIsNotActiveMayDoNothing) {
  Identity identity = identity_named("a");
  identity.publish = identity.subscribe = {{"plant/#", false, QosSet::all()}};
  const broker::Caller caller{nobody, {.identity = "a"}};
  for (const Status status : {Status::active, Status::invited, Status::revoked}) {
    identity.status = status;
    const auto access = access_to({.filter = "#", .publish = {}, .subscribe = {}, .multicast = true}, identity);
    const bool may = status == Status::active;
    EXPECT_EQ(!access.may_publish(&identity, 0, "plant/1", caller).empty(), may) << name(status);
    EXPECT_EQ(access.may_still_publish("a", 0, "plant/1", QoS::at_least_once), may) << name(status);
    EXPECT_EQ(access.may_subscribe(&identity, 0, "plant/1", QoS::at_least_once, caller).has_value(), may) << name(status);
    EXPECT_EQ(access.may_share(&identity, 0, "plant/1", caller), may) << name(status);
    EXPECT_EQ(access.may_receive(&identity.name, 0, "plant/1", access.rule("plant/1"), caller.names).has_value(), may)
        << name(status);
  }
}

TEST_F(RightsAsVectors, QosOfRightsAndRows) {
  for (const auto& v : vectors("qos")) {
    Identity identity = identity_named("a");
    for (const auto& right : v.at("rights"))
      (right[0] == "pub" ? identity.publish : identity.subscribe)
          .emplace_back(right[1].get<std::string>(), false, qos_set(right[2]));
    TopicRule rule{.filter = "#", .publish = {}, .subscribe = {}};
    if (v.contains("row_qos")) rule.publish_qos = rule.subscribe_qos = qos_set(v["row_qos"]);
    const auto access = access_to(rule, identity);
    const broker::Caller caller{nobody, {.identity = "a"}};
    const auto topic = text(v, "topic");
    if (text(v, "ask") == "publish") {
      const QosSet may = access.may_publish(&identity, 0, topic, caller);
      EXPECT_EQ(may.contains(static_cast<QoS>(v.at("qos").get<int>())), v.at("allowed").get<bool>()) << v;
      continue;
    }
    const auto wanted = static_cast<QoS>(v.at("requested").get<int>());
    const auto granted = access.may_subscribe(&identity, 0, topic, wanted, caller);
    ASSERT_EQ(granted.has_value(), !v.at("granted").is_null()) << v;
    if (!granted) continue;
    EXPECT_EQ(static_cast<int>(*granted), v["granted"].get<int>()) << v;
    const auto most = access.may_receive(&identity.name, 0, topic, access.rule(topic), caller.names);
    ASSERT_TRUE(most) << v;
    const auto delivered = std::min({static_cast<QoS>(v.at("message_qos").get<int>()), *granted, *most});
    EXPECT_EQ(static_cast<int>(delivered), v.at("delivered").get<int>()) << v;
  }
}

// -- through a broker

Right with(std::string filter, std::string_view qos, bool is_pattern = false) {
  return {std::move(filter), is_pattern, qos_set_from(qos).value()};
}

class RightsTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  static broker::Settings durable() {
    broker::Settings settings;
    settings.durable = true;
    return settings;
  }
  Identity device(Rights publish, Rights subscribe) {
    Identity its = identity_named("device");
    its.publish = std::move(publish);
    its.subscribe = std::move(subscribe);
    return its;
  }
  TestClient& logged_in(std::string_view name, std::string_view client_id, bool lasts = true) {
    broker.peer.identity = name;
    auto& client = broker.connect(client_id, Version::v5, !lasts);
    broker.peer.identity.clear();
    return client;
  }
  Reason publish(TestClient& client, std::string_view topic, QoS qos, bool retain = false) {
    client.answers.clear();
    broker.publish(client, topic, "x", qos, retain);
    return client.answers.empty() ? Reason::success : client.answers.front().reasons[0];
  }
  Reason subscribe(TestClient& client, std::string_view filter, QoS qos) {
    broker.subscribe(client, filter, {.qos = qos});
    return client.answers.back().reasons[0];
  }
  void publish_all(TestClient& writer, std::string_view topic) {
    for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) publish(writer, topic, qos);
  }
  static std::string qos_of(const TestClient& client) {
    std::string all;
    for (const auto& got : client.publishes) all += std::to_string(static_cast<int>(got.qos));
    return all;
  }

  BrokerBench broker{GetParam(), durable()};
};
INSTANTIATE_TEST_SUITE_P(Shards, RightsTest, ::testing::Values(1, 3));

TEST_P(RightsTest, AMessageComesInWithAQosThatItsAuthorMayUse) {
  broker.enroll(device({with("t", "0"), with("t/2", "1,2")}, {}));
  auto& reader = broker.connect("reader");
  subscribe(reader, "#", QoS::exactly_once);
  auto& link = logged_in("device", "d");
  EXPECT_EQ(publish(link, "t", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(publish(link, "t", QoS::exactly_once, true), Reason::not_authorized);
  EXPECT_EQ(publish(link, "t/2", QoS::at_most_once), Reason::success) << "there is no answer";
  EXPECT_TRUE(reader.publishes.empty());
  EXPECT_EQ(broker.counters().retained, 0U);
  publish(link, "t", QoS::at_most_once);
  EXPECT_EQ(publish(link, "t/2", QoS::at_least_once), Reason::success);
  EXPECT_EQ(qos_of(reader), "01");
}

TEST_P(RightsTest, AWillComesInWithAQosThatItsAuthorMayUse) {
  broker.enroll(device({with("status", "0,1")}, {}));
  auto& reader = broker.connect("reader");
  subscribe(reader, "#", QoS::exactly_once);
  for (const QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
    mqtt::Connect packet;
    packet.client_id = "d";
    packet.will = mqtt::Will{"status", as_bytes("gone"), qos, false, {}};
    broker.peer.identity = "device";
    auto& link = broker.connect(packet);
    broker.peer.identity.clear();
    EXPECT_EQ(link.connack, qos == QoS::at_least_once ? Reason::success : Reason::not_authorized);
    if (link.closed) continue;
    broker.cut(link);
    EXPECT_EQ(qos_of(reader), "1");
  }
}

TEST_P(RightsTest, ARowBoundsTheQosOfEverybody) {
  TopicRule rule{"#", broker.schemes({"plain"}), broker.schemes({"plain"})};
  rule.publish_qos = qos_set_from("0,1").value();
  rule.subscribe_qos = qos_set_from("1").value();
  broker.set_rules({rule});
  auto &writer = broker.connect("writer"), &reader = broker.connect("reader");
  EXPECT_EQ(subscribe(reader, "t", QoS::at_most_once), Reason::not_authorized);
  EXPECT_EQ(subscribe(reader, "t", QoS::exactly_once), Reason::granted_qos_1);
  EXPECT_EQ(publish(writer, "t", QoS::exactly_once), Reason::not_authorized);
  EXPECT_EQ(publish(writer, "t", QoS::at_least_once), Reason::success);
  EXPECT_EQ(qos_of(reader), "1");
}

TEST_P(RightsTest, ASubscriptionIsGrantedWhatItMayHave) {
  broker.enroll(device({}, {with("a/#", "0,1"), with("b", "2")}));
  auto& reader = logged_in("device", "d");
  EXPECT_EQ(subscribe(reader, "b", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(subscribe(reader, "b", QoS::exactly_once), Reason::granted_qos_2);
  EXPECT_EQ(subscribe(reader, "a/x", QoS::exactly_once), Reason::granted_qos_1);
  EXPECT_EQ(subscribe(reader, "#", QoS::exactly_once), Reason::granted_qos_2) << "what some topic of it would get";
  auto& writer = broker.connect("writer");
  publish_all(writer, "a/x");
  EXPECT_EQ(qos_of(reader), "011") << "and each topic no more than its own";
}

TEST_P(RightsTest, WhatWaitsLeavesWithTheQosThatIsAllowedThen) {
  for (const bool restarts : {false, true}) {
    if (!restarts) broker.enroll(device({}, {"t"}));
    broker.set_identity(device({}, {"t"}));
    auto& reader = logged_in("device", "d");
    subscribe(reader, "t", QoS::exactly_once);
    broker.cut(reader);
    publish_all(broker.connect("writer"), "t");
    broker.set_identity(device({}, {with("t", "0,1")}));
    if (restarts) broker.crash();
    EXPECT_EQ(qos_of(logged_in("device", "d")), "11");
    EXPECT_EQ(qos_of(logged_in("device", "d")), "") << "it has them";
    broker.set_identity(device({}, {"t"}));
    auto& again = logged_in("device", "d");
    broker.cut(again);
    publish_all(broker.connect("writer"), "t");
    broker.set_identity(device({}, {with("t", "0")}));
    if (restarts) broker.crash();
    EXPECT_EQ(qos_of(logged_in("device", "d")), "00");
    broker.cut(logged_in("device", "d", false));
  }
}

TEST_P(RightsTest, WhatIsRetainedLeavesWithTheQosThatIsAllowed) {
  broker.enroll(device({}, {with("t", "0,1")}));
  publish(broker.connect("writer"), "t", QoS::exactly_once, true);
  auto& reader = logged_in("device", "d");
  subscribe(reader, "#", QoS::exactly_once);
  EXPECT_EQ(qos_of(reader), "1");
}

TEST_P(RightsTest, APatternIsForWhoeverHasLoggedIn) {
  for (const char* name : {"boiler-7", "boiler-8"}) {
    Identity its = identity_named(name);
    its.publish = its.subscribe = {{"devices/%u/#", true}, {"clients/%c/#", true}};
    broker.enroll(its);
  }
  auto& link = logged_in("boiler-7", "boiler-8");
  EXPECT_EQ(publish(link, "devices/boiler-7/x", QoS::at_least_once), Reason::no_matching_subscribers);
  EXPECT_EQ(publish(link, "devices/boiler-8/x", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(publish(link, "clients/boiler-8/x", QoS::at_least_once), Reason::not_authorized)
      << "nothing binds the client identifier";
  EXPECT_EQ(subscribe(link, "devices/boiler-8/#", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(subscribe(link, "devices/+/x", QoS::at_least_once), Reason::granted_qos_1);
  auto& writer = broker.connect("writer");
  publish(writer, "devices/boiler-8/x", QoS::at_least_once);
  EXPECT_TRUE(link.publishes.empty());
  broker.cut(link);
  publish(writer, "devices/boiler-8/x", QoS::at_least_once);
  publish(writer, "devices/boiler-7/x", QoS::at_least_once);
  auto& again = logged_in("boiler-7", "boiler-8");
  ASSERT_EQ(again.publishes.size(), 1U);
  EXPECT_EQ(again.publishes[0].topic, "devices/boiler-7/x");
}

TEST_P(RightsTest, WildcardsInAClientIdentifierWidenNothing) {
  Identity its = identity_named("device");
  its.publish = its.subscribe = {{"clients/%c/x", true}};
  broker.enroll(its);
  for (const char* id : {"+", "#", "a/b", "$SYS", "%u"}) {
    auto& link = logged_in("device", id);
    EXPECT_EQ(subscribe(link, "clients/+/x", QoS::at_least_once), Reason::not_authorized);
    EXPECT_EQ(subscribe(link, "#", QoS::at_least_once), Reason::not_authorized);
    EXPECT_EQ(publish(link, "clients/a/x", QoS::at_least_once), Reason::not_authorized);
  }
}

TEST_P(RightsTest, ARowWithAPatternLeavesTopicsToTheirOwner) {
  for (const char* name : {"a", "b"}) {
    Identity its = identity_named(name);
    its.publish = its.subscribe = {"#"};
    broker.enroll(its);
  }
  TopicRule everything{"#", broker.schemes({"plain"}), broker.schemes({"plain"})};
  TopicRule own = everything, state = everything;
  own.pattern = "devices/%u/#";
  state.pattern = "devices/%u/state";
  state.own = Own::publish;
  broker.set_rules({everything, own, state});
  auto &a = logged_in("a", "1"), &b = logged_in("b", "2");
  EXPECT_EQ(subscribe(b, "devices/a/x", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(subscribe(b, "devices/#", QoS::at_least_once), Reason::granted_qos_1);
  for (const char* topic : {"devices/a/x", "devices/a/state", "elsewhere"}) publish(a, topic, QoS::at_least_once);
  ASSERT_EQ(b.publishes.size(), 1U);
  EXPECT_EQ(b.publishes[0].topic, "devices/a/state");
  EXPECT_EQ(publish(b, "devices/a/state", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(publish(broker.connect("anybody"), "devices/a/x", QoS::at_least_once), Reason::not_authorized);
}

// Claim: what is denied stays so, whichever other row decides and whatever rights there are.
TEST_P(RightsTest, WhatIsDeniedToANameNoRightAndNoOtherRowGives) {
  for (const char* name : {"device", "other"}) {
    Identity its = identity_named(name);
    its.publish = its.subscribe = {"#"};
    broker.enroll(its);
  }
  TopicRule everything{"#", broker.schemes({"plain"}), broker.schemes({"plain"})};
  TopicRule secret = everything, inner = everything;
  secret.filter = "plant/secret/#";
  secret.deny_publish = secret.deny_subscribe = {"device"};
  inner.filter = "plant/secret/open";
  broker.set_rules({everything, secret, inner});
  auto &device = logged_in("device", "d"), &other = logged_in("other", "o");
  for (const char* topic : {"plant/secret", "plant/secret/a", "plant/secret/open"}) {
    EXPECT_EQ(publish(device, topic, QoS::at_least_once), Reason::not_authorized) << topic;
    EXPECT_EQ(subscribe(device, topic, QoS::at_least_once), Reason::not_authorized) << topic;
    EXPECT_NE(publish(other, topic, QoS::at_least_once), Reason::not_authorized) << topic;
  }
  EXPECT_EQ(subscribe(device, "plant/secret/+", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(subscribe(device, "plant/#", QoS::at_least_once), Reason::granted_qos_1) << "for what else there is";
  for (const char* topic : {"plant/secret/a", "plant/secret/open", "plant/a"}) publish(other, topic, QoS::at_least_once, true);
  ASSERT_EQ(device.publishes.size(), 1U);
  EXPECT_EQ(device.publishes[0].topic, "plant/a");
  device.publishes.clear();
  subscribe(device, "#", QoS::at_least_once);
  ASSERT_EQ(device.publishes.size(), 1U) << "nor what is retained";
  EXPECT_EQ(device.publishes[0].topic, "plant/a");
}

TEST_P(RightsTest, WhatIsDeniedMeanwhileIsDroppedFromWhatWaits) {
  broker.enroll(device({"#"}, {"#"}));
  TopicRule everything{"#", broker.schemes({"plain"}), broker.schemes({"plain"})};
  broker.set_rules({everything});
  auto& link = logged_in("device", "d");
  subscribe(link, "#", QoS::at_least_once);
  broker.cut(link);
  auto& writer = broker.connect("writer");
  for (const char* topic : {"a", "b"}) publish(writer, topic, QoS::at_least_once);
  TopicRule a = everything;
  a.filter = "a";
  a.deny_subscribe = {"device"};
  broker.set_rules({everything, a});
  auto& back = logged_in("device", "d");
  ASSERT_EQ(back.publishes.size(), 1U);
  EXPECT_EQ(back.publishes[0].topic, "b");
}

TEST_P(RightsTest, WhoHasNotLoggedInMayReadWhereItMayNotWrite) {
  broker.enroll(device({"#"}, {"#"}));
  TopicRule news{"#", broker.schemes({"plain"}), broker.schemes({"plain"})};
  news.deny_publish = {"anonymous"};
  TopicRule inside = news;
  inside.filter = "inside/#";
  inside.deny_subscribe = {"anonymous"};
  broker.set_rules({news, inside});
  auto &anybody = broker.connect("anybody"), &known = logged_in("device", "d");
  EXPECT_EQ(subscribe(anybody, "#", QoS::at_least_once), Reason::granted_qos_1);
  EXPECT_EQ(subscribe(anybody, "inside/x", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(subscribe(anybody, "$share/g/inside/x", QoS::at_least_once), Reason::not_authorized);
  EXPECT_EQ(publish(anybody, "news", QoS::at_least_once), Reason::not_authorized);
  for (const char* topic : {"news", "inside/x"}) EXPECT_NE(publish(known, topic, QoS::at_least_once), Reason::not_authorized);
  ASSERT_EQ(anybody.publishes.size(), 1U);
  EXPECT_EQ(anybody.publishes[0].topic, "news");
  broker.peer.is_own = true;  // a bridge
  auto& bridge = broker.connect("sealmq-own-bridge");
  broker.peer.is_own = false;
  EXPECT_NE(publish(bridge, "inside/x", QoS::at_least_once), Reason::not_authorized);
}

}  // namespace
}  // namespace sealmq::testing
