// SL3 on the connections of a broker, both profiles: who gets a session, what is taken and what is given, groups and their keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "schemes/malina/join.h"
#include "schemes/malina/revocation.h"
#include "schemes/sl3/messages.h"
#include "schemes/sl3/sl3.h"
#include "support/conversing.h"
#include "support/liar.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using Texts = std::vector<std::string>;

constexpr std::uint64_t hour = 3'600'000;

struct Where {
  std::string scheme;
  std::size_t shards;
};

std::string name_of(const ::testing::TestParamInfo<Where>& info) {
  return (info.param.scheme == "sl3" ? "hardened_" : "paper_") + std::to_string(info.param.shards);
}

class Sl3Broker : public ::testing::TestWithParam<Where> {
 protected:
  Sl3Broker() { rules(false); }
  void rules(bool multicast) {
    auto its = broker.schemes({scheme()});
    broker.set_rules({{"plant/#", its, its, multicast}});
  }
  std::string scheme() const { return GetParam().scheme; }
  bool is_paper() const { return scheme() != "sl3"; }
  /// As published there are no wildcards.
  std::string filter() const { return is_paper() ? "plant/7" : "plant/#"; }
  /// One more than may speak over one connection.
  std::vector<std::unique_ptr<Conversing>> many_at_one_gateway() {
    std::vector<std::unique_ptr<Conversing>> pumps;
    for (int i = 0; i < 9; ++i) {
      pumps.push_back(std::make_unique<Conversing>(broker, "pump-" + std::to_string(i), Rights{"plant/#"}, Rights{}, scheme()));
      pumps.back()->link = device.link;
    }
    return pumps;
  }
  std::size_t refusals(broker::Refusal refusal) const { return broker.refused(refusal); }
  static bool is_group_frame(std::string_view frame) {
    return frame.starts_with("SL3_6") || frame.starts_with(std::string_view("\x02\x36", 2));
  }
  static bool is_key_frame(std::string_view frame) {
    return frame.starts_with("SL3_5") || frame.starts_with(std::string_view("\x02\x35", 2));
  }
  /// A subscriber on the same shard as `control`, or if there are several on another one; each shard has groups of its own.
  std::unique_ptr<Conversing> subscriber(const std::string& name, bool beside_control) {
    auto made = std::make_unique<Conversing>(broker, name, Rights{}, Rights{"plant/#"}, scheme());
    while ((made->link->shard == control.link->shard) != (beside_control || GetParam().shards == 1)) made->connect();
    return made;
  }

  BrokerBench broker{GetParam().shards};
  Conversing device{broker, "boiler-7", {"plant/#"}, {}, scheme()};
  Conversing control{broker, "control", {}, {"plant/#"}, scheme(), {device.keys->identity()}};
  std::unique_ptr<Conversing> beside = subscriber("archive", true);
  Conversing& archive = *beside;
};
INSTANTIATE_TEST_SUITE_P(Schemes, Sl3Broker,
                         ::testing::Values(Where{"sl3", 1}, Where{"sl3", 3}, Where{"sl3@paper", 1}, Where{"sl3@paper", 3}),
                         name_of);
/// As published there are neither wildcards nor answers that a client could wait for.
class Sl3BrokerHardened : public Sl3Broker {};
INSTANTIATE_TEST_SUITE_P(Schemes, Sl3BrokerHardened, ::testing::Values(Where{"sl3", 1}, Where{"sl3", 3}), name_of);

TEST_P(Sl3Broker, AMessageGoesFromSessionToSession) {
  EXPECT_EQ(control.subscribe(filter()), Reason::success);
  if (!is_paper()) {
    EXPECT_EQ(control.grants, Texts{filter()});
  }
  EXPECT_EQ(device.publish("plant/7", "21.5"), Reason::success);
  control.go_on();
  ASSERT_EQ(control.texts(), Texts{"21.5"}) << ::testing::PrintToString(control.errors);
  EXPECT_EQ(control.messages[0].topic, "plant/7");
  EXPECT_EQ(control.messages[0].author, "boiler-7");
  EXPECT_NE(control.messages[0].checked.find("signature"), std::string::npos);
  EXPECT_EQ(control.last().topic, "$sl/inbox");
  EXPECT_TRUE(control.last().user.empty());
  EXPECT_TRUE(control.errors.empty());
}

