// Who may come in: by the transport, by user name and password, by a scheme's conversation, or as nobody.
#include <gtest/gtest.h>

#include <map>

#include "support/broker_bench.h"
#include "support/identities.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

/// "secret of NAME" is everybody's password.
class PasswordLogin : public Login {
 public:
  explicit PasswordLogin(LoginRequest& request) : name_(std::move(request.user_name)), password_(std::move(request.password)) {
    tested_ = Tested::secret;
  }
  Result<Step> advance(Bytes, const Scene&) override {
    ++checked;
    if (as_text(password_.reveal()) != "secret of " + name_) return fail(Blame::not_authorised, "wrong password");
    return done(name_);
  }

  static inline int checked = 0;

 private:
  std::string name_;
  Secret password_;
};

/// The broker asks twice; the client has to say what it was asked.
class Conversation : public Login {
 public:
  explicit Conversation(std::string name) : name_(std::move(name)) {}
  Result<Step> advance(Bytes data, const Scene&) override {
    if (++round_ == 1) {
      if (as_text(data) != "hello") return fail(Blame::not_authorised, "no greeting");
      return reply(to_buffer(as_bytes("say one")));
    }
    if (round_ == 2) return as_text(data) == "one" ? Result<Step>(reply(to_buffer(as_bytes("say two")))) : refused();
    if (as_text(data) == "two, for another") return done("other");
    return as_text(data) == "two" ? Result<Step>(done(name_, to_buffer(as_bytes("welcome")))) : refused();
  }

 private:
  static Failure refused() { return fail(Blame::not_authorised, "not what was asked for"); }
  std::string name_;
  int round_ = 0;
};

/// Plain MQTT with a method of its own.
class WithLogin : public BrokerScheme {
 public:
  explicit WithLogin(std::unique_ptr<BrokerScheme> inner) : inner_(std::move(inner)) {}
  const SchemeInfo& info() const override { return inner_->info(); }
  bool recognises(const Incoming& message) const override { return inner_->recognises(message); }
  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override { return inner_->open(message, scene); }
  Result<> seal(const sealmq::Outgoing& message, const Scene& scene, Buffer& out) override {
    return inner_->seal(message, scene, out);
  }
  std::unique_ptr<Login> begin_login(LoginRequest& request) override {
    if (request.method != "TALK") return nullptr;
    return std::make_unique<Conversation>(request.client_id);
  }

 private:
  std::unique_ptr<BrokerScheme> inner_;
};

class Gate : public broker::LoginGate {
 public:
  bool may_try(Tested, std::string_view name, std::string_view, Now) override {
    const auto at = failures.find(std::string(name));
    return at == failures.end() || at->second < 3;
  }
  bool begin(Tested by, std::string_view name, std::string_view address, Now now) override {
    if (!may_try(by, name, address, now)) return false;
    ++failures[std::string(name)];
    return true;
  }
  void end(Tested, std::string_view name, std::string_view, Outcome outcome, Now) override {
    if (outcome == Outcome::failed) return;
    int& count = failures[std::string(name)];
    count = outcome == Outcome::succeeded ? 0 : count - 1;
    if (count == 0) failures.erase(std::string(name));
  }
  std::map<std::string, int> failures;
};

class LoginTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  LoginTest() {
    broker.enroll(identity("device", {"own/#"}, {"own/#"}));
    broker.enroll(identity("other", {"own/#"}, {"own/#"}));
  }
  Identity identity(std::string name, std::vector<std::string> publish, std::vector<std::string> subscribe) {
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
                       ports.password_login = [](LoginRequest& request) { return std::make_unique<PasswordLogin>(request); };
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
  ASSERT_EQ(other.publishes[0].user.size(), 2U);
  EXPECT_EQ(other.publishes[0].user[0].second, "device");  // sealmq-from
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
  BrokerBench open(1, {}, nullptr,
                   [](broker::Ports& ports) { ports.password_login = [](LoginRequest&) { return std::unique_ptr<Login>(); }; });
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
  bounded.connect(packet);
  EXPECT_EQ(bounded.connect(packet).connack, Reason::quota_exceeded);
  bounded.cut(first);
  EXPECT_FALSE(bounded.connect(packet).connack);
}

// -- schemes whose topics name their ends, and that want both to have logged in

/// Plain MQTT on topics FROM/TO/..., for those who have talked themselves in.
class BetweenLoggedIn : public WithLogin {
 public:
  explicit BetweenLoggedIn(std::unique_ptr<BrokerScheme> inner) : WithLogin(std::move(inner)), info_(WithLogin::info()) {
    info_.needs_login = info_.names_ends = true;
  }
  const SchemeInfo& info() const override { return info_; }
  bool may_send(std::string_view identity, std::string_view topic) const override {
    return !identity.empty() && topic.starts_with(std::string(identity) + "/");
  }
  bool may_get(std::string_view identity, std::string_view filter) const override {
    return filter == "#" || (!identity.empty() && filter.find("/" + std::string(identity)) != filter.npos);
  }

 private:
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
                       ports.password_login = [](LoginRequest& request) { return std::make_unique<PasswordLogin>(request); };
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
