// Both sides of SL2 against each other, over one shard and over three.
#include <gtest/gtest.h>

#include "schemes/sl2/delivery.h"
#include "schemes/sl2/escrow.h"
#include "schemes/sl2/options.h"
#include "schemes/sl2/sl2.h"
#include "support/conversing.h"
#include "support/rabin_keys.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using Texts = std::vector<std::string>;

class Sl2 : public ::testing::TestWithParam<std::tuple<std::string, std::size_t>> {
 protected:
  Sl2() { broker.allow({scheme()}, {scheme()}, "plant/#"); }
  std::string scheme() const { return std::get<0>(GetParam()); }
  Conversing device(std::string name = "boiler-7") { return {broker, std::move(name), {"plant/#"}, {}, scheme()}; }
  /// Nobody the broker has heard of.
  Conversing reader() { return {broker, "nobody", {}, {}, scheme(), {}, false}; }
  void start_again() {
    broker.crash();
    broker.allow({scheme()}, {scheme()}, "plant/#");
  }

  BrokerBench broker{std::get<1>(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Profiles, Sl2, ::testing::Combine(::testing::Values("sl2", "sl2@paper"), ::testing::Values(1, 3)));

TEST_P(Sl2, AMessageReachesAnAnonymousSubscriberAndNobodyElse) {
  auto from = device();
  auto to = reader(), elsewhere = reader();
  EXPECT_EQ(to.subscribe("plant/7/temp"), Reason::success);
  EXPECT_EQ(elsewhere.subscribe("plant/8/temp"), Reason::success);
  EXPECT_EQ(from.publish("plant/7/temp", "21.5"), Reason::success);
  go_on({&to, &elsewhere});
  ASSERT_EQ(to.texts(), Texts{"21.5"});
  EXPECT_EQ(to.messages[0].topic, "plant/7/temp");
  EXPECT_EQ(to.messages[0].author, "");
  EXPECT_NE(to.messages[0].checked.find("broker"), std::string::npos);
  EXPECT_EQ(to.last().topic, "$sl/inbox");
  EXPECT_TRUE(to.last().user.empty());
  EXPECT_TRUE(elsewhere.messages.empty());
  EXPECT_TRUE(to.errors.empty());
}

/// What the broker announces, as it comes to a client.
Buffer announcement(const BrokerBench& broker) {
  const BrokerIdentity its = broker.identity();
  return encode(*its.parameters, its);
}

TEST_P(Sl2, TheRabinKeyComesFromTheBrokerWhereItsFileLacksIt) {
  auto from = device();
  auto to = reader();
  BrokerIdentity pinned = broker.identity();
  pinned.parameters.reset();
  ClientPorts ports{nullptr, pinned, {}, broker.random};
  to.scheme = find_scheme(scheme())->client_side(std::move(ports)).value();
  EXPECT_EQ(to.scheme->inboxes().back().filter, "$sl/params");
  to.connect();
  EXPECT_FALSE(to.scheme->may_publish("plant/7", broker.now));
  to.subscribe("plant/7");
  EXPECT_TRUE(to.requests.empty()) << "nothing to seal for";
  EXPECT_TRUE(to.scheme->unprotect({"$sl/params", announcement(broker), true, false}, broker.now));
  to.go_on();
  EXPECT_EQ(to.requests.size(), 1U);
  from.publish("plant/7", "a");
  to.go_on();
  EXPECT_EQ(to.texts(), Texts{"a"});
}

TEST_P(Sl2, WhereNothingIsAnnouncedItSaysSo) {
  BrokerIdentity pinned = broker.identity();
  pinned.parameters.reset();
  auto side = find_scheme(scheme())->client_side({nullptr, pinned, {}, broker.random}).value();
  side->connected(broker.now);
  EXPECT_TRUE(side->subscribe("plant/7", broker.now));
  EXPECT_TRUE(side->next_request(broker.now));
  broker.advance(10'000);
  const auto late = side->next_request(broker.now);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().blame, Blame::caller_misused);
}

TEST_P(Sl2, TakesANewerRabinKeyOfThePinnedBrokerAndNoOlderOne) {
  const BrokerIdentity first = broker.identity();
  const Buffer old = announcement(broker);
  auto side = find_scheme(scheme())->client_side({nullptr, first, {}, broker.random}).value();
  const auto take = [&](Bytes bytes) { return side->unprotect({"$sl/params", bytes, true, false}, broker.now).has_value(); };
  EXPECT_TRUE(take(old)) << "the same one";
  const auto stranger = make_memory_keys("broker", Kind::broker, broker.random);
  const BrokerIdentity others = broker_identity(stranger->identity());
  EXPECT_FALSE(take(encode(sign_parameters(*stranger, *first.parameters).value(), others))) << "another broker's";
  Buffer changed = old;
  changed[60] ^= 1;
  EXPECT_FALSE(take(changed));
  broker.rabin = std::make_shared<const RabinKeys>(
      RabinKeys{{rabin_key(second_rabin_primes), first.parameters->rabin_not_after + 1}, broker.rabin->current});
  EXPECT_TRUE(take(announcement(broker)));
  EXPECT_FALSE(take(old)) << "somebody sends it again";

  auto from = device();
  auto to = reader();
  to.scheme = std::move(side);
  to.connect();
  broker.rabin = std::make_shared<const RabinKeys>(RabinKeys{broker.rabin->current, std::nullopt});  // the old one is erased
  EXPECT_EQ(to.subscribe("plant/7"), Reason::success);
  from.publish("plant/7", "a");
  to.go_on();
  EXPECT_EQ(to.texts(), Texts{"a"});
}

TEST_P(Sl2, EachSubscriberHasAKeyOfItsOwn) {
  auto from = device();
  auto one = reader(), two = reader();
  one.subscribe("plant/7");
  two.subscribe("plant/7");
  from.publish("plant/7", "hello");
  EXPECT_NE(one.last().payload, two.last().payload);
  const auto taken = two.last();
  go_on({&one, &two});
  EXPECT_EQ(one.texts(), two.texts());
  EXPECT_FALSE(one.take(taken)) << "the other one's frame";
}

TEST_P(Sl2, AMessageIsNotRetainedAndComesOnceEvenIfItIsSentTwice) {
  auto from = device();
  auto to = reader();
  to.subscribe("plant/7");
  const auto frame = from.frame("plant/7", "hello");
  broker.publish(*from.link, "$sl/pub", frame, QoS::at_least_once, true);
  EXPECT_EQ(from.send(frame), Reason::success);
  to.go_on();
  EXPECT_EQ(to.texts(), Texts{"hello"});
  EXPECT_EQ(broker.counters().retained, 0U);
  const auto again = to.last();
  EXPECT_TRUE(to.take(again));
  EXPECT_EQ(to.repeats, 1U) << "a copy is recognised";
}

TEST_P(Sl2, AnAuthorIsListedAndEntitledAndNotRevoked) {
  auto to = reader();
  to.subscribe("plant/7");
  Conversing stranger(broker, "stranger", {"plant/#"}, {}, scheme(), {}, false);
  Conversing narrow(broker, "narrow", {"plant/8"}, {}, scheme());
  auto from = device();
  const Reason answer = scheme() == "sl2" ? Reason::not_authorized : Reason::success;
  EXPECT_EQ(stranger.publish("plant/7", "x"), answer);
  EXPECT_EQ(narrow.publish("plant/7", "x"), answer);
  broker.revoke("boiler-7");
  from.connect();
  EXPECT_EQ(from.publish("plant/7", "x"), answer);
  to.go_on();
  EXPECT_TRUE(to.messages.empty());
  EXPECT_EQ(broker.refused(broker::Refusal::author_not_listed), 1U);
  EXPECT_EQ(broker.refused(broker::Refusal::author_revoked), 1U);
}

TEST_P(Sl2, WhatWasSealedForThePreviousKeyOpensWhileThatIsKept) {
  auto from = device();
  auto to = reader();
  const auto first = broker.rabin;
  const auto second = rabin_key(second_rabin_primes);
  broker.rabin = std::make_shared<const RabinKeys>(
      RabinKeys{{second, first->current.until}, RabinKeys::Held{first->current.key, broker.now.wall + 3000}});
  to.subscribe("plant/7");
  from.publish("plant/7", "under the previous key");
  to.go_on();
  EXPECT_EQ(to.texts(), Texts{"under the previous key"});

  Conversing newer(broker, "boiler-8", {"plant/#"}, {}, scheme());
  newer.publish("plant/7", "under the current key");
  to.go_on();
  EXPECT_EQ(to.texts().back(), "under the current key");

  broker.advance(4000);
  const Reason answer = scheme() == "sl2" ? Reason::not_authorized : Reason::success;
  EXPECT_EQ(from.publish("plant/7", "too late"), answer) << "though it has not been erased yet";
  broker.rabin = std::make_shared<const RabinKeys>(RabinKeys{{second, first->current.until}, std::nullopt});
  EXPECT_EQ(from.publish("plant/7", "too late"), answer);
  to.go_on();
  EXPECT_EQ(to.messages.size(), 2U);
}

TEST_P(Sl2, NothingIsSealedForAKeyThatHasServedItsTime) {
  auto from = device();
  auto to = reader();
  to.subscribe("plant/7");
  broker.now.wall = broker.rabin->current.until + 1;
  const auto refused = from.scheme->protect("plant/7", as_bytes("x"), broker.now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::caller_misused);
  EXPECT_FALSE(from.scheme->may_publish("plant/7", broker.now));
  EXPECT_TRUE(to.scheme->subscribe("plant/8", broker.now));
  const auto request = to.scheme->next_request(broker.now);
  ASSERT_TRUE(request);
  EXPECT_FALSE(*request) << "it waits for the next key";
}

TEST_P(Sl2, ASubscriptionLastsAnHourAndIsRenewedBeforeThat) {
  auto from = device();
  auto lasting = reader(), forgetful = reader();
  lasting.subscribe("plant/7");
  forgetful.subscribe("plant/7");
  for (int i = 0; i < 62; ++i) {
    broker.advance(60'000);
    lasting.go_on();
  }
  from.publish("plant/7", "hello");
  lasting.go_on();
  EXPECT_EQ(lasting.texts(), Texts{"hello"});
  EXPECT_EQ(lasting.requests.size(), 2U);
  const auto before = forgetful.link->publishes.size();
  EXPECT_EQ(before, scheme() == "sl2" ? 1U : 0U) << "nothing but the confirmation";
}

TEST_P(Sl2, OnANewConnectionItIsAskedForAgain) {
  auto from = device();
  auto to = reader();
  to.subscribe("plant/7");
  broker.cut(*to.link);
  to.connect();
  EXPECT_EQ(to.requests.size(), 2U);
  from.publish("plant/7", "hello");
  to.go_on();
  EXPECT_EQ(to.texts(), Texts{"hello"});
}

TEST_P(Sl2, WithoutRabinKeysItIsNotOffered) {
  auto from = device();
  const auto frame = from.frame("plant/7", "x");
  broker.rabin = nullptr;
  EXPECT_EQ(from.send(frame), Reason::not_authorized);
  EXPECT_FALSE(broker.identity().parameters);
}

TEST_P(Sl2, APinnedPublisherCannotBeHeededAndIsRefused) {
  auto from = device();
  Conversing to(broker, "control", {}, {}, scheme(), {from.keys->identity()}, false);
  EXPECT_EQ(to.scheme->subscribe("plant/7", broker.now).error().blame, Blame::caller_misused);
}

TEST_P(Sl2, ADeviceWithoutAKeyOnlyReads) {
  ClientPorts ports{nullptr, broker.identity(), {}, broker.random};
  auto side = find_scheme(scheme())->client_side(std::move(ports)).value();
  EXPECT_TRUE(side->subscribe("plant/7", broker.now));
  EXPECT_EQ(side->protect("plant/7", as_bytes("x"), broker.now).error().blame, Blame::caller_misused);
}

// -- the hardened form alone

class Sl2Hardened : public Sl2 {};
INSTANTIATE_TEST_SUITE_P(Shards, Sl2Hardened, ::testing::Combine(::testing::Values("sl2"), ::testing::Values(1, 3)));

TEST_P(Sl2Hardened, TheConfirmationIsTheGrant) {
  auto to = reader();
  to.subscribe("plant/+/temp");
  EXPECT_EQ(to.grants, Texts{"plant/+/temp"});
  EXPECT_TRUE(to.scheme->confirms());
  auto elsewhere = reader();
  EXPECT_EQ(elsewhere.subscribe("ward/#"), Reason::not_authorized) << "policy has no rule for it";
  EXPECT_TRUE(elsewhere.grants.empty());
  EXPECT_FALSE(elsewhere.scheme->next_request(broker.now).value()) << "what was refused is not asked for again";
}

TEST_P(Sl2Hardened, WithoutAConfirmationItIsAskedForAgain) {
  auto to = reader();
  ASSERT_TRUE(to.scheme->subscribe("plant/7", broker.now));
  const auto first = to.scheme->next_request(broker.now).value();
  ASSERT_TRUE(first);
  EXPECT_FALSE(to.scheme->next_request(broker.now).value());
  broker.advance(10'000);
  const auto second = to.scheme->next_request(broker.now).value();
  ASSERT_TRUE(second);
  EXPECT_NE(first->payload, second->payload);
}

TEST_P(Sl2Hardened, GivingUpASubscriptionIsSilent) {
  auto from = device();
  auto to = reader();
  to.subscribe("plant/7");
  to.scheme->unsubscribe("plant/7");
  from.publish("plant/7", "hello");
  to.go_on();
  EXPECT_TRUE(to.messages.empty());
  EXPECT_TRUE(to.errors.empty());
}

TEST_P(Sl2Hardened, TheAuthorityOpensTheEscrowOfWhatASubscriberGot) {
  auto authority = make_memory_keys("authority", Kind::authority, broker.random);
  broker.authority = authority->identity().keys.agreement;
  start_again();
  auto from = device();
  auto to = reader(), also = reader();
  // A subscriber that looks at its frames itself.
  const Buffer key(16, 7);
  Buffer request = sl2::seal(sl2::SubscribeRequest{broker.now.wall, "plant/7", key, {}}, broker.rabin->current.key->public_key(),
                             "broker-1", broker.random);
  broker.publish(*to.link, "$sl/sub", as_text(request), QoS::at_least_once);
  also.subscribe("plant/7");
  from.publish("plant/7", "hello");
  const auto frame = sl2::decode_delivery_frame(as_bytes(to.last().payload)).value();
  sl2::DeliveryKey cipher(key, sl2::subscription_id(sl2::decode_sealed(request, sl2::type_sl2_1).value().c));
  const auto plaintext = cipher.open(frame).value();
  const auto delivery = sl2::decode_delivery(plaintext, frame.counter).value();
  const auto opened = sl2::open_escrow(*authority, delivery.escrow, delivery.topic, delivery.time).value();
  EXPECT_EQ(opened.id, from.keys->identity().keys.schnorr);
  const sl2::Message said{delivery.topic, opened.id, delivery.message, delivery.time, opened.sequence, opened.signature};
  EXPECT_TRUE(malina::verify(crypto::schnorr::VerifyingKey::from_id(opened.id).value(), sl2::statement_of(said, "broker-1"),
                             opened.signature));
  also.go_on();
  EXPECT_EQ(also.texts(), Texts{"hello"});
}

constexpr std::string_view capability = "00112233445566778899aabbccddeeff";

class ClosedTopics : public Sl2Hardened {
 protected:
  ClosedTopics() {
    broker.scheme_options["sl2.closed"] = std::string(capability) + " plant/secret/#";
    start_again();
  }
  /// A reader that was given capabilities.
  Conversing holder(std::string given) {
    auto its = reader();
    ClientPorts ports{nullptr, broker.identity(), {}, broker.random};
    ports.options["sl2.capability"] = std::move(given);
    its.scheme = find_scheme("sl2")->client_side(std::move(ports)).value();
    return its;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, ClosedTopics, ::testing::Combine(::testing::Values("sl2"), ::testing::Values(1, 3)));

TEST_P(ClosedTopics, AreForHoldersOfTheirCapability) {
  auto from = device();
  auto stranger = reader();
  auto friendly = holder(std::string(capability) + " plant/secret/#");
  auto mistaken = holder("ff112233445566778899aabbccddeeff plant/secret/#");
  EXPECT_EQ(stranger.subscribe("plant/7"), Reason::success) << "open";
  EXPECT_EQ(stranger.subscribe("plant/secret/1"), Reason::not_authorized);
  EXPECT_EQ(stranger.subscribe("plant/#"), Reason::not_authorized) << "which matches closed topics";
  EXPECT_EQ(stranger.subscribe("+/+/1"), Reason::not_authorized);
  EXPECT_EQ(mistaken.subscribe("plant/secret/1"), Reason::not_authorized);
  EXPECT_EQ(friendly.subscribe("plant/secret/+"), Reason::success);
  EXPECT_EQ(friendly.subscribe("plant/#"), Reason::not_authorized) << "more than its capability is for";
  from.publish("plant/secret/1", "hello");
  go_on({&friendly, &stranger});
  EXPECT_EQ(friendly.texts(), Texts{"hello"});
  EXPECT_TRUE(stranger.messages.empty());
}

TEST_P(ClosedTopics, AMistakeInTheListClosesEverything) {
  broker.scheme_options["sl2.closed"] = "plant/secret/#";
  start_again();
  EXPECT_EQ(reader().subscribe("plant/7"), Reason::not_authorized);
  EXPECT_NE(broker.journal.causes.back().find("closed"), std::string::npos) << "the log says where";
}

TEST(ClosedTopicsList, IsParsedStrictly) {
  const std::string hex(capability);
  EXPECT_TRUE(sl2::parse_closed("").value().empty());
  const auto two = sl2::parse_closed(hex + " a/b c/#;  " + hex + "   d ; ").value();
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].filter, "a/b c/#");
  EXPECT_EQ(two[1].filter, "d");
  for (const auto& wrong :
       {hex, hex + " ", hex + "a/#", hex.substr(1) + " a/#", hex + " a/#b", "x" + hex.substr(1) + " a", hex + " a;;"})
    EXPECT_FALSE(sl2::parse_closed(wrong)) << wrong;
}

TEST(ClosedTopicsList, TheNarrowestCapabilityCounts) {
  const std::string hex(capability);
  const auto closed = sl2::parse_closed(hex + " a/#; " + hex + " a/b/#").value();
  EXPECT_EQ(sl2::closed_by(closed, "c").value(), nullptr);
  EXPECT_EQ(sl2::closed_by(closed, "a/c").value(), &closed[0]);
  EXPECT_EQ(sl2::closed_by(closed, "a/b/c").value(), &closed[1]);
  EXPECT_FALSE(sl2::closed_by(closed, "a/#")) << "would get a/b/# too";
  EXPECT_FALSE(sl2::closed_by(closed, "#"));
}

class CoverTraffic : public Sl2Hardened {
 protected:
  CoverTraffic() {
    broker.scheme_options["sl2.cover"] = "2000";
    start_again();
  }
  static std::set<std::size_t> sizes(const Conversing& party, std::size_t from) {
    std::set<std::size_t> all;
    for (auto i = from; i < party.link->publishes.size(); ++i) all.insert(party.link->publishes[i].payload.size());
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Shards, CoverTraffic, ::testing::Combine(::testing::Values("sl2"), ::testing::Values(1, 3)));

TEST_P(CoverTraffic, EverySubscriberGetsOneFrameOfOneLengthPerTick) {
  auto from = device();
  auto busy = reader(), idle = reader();
  busy.subscribe("plant/7");
  idle.subscribe("plant/8");
  ASSERT_EQ(busy.link->publishes.size(), 1U);  // the confirmation
  for (int i = 0; i < 5; ++i) EXPECT_EQ(from.publish("plant/7", "message " + std::to_string(i)), Reason::success);
  EXPECT_EQ(busy.link->publishes.size(), 1U) << "nothing leaves because a message came";
  for (std::size_t tick = 1; tick <= 7; ++tick) {
    broker.advance(2000);
    EXPECT_EQ(busy.link->publishes.size(), 1 + tick);
    EXPECT_EQ(idle.link->publishes.size(), 1 + tick);
  }
  EXPECT_EQ(sizes(busy, 1).size(), 1U);
  EXPECT_EQ(sizes(busy, 1), sizes(idle, 1));
  for (const auto& got : busy.link->publishes) EXPECT_EQ(got.qos, QoS::at_most_once);
  go_on({&busy, &idle});
  EXPECT_EQ(busy.texts(), (Texts{"message 0", "message 1", "message 2", "message 3", "message 4"}));
  EXPECT_TRUE(idle.messages.empty());
  EXPECT_TRUE(busy.errors.empty() && idle.errors.empty());
}

TEST_P(CoverTraffic, WhatIsTooLongOrNoLongerEntitledGivesWayToCover) {
  auto from = device();
  auto other = device("boiler-8");
  auto to = reader();
  to.subscribe("plant/7");
  from.publish("plant/7", std::string(600, 'x'));
  other.publish("plant/7", "of somebody who is revoked while it waits");
  from.publish("plant/7", "short");
  broker.revoke("boiler-8");
  broker.advance(2000);
  to.go_on();
  EXPECT_EQ(to.texts(), Texts{"short"});
}

TEST_P(CoverTraffic, TheQueueHasAnEnd) {
  auto from = device();
  auto to = reader();
  to.subscribe("plant/7");
  for (int i = 0; i < 70; ++i) from.publish("plant/7", "x", QoS::at_most_once);
  broker.advance(200'000);
  to.go_on();
  EXPECT_EQ(to.messages.size(), 64U);
}

TEST(Sl2Options, AreChecked) {
  const auto refused = [](const char* name, const char* value) { return !sl2::parse_options({{name, value}}); };
  EXPECT_EQ(sl2::parse_options({}).value().cover.interval, 0U);
  EXPECT_EQ(sl2::parse_options({{"sl2.cover", "5000"}}).value().cover.interval, 5000U);
  EXPECT_TRUE(refused("sl2.cover", "1500"));
  EXPECT_TRUE(refused("sl2.cover", "often"));
  EXPECT_TRUE(refused("sl2.cover", "3601000"));
  EXPECT_TRUE(refused("sl2.cover-size", "100"));
  EXPECT_TRUE(refused("sl2.cover-size", "-1"));
}

// -- the paper form alone

TEST(Sl2Paper, HasNoWildcardsAndAnEndToItsMessages) {
  BrokerBench broker;
  Conversing device(broker, "boiler-7", {"#"}, {}, "sl2@paper");
  EXPECT_FALSE(device.scheme->subscribe("plant/#", broker.now));
  const std::string topic = "plant/7";
  const auto longest = 384 - 27 - 2 - topic.size() - 32 - 4 - 8 - 64;
  EXPECT_TRUE(device.scheme->protect(topic, Buffer(longest), broker.now));
  const auto refused = device.scheme->protect(topic, Buffer(longest + 1), broker.now);
  EXPECT_EQ(refused.error().code, static_cast<std::uint8_t>(Reason::packet_too_large));
}

}  // namespace
}  // namespace sealmq::testing
