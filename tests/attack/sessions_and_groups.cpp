// Attackers on SL3, hardened and as published: on the wire, at a second connection, inside a group, with a stolen key. Each test
// names the claim it tries to break; where the published form falls, the same attack succeeds against it.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/writer.h"
#include "crypto/kdf.h"
#include "schemes/sl3/group.h"
#include "schemes/sl3/messages.h"
#include "schemes/sl3/paper_session.h"
#include "support/conversing.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using Texts = std::vector<std::string>;

class Sessions : public ::testing::TestWithParam<std::string> {
 protected:
  Sessions() {
    rules(false);
    EXPECT_EQ(control.subscribe("plant/7"), Reason::success);
    EXPECT_EQ(device.publish("plant/7", "first"), Reason::success);
    control.go_on();
    control.messages.clear();
  }
  void rules(bool multicast) {
    auto its = broker.schemes({GetParam()});
    broker.set_rules({{"plant/#", its, its, multicast}});
  }
  bool is_paper() const { return GetParam() != "sl3"; }
  BrokerIdentity pinned() { return broker_identity(broker.key->identity()); }
  /// On a connection of its own; ten failures end one.
  Reason throw_in(std::string_view topic, std::string_view frame) {
    auto& link = broker.connect("attacker-" + std::to_string(++attackers_));
    broker.publish(link, topic, frame, QoS::at_least_once);
    return link.answers.empty() ? Reason::unspecified_error : link.answers.back().reasons[0];
  }
  static bool is_refusal(Reason reason) { return reason == Reason::not_authorized || reason == Reason::payload_format_invalid; }
  Texts arrived() {
    control.go_on();
    return control.texts();
  }
  static std::string flipped(std::string frame, std::size_t bit) {
    frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
    return frame;
  }

  BrokerBench broker{1};
  Conversing device{broker, "boiler-7", {"plant/#"}, {}, GetParam()};
  Conversing control{broker, "control-room", {}, {"plant/#"}, GetParam(), {device.keys->identity()}};

 private:
  int attackers_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Schemes, Sessions, ::testing::Values("sl3", "sl3@paper"),
                         [](const auto& its) { return std::string(its.param == "sl3" ? "hardened" : "paper"); });
/// For what one of the two forms does not have.
class HardenedSessions : public Sessions {};
INSTANTIATE_TEST_SUITE_P(Schemes, HardenedSessions, ::testing::Values("sl3"));
class PaperSessions : public Sessions {};
INSTANTIATE_TEST_SUITE_P(Schemes, PaperSessions, ::testing::Values("sl3@paper"));

// Claim: a message is its author's, unchanged.
TEST_P(Sessions, NoFlippedBitOfAMessagePassesTheBroker) {
  std::string frame = device.frame("plant/7", "21.5");
  for (std::size_t bit = 0; bit < frame.size() * 8; bit += 3) {
    auto& link = *device.link;  // where its session is
    broker.publish(link, "$sl/pub", flipped(frame, bit), QoS::at_least_once);
    if (link.closed) {  // too many failures: as good as refused
      device.connect();
      device.publish("plant/7", "again");
      frame = device.frame("plant/7", "21.5");
      continue;
    }
    EXPECT_TRUE(is_refusal(link.answers.back().reasons[0])) << "bit " << bit;
  }
  for (const auto& text : arrived()) EXPECT_EQ(text, "again");
}

TEST_P(Sessions, NoFlippedBitOfAMessagePassesTheSubscriber) {
  device.publish("plant/7", "21.5");
  GotPublish got = control.last();
  for (std::size_t bit = 0; bit < got.payload.size() * 8; ++bit) {
    GotPublish changed = got;
    changed.payload = flipped(got.payload, bit);
    EXPECT_FALSE(control.take(changed)) << "bit " << bit;
  }
  EXPECT_EQ(arrived(), Texts{"21.5"});
}

