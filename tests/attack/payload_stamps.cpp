// What the four kinds of stamp are worth, of which the publication speaks: checksum, hash, MAC, signature. And the published
// form up to a broker that opens the messages. Where the published form falls, the same attack fails on the hardened one.
#include <gtest/gtest.h>

#include "base/text.h"
#include "crypto/hash.h"
#include "schemes/payload/paper_frames.h"
#include "schemes/payload/paper_keys.h"
#include "support/broker_bench.h"
#include "support/payload_parties.h"

namespace sealmq::testing {
namespace {

using namespace payload;
using paper::Keys;
using paper::StampKind;

constexpr std::string_view topic = "plant/7/temp";
constexpr std::string_view topic_key = "000102030405060708090a0b0c0d0e0f";
constexpr std::string_view mac_key = "202122232425262728292a2b2c2d2e2f";

std::string pem(const char* what, Bytes der) {
  return std::string("-----BEGIN ") + what + "-----\n" + to_base64(der) + "\n-----END " + what + "-----\n";
}

struct PaperStamps : ::testing::Test {
  Keys keys(SchemeOptions options) {
    options.try_emplace("payload.topic-key", topic_key);
    auto read = Keys::read(options, "payload.");
    EXPECT_TRUE(read) << read.error().what;
    return *std::move(read);
  }
  Keys of_kind(std::string_view kind) {
    SchemeOptions options{{"payload.stamp", std::string(kind)}};
    if (kind == "mac") options["payload.stamp-mac-key"] = mac_key;
    if (kind == "signature") {
      options["payload.stamp-key"] = pem("PRIVATE KEY", author.to_der().reveal());
      options["payload.stamp-keys"] = pem("PUBLIC KEY", author.public_key().to_der());
    }
    return keys(std::move(options));
  }
  /// Another body under a stamp that is made without any key.
  static Buffer forged(std::string_view kind, std::string_view on, Bytes body) {
    const Buffer stamped = paper::stamped(on, body);
    if (kind == "checksum") return paper::join(paper::crc32(stamped), body);
    if (kind == "hash") return paper::join(crypto::sha256(stamped), body);
    return paper::join({}, body);
  }

