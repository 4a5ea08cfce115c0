#include "crypto/ratchet.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "support/json_arrays.h"

namespace sealmq::crypto {
namespace {

constexpr std::string_view topic = "cards/temperature";

Secret session_key(std::uint8_t octet = 0x4B) {
  return Secret(Buffer(32, octet));
}
Buffer sealed(RatchetPayloads& by, std::string_view text, std::string_view under = topic) {
  Buffer out;
  EXPECT_TRUE(by.seal(under, as_bytes(text), {}, out));
  return out;
}

class Ratchet : public ::testing::Test {
 protected:
  RatchetPayloads client{session_key(), HopEnd::client}, broker{session_key(), HopEnd::broker};
};

TEST_F(Ratchet, SealsAsTheVectorsSay) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/scacauth2.json");
  const auto v = nlohmann::json::parse(file).at("ratchet");
  const Secret key(*from_hex(v.at("session_key").get<std::string>()));
  const struct {
    const char* name;
    HopEnd by;
    std::size_t key_size;
  } cases[] = {{"c2b 128", HopEnd::client, 16}, {"b2c 128", HopEnd::broker, 16}, {"c2b 256", HopEnd::client, 32}};
  for (const auto& [name, by, key_size] : cases) {
    RatchetPayloads end(key, by, key_size);
    for (const auto& expected : sealmq::testing::some_of(v, name))
      EXPECT_EQ(to_hex(sealed(end, "21C")), expected.get<std::string>()) << name;
  }
}

TEST_F(Ratchet, OpensWhatTheOtherEndSealedOnce) {
  for (int i = 0; i < 100; ++i) {
    const Buffer there = sealed(client, "21C"), back = sealed(broker, "ok");
    EXPECT_EQ(there.size(), 3 + RatchetPayloads::overhead);
    EXPECT_EQ(as_text(broker.open(topic, there)->plaintext), "21C");
    EXPECT_EQ(as_text(client.open(topic, back)->plaintext), "ok");
    EXPECT_FALSE(broker.open(topic, there));
  }
}

TEST_F(Ratchet, KeepsTheKeysOfMessagesThatHaveNotCome) {
  std::vector<Buffer> all;
  for (int i = 0; i < 100; ++i) all.push_back(sealed(client, std::to_string(i)));
  EXPECT_EQ(as_text(broker.open(topic, all[64])->plaintext), "64");
  for (std::size_t i = 64; i > 0; --i) EXPECT_EQ(as_text(broker.open(topic, all[i - 1])->plaintext), std::to_string(i - 1));
  EXPECT_FALSE(broker.open(topic, all[3]));
  EXPECT_EQ(as_text(broker.open(topic, all[99])->plaintext), "99");
}

TEST_F(Ratchet, LeavesNoMoreThanSixtyFourOut) {
  std::vector<Buffer> all;
  for (int i = 0; i < 200; ++i) all.push_back(sealed(client, std::to_string(i)));
  EXPECT_FALSE(broker.open(topic, all[65]));
  EXPECT_TRUE(broker.open(topic, all[64]));  // 0 to 63 are kept
  EXPECT_TRUE(broker.open(topic, all[66]));  // 65 too: the oldest is forgotten
  EXPECT_FALSE(broker.open(topic, all[0]));
  EXPECT_TRUE(broker.open(topic, all[1]));
  EXPECT_TRUE(broker.open(topic, all[65]));
}

TEST_F(Ratchet, RefusesWhatWasChangedOrMoved) {
  const Buffer good = sealed(client, "21C");
  for (std::size_t at = 0; at < good.size(); ++at) {
    Buffer changed = good;
    changed[at] ^= 1;
    EXPECT_FALSE(broker.open(topic, changed)) << at;
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(broker.open(topic, Bytes(good).first(size)));
  EXPECT_FALSE(broker.open("cards/other", good));
  EXPECT_FALSE(client.open(topic, good)) << "sent back";
  RatchetPayloads other(session_key(1), HopEnd::broker);
  EXPECT_FALSE(other.open(topic, good));
  EXPECT_EQ(as_text(broker.open(topic, good)->plaintext), "21C") << "nothing of that has moved it";
}

}  // namespace
}  // namespace sealmq::crypto
