#include "crypto/p256.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "crypto/random.h"
#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

constexpr auto order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr auto order_minus_1 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
constexpr auto field_prime = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
constexpr auto g_x = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
constexpr auto zero_32 = "0000000000000000000000000000000000000000000000000000000000000000";
constexpr auto one_32 = "0000000000000000000000000000000000000000000000000000000000000001";
constexpr auto two_32 = "0000000000000000000000000000000000000000000000000000000000000002";

Scalar scalar(std::string_view text) {
  return *Scalar::decode(hex(text));
}
std::string with_prefix(const char* prefix, std::string_view x) {
  return prefix + std::string(x);
}

}  // namespace

TEST(P256, KnowsItsGenerator) {
  EXPECT_EQ(to_hex(generator()), with_prefix("03", g_x));
  EXPECT_EQ(multiply_generator(scalar(one_32)), generator());
  EXPECT_EQ(to_hex(multiply_generator(scalar(order_minus_1))), with_prefix("02", g_x));
  EXPECT_EQ(to_hex(multiply_generator(scalar(two_32))), "037cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978");
}

TEST(P256, DecodesPointsOfTheCurveOnly) {
  EXPECT_TRUE(Point::decode(generator()));
  EXPECT_TRUE(Point::decode(hex(with_prefix("02", g_x))));
  const std::pair<const char*, std::string> refused[] = {
      {"nothing", ""},
      {"neutral element", "00"},
      {"neutral element, padded", with_prefix("00", zero_32)},
      {"uncompressed prefix", with_prefix("04", g_x)},
      {"hybrid prefix", with_prefix("06", g_x)},
      {"uncompressed", with_prefix("04", g_x) + "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"},
      {"one byte short", with_prefix("03", std::string_view(g_x).substr(2))},
      {"one byte long", with_prefix("03", g_x) + "00"},
      {"x of no point", with_prefix("02", one_32)},
      {"x equal to p", with_prefix("02", field_prime)},
      {"x above p", with_prefix("02", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")},
      // 5 is the x of a point, so p + 5 would be a second name for it.
      {"x of a point, plus p", with_prefix("02", "ffffffff00000001000000000000000000000001000000000000000000000004")}};
  EXPECT_TRUE(Point::decode(hex(with_prefix("02", "0000000000000000000000000000000000000000000000000000000000000005"))));
  for (const auto& [why, text] : refused) {
    auto decoded = Point::decode(hex(text));
    ASSERT_FALSE(decoded) << why;
    EXPECT_EQ(decoded.error().blame, Blame::peer_misbehaved) << why;
  }
}

TEST(P256, AddsMultiplesAndNoticesTheNeutralElement) {
  Point g = *Point::decode(generator());
  EXPECT_EQ(multiply_and_add(scalar(one_32), scalar(one_32), g), multiply_generator(scalar(two_32)));
  EXPECT_FALSE(multiply_and_add(scalar(one_32), scalar(order_minus_1), g));
  EXPECT_EQ(multiply_and_add(scalar(one_32), Scalar(), g), generator());
}

TEST(P256, MultipliesScalarsWithLeadingZeros) {
  Point g = *Point::decode(generator());
  for (std::size_t bit = 0; bit < 255; ++bit) {
    Scalar32 bytes{};
    bytes[31 - bit / 8] = static_cast<std::uint8_t>(1U << bit % 8);
    Scalar power = *Scalar::decode(bytes);
    Sec1Compressed product = multiply_generator(power);
    EXPECT_EQ(multiply_and_add(Scalar(), power, g), product) << bit;
    EXPECT_EQ(to_buffer(multiply_to_x(power, g).reveal()), to_buffer(Bytes(product).last(32))) << bit;
  }
}

TEST(P256, GeneratesScalarsInRangeAlsoFromBadChance) {
  OsRandom random;
  std::set<Buffer> seen;
  for (int i = 0; i < 100; ++i) {
    Secret secret = generate_scalar(random);
    EXPECT_TRUE(decode_secret_scalar(secret));
    seen.insert(to_buffer(secret.reveal()));
  }
  EXPECT_EQ(seen.size(), 100U);
  StuckRandom all_ones(0xFF);
  EXPECT_TRUE(decode_secret_scalar(generate_scalar(all_ones)));
}

TEST(P256, RefusesSecretsThatAreNoPrivateKey) {
  for (auto text : {"", "01", zero_32, order, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
    Secret secret = hex_secret(text);
    auto decoded = decode_secret_scalar(secret);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().blame, Blame::caller_misused);
    EXPECT_FALSE(AgreementKey::from_secret(secret)) << text;
    EXPECT_FALSE(ecdsa::SigningKey::from_secret(secret)) << text;
  }
  EXPECT_TRUE(decode_secret_scalar(hex_secret(order_minus_1)));
}

TEST(OsRandom, FillsEveryByteDifferentlyEachTime) {
  OsRandom random;
  std::array<std::uint8_t, 64> ever_set{};
  for (int i = 0; i < 64; ++i) {
    std::array<std::uint8_t, 64> drawn{};
    random.fill(drawn);
    for (std::size_t at = 0; at < drawn.size(); ++at) ever_set[at] |= drawn[at];
  }
  for (auto byte : ever_set) EXPECT_EQ(byte, 0xFF);
  random.fill({});
}

TEST(Agree, AgreesWithNistsVector) {  // CAVS 14.1, KAS ECC CDH primitive, P-256, COUNT = 0
  auto own = *AgreementKey::from_secret(hex_secret("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"));
  EXPECT_EQ(to_hex(Bytes(own.public_key()).last(32)), "ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230");
  auto peer = hex_array<33>("02700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287");
  EXPECT_EQ(to_hex(agree(own, peer)->reveal()), "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
}

TEST(Agree, GivesBothSidesTheSameSecretAlsoAfterStorage) {
  OsRandom random;
  for (int i = 0; i < 20; ++i) {
    auto a = AgreementKey::generate(random);
    auto b = AgreementKey::generate(random);
    auto again = *AgreementKey::from_secret(a.export_secret());
    EXPECT_EQ(again.public_key(), a.public_key());
    EXPECT_TRUE(same(agree(a, b.public_key())->reveal(), agree(b, again.public_key())->reveal()));
  }
}

TEST(Agree, RefusesAPeerThatIsNoPoint) {
  OsRandom random;
  auto own = AgreementKey::generate(random);
  EXPECT_EQ(agree(own, Sec1Compressed{}).error().blame, Blame::peer_misbehaved);
  EXPECT_FALSE(agree(own, hex_array<33>(with_prefix("02", one_32))));
}