// Claim: nobody gets a session in another one's name; a session belongs to who asked for it, and each to one broker.
TEST_P(Sessions, NoFlippedBitOfARequestPasses) {
  Conversing archive(broker, "archive", {}, {"plant/#"}, GetParam());
  archive.subscribe("plant/7");
  broker.advance(6'000);
  Request request = archive.requests.at(0);
  for (std::size_t bit = 0; bit < request.payload.size() * 8; bit += 3)
    EXPECT_NE(throw_in(request.topic, flipped(std::string(as_text(request.payload)), bit)), Reason::success) << "bit " << bit;
  EXPECT_EQ(broker.counters().subscriptions, 2U);
}

TEST_P(Sessions, ARequestSentAgainByAnybodyIsRefusedWithEitherSignOfItsPoint) {
  Request request = control.requests.at(0);
  std::string frame(as_text(request.payload));
  std::size_t sign = (is_paper() ? 5U : 3U) * 8;  // the lowest bit of SEC1's first octet
  EXPECT_EQ(throw_in(request.topic, frame), Reason::not_authorized);
  EXPECT_EQ(throw_in(request.topic, flipped(frame, sign)), Reason::not_authorized);
  EXPECT_EQ(broker.counters().subscriptions, 1U);
}

TEST_P(PaperSessions, AFirstMessageSentAgainByAnybodyIsRefusedWithEitherSignOfItsPoint) {
  Conversing pump(broker, "pump-1", {"plant/#"}, {}, GetParam());
  std::string frame = pump.frame("plant/7", "pumping");
  EXPECT_EQ(throw_in("$sl/pub", flipped(frame, 5 * 8)), Reason::success) << "as published nothing covers the sign";
  EXPECT_EQ(throw_in("$sl/pub", flipped(frame, 5 * 8)), Reason::not_authorized);
  EXPECT_EQ(throw_in("$sl/pub", frame), Reason::not_authorized);
}

TEST_P(Sessions, FramesDoNotServeOnAnotherConnection) {
  std::string frame = device.frame("plant/7", "21.5");
  EXPECT_EQ(throw_in("$sl/pub", frame), Reason::not_authorized);
  // Not even where somebody else on the list publishes.
  Conversing pump(broker, "pump-1", {"plant/#"}, {}, GetParam());
  pump.publish("plant/7", "pumping");
  EXPECT_EQ(pump.send(frame), Reason::not_authorized);
  broker.cut(*device.link);
  device.connect();
  EXPECT_EQ(device.send(frame), Reason::not_authorized) << "nor on the next connection of its author";
  EXPECT_TRUE(arrived().empty());
}

TEST_P(Sessions, ASubscribersFrameIsNothingForAnotherSubscriber) {
  Conversing archive(broker, "archive", {}, {"plant/#"}, GetParam());
  archive.subscribe("plant/7");
  device.publish("plant/7", "21.5");
  archive.go_on();
  archive.messages.clear();
  EXPECT_FALSE(archive.take(control.last()));
  EXPECT_TRUE(archive.messages.empty());
}

TEST_P(Sessions, AnUnlistedIdentityIsRefusedThoughEverythingElseIsRight) {
  Conversing stranger(broker, "stranger", {"plant/#"}, {"plant/#"}, GetParam(), {}, false);
  EXPECT_EQ(stranger.publish("plant/7", "99"), Reason::not_authorized);
  EXPECT_EQ(stranger.subscribe("plant/7"), Reason::not_authorized);
  EXPECT_EQ(broker.refused(broker::Refusal::author_not_listed), 2U);
  EXPECT_TRUE(arrived().empty());
}

TEST_P(Sessions, NamingAnotherOnesIdNeedsItsKey) {
  // A stranger seals a first frame that names the device, with its own signature in it.
  auto stranger = make_memory_keys("stranger", Kind::device, broker.random);
  const malina::Id victim = device.keys->identity().keys.schnorr;
  Buffer frame;
  if (is_paper()) {
    auto ephemeral = crypto::AgreementKey::generate(broker.random);
    crypto::AesGcm key(malina::paper_key(crypto::agree(ephemeral, pinned().agreement).value()));
    sl3::paper::SignedMessage message{"plant/7", victim, as_bytes("99"), broker.now.wall, {}};
    message.signature = malina::sign(*stranger, sl3::paper::statement_of(message)).value();
    frame = sl3::paper::begin_publish(ephemeral.public_key());
    malina::paper_seal(key, sl3::paper::encode(message), broker.random, frame);
  } else {
    auto ephemeral = crypto::AgreementKey::generate(broker.random);
    frame = sl3::begin_exchange(sl3::type_publish, ephemeral.public_key());
    auto to = malina::encapsulate(Bytes(frame).first(3), {pinned().id, pinned().agreement}, ephemeral).value();
    sl3::RequestBody body{broker.now.wall, 1'000'000, "plant/7", victim, {}};
    body.signature =
        malina::sign(*stranger, {sl3::type_publish, pinned().id, "plant/7", victim, to.exchange.hash(), body.time, body.sequence})
            .value();
    malina::seal_once(to, "MALINA-2 sl3 req", sl3::encode(body), frame);
  }
  EXPECT_EQ(throw_in("$sl/pub", as_text(frame)), Reason::not_authorized);
  EXPECT_EQ(broker.refused(broker::Refusal::verification_failed), 1U);
  EXPECT_TRUE(arrived().empty());
}

// Claim: replay is refused.
TEST_P(Sessions, ACopyIsAcknowledgedOnceMoreAndNotForwarded) {
  std::string frame = device.frame("plant/7", "21.5");
  device.send(frame);
  EXPECT_EQ(device.send(frame), Reason::success);
  EXPECT_EQ(arrived(), Texts{"21.5"});
  broker.advance(31'000);
  EXPECT_EQ(device.send(frame), Reason::not_authorized);
}

TEST_P(Sessions, AMessageHeldBackOrFromTheFutureIsRefused) {
  std::string held = device.frame("plant/7", "old");
  broker.advance(31'000);
  EXPECT_EQ(device.send(held), Reason::not_authorized);
  broker.now.wall += 6'000;
  std::string early = device.frame("plant/7", "early");
  broker.now.wall -= 6'000;
  EXPECT_EQ(device.send(early), Reason::not_authorized);
  EXPECT_TRUE(arrived().empty());
}

TEST_P(Sessions, ASubscriberShowsACopyOnce) {
  device.publish("plant/7", "21.5");
  arrived();
  EXPECT_TRUE(control.take(control.last()));
  EXPECT_EQ(arrived(), Texts{"21.5"});
  EXPECT_EQ(control.repeats, 1U);
}

/// A subscriber takes a message out of its own session and publishes it: everything in it is honestly signed.
TEST_P(PaperSessions, ASubscriberCannotPublishWhatItReceivedInASessionOfItsOwn) {
  auto thief = make_memory_keys("archive", Kind::service, broker.random);
  sl3::paper::SignedMessage message{"plant/7", device.keys->identity().keys.schnorr, as_bytes("21.5"), broker.now.wall, {}};
  message.signature = malina::sign(*device.keys, sl3::paper::statement_of(message)).value();
  const auto in_a_session = [&](const BrokerIdentity& whose) {
    auto ephemeral = crypto::AgreementKey::generate(broker.random);
    crypto::AesGcm key(malina::paper_key(crypto::agree(ephemeral, whose.agreement).value()));
    Buffer frame = sl3::paper::begin_publish(ephemeral.public_key());
    malina::paper_seal(key, sl3::paper::encode(message), broker.random, frame);
    return std::string(as_text(frame));
  };
  EXPECT_EQ(throw_in("$sl/pub", in_a_session(pinned())), Reason::success) << "as published: the session is nobody's";
  EXPECT_EQ(throw_in("$sl/pub", in_a_session(pinned())), Reason::success) << "acknowledged as the copy it is";
  EXPECT_EQ(arrived(), Texts{"21.5"}) << "once";

  // The signature names no broker: another one that lists the device takes it as well.
  BrokerBench other{1};
  other.allow({GetParam()}, {GetParam()}, "plant/#");
  other.enroll(device.identity);
  auto& link = other.connect("attacker");
  other.publish(link, "$sl/pub", in_a_session(broker_identity(other.key->identity())), QoS::at_least_once);
  EXPECT_EQ(link.answers.back().reasons[0], Reason::success) << "as published: a known weakness";
}

TEST_P(HardenedSessions, AHardenedMessageIsWorthNothingInASessionOfItsThief) {
  // The thief may publish, and seals in its session what the device has signed; the session says whose it is.
  auto thief = make_memory_keys("archive", Kind::service, broker.random);
  Identity listed;
  static_cast<PublicIdentity&>(listed) = thief->identity();
  listed.publish = {"plant/#"};
  listed.schemes = {GetParam()};
  broker.enroll(listed);
  sl3::SignedMessage message{"plant/7", device.keys->identity().keys.schnorr, as_bytes("21.5"), broker.now.wall, 1000, {}};
  message.signature = malina::sign(*device.keys, sl3::statement_of(message, pinned().id)).value();

  // Its key store hands out the stolen signature.
  struct Stolen : KeyStore {
    Stolen(KeyStore& keys, const malina::Signature& its) : own(keys), stolen(its) {}
    const PublicIdentity& identity() const override { return own.identity(); }
    Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> list) override {
      return steals ? Result<std::array<std::uint8_t, 64>>(stolen) : own.sign_schnorr(list);
    }
    Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes bytes) override { return own.sign_ecdsa(bytes); }
    Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return own.agree(peer); }
    SequenceCounter& sequence() override { return own.sequence(); }
    KeyStore& own;
    malina::Signature stolen;
    bool steals = false;
  } keys(*thief, message.signature);
  auto request = sl3::ClientRequest::make(sl3::Role::publisher, "plant/7", keys, pinned(), broker.random, broker.now).value();
  auto& link = broker.connect("thief");
  broker.subscribe(link, "$sl/inbox");
  broker.publish(link, "$sl/pub", as_text(request.frame()), QoS::at_least_once);
  auto session = request.take(as_bytes(link.publishes.at(0).payload), broker.now).value();
  keys.steals = true;
  broker.publish(link, "$sl/pub", as_text(session.protect("plant/7", as_bytes("21.5"), keys, broker.now).value()),
                 QoS::at_least_once);
  EXPECT_TRUE(arrived().empty());
  EXPECT_EQ(control.errors.size(), 1U);
}

