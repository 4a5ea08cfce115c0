// What a login is worth: whom the list lets in by it, and which rows it opens (index of specifications, section 9).
#include <gtest/gtest.h>

#include "broker/policy/access.h"
#include "support/broker_bench.h"
#include "support/identities.h"
#include "support/logins_of_tests.h"
#include "support/parties.h"

namespace sealmq::testing {
namespace {

using broker::TopicRule;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

enum class By { nothing, password, scheme, transport, transport_and_password };

class LoginWorth : public ::testing::TestWithParam<std::size_t> {
 protected:
  LoginWorth() {
    broker.enroll(identity_named("device"));
    list({});
  }

  void list(std::vector<std::string> schemes, Factors require = {}) {
    Identity device = identity_named("device");
    device.publish = device.subscribe = {"#"};
    device.schemes = std::move(schemes);
    device.require = require;
    broker.set_identity(device);
  }
  TestClient& connect(By by) {
    mqtt::Connect packet;
    packet.client_id = "device";
    packet.clean_start = false;
    packet.properties.session_expiry_interval = 3600;
    if (by == By::password || by == By::transport_and_password) {
      packet.user_name = "device";
      packet.password = as_bytes("secret of device");
    }
    if (by == By::scheme) {
      packet.properties.authentication_method = "TALK";
      packet.properties.authentication_data = as_bytes("hello");
    }
    if (by == By::transport || by == By::transport_and_password) broker.peer.identity = "device";
    auto& client = broker.connect(packet);
    broker.peer.identity.clear();
    if (by == By::scheme) talk(client);
    return client;
  }
  void talk(TestClient& client) {
    for (const char* word : {"one", "two"}) say(client, word, Reason::continue_authentication);
  }
  void say(TestClient& client, std::string_view word, Reason reason) {
    mqtt::Auth packet;
    packet.reason = reason;
    packet.properties.authentication_method = "TALK";
    packet.properties.authentication_data = as_bytes(word);
    broker.send(client, packet);
  }
  TopicRule row(std::string filter) const { return {std::move(filter), broker.schemes({"plain"}), broker.schemes({"plain"})}; }
  static broker::LoginSet logins(std::initializer_list<std::size_t> places) {
    broker::LoginSet set;
    for (const std::size_t place : places) set.add(place);
    return set;
  }
  bool may_publish(TestClient& client, std::string_view topic) {
    client.answers.clear();
    broker.publish(client, topic, "x", QoS::at_least_once);
    return !is_error(client.answers.front().reasons[0]);
  }
  bool may_subscribe(TestClient& client, std::string_view filter) {
    broker.subscribe(client, filter, {.qos = QoS::at_least_once});
    return !is_error(client.answers.back().reasons[0]);
  }

