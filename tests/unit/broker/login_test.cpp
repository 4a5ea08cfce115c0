// Who may come in: by the transport, by user name and password, by a scheme's conversation, or as nobody.
#include <gtest/gtest.h>

#include "support/broker_bench.h"
#include "support/identities.h"
#include "support/logins_of_tests.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

class LoginTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  LoginTest() {
    broker.enroll(identity("device", {"own/#"}, {"own/#"}));
    broker.enroll(identity("other", {"own/#"}, {"own/#"}));
  }
  Identity identity(std::string name, Rights publish, Rights subscribe) {
    Identity made = identity_named(name);
    made.status = Status::active;
    made.publish = std::move(publish);
    made.subscribe = std::move(subscribe);
    return made;
  }
  mqtt::Connect connect(std::string_view client_id, std::string_view user, std::string_view password) {
    mqtt::Connect packet;
    packet.version = version;
    packet.client_id = client_id;
    packet.user_name = user;
    packet.password = as_bytes(password);
    return packet;
  }
  TestClient& talk(std::string_view client_id, std::string_view greeting = "hello") {
    mqtt::Connect packet;
    packet.client_id = client_id;
    packet.properties.authentication_method = "TALK";
    packet.properties.authentication_data = as_bytes(greeting);
    return broker.connect(packet);
  }
  void say(TestClient& client, std::string_view data, Reason reason = Reason::continue_authentication,
           std::string_view method = "TALK") {
    mqtt::Auth packet;
    packet.reason = reason;
    packet.properties.authentication_method = method;
    packet.properties.authentication_data = as_bytes(data);
    broker.send(client, packet);
  }

  Version version = Version::v5;
  Gate gate;
  BrokerBench broker{GetParam(), {}, nullptr, [this](broker::Ports& ports) {
                       ports.gate = &gate;
                       ports.password_login = [](LoginRequest& request, Now) { return std::make_unique<PasswordLogin>(request); };
                       ports.schemes.back() = std::make_unique<WithLogin>(std::move(ports.schemes.back()));
                     }};
};
INSTANTIATE_TEST_SUITE_P(Shards, LoginTest, ::testing::Values(1, 3));

TEST_P(LoginTest, ThePasswordDecides) {
  for (auto v : {Version::v5, Version::v3_1_1}) {
    version = v;
    EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::success);
    EXPECT_EQ(broker.connect(connect("d", "device", "secret of other")).connack, Reason::not_authorized);
    EXPECT_EQ(broker.connect(connect("e", "stranger", "secret of stranger")).connack, Reason::not_authorized);
  }
}

TEST_P(LoginTest, WhoIsLoggedInHasItsOwnRightsAndNoMore) {
  auto& device = broker.connect(connect("c", "device", "secret of device"));
  auto& other = broker.connect(connect("o", "other", "secret of other"));
  broker.subscribe(other, "own/#");
  broker.subscribe(other, "foreign/#");
  EXPECT_EQ(other.answers[0].reasons[0], Reason::success);
  EXPECT_EQ(other.answers[1].reasons[0], Reason::not_authorized);
  broker.publish(device, "own/x", "1", QoS::at_least_once);
  broker.publish(device, "foreign/x", "2", QoS::at_least_once);
  EXPECT_EQ(device.answers[0].reasons[0], Reason::success);
  EXPECT_EQ(device.answers[1].reasons[0], Reason::not_authorized);
  ASSERT_EQ(other.publishes.size(), 1U);
  using User = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(other.publishes[0].user, (User{{"sealmq-from", "device"}, {"sealmq-scheme", "plain"}, {"sealmq-login", "password"}}));
}

TEST_P(LoginTest, TheTransportMayHaveProvedIt) {
  broker.peer.identity = "device";
  auto& device = broker.connect("c");
  EXPECT_EQ(device.connack, Reason::success);
  broker.publish(device, "foreign/x", "2", QoS::at_least_once);
  EXPECT_EQ(device.answers[0].reasons[0], Reason::not_authorized);
  broker.peer.identity = "stranger";
  EXPECT_EQ(broker.connect("d").connack, Reason::not_authorized);
}

TEST_P(LoginTest, NobodyInParticularComesInOnlyWhereThatIsAllowed) {
  EXPECT_EQ(broker.connect("c").connack, Reason::success);
  broker.peer.may_be_anonymous = false;
  EXPECT_EQ(broker.connect("d").connack, Reason::not_authorized);
  EXPECT_EQ(broker.connect(connect("e", "device", "secret of device")).connack, Reason::success);
}