// Claim: a leaver reads nothing new, a newcomer nothing old, a revoked member nothing at all.
TEST_P(Sessions, OldKeysOfAGroupOpenNothingNew) {
  rules(true);
  Conversing archive(broker, "archive", {}, {"plant/#"}, GetParam());
  archive.subscribe("plant/7");
  device.publish("plant/7", "a");
  go_on({&archive, &control});
  EXPECT_EQ(archive.texts(), Texts{"a"});
  broker.revoke("archive");
  device.publish("plant/7", "b");
  EXPECT_EQ(arrived(), (Texts{"a", "b"}));
  for (const auto& got : control.link->publishes) archive.take(got);
  EXPECT_EQ(archive.texts(), Texts{"a"});
}

TEST_P(Sessions, WhoLeavesAGroupListensOnWithItsOldKeyInVain) {
  rules(true);
  Conversing leaver(broker, "leaver", {}, {"plant/#"}, GetParam());
  leaver.subscribe("plant/7");
  device.publish("plant/7", "a");
  go_on({&leaver, &control});
  ASSERT_EQ(leaver.texts(), Texts{"a"});
  const auto seen = control.link->publishes.size();
  broker.cut(*leaver.link);  // it keeps all its keys, and hears what the wire carries to the others
  device.publish("plant/7", "b");
  EXPECT_EQ(arrived(), (Texts{"a", "b"}));
  ASSERT_GT(control.link->publishes.size(), seen + 1) << "a new key, and the message";
  for (std::size_t i = seen; i < control.link->publishes.size(); ++i) EXPECT_FALSE(leaver.take(control.link->publishes[i]));
  EXPECT_EQ(leaver.texts(), Texts{"a"});

  Conversing newcomer(broker, "newcomer", {}, {"plant/#"}, GetParam());
  newcomer.subscribe("plant/7");
  device.publish("plant/7", "c");
  go_on({&newcomer, &control});
  ASSERT_EQ(newcomer.texts(), Texts{"c"});
  for (std::size_t i = seen; i + 1 < control.link->publishes.size(); ++i) newcomer.take(control.link->publishes[i]);
  EXPECT_EQ(newcomer.texts(), Texts{"c"}) << "nothing from before it came";
}

