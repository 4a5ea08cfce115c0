// The frames of SL2 against the vectors, and what their decoders refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "keystore/software_keys.h"
#include "schemes/sl2/delivery.h"
#include "schemes/sl2/escrow.h"
#include "schemes/sl2/paper_messages.h"
#include "support/in_child.h"
#include "support/json_arrays.h"
#include "support/parties.h"

namespace sealmq::testing {
namespace {

nlohmann::json vectors(const char* name) {
  std::ifstream file(std::string(SEALMQ_SOURCE_DIR "/tests/vectors/") + name);
  return nlohmann::json::parse(file);
}

Buffer hex(const nlohmann::json& value) {
  return from_hex(value.get<std::string>()).value();
}

template <std::size_t N>
std::array<std::uint8_t, N> array_of(const nlohmann::json& value) {
  std::array<std::uint8_t, N> out{};
  const auto bytes = hex(value);
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), out.begin());
  return out;
}

crypto::rabin::PrivateKey rabin_of(const nlohmann::json& v) {
  Buffer primes = hex(v["r"]);
  append(primes, hex(v["s"]));
  return crypto::rabin::PrivateKey::from_secret(Secret(std::move(primes)), 1024).value();
}

class Sl2Vectors : public ::testing::Test {
 protected:
  const nlohmann::json given = vectors("malina.json");
  const nlohmann::json made = vectors("sl2.json");
  const std::string broker_id = made["broker_id"];
  const crypto::rabin::PrivateKey rabin = rabin_of(given["rabin_kem_3072"]);
  const std::uint64_t time = std::stoull(given["t"].get<std::string>(), nullptr, 16);
  const std::string topic = given["T"];
  const std::string text = given["M"];

  /// Both steps of opening.
  Result<Secret> open(Bytes frame, std::uint8_t type, std::string_view at) {
    const auto sealed = TRY(sl2::decode_sealed(frame, type));
    return sl2::open(sealed, crypto::rabin::decapsulate(rabin, sealed.c), at);
  }
  void expect_message(const nlohmann::json& frame) {
    const auto plaintext = open(hex(frame), sl2::type_sl2_2, broker_id);
    ASSERT_TRUE(plaintext);
    const auto message = sl2::decode_message(plaintext->reveal()).value();
    EXPECT_EQ(message.topic, topic);
    EXPECT_EQ(as_text(message.message), text);
    EXPECT_EQ(message.time, time);
    EXPECT_EQ(message.sequence, 41U);
    const auto key = crypto::schnorr::VerifyingKey::from_id(message.id).value();
    EXPECT_TRUE(malina::verify(key, sl2::statement_of(message, broker_id), message.signature));
    EXPECT_FALSE(malina::verify(key, sl2::statement_of(message, "broker-2"), message.signature));
  }
  sl2::DeliveryKey delivery_key() { return {hex(made["SK"]), array_of<8>(made["subscription"])}; }
};

TEST_F(Sl2Vectors, ASubscribeRequestOpens) {
  const auto frame = hex(given["hardened"]["SL2_1_frame_kem3072"]);
  const auto plaintext = open(frame, sl2::type_sl2_1, broker_id);
  ASSERT_TRUE(plaintext);
  const auto request = sl2::decode_subscribe(plaintext->reveal()).value();
  EXPECT_EQ(request.filter, topic);
  EXPECT_EQ(request.time, time);
  EXPECT_EQ(to_hex(request.key), given["SL2_paper_1024_test_modulus"]["SK_BS"].get<std::string>());
  EXPECT_FALSE(request.capability);
  EXPECT_FALSE(open(frame, sl2::type_sl2_2, broker_id)) << "of another type";
  EXPECT_FALSE(open(frame, sl2::type_sl2_1, "broker-2")) << "for another broker";
}

TEST_F(Sl2Vectors, ARequestForAClosedTopicCarriesItsCapability) {
  const auto plaintext = open(hex(made["SL2_1_closed"]), sl2::type_sl2_1, broker_id);
  ASSERT_TRUE(plaintext);
  const auto request = sl2::decode_subscribe(plaintext->reveal()).value();
  EXPECT_EQ(request.filter, "plant/#");
  EXPECT_EQ(request.capability, array_of<16>(made["capability"]));
}