TEST_P(Sl3Broker, EveryQosArrivesOnce) {
  control.subscribe(filter());
  for (QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once})
    EXPECT_EQ(device.publish("plant/7", "q" + std::to_string(static_cast<int>(qos)), qos), Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"q0", "q1", "q2"}));
}

TEST_P(Sl3Broker, TwoSubscribersGetDifferentBytesAndAGroupTheSame) {
  control.subscribe(filter());
  archive.subscribe(filter());
  device.publish("plant/7", "a");
  go_on({&control, &archive});
  EXPECT_NE(control.last().payload, archive.last().payload);
  EXPECT_FALSE(is_group_frame(control.last().payload));

  rules(true);
  device.publish("plant/7", "b");
  go_on({&control, &archive});
  EXPECT_TRUE(is_group_frame(control.last().payload));
  EXPECT_EQ(control.last().payload, archive.last().payload);
  EXPECT_EQ(control.texts(), (Texts{"a", "b"})) << ::testing::PrintToString(control.errors);
  EXPECT_EQ(archive.texts(), (Texts{"a", "b"})) << ::testing::PrintToString(archive.errors);
  EXPECT_EQ(archive.messages[0].author.substr(0, 3), "id:");  // not pinned
}

TEST_P(Sl3Broker, ANewKeyIsSentWhenAMemberLeavesAndTheOldOneOpensNothingNew) {
  rules(true);
  control.subscribe(filter());
  archive.subscribe(filter());
  device.publish("plant/7", "a");
  go_on({&control, &archive});
  ASSERT_EQ(archive.texts(), Texts{"a"});
  broker.cut(*archive.link);
  device.publish("plant/7", "b");
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b"}));
  const auto& key = control.link->publishes[control.link->publishes.size() - 2];
  EXPECT_TRUE(is_key_frame(key.payload));
  EXPECT_FALSE(archive.take(key));
  EXPECT_FALSE(archive.take(control.last()));
  EXPECT_EQ(archive.texts(), Texts{"a"});
}

TEST_P(Sl3Broker, WhoHasLeftOpensNothingWhicheverShardSealsIt) {
  rules(true);
  const auto elsewhere = subscriber("elsewhere", false);
  const auto leaver = subscriber("leaver", false);
  for (Conversing* one : {&control, &archive, elsewhere.get(), leaver.get()}) one->subscribe(filter());
  device.publish("plant/7", "a");
  go_on({&control, &archive, elsewhere.get(), leaver.get()});
  ASSERT_EQ(leaver->texts(), Texts{"a"});
  std::map<const Conversing*, std::size_t> seen;
  for (const Conversing* one : {&control, &archive, elsewhere.get()}) seen[one] = one->link->publishes.size();
  broker.cut(*leaver->link);
  device.publish("plant/7", "b");
  go_on({&control, &archive, elsewhere.get()});
  for (const auto& [one, before] : seen) {
    EXPECT_EQ(one->texts(), (Texts{"a", "b"}));
    for (std::size_t i = before; i < one->link->publishes.size(); ++i) EXPECT_FALSE(leaver->take(one->link->publishes[i]));
  }
  EXPECT_EQ(leaver->texts(), Texts{"a"});
}

TEST_P(Sl3Broker, ANewcomerOpensNothingOld) {
  rules(true);
  const auto elsewhere = subscriber("elsewhere", false);
  control.subscribe(filter());
  elsewhere->subscribe(filter());
  device.publish("plant/7", "a");
  const GotPublish old[] = {control.last(), elsewhere->last()};
  const auto other = subscriber("other", false);
  for (Conversing* newcomer : {&archive, other.get()}) newcomer->subscribe(filter());
  device.publish("plant/7", "b");
  for (Conversing* newcomer : {&archive, other.get()}) {
    newcomer->go_on();
    EXPECT_EQ(newcomer->texts(), Texts{"b"});
    for (const auto& got : old) EXPECT_FALSE(newcomer->take(got));
  }
}