// Claim: a member of a group cannot speak for the broker.
TEST_P(Sessions, AMemberOfAGroupSealsAMessageOfItsOwn) {
  rules(true);
  auto insider = make_memory_keys("archive", Kind::service, broker.random);
  Identity listed;
  static_cast<PublicIdentity&>(listed) = insider->identity();
  listed.subscribe = {"plant/#"};
  listed.schemes = {GetParam()};
  broker.enroll(listed);
  Conversing trusting(broker, "screen", {}, {"plant/#"}, GetParam());  // has pinned nobody
  trusting.subscribe("plant/7");

  auto& link = broker.connect("insider");
  broker.subscribe(link, "$sl/inbox");
  GotPublish forged{.topic = "$sl/inbox"};
  if (is_paper()) {
    auto made = sl3::paper::ClientSession::subscribe("plant/7", *insider, pinned(), broker.random, broker.now).value();
    broker.publish(link, "$sl/sub", as_text(made.frame), QoS::at_least_once);
    device.publish("plant/7", "a");
    go_on({&trusting});
    auto body = made.session.open_group_key(as_bytes(link.publishes.at(0).payload), broker.now).value();
    auto key = sl3::paper::decode_group_key(body.reveal()).value();
    sl3::paper::SignedMessage message{"plant/7", insider->identity().keys.schnorr, as_bytes("99"), broker.now.wall, {}};
    message.signature = malina::sign(*insider, sl3::paper::statement_of(message)).value();
    Buffer frame = sl3::paper::begin_group_frame(key.group, key.epoch);
    crypto::AesGcm aead(Secret{key.secret});
    malina::paper_seal(aead, sl3::paper::encode(message), broker.random, frame);
    forged.payload = as_text(frame);
  } else {
    auto request =
        sl3::ClientRequest::make(sl3::Role::subscriber, "plant/7", *insider, pinned(), broker.random, broker.now).value();
    broker.publish(link, "$sl/sub", as_text(request.frame()), QoS::at_least_once);
    auto session = request.take(as_bytes(link.publishes.at(0).payload), broker.now).value();
    device.publish("plant/7", "a");
    go_on({&trusting});
    auto body = session.open_group_key(as_bytes(link.publishes.at(1).payload), broker.now).value();
    auto key = sl3::decode_group_key(body.reveal()).value();
    sl3::SignedMessage message{"plant/7", insider->identity().keys.schnorr, as_bytes("99"), broker.now.wall, 1000, {}};
    message.signature = malina::sign(*insider, sl3::statement_of(message, pinned().id)).value();
    Buffer info;
    Writer(info).text("MALINA-2 sl3 group").bytes(key.group).u32(key.epoch);
    crypto::SealingChannel channel(crypto::hkdf(key.secret, {}, info, crypto::channel_secret_size), {.messages = 1024});
    Buffer frame;
    for (std::uint64_t counter = 0; counter < 2; ++counter) {  // the first number is the broker's
      frame = sl3::begin_group_frame(key.group, key.epoch, counter);
      Buffer header = frame;
      Buffer inside = sl3::encode(message);
      append(inside, insider->sign_ecdsa(sl3::group_statement(pinned().id, header, inside)).value());
      ASSERT_TRUE(channel.seal(header, inside, frame));
    }
    forged.payload = as_text(frame);
  }
  EXPECT_EQ(trusting.texts(), Texts{"a"});
  EXPECT_EQ(trusting.take(forged), is_paper()) << "as published: members trust each other";
  EXPECT_FALSE(control.take(forged)) << "who has pinned its publishers is safe in both";
  device.publish("plant/7", "b");
  trusting.go_on();
  EXPECT_EQ(trusting.texts().back(), "b") << "the forgery shut nobody out";
}

