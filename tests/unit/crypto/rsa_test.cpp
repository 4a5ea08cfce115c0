#include "crypto/rsa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/random.h"

namespace sealmq::crypto::rsa {
namespace {

/// Made once: a key takes its time.
const PrivateKey& some_key() {
  static const PrivateKey key = PrivateKey::generate();
  return key;
}

const PrivateKey& other_key() {
  static const PrivateKey key = PrivateKey::generate();
  return key;
}

nlohmann::json vectors() {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/scacauth.json");
  return nlohmann::json::parse(file);
}

Buffer octets(const nlohmann::json& vector, const char* name) {
  return from_hex(vector.at(name).get<std::string>()).value();
}

class Rsa : public ::testing::Test {
 protected:
  OsRandom random_;
};

TEST_F(Rsa, PssSignaturesVerifyUnderTheKeyAndForTheMessage) {
  const auto signature = sign_pss(some_key(), as_bytes("21.5"));
  EXPECT_EQ(signature.size(), 256U);
  EXPECT_TRUE(verify_pss(some_key().public_key(), as_bytes("21.5"), signature));
  EXPECT_FALSE(verify_pss(some_key().public_key(), as_bytes("21.6"), signature));
  EXPECT_FALSE(verify_pss(other_key().public_key(), as_bytes("21.5"), signature));
  EXPECT_FALSE(verify_pss(some_key().public_key(), as_bytes("21.5"), Bytes(signature).first(255)));
  EXPECT_NE(sign_pss(some_key(), as_bytes("21.5")), signature) << "salted";
}

TEST_F(Rsa, TheSecretOfAKeyMakesItAgain) {
  const auto again = PrivateKey::from_secret(some_key().export_secret()).value();
  EXPECT_EQ(again.public_key().modulus(), some_key().public_key().modulus());
  EXPECT_TRUE(verify_pss(some_key().public_key(), as_bytes("x"), sign_pss(again, as_bytes("x"))));
}

TEST_F(Rsa, RefusesWhatIsNoPrivateKey) {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{128}, std::size_t{255}, std::size_t{256}})
    EXPECT_FALSE(PrivateKey::from_secret(Secret(Buffer(size, 0xFF))));
  EXPECT_FALSE(PrivateKey::from_secret(Secret(Buffer(256, 0))));
  Buffer one = to_buffer(some_key().export_secret().reveal());
  std::fill_n(one.begin(), 127, std::uint8_t{0});
  one[127] = 1;
  EXPECT_FALSE(PrivateKey::from_secret(Secret(std::move(one))));
  Buffer changed = to_buffer(some_key().export_secret().reveal());
  changed[127] ^= 4;
  EXPECT_FALSE(PrivateKey::from_secret(Secret(std::move(changed)))) << "a number that is no prime";
}

TEST_F(Rsa, RefusesWhatIsNoModulus) {
  Buffer modulus = some_key().public_key().modulus();
  EXPECT_TRUE(PublicKey::from_modulus(modulus));
  EXPECT_FALSE(PublicKey::from_modulus({}));
  EXPECT_FALSE(PublicKey::from_modulus(Bytes(modulus).first(128)));
  modulus.back() ^= 1;
  EXPECT_FALSE(PublicKey::from_modulus(modulus)) << "even";
  modulus.back() ^= 1;
  modulus.front() &= 0x7F;
  EXPECT_FALSE(PublicKey::from_modulus(modulus)) << "short";
}

TEST_F(Rsa, WhatThePrivateKeySealsThePublicKeyOpens) {
  const auto block = seal_with_private(some_key(), as_bytes("CLIENTE1")).value();
  EXPECT_EQ(open_with_public(some_key().public_key(), block, 8).value(), to_buffer(as_bytes("CLIENTE1")));
  EXPECT_FALSE(open_with_public(some_key().public_key(), block, 7));
  EXPECT_FALSE(open_with_public(some_key().public_key(), block, 9));
  EXPECT_FALSE(open_with_public(some_key().public_key(), block, 300));
  EXPECT_FALSE(open_with_public(other_key().public_key(), block, 8));
  EXPECT_FALSE(open_with_public(some_key().public_key(), Bytes(block).first(255), 8));
  EXPECT_FALSE(open_with_public(some_key().public_key(), some_key().public_key().modulus(), 8)) << "not below the modulus";
  EXPECT_FALSE(seal_with_private(some_key(), Buffer(246)));
  EXPECT_TRUE(seal_with_private(some_key(), Buffer(245)));
}