TEST_F(Sl2Vectors, AMessageOpensAndItsSignatureVerifies) {
  expect_message(given["hardened"]["SL2_2_frame_kem3072"]);
  expect_message(made["SL2_2"]);
}

TEST_F(Sl2Vectors, WrongCiphertextsGetTheKeysThatOnlyTheBrokerKnows) {
  for (const auto& v : some_of(made, "rejected"))
    EXPECT_EQ(to_hex(crypto::rabin::decapsulate(rabin, hex(v["c"])).reveal()), v["K"].get<std::string>());
}

TEST_F(Sl2Vectors, NoOctetOfASealedFrameMayChange) {
  const auto frame = hex(made["SL2_2"]);
  for (std::size_t i = 0; i < frame.size(); i += 7) {
    auto changed = frame;
    changed[i] ^= 1;
    EXPECT_FALSE(open(changed, sl2::type_sl2_2, broker_id)) << i;
  }
}

TEST_F(Sl2Vectors, DeliveriesAreTheVectorsOctetForOctet) {
  auto key = delivery_key();
  const auto sealed = [&](std::uint64_t counter, const sl2::Delivery& delivery) {
    Buffer out;
    key.seal(counter, delivery, out);
    return to_hex(out);
  };
  const auto escrow = hex(made["escrow"]);
  EXPECT_EQ(sealed(1, {topic, as_bytes(text), time, escrow}), made["SL2_3_message"].get<std::string>());
  EXPECT_EQ(sealed(2, {topic, as_bytes(text), time, {}}), made["SL2_3_without_escrow"].get<std::string>());
  EXPECT_EQ(sealed(0x0102030405060708, {{}, {}, time, {}}), made["SL2_3_cover"].get<std::string>());

  Buffer confirmation;
  const auto sk = hex(made["SK"]);
  sl2::DeliverySender sender({time, "plant/#", sk, {}}, array_of<8>(made["subscription"]), time, confirmation);
  EXPECT_EQ(to_hex(confirmation), made["SL2_3_confirmation"].get<std::string>());
  Buffer next;
  sender.seal({topic, as_bytes(text), time, escrow}, next);
  EXPECT_EQ(to_hex(next), made["SL2_3_message"].get<std::string>()) << "messages follow the confirmation";
  EXPECT_EQ(testing::in_child([&] {
              try {
                sender.seal({topic, as_bytes(text), time, escrow}, next);
              } catch (const std::exception&) {
                return std::string("refused");
              }
              return std::string("sealed");
            }),
            "refused")
      << "with the same counter, in another process";
}

TEST_F(Sl2Vectors, DeliveriesOpenUnderTheirOwnKeyAndCounterAlone) {
  auto key = delivery_key();
  const auto frame = hex(made["SL2_3_message"]);
  const auto decoded = sl2::decode_delivery_frame(frame).value();
  const auto plaintext = key.open(decoded).value();
  const auto delivery = sl2::decode_delivery(plaintext, decoded.counter).value();
  EXPECT_EQ(delivery.topic, topic);
  EXPECT_EQ(as_text(delivery.message), text);
  EXPECT_EQ(to_hex(delivery.escrow), made["escrow"].get<std::string>());
  EXPECT_FALSE(decoded.is_confirmation());
  for (std::size_t i = 3; i < frame.size(); ++i) {
    auto changed = frame;
    changed[i] ^= 1;
    EXPECT_FALSE(key.open(sl2::decode_delivery_frame(changed).value())) << i;
  }
  EXPECT_TRUE(sl2::decode_delivery_frame(hex(made["SL2_3_confirmation"])).value().is_confirmation());
}

TEST_F(Sl2Vectors, TheSubscriptionIsNamedByItsCiphertext) {
  const auto frame = hex(made["SL2_1_closed"]);
  const auto sealed = sl2::decode_sealed(frame, sl2::type_sl2_1).value();
  EXPECT_EQ(sl2::subscription_id(sealed.c), array_of<8>(made["subscription"]));
  const auto mark = sl2::mark_of("sl2", sealed, {time, "a", {}, {}});
  EXPECT_EQ(mark.digest, crypto::sha256(sealed.c));
  EXPECT_GT(mark.forget_after, time + malina::accepted_behind);
}

