#include "crypto/ecdsa.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "crypto/operations.h"
#include "crypto/random.h"
#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

// RFC 6979 appendix A.2.5, P-256 with SHA-256, message "sample".
constexpr auto secret_text = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
constexpr auto public_text = "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
constexpr auto signature_text =
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
constexpr auto order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr auto order_minus_1 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
constexpr auto zero_32 = "0000000000000000000000000000000000000000000000000000000000000000";

const auto sample = as_bytes("sample");

}  // namespace

TEST(Ecdsa, OfTwoTwinsOneIsLow) {
  const auto high = hex_array<64>(signature_text);
  const auto low = ecdsa::lowered(high);
  EXPECT_FALSE(ecdsa::is_low(high));
  EXPECT_TRUE(ecdsa::is_low(low));
  EXPECT_EQ(ecdsa::lowered(low), low);
  EXPECT_EQ(to_hex(low),
            std::string(signature_text).substr(0, 64) + "0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9");
  EXPECT_TRUE(ecdsa::verify(ecdsa::VerifyingKey::from_sec1(hex(public_text)).value(), sample, low));
}

TEST(Ecdsa, AcceptsAKnownSignature) {
  auto key = ecdsa::SigningKey::from_secret(hex_secret(secret_text));
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->public_key()), public_text);
  auto verifier = ecdsa::VerifyingKey::from_sec1(hex(public_text));
  ASSERT_TRUE(verifier);
  EXPECT_TRUE(ecdsa::verify(*verifier, sample, hex_array<64>(signature_text)));
  EXPECT_FALSE(ecdsa::verify(*verifier, as_bytes("Sample"), hex_array<64>(signature_text)));
}

TEST(Ecdsa, AcceptsWhatItSignedAndSignsAnewEachTime) {
  OsRandom random;
  auto key = ecdsa::SigningKey::generate(random);
  auto verifier = *ecdsa::VerifyingKey::from_sec1(key.public_key());
  auto first = ecdsa::sign(key, sample);
  auto second = ecdsa::sign(key, sample);
  EXPECT_NE(first, second);
  EXPECT_TRUE(ecdsa::verify(verifier, sample, first));
  EXPECT_TRUE(ecdsa::verify(verifier, sample, second));
}

TEST(Ecdsa, CountsItsOperations) {
  OsRandom random;
  auto key = ecdsa::SigningKey::generate(random);
  auto verifier = *ecdsa::VerifyingKey::from_sec1(key.public_key());
  CountOperations both;
  auto signature = ecdsa::sign(key, sample);
  EXPECT_EQ(both.so_far(), (Operations{.sm = 1, .m = 2, .a = 1, .h = 1}));
  EXPECT_TRUE(ecdsa::verify(verifier, sample, signature));
  EXPECT_EQ(both.so_far(), (Operations{.sm = 3, .m = 4, .a = 2, .h = 2}));
}

TEST(Ecdsa, KeepsItsFixedLengthWhenRorSAreShort) {
  OsRandom random;
  auto key = ecdsa::SigningKey::generate(random);
  auto verifier = *ecdsa::VerifyingKey::from_sec1(key.public_key());
  int short_ones = 0;
  for (int i = 0; i < 2000 && short_ones < 3; ++i) {  // one in 128 has a leading zero
    auto signature = ecdsa::sign(key, sample);
    if (signature[0] != 0 && signature[32] != 0) continue;
    ++short_ones;
    EXPECT_TRUE(ecdsa::verify(verifier, sample, signature));
  }
  EXPECT_GT(short_ones, 0);
}

TEST(Ecdsa, RefusesEveryFlippedBit) {
  auto verifier = *ecdsa::VerifyingKey::from_sec1(hex(public_text));
  auto signature = hex_array<64>(signature_text);
  for (std::size_t bit = 0; bit < 512; ++bit) {
    auto changed = signature;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_FALSE(ecdsa::verify(verifier, sample, changed)) << bit;
  }
}

TEST(Ecdsa, RefusesNumbersOutOfRange) {
  auto verifier = *ecdsa::VerifyingKey::from_sec1(hex(public_text));
  const std::string r(signature_text, 64), s(signature_text + 64);
  for (const std::string& out_of_range : {std::string(zero_32), std::string(order), std::string(64, 'f')}) {
    EXPECT_FALSE(ecdsa::verify(verifier, sample, hex_array<64>(out_of_range + s)));
    EXPECT_FALSE(ecdsa::verify(verifier, sample, hex_array<64>(r + out_of_range)));
  }
  EXPECT_FALSE(ecdsa::verify(verifier, sample, hex_array<64>(std::string(order_minus_1) + order_minus_1)));
}

TEST(Ecdsa, RefusesAKeyThatIsNoPoint) {
  EXPECT_FALSE(ecdsa::VerifyingKey::from_sec1({}));
  EXPECT_FALSE(ecdsa::VerifyingKey::from_sec1(hex(std::string("02") + zero_32 + "00")));
  EXPECT_FALSE(ecdsa::VerifyingKey::from_sec1(hex(std::string("02") + order)));
}

TEST(Ecdsa, ComesBackFromStorage) {
  OsRandom random;
  auto key = ecdsa::SigningKey::generate(random);
  auto again = ecdsa::SigningKey::from_secret(key.export_secret());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_key(), key.public_key());
  auto moved = std::move(*again);
  auto verifier = *ecdsa::VerifyingKey::from_sec1(key.public_key());
  EXPECT_TRUE(ecdsa::verify(verifier, sample, ecdsa::sign(moved, sample)));
}

TEST(Ecdsa, SharesItsKeysBetweenThreads) {
  OsRandom random;
  const auto key = ecdsa::SigningKey::generate(random);
  const auto verifier = *ecdsa::VerifyingKey::from_sec1(key.public_key());
  std::vector<std::thread> threads;
  std::atomic<int> accepted = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 25; ++k) accepted += ecdsa::verify(verifier, sample, ecdsa::sign(key, sample)) ? 1 : 0;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(accepted, 100);
}