TEST_P(LoginTest, TooManyFailuresCloseTheDoorForAWhile) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(broker.connect(connect("c", "device", "wrong")).connack, Reason::not_authorized);
  EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::quota_exceeded);
  gate.failures.clear();
  EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::success);
  EXPECT_TRUE(gate.failures.empty());
}

TEST_P(LoginTest, ASessionBelongsToWhoLoggedIn) {
  auto mine = connect("shared-name", "device", "secret of device");
  mine.properties.session_expiry_interval = 3600;
  mine.clean_start = false;
  auto& device = broker.connect(mine);
  broker.subscribe(device, "own/#");
  EXPECT_EQ(broker.connect(connect("shared-name", "other", "secret of other")).connack, Reason::success);
  EXPECT_EQ(broker.connect("shared-name").connack, Reason::success);
  EXPECT_FALSE(device.closed);
  broker.cut(device);
  EXPECT_FALSE(broker.connect("shared-name", Version::v5, false).session_present);
  EXPECT_TRUE(broker.connect(mine).session_present);
}

TEST_P(LoginTest, WhatAStrangerPreparedIsNotTakenOver) {
  auto& stranger = broker.connect("name", Version::v5, false);
  broker.subscribe(stranger, "own/#");
  auto mine = connect("name", "device", "secret of device");
  mine.clean_start = false;
  auto& device = broker.connect(mine);
  EXPECT_EQ(device.connack, Reason::success);
  EXPECT_FALSE(device.session_present);
  EXPECT_FALSE(stranger.closed);
}

TEST_P(LoginTest, RevocationEndsTheLogin) {
  auto& device = broker.connect(connect("c", "device", "secret of device"));
  broker.revoke("device");
  EXPECT_EQ(device.disconnect, Reason::administrative_action);
  EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::not_authorized);
}

TEST_P(LoginTest, WhatComesBeforeTheDecisionWaitsForIt) {
  Buffer bytes;
  mqtt::encode(connect("c", "device", "secret of device"), bytes);
  mqtt::encode(mqtt::Subscribe{.packet_id = 3, .properties = {}, .entries = {{"own/x", {}}}}, Version::v5, bytes);
  auto& device = broker.dial();
  broker.send_bytes(device, bytes);
  EXPECT_EQ(device.connack, Reason::success);
  EXPECT_EQ(device.answers.size(), 1U);
}

TEST_P(LoginTest, AConversationInAuthPackets) {  // MQTT 5 section 4.12
  auto& device = talk("device");
  EXPECT_EQ(device.auths, (std::deque{Reason::continue_authentication}));
  EXPECT_EQ(device.login_data, "say one");
  EXPECT_FALSE(device.connack);
  say(device, "one");
  say(device, "two");
  EXPECT_EQ(device.connack, Reason::success);
  EXPECT_EQ(device.login_data, "welcome");
  broker.publish(device, "foreign/x", "2", QoS::at_least_once);
  EXPECT_EQ(device.answers[0].reasons[0], Reason::not_authorized);
}