  Gate gate;
  std::uint64_t password_changes = 0;
  BrokerBench broker{GetParam(), {}, nullptr, [this](broker::Ports& ports) {
                       ports.gate = &gate;
                       ports.password_login = [](LoginRequest& request, Now) { return std::make_unique<PasswordLogin>(request); };
                       ports.password_changes = [this](std::string_view) { return password_changes; };
                       ports.schemes.back() = std::make_unique<WithLogin>(std::move(ports.schemes.back()));
                     }};
  const std::size_t scheme = all_schemes().size() - 1;
};
INSTANTIATE_TEST_SUITE_P(Shards, LoginWorth, ::testing::Values(1, 3));

TEST_P(LoginWorth, TheListSaysByWhichLogins) {
  const std::vector<std::tuple<std::vector<std::string>, By, bool>> cases{
      {{}, By::password, true},          {{}, By::scheme, true},
      {{}, By::transport, true},         {{"password", "plain"}, By::password, true},
      {{"plain"}, By::password, false},  {{"plain"}, By::scheme, true},
      {{"plain"}, By::transport, false}, {{"tls", "plain"}, By::transport, true},
      {{"sl1"}, By::scheme, false},      {{"tls"}, By::transport_and_password, false}};
  for (const auto& [schemes, by, enters] : cases) {
    list(schemes);
    gate.failures.clear();
    EXPECT_EQ(connect(by).connack, enters ? Reason::success : Reason::not_authorized);
    if (by == By::password && !enters) {
      EXPECT_EQ(gate.failures["device"], 1) << "the answer of a wrong password, and its price";
    }
  }
}

TEST_P(LoginWorth, AnIdentityMayDemandTwoFactors) {
  list({}, {Factor::key, Factor::password});
  EXPECT_EQ(connect(By::password).connack, Reason::not_authorized);
  EXPECT_EQ(connect(By::scheme).connack, Reason::not_authorized);
  EXPECT_EQ(connect(By::transport).connack, Reason::not_authorized);
  gate.failures.clear();
  EXPECT_EQ(connect(By::transport_and_password).connack, Reason::success);
}

TEST_P(LoginWorth, AConnectionEndsWhenTheListNoLongerLetsItInAsItCame) {
  const Factors both{Factor::key, Factor::password};
  const std::vector<std::tuple<By, std::vector<std::string>, Factors, bool>> cases{
      {By::password, {"password", "plain"}, {}, true},
      {By::password, {"plain"}, {}, false},
      {By::password, {}, {Factor::password}, true},
      {By::password, {}, both, false},
      {By::scheme, {"plain"}, {}, true},
      {By::scheme, {"password"}, {}, false},
      {By::transport, {"tls"}, {}, true},
      {By::transport, {"password"}, {}, false},
      {By::transport, {}, both, false},
      {By::transport_and_password, {}, both, true},
      {By::transport_and_password, {"password"}, both, false},
      {By::nothing, {"sl1"}, both, true}};
  for (const auto& [by, schemes, require, stays] : cases) {
    list({});
    auto& client = connect(by);
    ASSERT_EQ(client.connack, Reason::success);
    list(schemes, require);
    broker.advance(1);
    EXPECT_NE(client.closed, stays) << static_cast<int>(by);
    if (!stays) {
      EXPECT_EQ(client.disconnect, Reason::administrative_action);
    }
    broker.cut(client);
  }
}

TEST_P(LoginWorth, WhatALoginOpensIsThatOfTheListAsItIs) {
  TopicRule both = row("both/#"), by_tls = row("tls/#");
  both.require = {{Factor::key, Factor::password}};
  by_tls.login = logins({broker::login_by_transport});
  broker.set_rules({row("#"), both, by_tls});
  auto& client = connect(By::transport_and_password);
  EXPECT_TRUE(may_publish(client, "both/x"));
  EXPECT_TRUE(may_publish(client, "tls/x"));
  list({"password", "plain"});
  EXPECT_TRUE(may_publish(client, "else"));
  EXPECT_FALSE(may_publish(client, "both/x")) << "its certificate proves nothing any more";
  EXPECT_FALSE(may_publish(client, "tls/x"));
}

TEST_P(LoginWorth, APasswordThatIsChangedEndsTheConnectionsThatCameByIt) {
  auto& by_password = connect(By::password);
  ASSERT_EQ(by_password.connack, Reason::success);
  const auto look = [&] {
    for (std::size_t i = 0; i < GetParam(); ++i) broker.shard(i).look_at_proofs(broker.now);
    broker.advance(1);
  };
  look();
  EXPECT_FALSE(by_password.closed);
  ++password_changes;
  look();
  EXPECT_EQ(by_password.disconnect, Reason::administrative_action);
  for (const By by : {By::nothing, By::scheme, By::transport, By::password}) {
    auto& client = connect(by);
    look();
    EXPECT_FALSE(client.closed) << "it came afterwards";
    ++password_changes;
    look();
    EXPECT_EQ(client.closed, by == By::password) << "others have proved something else";
    broker.cut(client);
  }
}

TEST_P(LoginWorth, ARowAsksForALogin) {
  TopicRule by_scheme = row("scheme/#"), by_password = row("password/#");
  by_scheme.login = logins({scheme});
  by_password.login = logins({broker::login_by_password, broker::login_by_transport});
  broker.set_rules({row("#"), by_scheme, by_password});
  for (const By by : {By::nothing, By::password, By::scheme, By::transport}) {
    auto& client = connect(by);
    ASSERT_EQ(client.connack, Reason::success);
    EXPECT_EQ(may_publish(client, "scheme/x"), by == By::scheme);
    EXPECT_EQ(may_subscribe(client, "scheme/x"), by == By::scheme);
    EXPECT_EQ(may_publish(client, "password/x"), by == By::password || by == By::transport);
    EXPECT_TRUE(may_subscribe(client, "#")) << "some topic of it is open";
    EXPECT_TRUE(may_publish(client, "else"));
    broker.publish(client, "else", "x");
    EXPECT_FALSE(client.publishes.empty());
    broker.cut(client);
  }
}

TEST_P(LoginWorth, SubscribersLearnByWhatTheAuthorHadLoggedIn) {
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "#");
  const auto told = [&]() -> std::string {
    for (const auto& [name, value] : reader.publishes.back().user)
      if (name == "sealmq-login") return value;
    return "";
  };
  const std::pair<By, const char*> cases[] = {{By::nothing, ""},
                                              {By::password, "password"},
                                              {By::scheme, "plain"},
                                              {By::transport, "tls"},
                                              {By::transport_and_password, "password"}};
  for (const auto& [by, name] : cases) {
    auto& client = connect(by);
    broker.publish(client, "t", "x");
    EXPECT_EQ(told(), name);
    broker.cut(client);
  }
  broker.set_rules({row("#")});
  auto& old = connect(By::password);
  broker.publish(old, "kept", "x", QoS::at_least_once, true);
  broker.cut(old);
  broker.cut(connect(By::scheme));
  broker.subscribe(reader, "kept");
  EXPECT_EQ(told(), "password") << "of the message's time";
}

// Who signs its messages itself may bring them on anybody's connection.
TEST_P(LoginWorth, ALoginOfSomebodyElseIsNotTheAuthors) {
  broker.allow({"sl1"}, {"plain", "sl1"});
  Party boiler(broker, "boiler", {"t"}, {}, "sl1");
  auto& reader = broker.connect("reader");
  broker.subscribe(reader, "t");
  auto& carrier = connect(By::password);
  broker.publish(carrier, "t", protect(boiler, broker, "t", "x"));
  ASSERT_EQ(reader.publishes.size(), 1U);
  using User = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(reader.publishes[0].user, (User{{"sealmq-from", "boiler"}, {"sealmq-scheme", "sl1"}}));
}

TEST_P(LoginWorth, ARowAsksForTwoFactorsOrAnother) {
  TopicRule both = row("#");
  both.require = {{Factor::key, Factor::password}, {Factor::card}};
  broker.set_rules({both});
  for (const By by : {By::nothing, By::password, By::scheme, By::transport, By::transport_and_password}) {
    auto& client = connect(by);
    EXPECT_EQ(may_publish(client, "t"), by == By::transport_and_password);
    EXPECT_EQ(may_subscribe(client, "t"), by == By::transport_and_password);
    broker.cut(client);
  }
}

TEST(LoginByCard, ProvesACardWhereTheListSaysSoAndTheSchemeTakesOne) {
  Identity device = identity_named("device");
  device.status = Status::active;
  broker::Access::Login login{.name = "scacauth", .factors = {Factor::key}, .by_card = true};
  const auto proves_card = [&] { return broker::Access::check_login(&device, login).value().holds({Factor::card}); };
  EXPECT_FALSE(proves_card()) << "nobody has said that its key is in one";
  device.in_card = true;
  EXPECT_TRUE(proves_card());
  login.by_card = false;
  EXPECT_FALSE(proves_card()) << "a login by another scheme";
  login.by_card = true;
  login.factors = {Factor::password};
  EXPECT_FALSE(proves_card()) << "it has not proved the key";
  login.factors = {Factor::key};
  device.require = {Factor::card};
  EXPECT_TRUE(proves_card());
  device.in_card = false;
  EXPECT_FALSE(broker::Access::check_login(&device, login));
  device.in_card = true;
  device.require = {};
  login.profile = Profile::paper;
  device.schemes = {"scacauth"};
  EXPECT_FALSE(proves_card()) << "a published form proves nothing";

  for (const Scheme& scheme : all_schemes())
    EXPECT_EQ(scheme.info->login_proves.holds({Factor::card}), scheme.info->name == "scacauth") << scheme.info->name;
}

TEST_P(LoginWorth, EachDeliveryAsksForTheLogin) {
  TopicRule by_scheme = row("scheme/#");
  by_scheme.login = logins({scheme});
  broker.set_rules({row("#"), by_scheme});
  auto& reader = connect(By::scheme);
  ASSERT_TRUE(may_subscribe(reader, "#"));
  broker.cut(reader);
  auto& writer = broker.connect("writer");
  broker.set_rules({row("#")});
  EXPECT_TRUE(may_publish(writer, "scheme/x"));
  EXPECT_TRUE(may_publish(writer, "else"));
  broker.set_rules({row("#"), by_scheme});
  auto& weaker = connect(By::password);
  EXPECT_TRUE(weaker.session_present);
  ASSERT_EQ(weaker.publishes.size(), 1U) << "what waited was allowed to another login";
  EXPECT_EQ(weaker.publishes[0].topic, "else");
}

TEST_P(LoginWorth, RetainedMessagesAskForItToo) {
  broker.publish(broker.connect("writer"), "t", "x", QoS::at_least_once, true);
  TopicRule rule = row("t");
  rule.login = logins({scheme});
  broker.set_rules({row("#"), rule});
  for (const By by : {By::password, By::scheme}) {
    auto& reader = connect(by);
    may_subscribe(reader, "#");
    EXPECT_EQ(reader.publishes.size(), by == By::scheme ? 1U : 0U);
    broker.cut(reader);
  }
}

TEST_P(LoginWorth, ALoginGrowsOldAndIsRenewed) {
  TopicRule young = row("#");
  young.login_age = 60'000;
  broker.set_rules({young});
  auto& client = connect(By::scheme);
  ASSERT_TRUE(may_subscribe(client, "t"));
  EXPECT_TRUE(may_publish(client, "t"));
  broker.advance(61'000);
  EXPECT_FALSE(may_publish(client, "t"));
  EXPECT_FALSE(may_subscribe(client, "t"));
  client.publishes.clear();
  broker.set_rules({row("#")});
  auto& writer = broker.connect("writer");
  broker.set_rules({young});
  EXPECT_FALSE(may_publish(writer, "t")) << "no login has an age";
  say(client, "hello", Reason::reauthenticate);
  talk(client);
  EXPECT_EQ(client.auths.back(), Reason::success);
  EXPECT_TRUE(may_publish(client, "t"));
  EXPECT_EQ(client.publishes.size(), 1U);
}

TEST_P(LoginWorth, APatternHasTheClientIdentifierThatALoginBinds) {
  Identity device = identity_named("device");
  device.publish = {{"clients/%c/#", true}};
  broker.set_identity(device);
  auto& bound = connect(By::scheme);
  EXPECT_TRUE(may_publish(bound, "clients/device/x"));
  EXPECT_FALSE(may_publish(bound, "clients/other/x"));
  broker.cut(bound);
  EXPECT_FALSE(may_publish(connect(By::password), "clients/device/x"));
}

}  // namespace
}  // namespace sealmq::testing
