// Attacks on messages that travel sealed with their topics (SL2), in the hardened form and as published. Each test names the
// claim it tries to break; where the published form claims less, the same attack succeeds against it, which shows that it can.
#include <gtest/gtest.h>

#include <algorithm>

#include "schemes/sl2/delivery.h"
#include "schemes/sl2/paper_messages.h"
#include "support/conversing.h"
#include "support/rabin_keys.h"

namespace sealmq::testing {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using Texts = std::vector<std::string>;

constexpr std::string_view topic = "plant/furnace/pressure";
constexpr std::string_view reading = "4.2 bar and rising";

bool shows(Bytes all, std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return std::search(all.begin(), all.end(), bytes.begin(), bytes.end()) != all.end();
}

class Sealed : public ::testing::TestWithParam<std::string> {
 protected:
  Sealed() { broker.allow({GetParam()}, {GetParam()}, "plant/#"); }

  bool is_paper() const { return GetParam() == "sl2@paper"; }
  /// To whatever fails.
  Reason no() const { return is_paper() ? Reason::success : Reason::not_authorized; }
  Conversing nobody() { return {broker, "nobody", {}, {}, GetParam(), {}, false}; }
  const crypto::rabin::PublicKey& rabin() const { return broker.rabin->current.key->public_key(); }

  /// On a connection of its own: ten failures end one.
  Reason send(std::string_view frame, std::string_view to = "$sl/pub") {
    auto& link = broker.connect("attacker-" + std::to_string(++attackers_));
    broker.publish(link, to, frame, QoS::at_least_once);
    return link.answers.empty() ? Reason::unspecified_error : link.answers.back().reasons[0];
  }

  BrokerBench broker{2};
  Conversing device{broker, "boiler-7", {"plant/#"}, {}, GetParam()};