TEST_P(LoginTest, AConversationThatGoesWrongEnds) {
  EXPECT_EQ(talk("device", "go away").connack, Reason::not_authorized);
  auto& wrong = talk("device");
  say(wrong, "two");
  EXPECT_EQ(wrong.connack, Reason::not_authorized);
  EXPECT_TRUE(wrong.closed);  // [MQTT-4.12.0-4]
  auto& other_method = talk("device");
  say(other_method, "one", Reason::continue_authentication, "SHOUT");
  EXPECT_EQ(other_method.connack, Reason::protocol_error);  // [MQTT-4.12.0-5]
  auto& impatient = talk("device");
  broker.publish(impatient, "own/x", "1");
  EXPECT_TRUE(impatient.closed);
  auto& silent = talk("device");
  broker.advance(11'000);
  EXPECT_TRUE(silent.closed);
  gate.failures.clear();
  auto& good = talk("device");
  say(good, "one");
  say(good, "two");
  EXPECT_EQ(good.connack, Reason::success);
}

TEST_P(LoginTest, LogsInAgainOnTheSameConnection) {  // [MQTT-4.12.1-1]
  auto& device = talk("device");
  say(device, "one");
  say(device, "two");
  say(device, "hello", Reason::reauthenticate);
  EXPECT_EQ(device.login_data, "say one");
  broker.publish(device, "own/x", "1", QoS::at_least_once);  // meanwhile
  EXPECT_EQ(device.answers.size(), 1U);
  say(device, "one");
  say(device, "two");
  EXPECT_EQ(device.auths.back(), Reason::success);
  say(device, "hello", Reason::reauthenticate);
  say(device, "two");
  EXPECT_EQ(device.disconnect, Reason::not_authorized);  // [MQTT-4.12.1-2]
}

TEST_P(LoginTest, AConnectionWhoseProtectionIsWornOutEnds) {
  broker.enroll(identity("worn", {"own/#"}, {"own/#"}));
  auto& worn = talk("worn");
  say(worn, "one");
  say(worn, "two");
  for (int i = 1; i <= 3; ++i) {
    EXPECT_FALSE(worn.closed) << i;
    broker.publish(worn, "own/x", "1", QoS::at_least_once);
  }
  EXPECT_TRUE(worn.closed);
  EXPECT_EQ(worn.disconnect, Reason::not_authorized);
}

TEST_P(LoginTest, NobodyBecomesSomebodyElseOnTheSameConnection) {
  auto& device = talk("device");
  say(device, "one");
  say(device, "two");
  say(device, "hello", Reason::reauthenticate);
  say(device, "one");
  say(device, "two, for another");
  EXPECT_EQ(device.disconnect, Reason::not_authorized);
  EXPECT_TRUE(device.closed);
}

TEST_P(LoginTest, AUserNameMeansNothingWhereNoPasswordsAreKept) {
  BrokerBench open(1, {}, nullptr, [](broker::Ports& ports) {
    ports.password_login = [](LoginRequest&, Now) { return std::unique_ptr<Login>(); };
  });
  for (auto v : {Version::v5, Version::v3_1_1}) {
    version = v;
    EXPECT_EQ(open.connect(connect("c", "anybody", "anything")).connack, Reason::success);
  }
  open.peer.may_be_anonymous = false;
  EXPECT_EQ(open.connect(connect("d", "anybody", "anything")).connack, Reason::not_authorized);
}

TEST_P(LoginTest, LeavingInsteadOfAnsweringIsAFailure) {
  for (int i = 1; i <= 3; ++i) {
    broker.cut(talk("device"));
    EXPECT_EQ(gate.failures["device"], i);
  }
  EXPECT_EQ(talk("device").connack, Reason::quota_exceeded);
}

TEST_P(LoginTest, FailuresAreThoseOfTheUserName) {
  for (const char* client : {"a", "b", "c"})
    EXPECT_EQ(broker.connect(connect(client, "device", "x")).connack, Reason::not_authorized);
  EXPECT_EQ(gate.failures, (std::map<std::string, int>{{"device", 3}}));
  EXPECT_EQ(broker.connect(connect("d", "device", "secret of device")).connack, Reason::quota_exceeded);
}

TEST_P(LoginTest, LeavingWhileTheBrokerWorksIsNoFailureAndCostsNoWork) {
  broker::Shard& shard = broker.shard(0);
  Buffer bytes;
  mqtt::encode(connect("", "device", "secret of other"), bytes);
  for (int i = 0; i < 4; ++i) {
    auto id = shard.open({.address = "test"}, broker.now);
    shard.receive(id, bytes, broker.now);
    ASSERT_EQ(shard.effects().jobs.size(), 1U);
    broker::Job job = std::move(shard.effects().jobs.front());
    shard.effects().jobs.clear();
    shard.gone(id, broker.now);
    EXPECT_TRUE(gate.failures.empty());
    int before = PasswordLogin::checked;
    job.work();
    EXPECT_EQ(PasswordLogin::checked, before);
    shard.finish(job.name, broker.now);
  }
  EXPECT_TRUE(gate.failures.empty());
  EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::success);
}

/// A gate at which a name has been guessed at: the second try waits until the first has had its time, and answers come late.
class SlowGate : public Gate {
 public:
  Turn take_turn(std::string_view, std::string_view, Now now) override {
    if (now.steady < busy_until) return {.is_now = false};
    busy_until = now.steady + 2000;
    return {.answer_at = busy_until};
  }
  std::uint64_t busy_until = 0;
};