/// Gives 48 octets that reduce to this scalar.
class ScalarAsChance : public Random {
 public:
  explicit ScalarAsChance(Buffer scalar) : scalar_(std::move(scalar)) {}
  void fill(std::span<std::uint8_t> out) override {
    std::ranges::fill(out, std::uint8_t{0});
    std::copy(scalar_.begin(), scalar_.end(), out.end() - 32);
  }

 private:
  Buffer scalar_;
};

/// A key store whose agreement key is the one of the vectors.
std::unique_ptr<KeyStore> authority_of(const nlohmann::json& made) {
  static crypto::OsRandom random;
  auto keys = PrivateKeys::generate(random);
  keys.agreement = crypto::AgreementKey::from_secret(Secret(hex(made["authority_agreement_secret"]))).value();
  return std::make_unique<SoftwareKeys>("authority", Kind::authority, std::move(keys), nullptr, random);
}

TEST_F(Sl2Vectors, EscrowIsSealedAndOpenedAsWrittenDown) {
  const sl2::Authorship author{array_of<32>(given["ID_P"]), 41, array_of<64>(made["signature"])};
  ScalarAsChance ephemeral(hex(made["escrow_ephemeral"]));
  const auto key = sl2::EscrowKey::from_sec1(array_of<33>(made["authority_agreement"])).value();
  const auto escrow = key.seal(topic, time, author, ephemeral);
  EXPECT_EQ(to_hex(escrow), made["escrow"].get<std::string>());
  EXPECT_EQ(escrow.size(), sl2::escrow_size);

  const auto authority = authority_of(made);
  EXPECT_EQ(sl2::open_escrow(*authority, escrow, topic, time).value(), author);
  EXPECT_FALSE(sl2::open_escrow(*authority, escrow, "plant/8/temp", time)) << "goes with its topic";
  EXPECT_FALSE(sl2::open_escrow(*authority, escrow, topic, time + 1)) << "and with its time";
  EXPECT_FALSE(sl2::open_escrow(*authority, Bytes(escrow).first(152), topic, time));
  for (std::size_t i = 0; i < escrow.size(); i += 4) {
    auto changed = escrow;
    changed[i] ^= 1;
    EXPECT_FALSE(sl2::open_escrow(*authority, changed, topic, time)) << i;
  }
  EXPECT_FALSE(
      sl2::open_escrow(*authority_of({{"authority_agreement_secret", std::string(63, '0') + "1"}}), escrow, topic, time));
}

TEST_F(Sl2Vectors, ThePaperFramesOpenAndVerify) {
  const auto v = given["SL2_paper_1024_test_modulus"];
  const auto key = rabin_of(v);
  const auto frame = hex(v["SL2_1_frame"]);
  const auto data = crypto::rabin::decrypt(key, sl2::decode_paper_sealed(frame, sl2::paper_sl2_1).value()).value();
  const auto request = sl2::decode_paper_subscribe(data.reveal()).value();
  EXPECT_EQ(request.topic, topic);
  EXPECT_EQ(to_hex(request.key), v["SK_BS"].get<std::string>());
  EXPECT_FALSE(sl2::decode_paper_sealed(frame, sl2::paper_sl2_2));

  crypto::AesGcm subscription(request.key);
  const auto delivered = hex(v["SL2_3_frame"]);
  const auto plaintext = sl2::open_paper_delivery(delivered, subscription).value();
  const auto delivery = sl2::decode_paper_delivery(plaintext).value();
  EXPECT_EQ(as_text(delivery.message), text);
  EXPECT_EQ(to_hex(delivery.signature), v["sig_SL2_2"].get<std::string>());
  const auto id = array_of<32>(given["ID_P"]);
  const sl2::PaperMessage message{delivery.topic, id, delivery.message, delivery.time, delivery.signature};
  EXPECT_TRUE(malina::verify(crypto::schnorr::VerifyingKey::from_id(id).value(), sl2::statement_of(message), delivery.signature));
}

