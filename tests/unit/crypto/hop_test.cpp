#include "crypto/hop.h"

#include <gtest/gtest.h>

#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

const auto hop_vectors = vectors("hop.json");
const auto plant = std::string_view("plant/7/temp");

Secret session_key() {
  return hex_secret(text_of(hop_vectors, "session_key"));
}
HopPayloads payloads(HopEnd end, std::string_view client = "client-1") {
  return HopPayloads(session_key(), client, end);
}
Buffer sealed(HopPayloads& by, std::string_view topic, std::string_view text) {
  Buffer out;
  EXPECT_TRUE(by.seal(topic, as_bytes(text), {}, out));
  return out;
}
Buffer record(HopRecords& by, Bytes packets) {
  Buffer out;
  EXPECT_TRUE(by.seal(packets, 0, out));
  return out;
}

}  // namespace

TEST(HopPayloads, SealAsTheVectorSays) {
  const auto& expected = hop_vectors.at("hpp1");
  auto client = payloads(HopEnd::client, text_of(hop_vectors, "client_id"));
  Buffer last;
  for (int number = 0; number <= expected.at("seq").get<int>(); ++number)
    last = sealed(client, text_of(expected, "topic"), text_of(expected, "plaintext"));
  EXPECT_EQ(to_hex(last), text_of(expected, "payload"));
  EXPECT_EQ(last.size(), text_of(expected, "plaintext").size() + HopPayloads::overhead);
}

TEST(HopPayloads, OpenWhatTheOtherEndSealed) {
  auto client = payloads(HopEnd::client), broker = payloads(HopEnd::broker);
  for (auto* from : {&client, &broker}) {
    auto& to = from == &client ? broker : client;
    const Buffer first = sealed(*from, plant, "1"), second = sealed(*from, plant, "");
    auto opened = to.open(plant, second);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->plaintext.empty());
    opened = to.open(plant, first);
    ASSERT_TRUE(opened);
    EXPECT_EQ(as_text(opened->plaintext), "1");
    EXPECT_FALSE(opened->repeat);
    EXPECT_TRUE(to.open(plant, first)->repeat);
  }
}

TEST(HopPayloads, RefuseWhatWasChangedOrMoved) {
  auto client = payloads(HopEnd::client), broker = payloads(HopEnd::broker);
  const Buffer good = sealed(client, plant, "21.5");
  EXPECT_FALSE(broker.open("plant/8/temp", good));
  EXPECT_FALSE(client.open(plant, good));  // sent back
  EXPECT_FALSE(payloads(HopEnd::broker, "client-2").open(plant, good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Buffer changed = good;
    changed[at] ^= 1;
    EXPECT_FALSE(broker.open(plant, changed)) << at;
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(broker.open(plant, Bytes(good).first(size))) << size;
  EXPECT_TRUE(broker.open(plant, good));
}

TEST(HopPayloads, RefuseWhatFellBehindTheWindow) {
  auto client = payloads(HopEnd::client), broker = payloads(HopEnd::broker);
  const Buffer old = sealed(client, plant, "old");
  Buffer last;
  for (int i = 0; i < 64; ++i) last = sealed(client, plant, "new");
  EXPECT_TRUE(broker.open(plant, last));
  EXPECT_FALSE(broker.open(plant, old));
}

TEST(HopRecords, SealAsTheVectorSays) {
  const auto& expected = hop_vectors.at("hrl1");
  HopRecords client(session_key(), HopEnd::client);
  EXPECT_EQ(to_hex(record(client, hex(text_of(expected, "mqtt_packet")))), text_of(expected, "record"));
}

TEST(HopRecords, ComeOnceAndInOrder) {
  HopRecords client(session_key(), HopEnd::client), broker(session_key(), HopEnd::broker);
  const Buffer packet = hex("c000");
  const Buffer first = record(client, packet), second = record(client, packet), third = record(client, packet);
  EXPECT_EQ(broker.open(first).value(), packet);
  EXPECT_FALSE(broker.open(first));
  HopRecords again(session_key(), HopEnd::broker);
  EXPECT_FALSE(again.open(second));
  HopRecords own(session_key(), HopEnd::client);
  EXPECT_FALSE(own.open(first));  // sent back
}

TEST(HopRecords, RefuseWhatWasChanged) {
  HopRecords client(session_key(), HopEnd::client);
  const Buffer good = record(client, hex("c000"));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Buffer changed = good;
    changed[at] ^= 1;
    EXPECT_FALSE(HopRecords(session_key(), HopEnd::broker).open(changed)) << at;
  }
  EXPECT_TRUE(HopRecords(session_key(), HopEnd::broker).open(good));
}

TEST(HopRecords, TellTheirLengthBeforeTheyAreThere) {
  EXPECT_EQ(HopRecords::size_of({}).value(), std::nullopt);
  EXPECT_EQ(HopRecords::size_of(hex("170000")).value(), std::nullopt);
  EXPECT_EQ(HopRecords::size_of(hex("17000011")).value(), 21U);
  EXPECT_EQ(HopRecords::size_of(hex("17400000")).value(), 4U + (1U << 22));
  EXPECT_FALSE(HopRecords::size_of(hex("16")));
  EXPECT_FALSE(HopRecords::size_of(hex("17000010")));  // nothing but a tag
  EXPECT_FALSE(HopRecords::size_of(hex("17400001")));
}