TEST(SlowLoginTest, TriesWaitForTheirTurnAndAnswersForTheirTime) {
  SlowGate gate;
  BrokerBench broker(1, {}, nullptr, [&](broker::Ports& ports) {
    ports.gate = &gate;
    ports.password_login = [](LoginRequest& request, Now) { return std::make_unique<PasswordLogin>(request); };
    ports.schemes.back() = std::make_unique<WithLogin>(std::move(ports.schemes.back()));
  });
  broker.enroll(identity_named("device"));
  mqtt::Connect packet;
  packet.user_name = "device";
  packet.client_id = "a";
  packet.password = as_bytes("wrong");
  const int before = PasswordLogin::checked;
  auto& wrong = broker.connect(packet);
  packet.client_id = "b";
  packet.password = as_bytes("secret of device");
  auto& right = broker.connect(packet);
  packet.client_id = "c";
  auto& impatient = broker.connect(packet);
  EXPECT_EQ(PasswordLogin::checked, before + 1) << "one at a time";
  EXPECT_FALSE(wrong.connack);
  broker.cut(impatient);
  EXPECT_EQ(gate.failures["device"], 1) << "who is kept waiting has not failed";
  broker.advance(2000);
  EXPECT_EQ(wrong.connack, Reason::not_authorized);
  EXPECT_EQ(PasswordLogin::checked, before + 2);
  EXPECT_FALSE(right.connack);
  broker.advance(2000);
  EXPECT_EQ(right.connack, Reason::success);
  mqtt::Connect by_scheme;
  by_scheme.client_id = "device";
  by_scheme.properties.authentication_method = "TALK";
  by_scheme.properties.authentication_data = as_bytes("hello");
  EXPECT_EQ(broker.connect(by_scheme).auths.size(), 1U) << "a proof by key does not wait";
}

TEST_P(LoginTest, BoundsUndecidedLogins) {
  broker::Settings settings;
  settings.maximum_logins = 2;
  BrokerBench bounded(1, settings, nullptr, [](broker::Ports& ports) {
    ports.schemes.back() = std::make_unique<WithLogin>(std::move(ports.schemes.back()));
  });
  mqtt::Connect packet;
  packet.properties.authentication_method = "TALK";
  packet.properties.authentication_data = as_bytes("hello");
  auto& first = bounded.connect(packet);
  auto& second = bounded.connect(packet);
  auto& third = bounded.connect(packet);
  EXPECT_EQ(first.connack, Reason::quota_exceeded) << "it lets the broker wait, and makes room";
  EXPECT_TRUE(first.closed);
  EXPECT_FALSE(second.connack);
  EXPECT_FALSE(third.connack);
}

TEST_P(LoginTest, AFloodOfLoginsDisplacesItself) {
  broker::Settings settings;
  settings.maximum_logins = 4;
  BrokerBench bounded(1, settings, nullptr, [this](broker::Ports& ports) {
    ports.gate = &gate;
    ports.schemes.back() = std::make_unique<WithLogin>(std::move(ports.schemes.back()));
  });
  bounded.enroll(identity("device", {}, {}));
  mqtt::Connect packet;
  packet.properties.authentication_method = "TALK";
  packet.properties.authentication_data = as_bytes("hello");
  packet.client_id = "device";
  bounded.peer.address = "10.0.0.1:1";
  bounded.peer.place = "10.0.0.1";
  auto& modest = bounded.connect(packet);
  bounded.peer.place = "10.0.0.2";
  packet.client_id = "";
  for (int i = 0; i < 50; ++i) bounded.connect(packet);
  ASSERT_FALSE(modest.closed);
  for (const char* answer : {"one", "two"}) {
    mqtt::Auth auth;
    auth.reason = Reason::continue_authentication;
    auth.properties.authentication_method = "TALK";
    auth.properties.authentication_data = as_bytes(answer);
    bounded.send(modest, auth);
  }
  EXPECT_EQ(modest.connack, Reason::success);
  EXPECT_TRUE(gate.failures.empty()) << "who made room has not failed";
}

// A fleet behind one address that comes back all at once: as many as `connects_per_second_per_address` lets in.
TEST_P(LoginTest, AsManyAsMayConnectAtOnceWaitForTheirLogin) {
  broker::Shard& shard = broker.shard(0);
  Buffer bytes;
  mqtt::encode(connect("", "device", "secret of device"), bytes);
  constexpr std::size_t at_once = 5000;
  for (std::size_t i = 0; i < at_once; ++i)
    shard.receive(shard.open({.address = "test", .place = "fleet"}, broker.now), bytes, broker.now);
  EXPECT_TRUE(shard.effects().closing.empty());
}

