// The hop layers going on to other keys: by themselves, and with a new login's key.
#include "crypto/epochs.h"

#include <gtest/gtest.h>

#include "crypto/hop.h"
#include "crypto/kdf.h"
#include "crypto/ratchet.h"
#include "support.h"
#include "support/in_child.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

const auto update_vectors = vectors("hop_update.json");
const auto& of_records = update_vectors.at("HRL1");
const auto& of_payloads = update_vectors.at("HPP1");
const Buffer ping = hex("c000");
constexpr std::size_t update_size = HopRecords::header_size + 1 + AesGcm::tag_size;
constexpr auto hour = std::uint64_t{60} * 60 * 1000;

Secret session_key(const char* which = "session_key") {
  return hex_secret(text_of(std::string_view(which) == "session_key" ? update_vectors : of_records, which));
}
HopPayloads payloads(HopEnd end, const EpochLimits& limits = {}) {
  return {session_key(), "client-1", end, hop_key_size, limits};
}
HopRecords records(HopEnd end, const EpochLimits& limits = {}) {
  return {session_key(), end, hop_key_size, limits};
}
Buffer sealed(HopPayloads& by, std::string_view text, std::uint64_t steady = 0) {
  Buffer out;
  EXPECT_TRUE(by.seal("plant/7/temp", as_bytes(text), {.steady = steady}, out));
  return out;
}
std::uint64_t epoch_of(const Buffer& payload) {
  return std::uint64_t{payload[2]} << 16 | std::uint64_t{payload[3]} << 8 | payload[4];
}
/// One record, and before it perhaps another that ends an epoch.
Buffer sealed(HopRecords& by, Bytes packets = ping, std::uint64_t steady = 0) {
  Buffer out;
  EXPECT_TRUE(by.seal(packets, steady, out));
  return out;
}
bool opens(HopRecords& by, Bytes all) {
  while (!all.empty()) {
    const auto size = HopRecords::size_of(all);
    if (!size || !*size || !by.open(all.first(**size))) return false;
    all = all.subspan(**size);
  }
  return true;
}
Buffer mixed(HopRecords& by) {
  Buffer out;
  EXPECT_TRUE(by.mix(session_key("session_key_of_a_new_login"), 0, out));
  return out;
}

EpochKeys keys_of(const char* layer, std::string_view suffix) {
  Buffer info;
  append(info, as_bytes(std::string(layer) + " update c2b"));
  append(info, as_bytes(suffix));
  const Secret root = hkdf_extract(as_bytes(layer), session_key().reveal());
  return {layer, hkdf_expand(root.reveal(), info, 32), hop_key_size};
}
void expect_keys(const Secret& key_and_iv, const nlohmann::json& expected) {
  EXPECT_EQ(to_hex(key_and_iv.reveal()), text_of(expected, "key") + text_of(expected, "iv"));
}

}  // namespace

TEST(EpochKeys, AreThoseOfTheVectors) {
  EpochKeys records = keys_of("HRL1", ""), payloads = keys_of("HPP1", std::string_view("\0\x08"
                                                                                       "client-1",
                                                                                       10));
  for (int epoch : {0, 1}) {
    expect_keys(payloads.next(), of_payloads.at("epochs").at(epoch));
    if (epoch == 1) break;
    expect_keys(records.next(), of_records.at("epochs").at(epoch));
  }
  EpochKeys mixed = records.fork();
  expect_keys(records.next(), of_records.at("epochs").at(1));
  mixed.mix(session_key("session_key_of_a_new_login"), "HRL1 mixed c2b");
  expect_keys(mixed.next(), of_records.at("epoch_2_mixed"));
}

TEST(HopRecords, GoOnAsTheVectorsSay) {
  HopRecords client = records(HopEnd::client, {.messages = 1}), broker = records(HopEnd::broker, {.messages = 1});
  EXPECT_TRUE(opens(broker, sealed(client)));
  const Buffer both = sealed(client);
  EXPECT_EQ(to_hex(both), text_of(of_records, "record_update_at_number_1_of_epoch_0") +
                              text_of(of_records, "record_pingreq_at_number_0_of_epoch_1"));
  EXPECT_TRUE(opens(broker, both));
  const Buffer update = mixed(client);
  EXPECT_EQ(to_hex(update), text_of(of_records, "record_update_mixed_at_number_1_of_epoch_1"));
  EXPECT_FALSE(opens(broker, update)) << "of a login that this end knows nothing of";
}

TEST(HopPayloads, GoOnAsTheVectorSays) {
  HopPayloads client = payloads(HopEnd::client, {.messages = 8});
  Buffer last;
  for (int i = 0; i < 16; ++i) last = sealed(client, text_of(of_payloads, "plaintext"));
  EXPECT_EQ(to_hex(last), text_of(of_payloads, "payload"));
}

// -- when