TEST_F(Rsa, WhatThePublicKeyEncryptsThePrivateKeyDecrypts) {
  for (const std::size_t length : {1, 24, 56, 245}) {
    const Buffer message(length, 0x11);
    const auto ciphertext = encrypt(some_key().public_key(), message).value();
    EXPECT_TRUE(same(decrypt(some_key(), ciphertext, length, random_)->reveal(), message));
  }
  EXPECT_FALSE(encrypt(some_key().public_key(), Buffer(246)));
}

TEST_F(Rsa, AWrongPaddingLooksLikeAnotherMessage) {
  const auto ciphertext = encrypt(some_key().public_key(), Buffer(24, 7)).value();
  for (const std::size_t length : {1, 23, 25, 245}) {
    const auto answer = decrypt(some_key(), ciphertext, length, random_);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->size(), length);
  }
  const auto first = decrypt(some_key(), ciphertext, 23, random_).value();
  const auto second = decrypt(some_key(), ciphertext, 23, random_).value();
  EXPECT_FALSE(same(first.reveal(), second.reveal())) << "chance takes the place of what is there";
  const auto elsewhere = decrypt(other_key(), encrypt(other_key().public_key(), Buffer(24, 7)).value(), 24, random_);
  EXPECT_TRUE(same(elsewhere->reveal(), Buffer(24, 7)));
}

TEST_F(Rsa, OpensEveryBlockThatIsRightAndNoneThatIsAlmost) {
  Buffer block(256, 0x5A);
  block[0] = 0;
  block[1] = 2;
  block[256 - 24 - 1] = 0;
  const Bytes message = Bytes(block).last(24);
  EXPECT_TRUE(same(open_block(Secret(Bytes(block)), 24, random_).reveal(), message));
  for (const std::size_t at : {0, 1, 2, 100, 230, 231}) {
    Buffer changed = block;
    changed[at] = at < 2 || at == 231 ? 0x5B : 0;
    EXPECT_FALSE(same(open_block(Secret(Bytes(changed)), 24, random_).reveal(), message)) << at;
  }
}

TEST_F(Rsa, RefusesACiphertextThatEverybodySeesIsNone) {
  EXPECT_FALSE(decrypt(some_key(), Buffer(255), 24, random_));
  EXPECT_FALSE(decrypt(some_key(), Buffer(256, 0xFF), 24, random_));
  EXPECT_TRUE(decrypt(some_key(), Buffer(256), 24, random_)) << "zero is below the modulus";
}

TEST_F(Rsa, OpensTheVectorsOfTheLogin) {
  const auto vector = vectors();
  const auto client = PrivateKey::from_exponent(octets(vector, "client_n"), Secret(octets(vector, "client_d"))).value();
  const auto broker = PrivateKey::from_exponent(octets(vector, "broker_n"), Secret(octets(vector, "broker_d"))).value();
  const auto joined = [&](std::initializer_list<const char*> names) {
    Buffer all = to_buffer(as_bytes(vector.at("UID").get<std::string>()));
    for (const char* name : names) append(all, octets(vector, name));
    return all;
  };
  const auto step1 = octets(vector, "step1_connect_auth_data");
  EXPECT_EQ(open_with_public(client.public_key(), Bytes(step1).subspan(10), 24).value(), joined({"RN1"}));
  const auto step2 = octets(vector, "step2_auth_data");
  EXPECT_EQ(open_with_public(broker.public_key(), Bytes(step2).subspan(2, 256), 24).value(), joined({"RN1"}));
  EXPECT_TRUE(same(decrypt(client, Bytes(step2).subspan(260), 40, random_)->reveal(), joined({"RNp", "RNs"})));
  const auto step3 = octets(vector, "step3_auth_data");
  EXPECT_TRUE(same(decrypt(broker, Bytes(step3).subspan(2), 56, random_)->reveal(), joined({"RN1", "RNp", "RNs"})));
  EXPECT_EQ(seal_with_private(client, joined({"RN1"})).value(), to_buffer(Bytes(step1).subspan(10)));
}

}  // namespace
}  // namespace sealmq::crypto::rsa