TEST_P(LoginTest, AStepThatTakesTooLongEndsIt) {
  auto& slow = talk("device");
  broker.advance(4000);
  EXPECT_FALSE(slow.closed);
  say(slow, "one");
  broker.advance(4000);
  EXPECT_FALSE(slow.closed) << "each step has its own time";
  broker.advance(1500);
  EXPECT_TRUE(slow.closed);
}

TEST_P(LoginTest, OneAddressHasFewLoginsWorkedOnAtATime) {
  broker::Shard& shard = broker.shard(0);
  Buffer bytes;
  mqtt::encode(connect("", "device", "secret of device"), bytes);
  const auto come = [&](std::string place) {
    shard.receive(shard.open({.address = "test", .place = std::move(place)}, broker.now), bytes, broker.now);
  };
  for (int i = 0; i < 50; ++i) come("flood");
  EXPECT_EQ(shard.effects().jobs.size(), 8U);
  come("modest");
  ASSERT_EQ(shard.effects().jobs.size(), 9U) << "it waits behind nobody of another address";
  for (std::size_t done = 0; !shard.effects().jobs.empty(); ++done) {
    broker::Job job = std::move(shard.effects().jobs.front());
    shard.effects().jobs.erase(shard.effects().jobs.begin());
    job.work();
    shard.finish(job.name, broker.now);
    ASSERT_LE(shard.effects().jobs.size(), 16U);
  }
  EXPECT_EQ(shard.counters().logins, 51U) << "and all get in";
}

// -- schemes whose topics name their ends, and that want both to have logged in

/// Plain MQTT on topics FROM/TO/..., for those who have talked themselves in.
class BetweenLoggedIn : public WithLogin {
 public:
  explicit BetweenLoggedIn(std::unique_ptr<BrokerScheme> inner) : WithLogin(std::move(inner)), info_(WithLogin::info()) {
    info_.names_ends = true;
    info_.needs_login = itself_;
  }
  const SchemeInfo& info() const override { return info_; }
  bool may_send(std::string_view identity, std::string_view topic) const override {
    return !identity.empty() && topic.starts_with(std::string(identity) + "/");
  }
  bool may_get(std::string_view identity, std::string_view filter) const override {
    return filter == "#" || (!identity.empty() && filter.find("/" + std::string(identity)) != filter.npos);
  }

 private:
  static constexpr std::string_view itself_[] = {"plain"};
  SchemeInfo info_;
};

class BetweenLoggedInTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  BetweenLoggedInTest() {
    for (const char* name : {"pc", "dr", "other"}) {
      Identity made = identity_named(name);
      made.publish = made.subscribe = {"#"};
      broker.enroll(made);
    }
  }
  mqtt::Connect talking(std::string_view name) {
    mqtt::Connect packet;
    packet.client_id = name;
    packet.properties.authentication_method = "TALK";
    packet.properties.authentication_data = as_bytes("hello");
    packet.properties.session_expiry_interval = 3600;
    packet.clean_start = false;
    return packet;
  }
  TestClient& talked_in(std::string_view name) {
    auto& client = broker.connect(talking(name));
    for (const char* word : {"one", "two"}) {
      mqtt::Auth packet;
      packet.reason = Reason::continue_authentication;
      packet.properties.authentication_method = "TALK";
      packet.properties.authentication_data = as_bytes(word);
      broker.send(client, packet);
    }
    EXPECT_EQ(client.connack, Reason::success);
    return client;
  }
  TestClient& with_password(std::string_view name) {
    const std::string password = "secret of " + std::string(name);
    mqtt::Connect packet = talking(name);
    packet.properties.authentication_method.reset();
    packet.properties.authentication_data.reset();
    packet.user_name = name;
    packet.password = as_bytes(password);
    return broker.connect(packet);
  }
  Reason publish(TestClient& client, std::string_view topic) {
    broker.publish(client, topic, "x", QoS::at_least_once);
    return client.answers.back().reasons[0];
  }
  Reason subscribe(TestClient& client, std::string_view filter) {
    broker.subscribe(client, filter, {.qos = QoS::at_least_once});
    return client.answers.back().reasons[0];
  }

  BrokerBench broker{GetParam(), {}, nullptr, [](broker::Ports& ports) {
                       ports.password_login = [](LoginRequest& request, Now) { return std::make_unique<PasswordLogin>(request); };
                       ports.schemes.back() = std::make_unique<BetweenLoggedIn>(std::move(ports.schemes.back()));
                     }};
};
INSTANTIATE_TEST_SUITE_P(Shards, BetweenLoggedInTest, ::testing::Values(1, 3));

