// The published SL2 squares its plaintext as it is. While that is below the root of n nothing is reduced, and whoever listens
// takes an ordinary square root. The unpadded form exists here alone.
#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/rabin.h"
#include "crypto/random.h"

namespace sealmq::testing {
namespace {

struct Free {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
using Number = std::unique_ptr<BIGNUM, Free>;

Number number(Bytes bytes) {
  return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

/// The largest w with w^2 <= c; no key needed.
Number integer_root(const Number& c) {
  const std::unique_ptr<BN_CTX, Free> work(BN_CTX_new());
  Number root(BN_new());
  const Number square(BN_new());
  for (int bit = BN_num_bits(c.get()) / 2; bit >= 0; --bit) {
    BN_set_bit(root.get(), bit);
    BN_sqr(square.get(), root.get(), work.get());
    if (BN_cmp(square.get(), c.get()) > 0) BN_clear_bit(root.get(), bit);
  }
  return root;
}

/// What a listener reads in c: the octets of its integer root if it is a square, else nothing.
Buffer eavesdrop(Bytes ciphertext) {
  const std::unique_ptr<BN_CTX, Free> work(BN_CTX_new());
  const auto c = number(ciphertext);
  const auto root = integer_root(c);
  const Number square(BN_new());
  BN_sqr(square.get(), root.get(), work.get());
  if (BN_cmp(square.get(), c.get()) != 0) return {};
  Buffer found(static_cast<std::size_t>(BN_num_bytes(root.get())));
  BN_bn2bin(root.get(), found.data());
  return found;
}

std::string even(std::string hex) {
  return hex.size() % 2 == 0 ? hex : "0" + hex;
}

nlohmann::json vector_of(const char* name) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/malina.json");
  return nlohmann::json::parse(file)[name];
}

TEST(RabinWithoutPadding, IsReadByWhoeverListens) {
  const auto v = vector_of("rabin_literal_break");
  const auto c = from_hex(even(v["c"])).value();
  EXPECT_EQ(to_hex(eavesdrop(c)), even(v["w"])) << "T || SK, without any key";
}

TEST(RabinWithoutPadding, ThePaddedFormIsNot) {
  const auto n = from_hex(vector_of("SL2_paper_1024_test_modulus")["n"].get<std::string>()).value();
  const auto key = crypto::rabin::PublicKey::from_modulus(n, 1024).value();
  const auto secret = from_hex(even(vector_of("rabin_literal_break")["w"])).value();
  crypto::OsRandom random;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(eavesdrop(crypto::rabin::encrypt(key, secret, random).value()).empty());
}

TEST(RabinWithoutPadding, TheEncapsulationIsNot) {
  const auto n = from_hex(vector_of("rabin_kem_1024_test")["n"].get<std::string>()).value();
  const auto key = crypto::rabin::PublicKey::from_modulus(n, 1024).value();
  crypto::OsRandom random;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(eavesdrop(crypto::rabin::encapsulate(key, random).ciphertext).empty());
}

}  // namespace
}  // namespace sealmq::testing