TEST_P(Sl3Broker, ALostKeyIsAskedForAgainButSeldom) {
  rules(true);
  control.subscribe(filter());
  device.publish("plant/7", "a");
  control.go_on();
  std::size_t asked = control.requests.size();
  auto& link = *control.link;
  archive.subscribe(filter());
  device.publish("plant/7", "b");
  // What came: the new key, then the message. The key is lost.
  ASSERT_TRUE(is_key_frame(link.publishes[link.publishes.size() - 2].payload));
  GotPublish sealed = link.publishes.back();
  link.publishes.erase(link.publishes.end() - 2);
  control.go_on();
  EXPECT_EQ(control.texts(), Texts{"a"});
  EXPECT_EQ(control.requests.size(), asked) << "a moment ago";
  broker.advance(5'000);
  for (int i = 0; i < 5; ++i) {
    control.take(sealed);
    control.go_on();
  }
  EXPECT_EQ(control.requests.size(), asked + 1);
  device.publish("plant/7", "c");
  control.go_on();
  EXPECT_EQ(control.texts().back(), "c");
}

TEST_P(Sl3Broker, AGroupThatEndsAndBeginsAgainWithinASessionLosesNothing) {
  control.subscribe(filter());
  for (const char* text : {"a", "b", "c", "d"}) {
    rules(*text % 2 == 1);  // a and c to the group, b and d to each alone
    device.publish("plant/7", text);
    control.go_on();
  }
  rules(true);
  device.publish("plant/7", "e");
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b", "c", "d", "e"}));
  EXPECT_TRUE(control.errors.empty()) << ::testing::PrintToString(control.errors);
}

// The counters of the session have moved when the core asks for rights, and stay so: rights are asked before copies are judged,
// so the frame is refused again, and one that was refused does not come to life when the right is given. A client protects anew
// what it tries again.
TEST_P(Sl3Broker, WhatWasRefusedAfterItWasOpenedIsRefusedAgain) {
  control.subscribe(filter());
  EXPECT_EQ(device.publish("plant/7", "a"), Reason::success);
  Identity changed = device.identity;
  changed.publish = {"plant/8"};
  broker.set_identity(changed);
  const std::string frame = device.frame("plant/7", "b");
  EXPECT_EQ(device.send(frame), Reason::not_authorized);
  EXPECT_EQ(device.send(frame), Reason::not_authorized);
  changed.publish = {"plant/#"};
  broker.set_identity(changed);
  if (!is_paper()) device.send(frame);
  EXPECT_EQ(device.publish("plant/7", "c"), Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "c"}));
}

TEST_P(Sl3Broker, ARevokedSubscriberGetsNothingMoreAndTheGroupANewKey) {
  rules(true);
  control.subscribe(filter());
  archive.subscribe(filter());
  device.publish("plant/7", "a");
  go_on({&control, &archive});
  auto report = broker.revoke("archive");
  EXPECT_EQ(report.sessions, 1U);
  EXPECT_TRUE(archive.link->closed);
  device.publish("plant/7", "b");
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b"}));
  EXPECT_FALSE(archive.take(control.last()));
  archive.connect();
  EXPECT_NE(archive.answer, Reason::success);
}

TEST_P(Sl3Broker, ARevokedPublisherIsHeardNoMore) {
  control.subscribe(filter());
  device.publish("plant/7", "a");
  broker.revoke("boiler-7");
  EXPECT_TRUE(device.link->closed);
  device.connect();
  EXPECT_EQ(device.publish("plant/7", "b"), Reason::not_authorized);
  EXPECT_GE(refusals(broker::Refusal::author_revoked), 1U);
  control.go_on();
  EXPECT_EQ(control.texts(), Texts{"a"});
}