TEST_P(BetweenLoggedInTest, TheTopicSaysWhoSendsAndWhoGets) {
  auto &pc = talked_in("pc"), &dr = talked_in("dr"), &other = talked_in("other");
  EXPECT_EQ(subscribe(dr, "+/dr/#"), Reason::granted_qos_1);
  EXPECT_EQ(subscribe(other, "+/dr/#"), Reason::not_authorized);
  EXPECT_EQ(subscribe(other, "#"), Reason::granted_qos_1);
  EXPECT_EQ(publish(pc, "pc/dr/vitals"), Reason::success);
  EXPECT_EQ(publish(other, "pc/dr/vitals"), Reason::not_authorized);
  EXPECT_EQ(dr.publishes.size(), 1U);
  EXPECT_EQ(other.publishes.size(), 0U);
  EXPECT_EQ(publish(pc, "pc/other/vitals"), Reason::success);
  EXPECT_EQ(other.publishes.size(), 1U);
}

TEST_P(BetweenLoggedInTest, BothHaveToHaveLoggedInByAScheme) {
  auto& dr = talked_in("dr");
  subscribe(dr, "+/dr/#");
  auto& pc = with_password("pc");
  EXPECT_EQ(publish(pc, "pc/dr/vitals"), Reason::not_authorized);
  broker.cut(pc);
  EXPECT_EQ(publish(talked_in("pc"), "pc/dr/vitals"), Reason::success);
  EXPECT_EQ(dr.publishes.size(), 1U);
}

TEST_P(BetweenLoggedInTest, WhatWaitsForASessionIsForTheSameKindOfLogin) {
  auto& pc = talked_in("pc");
  for (const bool same : {true, false}) {
    auto& before = talked_in("dr");
    subscribe(before, "+/dr/#");
    broker.cut(before);
    EXPECT_EQ(publish(pc, "pc/dr/vitals"), Reason::success);
    auto& after = same ? talked_in("dr") : with_password("dr");
    EXPECT_TRUE(after.session_present);
    EXPECT_EQ(after.publishes.size(), same ? 1U : 0U);
    broker.cut(after);
  }
}

// -- what protects the connection after a login

class HopTest : public LoginTest {};
INSTANTIATE_TEST_SUITE_P(Shards, HopTest, ::testing::Values(1));

TEST_P(HopTest, ALoginWithoutAKeyProtectsNothing) {
  mqtt::Connect packet;
  packet.client_id = "device";
  packet.properties.authentication_method = "TALK";
  packet.properties.authentication_data = as_bytes("hello");
  packet.properties.user.push_back({"hop", "HRL1"});
  auto& device = broker.connect(packet);
  say(device, "one");
  say(device, "two");
  EXPECT_TRUE(device.closed);
}

TEST_P(HopTest, OnlyWhatIsKnownIsChosen) {
  mqtt::Connect packet;
  packet.client_id = "device";
  packet.properties.authentication_method = "TALK";
  packet.properties.authentication_data = as_bytes("hello");
  packet.properties.user.push_back({"hop", "HRL2"});
  auto& device = broker.connect(packet);
  say(device, "one");
  say(device, "two");
  EXPECT_EQ(device.connack, Reason::success);
  // Who logs in otherwise may call its properties as it likes.
  const std::string long_offer(300, 'x');
  mqtt::Connect other = connect("c", "device", "secret of device");
  other.properties.user.push_back({"hop", long_offer});
  EXPECT_EQ(broker.connect(other).connack, Reason::success);
  packet.properties.user.back().value = long_offer;
  EXPECT_EQ(broker.connect(packet).connack, Reason::protocol_error);
}

TEST_P(HopTest, AListenerThatAsksForOneLetsNobodyElseIn) {
  broker.peer.hop = broker::HopRule::hrl1;
  EXPECT_EQ(talk("device").connack, Reason::not_authorized);
  EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::not_authorized);
  EXPECT_EQ(broker.connect("anybody").connack, Reason::not_authorized);
  broker.peer.is_own = true;
  EXPECT_EQ(broker.connect("sealmq-own-bridge").connack, Reason::success);
}

TEST_P(HopTest, WithoutEncryptionALoginByASchemeNeedsOne) {
  broker.peer.must_be_protected = true;
  EXPECT_EQ(talk("device").connack, Reason::not_authorized);
  EXPECT_EQ(broker.connect(connect("c", "device", "secret of device")).connack, Reason::success);
}

}  // namespace
}  // namespace sealmq::testing