TEST(HopPayloads, GoOnAfterSoManyMessagesBytesOrHours) {
  const auto epochs = [](const EpochLimits& limits, std::size_t size, std::uint64_t between) {
    HopPayloads client = payloads(HopEnd::client, limits), broker = payloads(HopEnd::broker);
    std::vector<std::uint64_t> found;
    for (std::uint64_t i = 0; i < 6; ++i) {
      const Buffer payload = sealed(client, std::string(size, 'x'), 5'000 + i * between);
      found.push_back(epoch_of(payload));
      EXPECT_TRUE(broker.open("plant/7/temp", payload)) << i;
    }
    return found;
  };
  using Epochs = std::vector<std::uint64_t>;
  EXPECT_EQ(epochs({}, 1000, 1), (Epochs{0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(epochs({.messages = 2}, 1, 0), (Epochs{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(epochs({.bytes = 20}, 10, 0), (Epochs{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(epochs({}, 1, hour / 2), (Epochs{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(epochs({}, 1, hour), (Epochs{0, 1, 2, 3, 4, 5}));
}

TEST(HopRecords, GoOnAfterSoManyRecordsBytesOrHours) {
  const auto updates = [](const EpochLimits& limits, const Buffer& packets, std::uint64_t between) {
    HopRecords client = records(HopEnd::client, limits), broker = records(HopEnd::broker, limits);
    int count = 0;
    for (std::uint64_t i = 0; i < 6; ++i) {
      const Buffer all = sealed(client, packets, 5'000 + i * between);
      if (all[0] == 0x18) ++count;
      EXPECT_TRUE(opens(broker, all)) << i;
    }
    return count;
  };
  EXPECT_EQ(updates({}, ping, 1), 0);
  EXPECT_EQ(updates({.messages = 2}, ping, 0), 2);
  EXPECT_EQ(updates({.bytes = 20}, Buffer(10, 7), 0), 2);
  EXPECT_EQ(updates({}, ping, hour), 5);
}

TEST(HopRecords, GoOnAfterARecordThatIsMoreThanAnEpoch) {
  HopRecords client = records(HopEnd::client, {.bytes = 10}), broker = records(HopEnd::broker);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(opens(broker, sealed(client, Buffer(1000, 7)))) << i;
}

TEST(EpochLimits, AreThoseOfTheSpecification) {
  const EpochLimits limits;
  EXPECT_EQ(limits.bytes, std::uint64_t{1} << 36);
  EXPECT_EQ(limits.messages, std::uint64_t{1} << 24);
  EXPECT_EQ(limits.age, hour);
}

// -- what a receiver takes

TEST(HopPayloads, OfTheEpochBeforeAreTakenFor64MoreMessages) {
  HopPayloads client = payloads(HopEnd::client, {.messages = 70}), broker = payloads(HopEnd::broker);
  std::vector<Buffer> all;
  for (int i = 0; i < 140; ++i) all.push_back(sealed(client, "text"));
  const auto take = [&](int which) { return broker.open("plant/7/temp", all[static_cast<std::size_t>(which)]); };
  for (int i = 0; i < 68; ++i) ASSERT_TRUE(take(i));
  ASSERT_TRUE(take(70)) << "of the next epoch";
  EXPECT_TRUE(take(68)) << "late";
  EXPECT_TRUE(take(68)->repeat);
  for (int i = 71; i < 133; ++i) ASSERT_TRUE(take(i));
  EXPECT_TRUE(take(69)) << "63 came after it";
  EXPECT_TRUE(take(133));
  EXPECT_FALSE(take(69)) << "its key is gone";
}

TEST(HopPayloads, OfFourEpochsAheadAreTakenAndNoneFurther) {
  const auto of_epoch = [](std::uint64_t epoch) {
    HopPayloads client = payloads(HopEnd::client, {.messages = 1});
    Buffer last;
    for (std::uint64_t i = 0; i <= epoch; ++i) last = sealed(client, "text");
    return last;
  };
  for (std::uint64_t epoch : {1, 2, 3, 4}) {
    HopPayloads broker = payloads(HopEnd::broker);
    EXPECT_TRUE(broker.open("plant/7/temp", of_epoch(epoch))) << epoch;
    EXPECT_TRUE(broker.open("plant/7/temp", of_epoch(epoch - 1))) << "the one before " << epoch;
    EXPECT_EQ(broker.open("plant/7/temp", of_epoch(0)).has_value(), epoch == 1) << "behind " << epoch;
  }
  HopPayloads broker = payloads(HopEnd::broker);
  EXPECT_FALSE(broker.open("plant/7/temp", of_epoch(5)));
  EXPECT_TRUE(broker.open("plant/7/temp", of_epoch(0)));
}

TEST(HopPayloads, ANumberOfAnotherEpochMovesNothing) {
  HopPayloads client = payloads(HopEnd::client), broker = payloads(HopEnd::broker);
  const Buffer good = sealed(client, "text");
  for (std::size_t at : {2U, 3U, 4U})
    for (const int epoch : {1, 2, 4, 5, 255}) {
      Buffer changed = good;
      changed[at] = static_cast<std::uint8_t>(epoch);
      EXPECT_FALSE(broker.open("plant/7/temp", changed)) << at << " " << epoch;
    }
  EXPECT_TRUE(broker.open("plant/7/temp", good));
}

TEST(HopPayloads, SoManyThatDoNotOpenEndTheConnection) {
  OpeningEpochs opening({Secret(Buffer(28, 7)), keys_of("HPP1", "")}, 3);
  SealingChannel sealing(Secret(Buffer(28, 7)), {.messages = 10});
  Buffer good;
  ASSERT_TRUE(sealing.seal({}, as_bytes("text"), good));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(opening.has_too_many_forgeries());
    EXPECT_FALSE(opening.open(0, {}, Buffer(30, 1)));
  }
  EXPECT_TRUE(opening.has_too_many_forgeries());
  EXPECT_FALSE(opening.open(0, {}, good));
  EXPECT_FALSE(payloads(HopEnd::broker).must_end());
}

TEST(HopRecords, AnEpochOfTwiceItsRecordsOrBytesEndsTheConnection) {
  const auto taken = [](const EpochLimits& agreed, const Buffer& packets) {
    HopRecords client = records(HopEnd::client), broker = records(HopEnd::broker, agreed);
    int count = 0;
    while (count < 100 && opens(broker, sealed(client, packets))) ++count;
    return count;
  };
  EXPECT_EQ(taken({.messages = 3}, ping), 6);
  EXPECT_EQ(taken({.bytes = 30}, Buffer(10, 7)), 6);
  EXPECT_EQ(taken({}, ping), 100);
}

TEST(HopRecords, WhatEndsAnEpochIsOneByte) {
  HopRecords client = records(HopEnd::client), broker = records(HopEnd::broker);
  EXPECT_EQ(HopRecords::size_of(hex("18000011")).value(), update_size);
  EXPECT_FALSE(HopRecords::size_of(hex("18000012")));
  EXPECT_FALSE(HopRecords::size_of(hex("18000010")));
  EXPECT_FALSE(HopRecords::size_of(hex("19000011")));
  // Packets of one byte, said to be an update: the type is under the cipher too.
  Buffer record = sealed(client, hex("00"));
  record[0] = 0x18;
  EXPECT_FALSE(opens(broker, record));
}

// -- a new login

TEST(HopRecords, ANewLoginsKeyIsMixedIntoBothDirections) {
  HopRecords client = records(HopEnd::client), broker = records(HopEnd::broker), thief = records(HopEnd::broker);
  const Buffer first = sealed(client);
  EXPECT_TRUE(opens(broker, first));
  EXPECT_TRUE(opens(client, sealed(broker)));
  const Buffer of_broker = mixed(broker), still_before = sealed(client);
  EXPECT_TRUE(opens(broker, still_before)) << "each direction by itself";
  const Buffer of_client = mixed(client);
  EXPECT_TRUE(opens(client, of_broker));
  EXPECT_TRUE(opens(broker, of_client));
  const Buffer hidden = sealed(client);
  EXPECT_TRUE(opens(broker, hidden));
  EXPECT_TRUE(opens(client, sealed(broker)));

  // Who has taken the connection's keys, but was not there at the new login.
  EXPECT_TRUE(opens(thief, first) && opens(thief, still_before));
  EXPECT_FALSE(opens(thief, of_client));
}

TEST(HopRecords, ALoginWhoseKeysTheOtherEndDoesNotFollowIsTheLast) {
  HopRecords broker = records(HopEnd::broker);
  mixed(broker);
  Buffer out;
  EXPECT_FALSE(broker.mix(session_key(), 0, out));
}

TEST(HopRecords, WithKeysOf32BytesGoOnWithSuch) {
  HopRecords client(session_key(), HopEnd::client, 32, {.messages = 1}), broker(session_key(), HopEnd::broker, 32);
  HopRecords shorter(session_key(), HopEnd::broker, 16);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(opens(broker, sealed(client))) << i;
  EXPECT_FALSE(opens(shorter, sealed(client)));
}

// -- nothing twice

TEST(HopLayers, SealNothingOnTheOtherSideOfAFork) {
  HopPayloads payload = payloads(HopEnd::client, {.messages = 1});
  HopRecords record = records(HopEnd::client, {.messages = 1});
  RatchetPayloads ratchet(session_key(), HopEnd::client);
  const auto seals = [&](int which) {
    Buffer out;
    if (which == 0) return payload.seal("t", {}, {}, out).has_value();
    if (which == 1) return record.seal(ping, 0, out).has_value();
    return ratchet.seal("t", {}, {}, out).has_value();
  };
  for (int which : {0, 1, 2}) {
    EXPECT_TRUE(seals(which));
    EXPECT_EQ(sealmq::testing::in_child([&] { return std::string(seals(which) ? "sealed" : "refused"); }), "refused") << which;
    EXPECT_TRUE(seals(which));
  }
}