 private:
  int attackers_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Profiles, Sealed, ::testing::Values("sl2", "sl2@paper"),
                         [](const auto& its) { return its.param == "sl2" ? std::string("hardened") : std::string("paper"); });

// Claim: nobody on the wire learns topic, payload or author.
TEST_P(Sealed, AnEavesdropperFindsNothingInAllBytesOfARun) {
  auto application = nobody();
  application.subscribe(topic);
  EXPECT_EQ(device.publish(topic, reading), Reason::success);
  application.go_on();
  ASSERT_EQ(application.texts(), Texts{std::string(reading)});

  Buffer wire;
  for (const auto* party : {&device, &application}) {
    append(wire, party->link->sent);
    append(wire, party->link->everything);
  }
  EXPECT_TRUE(shows(wire, "$sl/pub")) << "it was recorded";
  for (std::string_view secret :
       {topic, std::string_view("plant"), std::string_view("furnace"), reading, std::string_view("4.2 bar"),
        std::string_view("boiler-7"), std::string_view("nobody"), as_text(device.identity.keys.schnorr)})
    EXPECT_FALSE(shows(wire, secret)) << secret;
}

// The same attack where nothing of the kind is claimed.
TEST(SealedElsewhere, AnEavesdropperReadsSignedMessages) {
  BrokerBench broker;
  broker.allow({"sl1"}, {"sl1"});
  Party device(broker, "boiler-7", {"#"}, {}, "sl1");
  auto& link = broker.connect("link");
  broker.publish(link, topic, protect(device, broker, topic, reading), QoS::at_least_once);
  EXPECT_TRUE(shows(link.sent, topic) && shows(link.sent, reading) && shows(link.sent, as_text(device.identity.keys.schnorr)));
}

// Claim: a subscriber does not learn who wrote. It tests every 64 octets that it got as the signature of each candidate.
TEST_P(Sealed, ASubscriberTestsCandidatesAgainstWhatItGot) {
  if (!is_paper()) {
    broker.authority = make_memory_keys("authority", Kind::authority, broker.random)->identity().keys.agreement;
    broker.crash();
    broker.allow({GetParam()}, {GetParam()}, "plant/#");
    device.connect();
  }
  auto application = nobody();
  const Buffer key(16, 7);
  Buffer request = is_paper()
                       ? sl2::seal(sl2::PaperSubscribe{topic, key}, rabin(), broker.random).value()
                       : sl2::seal(sl2::SubscribeRequest{broker.now.wall, topic, key, {}}, rabin(), "broker-1", broker.random);
  broker.publish(*application.link, "$sl/sub", as_text(request), QoS::at_least_once);
  const auto sent_at = broker.now.wall;
  device.publish(topic, reading);

  Buffer plaintext;
  const auto& got = application.last();
  if (is_paper()) {
    crypto::AesGcm cipher{Bytes(key)};
    plaintext = sl2::open_paper_delivery(as_bytes(got.payload), cipher).value();
  } else {
    sl2::DeliveryKey cipher(key, sl2::subscription_id(sl2::decode_sealed(request, sl2::type_sl2_1).value().c));
    plaintext = cipher.open(sl2::decode_delivery_frame(as_bytes(got.payload)).value()).value();
  }
  ASSERT_TRUE(shows(plaintext, reading));
  EXPECT_FALSE(shows(plaintext, as_text(device.identity.keys.schnorr)));

  const auto others = make_memory_keys("pump-1", Kind::device, broker.random);
  std::vector<std::string> fits;
  for (const auto* candidate : {static_cast<const PublicIdentity*>(&device.identity), &others->identity()}) {
    const auto& id = candidate->keys.schnorr;
    const auto verifying = crypto::schnorr::VerifyingKey::from_id(id).value();
    for (std::size_t at = 0; at + 64 <= plaintext.size(); ++at) {
      malina::Signature signature;
      std::copy_n(plaintext.begin() + static_cast<std::ptrdiff_t>(at), signature.size(), signature.begin());
      bool verifies =
          malina::verify(verifying, malina::PaperStatement{"SL2_2", topic, id, as_bytes(reading), sent_at}, signature);
      for (std::uint64_t sequence = 0; sequence < 3 && !is_paper(); ++sequence)
        verifies = verifies ||
                   malina::verify(verifying,
                                  malina::Statement{sl2::type_sl2_2, "broker-1", topic, id, as_bytes(reading), sent_at, sequence},
                                  signature);
      if (verifies) fits.push_back(candidate->name);
    }
  }
  EXPECT_EQ(fits, is_paper() ? Texts{"boiler-7"} : Texts{});
}

// Claim: the broker does not know who subscribes. Even its own log and its list connect nothing with the name.
TEST_P(Sealed, TheBrokerCannotTellWhoSubscribed) {
  Conversing listed(broker, "control-room", {}, {"plant/#"}, GetParam());
  listed.subscribe(topic);
  listed.subscribe("ward/7");  // refused: the log has an entry
  ASSERT_FALSE(broker.journal.causes.empty());
  for (const auto& cause : broker.journal.causes) EXPECT_EQ(cause.find("control-room"), std::string::npos) << cause;
  const auto report = broker.revoke("control-room");
  EXPECT_EQ(report.subscriptions + report.sessions, 0U) << "it does not know whose subscription to end";
  device.publish(topic, reading);
  listed.go_on();
  EXPECT_EQ(listed.texts(), Texts{std::string(reading)});
}

// Claim (hardened): a request is taken once, so no two frames share key and nonce.
TEST_P(Sealed, ARecordedSubscriptionIsSentAgain) {
  auto application = nobody();
  application.subscribe(topic);
  const auto request = application.requests.at(0);
  auto& thief = broker.connect("thief");
  broker.subscribe(thief, "$sl/inbox");
  broker.publish(thief, request.topic, as_text(request.payload), QoS::at_least_once);
  EXPECT_EQ(thief.answers.back().reasons[0], no());
  device.publish(topic, reading);
  if (is_paper()) {
    ASSERT_EQ(thief.publishes.size(), 1U) << "the broker works for it";
    EXPECT_NE(thief.publishes[0].payload, application.last().payload) << "under a nonce of its own";
    EXPECT_FALSE(shows(thief.everything, reading)) << "which it cannot read";
    return;
  }
  EXPECT_TRUE(thief.publishes.empty());
  broker.crash();  // what was taken is remembered
  broker.allow({GetParam()}, {GetParam()}, "plant/#");
  EXPECT_EQ(send(as_text(request.payload), request.topic), Reason::not_authorized);
  broker.advance(40'000);
  EXPECT_EQ(send(as_text(request.payload), request.topic), Reason::not_authorized) << "afterwards by its time";
}

// Claim: a copy of a message is not forwarded, nor one that was held back.
TEST_P(Sealed, ARecordedMessageIsSentAgain) {
  auto application = nobody();
  application.subscribe(topic);
  const auto frame = device.frame(topic, reading);
  device.send(frame);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(send(frame), Reason::success) << "as a device's own DUP is answered";
  application.go_on();
  broker.advance(31'000);
  EXPECT_EQ(send(frame), no());
  application.go_on();
  EXPECT_EQ(application.messages.size(), 1U);
  EXPECT_TRUE(application.errors.empty());
}

// Claim: whatever is wrong with a frame, its sender learns the same, after the same number of roots.
TEST_P(Sealed, NoAnswerTellsWhatWasWrong) {
  auto application = nobody();
  application.subscribe(topic);
  std::vector<std::string> frames;
  const auto good = device.frame(topic, reading);
  const std::size_t c_at = 5, c_size = rabin().size();
  for (std::size_t at = c_at; at < good.size(); at += 41) {
    frames.push_back(good);
    frames.back()[at] = static_cast<char>(frames.back()[at] ^ 1);
  }
  const auto with_c = [&](Bytes c) {
    std::string frame = good;
    std::copy(c.begin(), c.end(), frame.begin() + static_cast<std::ptrdiff_t>(c_at));
    frames.push_back(frame);
  };
  with_c(Buffer(c_size));                                      // zero
  with_c(rabin().modulus());                                   // n
  with_c(Buffer(c_size, 0xff));                                // more than n
  if (is_paper()) frames.push_back(good.substr(0, c_at + 7));  // too short; in the hardened form its decoder says so
  Conversing stranger(broker, "stranger", {"plant/#"}, {}, GetParam(), {}, false);
  frames.push_back(stranger.frame(topic, "not on the list"));
  Conversing narrow(broker, "narrow", {"other/#"}, {}, GetParam());
  frames.push_back(narrow.frame(topic, "not entitled"));
  frames.push_back(device.frame("nobody/allows", "no rule for the topic"));
  broker.now.wall += 6'000;
  frames.push_back(device.frame(topic, "from the future"));
  broker.now.wall -= 6'000;
  // Well sealed, with a signature over something else.
  const auto id = device.identity.keys.schnorr;
  const Buffer forged =
      is_paper()
          ? sl2::seal(sl2::PaperMessage{topic, id, as_bytes("forged"), broker.now.wall, {}}, rabin(), broker.random).value()
          : sl2::seal(sl2::Message{topic, id, as_bytes("forged"), broker.now.wall, 1000, {}}, rabin(), "broker-1", broker.random);
  frames.emplace_back(as_text(forged));

  for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(send(frames[i]), no()) << i;
  application.go_on();
  EXPECT_TRUE(application.messages.empty());
  EXPECT_EQ(device.send(good), Reason::success) << "the attempts used nothing up";
  application.go_on();
  EXPECT_EQ(application.texts(), Texts{std::string(reading)});
}

// Claim: what the broker sealed for a subscriber cannot be changed on the way.
TEST_P(Sealed, NoFlippedBitPassesTheSubscriber) {
  auto application = nobody();
  application.subscribe(topic);
  device.publish(topic, reading);
  const GotPublish got = application.last();
  for (std::size_t bit = 0; bit < got.payload.size() * 8; bit += 3) {
    GotPublish changed = got;
    changed.payload[bit / 8] = static_cast<char>(changed.payload[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(application.take(changed)) << bit;
  }
  GotPublish in_the_open = got;
  in_the_open.topic = topic;
  EXPECT_FALSE(application.take(in_the_open));
}

// Claim (hardened): a message is for one broker. Another one, which was sent it honestly, seals it for ours.
TEST_P(Sealed, AnotherBrokerPassesOnWhatItWasSent) {
  auto application = nobody();
  application.subscribe(topic);
  const auto id = device.identity.keys.schnorr;
  const auto time = broker.now.wall;
  std::string frame;
  if (is_paper()) {
    sl2::PaperMessage message{topic, id, as_bytes(reading), time, {}};
    message.signature = malina::sign(*device.keys, sl2::statement_of(message)).value();
    frame = as_text(sl2::seal(message, rabin(), broker.random).value());
  } else {
    sl2::Message message{topic, id, as_bytes(reading), time, 50, {}};
    message.signature = malina::sign(*device.keys, sl2::statement_of(message, "broker-2")).value();
    frame = as_text(sl2::seal(message, rabin(), "broker-1", broker.random));
  }
  EXPECT_EQ(send(frame), no());
  application.go_on();
  EXPECT_EQ(application.messages.size(), is_paper() ? 1U : 0U);
}

// Claim: who floods the broker with roots to take keeps nobody else waiting.
TEST_P(Sealed, AFloodOfRootsDoesNotDelayAFriend) {
  constexpr std::size_t places = 8;  // that one address has at the workers
  BrokerBench alone;
  alone.allow({GetParam()}, {GetParam()}, "plant/#");
  Conversing friendly(alone, "friend", {"plant/#"}, {}, GetParam());
  broker::Shard& shard = alone.shard(0);
  const std::string honest = friendly.frame(topic, reading);
  std::string forged = honest;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  const auto bytes_of = [](std::string_view frame) {
    Buffer bytes;
    mqtt::encode(mqtt::Connect{}, bytes);
    mqtt::Publish packet;
    packet.topic = "$sl/pub";
    packet.payload = as_bytes(frame);
    mqtt::encode(packet, mqtt::Version::v5, bytes);
    return bytes;
  };
  for (int i = 0; i < 50; ++i) shard.receive(shard.open({.address = "flood"}, alone.now), bytes_of(forged), alone.now);
  shard.receive(shard.open({.address = "friend"}, alone.now), bytes_of(honest), alone.now);
  auto jobs = std::exchange(shard.effects().jobs, {});
  ASSERT_EQ(jobs.size(), places + 1);
  const auto before = shard.counters().published;
  jobs.back().work();
  shard.finish(jobs.back().name, alone.now);
  EXPECT_EQ(shard.counters().published, before + 1) << "behind eight jobs, not fifty";
}

}  // namespace
}  // namespace sealmq::testing