TEST_P(Sl3Broker, RightsAreAskedForEachMessage) {
  control.subscribe(filter());
  EXPECT_EQ(device.publish("plant/7", "a"), Reason::success);
  EXPECT_EQ(device.publish("office/1", "b"), Reason::not_authorized);
  Identity changed = device.identity;
  changed.publish = {"plant/8"};
  broker.set_identity(changed);
  EXPECT_EQ(device.publish("plant/7", "c"), Reason::not_authorized);
  changed.publish = {"plant/#"};
  broker.set_identity(changed);
  EXPECT_EQ(device.publish("plant/7", "d"), Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "d"}));
}

TEST_P(Sl3Broker, ASubscriberWithoutARightIsRefusedAndForgetsIt) {
  EXPECT_EQ(control.subscribe(is_paper() ? "office/1" : "office/#"), Reason::not_authorized);
  broker.advance(60'000);
  control.go_on();
  EXPECT_EQ(control.requests.size(), 1U);
}

TEST_P(Sl3Broker, WhoIsNotOnTheListGetsNoSession) {
  Conversing stranger(broker, "stranger", {"plant/#"}, {"plant/#"}, scheme(), {}, false);
  EXPECT_EQ(stranger.subscribe(filter()), Reason::not_authorized);
  EXPECT_EQ(stranger.publish("plant/7", "x"), Reason::not_authorized);
  EXPECT_EQ(refusals(broker::Refusal::author_not_listed), 2U);
  EXPECT_TRUE(stranger.link->publishes.empty());
}

TEST_P(Sl3Broker, SessionsAreRenewedBeforeTheyEnd) {
  control.subscribe(filter());
  device.publish("plant/7", "a");
  go_on({&control, &device});
  std::size_t asked = control.requests.size();
  broker.now.steady += 23 * hour;
  broker.now.wall += 23 * hour;
  go_on({&control, &device});
  EXPECT_EQ(control.requests.size(), asked + 1);
  EXPECT_EQ(device.publish("plant/7", "b"), Reason::success);
  control.go_on();
  broker.now.steady += 2 * hour;
  broker.now.wall += 2 * hour;
  broker.advance(1'000);
  EXPECT_EQ(device.publish("plant/7", "c"), Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b", "c"})) << ::testing::PrintToString(control.errors);
  EXPECT_EQ(broker.counters().subscriptions, 1U);
}

TEST_P(Sl3Broker, ASessionThatIsNotRenewedEnds) {
  control.subscribe(filter());
  EXPECT_EQ(broker.counters().subscriptions, 1U);
  std::string frame = device.frame("plant/7", "a");
  device.send(frame);
  std::string later = device.frame("plant/7", "b");
  broker.now.steady += 24 * hour;
  broker.now.wall += 24 * hour;
  broker.advance(1'000);
  EXPECT_EQ(broker.counters().subscriptions, 0U);
  EXPECT_EQ(device.send(later), Reason::not_authorized);
}

TEST_P(Sl3Broker, AfterAReconnectionEverythingIsAskedForAgain) {
  control.subscribe(filter());
  device.publish("plant/7", "a");
  control.go_on();
  broker.cut(*control.link);
  broker.cut(*device.link);
  EXPECT_EQ(broker.counters().subscriptions, 0U);
  control.connect(mqtt::Version::v3_1_1);
  device.connect();
  EXPECT_EQ(device.publish("plant/7", "b"), Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b"})) << ::testing::PrintToString(control.errors);
}

TEST_P(Sl3Broker, ACopyIsAcknowledgedAndNotForwarded) {
  control.subscribe(filter());
  std::string first = device.frame("plant/7", "a");
  device.send(first);
  std::string frame = device.frame("plant/7", "b");
  EXPECT_EQ(device.send(frame), Reason::success);
  EXPECT_EQ(device.send(frame), Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b"}));
  EXPECT_EQ(refusals(broker::Refusal::replay), 1U);
}

TEST_P(Sl3Broker, NothingIsAcceptedWhileTheMemoryIsBroken) {
  if (!is_paper()) {  // the counters of a session are its memory; only who asks for one needs the other
    broker.replays.broken = true;
    EXPECT_EQ(control.subscribe(filter()), Reason::implementation_specific_error);
    EXPECT_NE(device.publish("plant/7", "a"), Reason::success);
    broker.replays.broken = false;
    EXPECT_EQ(control.subscribe(filter()), Reason::success);
    return;
  }
  control.subscribe(filter());
  device.publish("plant/7", "a");
  std::string frame = device.frame("plant/7", "b");
  broker.replays.broken = true;
  EXPECT_EQ(device.send(frame), Reason::implementation_specific_error);
  broker.replays.broken = false;
  EXPECT_EQ(device.send(frame), Reason::success) << "the window of the session was moved, the memory was not";
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"a", "b"}));
}

TEST_P(Sl3BrokerHardened, OverlappingSubscriptionsShowAMessageOnce) {
  control.subscribe("plant/#");
  control.subscribe("plant/+");
  device.publish("plant/7", "a");
  control.go_on();
  EXPECT_EQ(control.texts(), Texts{"a"});
  EXPECT_EQ(control.repeats, 1U);
}

TEST_P(Sl3Broker, OneConnectionHoldsSoManyPublishersAndTheNextIsRefused) {
  const auto pumps = many_at_one_gateway();
  for (std::size_t i = 0; i < pumps.size(); ++i)
    EXPECT_EQ(pumps[i]->publish("plant/7", "x"), i < 8 ? Reason::success : Reason::not_authorized) << i;
}

// As published a client cannot know that it has no session.
TEST_P(Sl3BrokerHardened, ARevokedPublisherLeavesItsPlaceAtTheGateway) {
  const auto pumps = many_at_one_gateway();
  for (const auto& pump : pumps) pump->publish("plant/7", "x");
  broker.revoke("pump-3");
  broker.advance(1'000);
  EXPECT_EQ(pumps.back()->publish("plant/7", "x"), Reason::success) << "its session was forgotten";
}

TEST_P(Sl3Broker, WhatCameByAnotherSchemeHasNoSignatureToGiveOn) {
  broker.allow({scheme(), "plain"}, {scheme()}, "plant/#");
  control.subscribe(filter());
  auto& plain = broker.connect("plain");
  broker.publish(plain, "plant/7", "x", QoS::at_least_once);
  EXPECT_EQ(plain.answers.back().reasons[0], Reason::success);
  control.go_on();
  EXPECT_TRUE(control.messages.empty());
  EXPECT_EQ(broker.counters().dropped[static_cast<std::size_t>(broker::Drop::cannot_seal)], 1U);
}

TEST_P(Sl3Broker, APlainSubscriberThatPolicyAdmitsGetsTheBarePayload) {
  broker.allow({scheme()}, {"plain"}, "plant/#");
  auto& plain = broker.connect("plain");
  broker.subscribe(plain, "plant/#");
  device.publish("plant/7", "21.5");
  ASSERT_EQ(plain.publishes.size(), 1U);
  EXPECT_EQ(plain.publishes[0].payload, "21.5");
  EXPECT_EQ(plain.publishes[0].topic, "plant/7");
}

TEST_P(Sl3Broker, AQueuedMessageIsSealedWhenItsTurnComes) {
  rules(true);
  control.connect(mqtt::Version::v5, 1);  // takes one after the other
  control.subscribe(filter());
  control.link->acknowledges = false;
  for (int i = 0; i < 3; ++i) device.publish("plant/7", "m" + std::to_string(i));
  control.go_on();
  EXPECT_EQ(control.texts(), Texts{"m0"});
  archive.subscribe(filter());
  broker.cut(*archive.link);  // two new epochs
  control.link->acknowledges = true;
  broker.send(*control.link, mqtt::Puback{.packet_id = control.last().packet_id, .properties = {}});
  control.go_on();
  EXPECT_EQ(control.texts(), (Texts{"m0", "m1", "m2"})) << ::testing::PrintToString(control.errors);
}

TEST_P(Sl3Broker, WhoIsRevokedOnASharedConnectionLeavesItsGroupThoughMessagesWait) {
  rules(true);
  control.connect(mqtt::Version::v5, 1);  // a gateway, of two subscribers
  control.subscribe(filter());
  archive.link = control.link;
  EXPECT_EQ(archive.subscribe(filter()), Reason::success);
  const auto beside_it = subscriber("screen", true);
  Conversing& screen = *beside_it;
  screen.subscribe(filter());
  control.link->acknowledges = false;
  for (int i = 0; i < 3; ++i) device.publish("plant/7", "m" + std::to_string(i));
  screen.go_on();
  const std::size_t seen = screen.link->publishes.size();
  broker.revoke("archive");
  device.publish("plant/7", "m3");
  screen.go_on();
  ASSERT_EQ(screen.link->publishes.size(), seen + 2);
  EXPECT_TRUE(is_key_frame(screen.link->publishes[seen].payload));
  EXPECT_EQ(screen.texts().size(), 4U);
}

// -- only hardened -------------------------------------------------------------------------------------------------------------

class WhoChecksTheAuthor : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Options, WhoChecksTheAuthor, ::testing::Values("session", "signature"));

TEST_P(WhoChecksTheAuthor, AWrongSignatureInARightSessionIsRefusedByTheSubscriberAndIfWantedByTheBroker) {
  CountingRandom random;
  auto key = make_memory_keys("broker-9", Kind::broker, random);
  BrokerBench broker(1, {}, nullptr, [&](broker::Ports& ports) {
    BrokerPorts its{*key, random};
    its.options["sl3.author"] = GetParam();
    for (auto& scheme : ports.schemes)
      if (scheme->info().name == "sl3") scheme = sl3::hardened_broker(its);
  });
  std::swap(broker.key, key);  // the scheme object still refers to the same store, which is the bench's now
  broker.allow({"sl3"}, {"sl3"}, "plant/#");
  Conversing device(broker, "boiler-7", {"plant/#"}, {}, "sl3");
  Conversing control(broker, "control", {}, {"plant/#"}, "sl3");
  Liar liar(*device.keys);
  device.scheme = find_scheme("sl3")->client_side({&liar, broker_identity(broker.key->identity()), {}, broker.random}).value();
  control.subscribe("plant/#");
  EXPECT_EQ(device.publish("plant/7", "true"), Reason::success);
  liar.lies = true;
  const bool broker_asks = GetParam() == "signature";
  EXPECT_EQ(device.publish("plant/7", "false"), broker_asks ? Reason::not_authorized : Reason::success);
  control.go_on();
  EXPECT_EQ(control.texts(), Texts{"true"});
  EXPECT_EQ(control.errors.size(), broker_asks ? 0U : 1U);
}

TEST(Sl3Client, NeedsTheBrokersKeyAndTheOwn) {
  BrokerBench broker;
  auto keys = make_memory_keys("x", Kind::device, broker.random);
  for (const char* name : {"sl3", "sl3@paper"}) {
    auto no_broker = find_scheme(name)->client_side({keys.get(), std::nullopt, {}, broker.random});
    EXPECT_EQ(no_broker.error().blame, Blame::caller_misused);
    auto no_key = find_scheme(name)->client_side({nullptr, broker_identity(broker.key->identity()), {}, broker.random});
    EXPECT_EQ(no_key.error().blame, Blame::caller_misused);
  }
}

TEST(Sl3Client, AnAnswerThatDoesNotComeIsAskedForAgain) {
  BrokerBench broker;
  Party party(broker, "control", {}, {"#"}, "sl3");
  party.scheme->connected(broker.now);
  ASSERT_TRUE(party.scheme->subscribe("plant/#", broker.now));
  EXPECT_TRUE(party.scheme->next_request(broker.now).value());
  EXPECT_FALSE(party.scheme->next_request(broker.now).value());
  broker.now.steady += 9'999;
  EXPECT_FALSE(party.scheme->next_request(broker.now).value());
  broker.now.steady += 1;
  EXPECT_TRUE(party.scheme->next_request(broker.now).value());
}

TEST(Sl3Client, RefusesFiltersThatNoSessionCanHave) {
  BrokerBench broker;
  Party hardened(broker, "control", {}, {"#"}, "sl3");
  Party published(broker, "archive", {}, {"#"}, "sl3@paper");
  for (const char* filter : {"$share/a/b", "$SYS/#", "a#", ""}) {
    EXPECT_FALSE(hardened.scheme->subscribe(filter, broker.now)) << filter;
    EXPECT_FALSE(published.scheme->subscribe(filter, broker.now)) << filter;
  }
  EXPECT_FALSE(published.scheme->subscribe("plant/#", broker.now)) << "no wildcards in the paper";
}

// -- join and orders -----------------------------------------------------------------------------------------------------------

struct FakeRegistrar : Registrar {
  Result<> join(Bytes ticket, const PublicKeys& keys, bool proved, const std::vector<std::string>& publish,
                const std::vector<std::string>& subscribe, Now) override {
    ++joins;
    all_proved = proved;
    if (!std::ranges::equal(ticket, good)) return fail(Blame::not_authorised, "no such ticket");
    good = {};
    joined = keys;
    may_publish = publish;
    may_subscribe = subscribe;
    return {};
  }
  Result<> take_order(Bytes frame, Now) override {
    order = to_buffer(frame);
    if (frame.back() == 0) return fail(Blame::peer_misbehaved, "not the authority's");
    return {};
  }
  malina::Ticket good{1, 2, 3};
  int joins = 0;
  bool all_proved = false;
  PublicKeys joined;
  std::vector<std::string> may_publish, may_subscribe;
  Buffer order;
};

class Join : public ::testing::TestWithParam<std::string> {
 protected:
  Join() {
    broker.allow({GetParam()}, {GetParam()}, "plant/#");
    link = &broker.connect("newcomer");
    broker.subscribe(*link, sl3::inbox_topic);
  }
  static BrokerPorts with(KeyStore& key, Random& random, Registrar& registrar) {
    BrokerPorts ports{key, random};
    ports.registrar = &registrar;
    return ports;
  }
  bool is_paper() const { return GetParam() != "sl3"; }
  Result<malina::JoinRequest> request(const malina::JoinRights& rights, const malina::Ticket& ticket) {
    auto make = is_paper() ? malina::paper_join_request : malina::join_request;
    return make(ticket, rights, *newcomer, broker_identity(key->identity()), broker.random, broker.now);
  }
  Reason ask(std::string_view topic, Bytes frame) {
    broker.publish(*link, topic, as_text(frame), QoS::at_least_once);
    return link->answers.back().reasons[0];
  }
  malina::JoinStatus status(malina::JoinRequest& request) {
    auto read = is_paper() ? malina::read_paper_join_answer : malina::read_join_answer;
    return read(as_bytes(link->publishes.back().payload), request.answer_key, newcomer->identity().keys.schnorr).value();
  }

  CountingRandom random;
  FakeRegistrar registrar;
  std::unique_ptr<KeyStore> key = make_memory_keys("broker-9", Kind::broker, random);
  BrokerBench broker{1, {}, nullptr, [this](broker::Ports& ports) {
                       for (auto& scheme : ports.schemes)
                         if (scheme->info().name == GetParam())
                           scheme = find_scheme(GetParam())->broker_side(with(*key, random, registrar));
                     }};
  std::unique_ptr<KeyStore> newcomer = make_memory_keys("newcomer", Kind::device, random);
  TestClient* link = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Schemes, Join, ::testing::Values("sl3", "sl3@paper"),
                         [](const auto& its) { return std::string(its.param == "sl3" ? "hardened" : "paper"); });

TEST_P(Join, WhoHoldsATicketIsPutOnTheListAndAnswered) {
  auto asked = request({.publish = {"plant/7"}, .subscribe = {}}, registrar.good).value();
  EXPECT_EQ(ask("$sl/join", asked.frame), Reason::success);
  ASSERT_EQ(link->publishes.size(), 1U);
  EXPECT_EQ(link->publishes[0].topic, "$sl/inbox");
  EXPECT_EQ(status(asked), malina::JoinStatus::accepted);
  EXPECT_EQ(registrar.joined.schnorr, newcomer->identity().keys.schnorr);
  EXPECT_EQ(registrar.may_publish, Texts{"plant/7"});
  EXPECT_TRUE(registrar.may_subscribe.empty());
  // A copy is not answered again.
  EXPECT_EQ(ask("$sl/join", asked.frame), Reason::success);
  EXPECT_EQ(link->publishes.size(), 2U);
  EXPECT_EQ(status(asked), malina::JoinStatus::refused);
}

TEST_P(Join, AWrongTicketIsAnsweredWithARefusal) {
  auto asked = request({.publish = {}, .subscribe = {"plant/7"}}, {9}).value();
  EXPECT_EQ(ask("$sl/join", asked.frame), Reason::success);
  ASSERT_EQ(link->publishes.size(), 1U);
  EXPECT_EQ(status(asked), malina::JoinStatus::refused);
}

TEST_P(Join, OneTicketGivesBothKindsOfRightsOrAllThatItAllows) {
  const malina::JoinRights both{{"plant/7", "alarm"}, {"orders/+"}};
  auto asked = request(both, registrar.good).value();
  EXPECT_EQ(ask("$sl/join", asked.frame), Reason::success);
  EXPECT_EQ(status(asked), malina::JoinStatus::accepted);
  EXPECT_EQ(registrar.may_publish, both.publish);
  EXPECT_EQ(registrar.may_subscribe, both.subscribe);
  registrar.good = {7};
  auto all = request({}, registrar.good).value();
  EXPECT_EQ(ask("$sl/join", all.frame), Reason::success);
  EXPECT_EQ(status(all), malina::JoinStatus::accepted);
  EXPECT_TRUE(registrar.may_publish.empty());
  EXPECT_TRUE(registrar.may_subscribe.empty());
}

TEST_P(Join, ChangedAndForeignFramesReachNobody) {
  auto asked = request({.publish = {"plant/7"}, .subscribe = {}}, registrar.good).value();
  asked.frame.back() ^= 1;
  EXPECT_EQ(ask("$sl/join", asked.frame), Reason::not_authorized);
  EXPECT_EQ(ask("$sl/join", as_bytes("anything")), Reason::not_authorized);
  EXPECT_EQ(registrar.joins, 0);
  EXPECT_TRUE(link->publishes.empty());
}

TEST_P(Join, AnOrderIsHandedToWhoKnowsTheAuthority) {
  Buffer order = is_paper() ? to_buffer(as_bytes("RVK1.1")) : Buffer{2, malina::type_revocation_order, 1, 1};
  EXPECT_EQ(ask("$sl/ra", order), Reason::success);
  EXPECT_EQ(registrar.order, order);
  order.back() = 0;
  EXPECT_EQ(ask("$sl/ra", order), Reason::not_authorized);
  EXPECT_TRUE(link->publishes.empty());
}

// Identities come and go on brokers of every scheme. The published JOIN proves little, so it is there for who names its scheme.
TEST_P(Join, OrdersAndJoinersAreTakenWhicheverSchemesPolicyNames) {
  broker.allow({"sl1"}, {"sl1"}, "plant/#");
  const Buffer order = is_paper() ? to_buffer(as_bytes("RVK1.1")) : Buffer{2, malina::type_revocation_order, 1, 1};
  EXPECT_EQ(ask("$sl/ra", order), Reason::success);
  EXPECT_EQ(registrar.order, order);
  auto asked = request({.publish = {"plant/7"}, .subscribe = {}}, registrar.good).value();
  EXPECT_EQ(ask("$sl/join", asked.frame), is_paper() ? Reason::not_authorized : Reason::success);
  EXPECT_EQ(registrar.joins, is_paper() ? 0 : 1);
}

// What is not about the list stays closed: sl3 is not offered because of that.
TEST_P(Join, NothingElseIsTakenOfASchemeThatPolicyDoesNotName) {
  broker.allow({"sl1"}, {"sl1"}, "plant/#");
  Party party(broker, "control", {}, {"#"}, GetParam());
  party.scheme->connected(broker.now);
  ASSERT_TRUE(party.scheme->subscribe("plant/7", broker.now));
  const auto subscribing = party.scheme->next_request(broker.now).value();
  ASSERT_TRUE(subscribing);
  EXPECT_EQ(ask(subscribing->topic, subscribing->payload), Reason::not_authorized);
}

}  // namespace
}  // namespace sealmq::testing