// Claim: forward secrecy.
TEST_P(Sessions, WhoStealsTheBrokersKeyLaterReadsNothing) {
  Request request = control.requests.at(0);
  device.publish("plant/7", "21.5");
  GotPublish recorded = control.last();
  if (is_paper()) {
    auto frame = sl3::paper::decode_subscribe(request.payload).value();
    crypto::AesGcm key(malina::paper_key(broker.key->agree(frame.point).value()));
    auto sealed = sl3::paper::decode_message_out(as_bytes(recorded.payload)).value();
    EXPECT_TRUE(malina::paper_open(key, sealed)) << "as published: one key opens the past";
  } else {
    // With the broker's key the request opens; the session's key was agreed on with a fresh key that is gone.
    auto again = sl3::BrokerSession::read_request(request.payload, *broker.key, broker.now).value();
    auto answered = sl3::BrokerSession::answer(again, broker.random, broker.now).value();
    EXPECT_NE(answered.session.id(), sl3::session_of(as_bytes(recorded.payload)).value());
    auto body = answered.session.seal(sl3::encode(sl3::SignedMessage{"plant/7", {}, as_bytes("21.5"), 0, 0, {}}), broker.now);
    ASSERT_TRUE(body);
    EXPECT_FALSE(control.take({.topic = "$sl/inbox", .payload = std::string(as_text(*body))}));
  }
}