TEST_F(Sl2Vectors, PaperMessagesComeBackUpToTheirLimit) {
  crypto::OsRandom random;
  sl2::PaperMessage message{topic, array_of<32>(given["ID_P"]), {}, time, array_of<64>(made["signature"])};
  Buffer longest(rabin.public_key().size() - 27 - 110 - topic.size(), 'x');
  message.message = longest;
  const auto frame = sl2::seal(message, rabin.public_key(), random).value();
  const auto data = crypto::rabin::decrypt(rabin, sl2::decode_paper_sealed(frame, sl2::paper_sl2_2).value()).value();
  EXPECT_EQ(as_text(sl2::decode_paper_message(data.reveal()).value().message), as_text(longest));
  longest.push_back('x');
  message.message = longest;
  EXPECT_EQ(sl2::seal(message, rabin.public_key(), random).error().blame, Blame::caller_misused);
}

Buffer operator+(Buffer a, const Buffer& b) {
  append(a, b);
  return a;
}

TEST(Sl2Decoders, AreStrict) {
  const Buffer time(8), key(16, 7);
  const auto topic = [](std::string_view name) {
    return Buffer{0, static_cast<std::uint8_t>(name.size())} + to_buffer(as_bytes(name));
  };
  EXPECT_TRUE(sl2::decode_subscribe(time + topic("a/#") + key));
  EXPECT_FALSE(sl2::decode_subscribe(time + topic("a/#b") + key)) << "no filter";
  EXPECT_FALSE(sl2::decode_subscribe(time + topic("") + key));
  EXPECT_FALSE(sl2::decode_subscribe(time + topic("a") + key + Buffer{0})) << "an empty capability";
  EXPECT_FALSE(sl2::decode_subscribe(time + topic("a") + key + Buffer(17, 15)));
  EXPECT_FALSE(sl2::decode_subscribe(time + topic("a") + key + Buffer(18, 16)));
  EXPECT_TRUE(sl2::decode_subscribe(time + topic("a") + key + Buffer(17, 16)));
  EXPECT_TRUE(sl2::decode_paper_subscribe(topic("a") + key));
  EXPECT_FALSE(sl2::decode_paper_subscribe(topic("a/#") + key)) << "no wildcards in the paper form";
  EXPECT_FALSE(sl2::decode_paper_subscribe(topic("a") + key + Buffer{0}));
  EXPECT_FALSE(sl2::decode_message(topic("a/+") + Buffer(32 + 4 + 80)));
  EXPECT_TRUE(sl2::decode_message(topic("a") + Buffer(32 + 4 + 80)));

  const auto plain = [&](std::string_view name, std::uint8_t message, std::uint8_t escrow) {
    return topic(name) + Buffer{0, 0, 0, message} + Buffer(message) + time + Buffer{0, escrow} + Buffer(escrow);
  };
  EXPECT_TRUE(sl2::decode_delivery(plain("a/#", 0, 0), 0));
  EXPECT_FALSE(sl2::decode_delivery(plain("a/#", 1, 0), 0)) << "a confirmation carries nothing";
  EXPECT_FALSE(sl2::decode_delivery(plain("a/#", 0, 1), 0));
  EXPECT_FALSE(sl2::decode_delivery(plain("a/#", 1, 0), 1)) << "a message has a topic name";
  EXPECT_TRUE(sl2::decode_delivery(plain("a", 1, 5), 1));
  EXPECT_TRUE(sl2::decode_delivery(plain("a", 0, 5), 1)) << "an empty message";
  EXPECT_TRUE(sl2::decode_delivery(plain("", 0, 0), 1)) << "cover";
  EXPECT_FALSE(sl2::decode_delivery(plain("", 1, 0), 1));

  EXPECT_FALSE(sl2::decode_sealed(Buffer{2, 0x21, 1, 0, 0} + Buffer(16), sl2::type_sl2_1)) << "no c";
  EXPECT_FALSE(sl2::decode_sealed(Buffer{2, 0x21, 1, 0, 1, 9} + Buffer(15), sl2::type_sl2_1));
  EXPECT_TRUE(sl2::decode_sealed(Buffer{2, 0x21, 1, 0, 1, 9} + Buffer(16), sl2::type_sl2_1));
  EXPECT_FALSE(sl2::decode_paper_sealed(to_buffer(as_bytes("SL2_1")), sl2::paper_sl2_1));
}

}  // namespace
}  // namespace sealmq::testing