  CountingRandom random;
  crypto::OtherPrivateKey author = crypto::OtherPrivateKey::generate(crypto::KeyKind::rsa);
};

TEST_F(PaperStamps, EachKindIsTakenAndBindsTheTopicAgainstAccidents) {
  for (const std::string_view kind : {"checksum", "hash", "mac", "signature"}) {
    const Keys its = of_kind(kind);
    const Buffer sealed = its.seal(topic, as_bytes("21.5"), random);
    EXPECT_EQ(as_text(its.open(topic, sealed).value()), "21.5") << kind;
    EXPECT_FALSE(its.open("plant/8/temp", sealed)) << kind;
    for (std::size_t at = 0; at < sealed.size(); at += 3) {
      Buffer changed = sealed;
      changed[at] ^= 4;
      EXPECT_FALSE(its.open(topic, changed)) << kind << " " << at;
    }
  }
  EXPECT_EQ(to_hex(paper::crc32(as_bytes("123456789"))), "cbf43926") << "the check value that everybody's CRC-32 has";
}

// Claim of a stamp: "the client has the confidence that the message was not altered by some malicious third party".
TEST_F(PaperStamps, AChecksumOrAHashIsMadeAnewByWhoeverChangesTheMessage) {
  for (const std::string_view kind : {"checksum", "hash", "mac", "signature"}) {
    const Keys its = of_kind(kind);
    const Buffer sealed = its.seal(topic, as_bytes("open the valve: no "), random);
    Buffer body = to_buffer(paper::split(sealed)->body);
    body[16] ^= 0x10;  // CBC: its first block comes out as chance, the rest as it was
    const bool is_taken = its.open(topic, forged(kind, topic, body)).has_value();
    EXPECT_EQ(is_taken, kind == "checksum" || kind == "hash") << kind;

    // The first block is the attacker's: what was under IV, under another IV.
    Buffer aimed = to_buffer(paper::split(sealed)->body);
    aimed[0] ^= 'o' ^ 'O';
    const auto opened = its.open(topic, forged(kind, topic, aimed));
    EXPECT_EQ(opened.has_value(), kind == "checksum" || kind == "hash") << kind;
    if (opened) {
      EXPECT_EQ(as_text(*opened), "Open the valve: no ");
    }
    // Moved to another topic.
    const auto moved = its.open("plant/8/temp", forged(kind, "plant/8/temp", paper::split(sealed)->body));
    EXPECT_EQ(moved.has_value(), kind == "checksum" || kind == "hash") << kind;
  }
}

TEST_F(PaperStamps, UnderAMacEverybodyWhoHasItsKeySpeaksAsAnybody) {
  const Keys reader = of_kind("mac"), other_member = of_kind("mac");
  EXPECT_TRUE(reader.open(topic, other_member.seal(topic, as_bytes("said by another"), random)));
}

TEST_F(PaperStamps, UnderASignatureOnlyItsAuthorsSpeak) {
  const Keys reader = of_kind("signature");
  const auto thief = crypto::OtherPrivateKey::generate(crypto::KeyKind::rsa);
  const Keys its = keys({{"payload.stamp-key", pem("PRIVATE KEY", thief.to_der().reveal())}});
  EXPECT_EQ(its.stamp(), StampKind::signature);
  EXPECT_FALSE(reader.open(topic, its.seal(topic, as_bytes("said by a thief"), random)));
}

TEST_F(PaperStamps, NoKindIsFresh) {
  for (const std::string_view kind : {"none", "checksum", "hash", "mac", "signature"}) {
    const Keys its = of_kind(kind);
    const Buffer sealed = its.seal(topic, as_bytes("21.5"), random);
    EXPECT_TRUE(its.open(topic, sealed) && its.open(topic, sealed)) << kind;
  }
}

/// The same attackers at the hardened form.
struct HardenedStamps : PayloadParties, ::testing::Test {};
TEST_F(HardenedStamps, NothingChangedOrMovedOrSentAgainIsTaken) {
  for (const auto form : {TopicKey::Form::inside, TopicKey::Form::outside, TopicKey::Form::bare}) {
    now = {now.steady + 2'000, now.wall + 2'000};  // keys are looked for once a second
    share(topic, TopicKey::Kind::symmetric, form);
    const Buffer sealed = seal(topic, "open the valve: no ");
    for (std::size_t at = 0; at < sealed.size(); ++at) {
      Buffer changed = sealed;
      changed[at] ^= 0x20;
      EXPECT_NE(cause(open(topic, changed)), "") << at;
    }
    EXPECT_NE(cause(open("plant/8/temp", sealed)), "");
    EXPECT_EQ(cause(open(topic, sealed)), "");
    EXPECT_EQ(cause(open(topic, sealed)), "replay");
  }
}

TEST_F(PaperStamps, OptionsThatSayNothingAreErrors) {
  const auto refused = [](SchemeOptions options) { return !Keys::read(options, "payload."); };
  EXPECT_TRUE(refused({{"payload.stamp", "crc"}}));
  EXPECT_TRUE(refused({{"payload.stamp", "mac"}}));
  EXPECT_TRUE(refused({{"payload.stamp", "signature"}}));
  EXPECT_TRUE(refused({{"payload.stamp-mac-key", "0011"}}));
  EXPECT_TRUE(refused({{"payload.stamp-mac-key", "not hexadecimal digits not hexadecimal"}}));
  EXPECT_TRUE(refused({{"payload.topic-key", "0011"}}));
  EXPECT_EQ(keys({{"payload.stamp-mac-key", std::string(mac_key)}}).stamp(), StampKind::mac);
  EXPECT_EQ(keys({}).stamp(), StampKind::none);
}

// -- up to the broker

struct PaperHop : ::testing::Test {
  PaperHop() { begin("mac"); }
  void begin(std::string_view stamp) {
    SchemeOptions options{{"payload-hop.topic-key", std::string(topic_key)}, {"payload-hop.stamp", std::string(stamp)}};
    if (stamp == "mac") options["payload-hop.stamp-mac-key"] = mac_key;
    broker.scheme_options = options;
    broker.crash();
    broker.allow({"payload-hop@paper"}, {"plain", "payload-hop@paper"}, "plant/#");
    device = find_scheme("payload-hop@paper")
                 ->client_side({.key = nullptr, .broker = std::nullopt, .peers = {}, .random = broker.random, .options = options})
                 .value();
    broker.peer.is_hidden = true;
    hidden = &broker.connect("hidden");
    broker.subscribe(*hidden, "plant/#");
    broker.peer.is_hidden = false;
    open_wire = &broker.connect("open-wire");
    broker.subscribe(*open_wire, "plant/#");
    link = &broker.connect("device");
  }
  std::string seal(std::string_view text) {
    return std::string(as_text(device->protect(topic, as_bytes(text), broker.now).value()));
  }
  mqtt::Reason send(std::string_view payload, std::string_view on = topic) {
    broker.publish(*link, on, payload, mqtt::QoS::at_least_once);
    const auto answer = link->answers.back().reasons.at(0);
    return answer == mqtt::Reason::no_matching_subscribers ? mqtt::Reason::success : answer;
  }