// Claim: confidential on each hop. Everything that two connections carry, from CONNECT to delivery, and a group's too.
TEST_P(Sessions, AnEavesdropperFindsNoTopicNameIdOrPayload) {
  rules(true);
  Conversing archive(broker, "archive", {}, {"plant/#"}, GetParam());
  archive.subscribe("plant/7");
  EXPECT_EQ(device.publish("plant/7", "pressure 21.5 bar"), Reason::success);
  rules(false);
  EXPECT_EQ(device.publish("plant/7", "pressure 22.5 bar", QoS::exactly_once), Reason::success);
  go_on({&control, &archive});
  EXPECT_EQ(control.texts().size(), 2U);
  EXPECT_EQ(archive.texts().size(), 2U);

  std::vector<std::string> secrets{"plant", "pressure", "boiler-7", "control-room", "archive"};
  for (const Conversing* party : {&device, &control, &archive}) {
    const auto& keys = party->keys->identity().keys;
    secrets.emplace_back(as_text(Bytes(keys.schnorr).first(8)));
    secrets.emplace_back(as_text(Bytes(keys.ecdsa).subspan(1, 8)));
  }
  for (const Conversing* party : {&device, &control, &archive})
    for (const Buffer* wire : {&party->link->sent, &party->link->everything}) {
      EXPECT_GT(wire->size(), 20U);
      for (const auto& secret : secrets)
        EXPECT_EQ(as_text(*wire).find(secret), std::string_view::npos) << party->identity.name << ": " << secret;
    }

  // The same search finds it all where nothing is sealed.
  broker.allow({"plain"}, {"plain"}, "plant/#");
  auto& plain = broker.connect("plain");
  broker.publish(plain, "plant/7", "pressure");
  EXPECT_NE(as_text(plain.sent).find("plant"), std::string_view::npos);
}

}  // namespace
}  // namespace sealmq::testing