  BrokerBench broker{1};
  std::unique_ptr<ClientScheme> device;
  TestClient *hidden = nullptr, *open_wire = nullptr, *link = nullptr;
};

TEST_F(PaperHop, SubscribersGetThePlainTextWhereTheirConnectionHidesIt) {
  const std::string sealed = seal("21.5");
  EXPECT_EQ(sealed.find("21.5"), std::string::npos);
  EXPECT_EQ(send(sealed), mqtt::Reason::success);
  ASSERT_EQ(hidden->publishes.size(), 1U);
  EXPECT_EQ(hidden->publishes[0].payload, "21.5");
  EXPECT_TRUE(open_wire->publishes.empty()) << "the publication has trusted subscribers on TLS";
  EXPECT_FALSE(device->subscribe_property(topic, {}, broker.now));
  EXPECT_FALSE(device->subscribe_request(topic, {}, broker.now)) << "who has it for a scheme subscribes without";
}

TEST_F(PaperHop, WithAMacWhatWasChangedOrMovedIsRefused) {
  const std::string sealed = seal("21.5");
  for (std::size_t at = 2; at < sealed.size(); at += 5) {
    std::string changed = sealed;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    link = &broker.connect("device-" + std::to_string(at));
    EXPECT_EQ(send(changed), mqtt::Reason::not_authorized) << at;
  }
  link = &broker.connect("another");
  EXPECT_EQ(send(sealed, "plant/8/temp"), mqtt::Reason::not_authorized);
  EXPECT_EQ(send("x"), mqtt::Reason::not_authorized) << "of no form";
  EXPECT_TRUE(hidden->publishes.empty());
}

TEST_F(PaperHop, WithAHashTheAttackerMakesItAnew) {
  begin("hash");
  const std::string sealed = seal("open the valve: no ");
  Buffer body = to_buffer(paper::split(as_bytes(sealed))->body);
  body[0] ^= 'o' ^ 'O';
  const Buffer forged = paper::join(crypto::sha256(paper::stamped(topic, body)), body);
  EXPECT_EQ(send(as_text(forged)), mqtt::Reason::success);
  ASSERT_EQ(hidden->publishes.size(), 1U);
  EXPECT_EQ(hidden->publishes[0].payload, "Open the valve: no ");
}

TEST_F(PaperHop, WhatWasRecordedIsTakenAgain) {
  const std::string sealed = seal("21.5");
  EXPECT_EQ(send(sealed), mqtt::Reason::success);
  EXPECT_EQ(send(sealed), mqtt::Reason::success) << "as published: nothing in it is fresh";
  EXPECT_EQ(hidden->publishes.size(), 2U);
}

TEST_F(PaperHop, WithoutAStampTheAnswersOfTheBrokerDecryptWhatWasRecorded) {
  begin("none");
  // The last byte of the first block of a recorded message, by Vaudenay's oracle: padding 01 is taken, nothing else is.
  const std::string sealed = seal("0123456789abcdefX");
  const Buffer recorded = to_buffer(paper::split(as_bytes(sealed))->body);
  std::optional<std::uint8_t> found;
  for (int guess = 0; guess < 256 && !found; ++guess) {
    Buffer tried(recorded.begin(), recorded.begin() + 32);  // IV and first block
    tried[14] ^= 0x55;                                      // so that the byte before is not 02 by chance
    tried[15] = static_cast<std::uint8_t>(recorded[15] ^ guess ^ 0x01);
    link = &broker.connect("oracle-" + std::to_string(guess));
    if (send(as_text(paper::join({}, tried))) == mqtt::Reason::success) found = static_cast<std::uint8_t>(guess);
  }
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, 'f');
}

}  // namespace
}  // namespace sealmq::testing
