#include "crypto/rabin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/operations.h"
#include "crypto/rabin_testing.h"
#include "crypto/random.h"
#include "unit/crypto/support.h"

namespace sealmq::crypto {
namespace {

constexpr unsigned for_tests = 1024;

nlohmann::json vector_named(const char* name) {
  return vectors("malina.json").at(name);
}

Secret primes_of(const nlohmann::json& v) {
  return hex_secret(text_of(v, "r") + text_of(v, "s"));
}

rabin::PrivateKey key_of(const nlohmann::json& v) {
  return rabin::PrivateKey::from_secret(primes_of(v), for_tests).value();
}

/// A small key that every test may use.
const rabin::PrivateKey& small_key() {
  static const auto key = rabin::PrivateKey::generate(for_tests);
  return key;
}

/// Gives what it was told to first, and then what comes.
class GivenFirst : public Random {
 public:
  explicit GivenFirst(Buffer first) : first_(std::move(first)) {}
  void fill(std::span<std::uint8_t> out) override {
    if (!first_.empty() && out.size() == first_.size()) {
      std::copy(first_.begin(), first_.end(), out.begin());
      first_.clear();
      return;
    }
    then_.fill(out);
  }

 private:
  Buffer first_;
  RepeatingRandom then_;
};

bool equal(const Secret& a, const Secret& b) {
  return same(a.reveal(), b.reveal());
}

/// The answer to a wrong ciphertext as the specification writes it down; `salt` and label of the seed are ours.
Secret rejected(const rabin::PrivateKey& key, Bytes ciphertext) {
  const auto primes = key.export_secret();
  const auto seed = hkdf(primes.reveal(), sha256(key.public_key().modulus()), as_bytes("MALINA-2 rabin-kem reject"), 32);
  Buffer info = to_buffer(as_bytes("reject"));
  append(info, ciphertext);
  return hkdf(seed.reveal(), {}, info, 32);
}

class RabinVectors : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Sizes, RabinVectors, ::testing::Values("rabin_kem_1024_test", "rabin_kem_3072"));

TEST_P(RabinVectors, DecapsulateToThePublishedKey) {
  const auto v = vector_named(GetParam());
  const auto key = key_of(v);
  EXPECT_EQ(to_hex(key.public_key().modulus()), text_of(v, "n"));
  EXPECT_EQ(to_hex(rabin::decapsulate(key, hex(text_of(v, "c"))).reveal()), text_of(v, "K"));
}

TEST_P(RabinVectors, EncapsulateToThePublishedCiphertext) {
  const auto v = vector_named(GetParam());
  const auto key = rabin::PublicKey::from_modulus(hex(text_of(v, "n")), for_tests).value();
  const auto made = rabin::encapsulate_root(key, hex_secret(text_of(v, "x")));
  EXPECT_EQ(to_hex(made.ciphertext), text_of(v, "c"));
  EXPECT_EQ(to_hex(made.key.reveal()), text_of(v, "K"));
}

TEST(RabinKem, WhatIsEncapsulatedComesBack) {
  OsRandom random;
  for (int i = 0; i < 200; ++i) {
    const auto made = rabin::encapsulate(small_key().public_key(), random);
    EXPECT_EQ(made.ciphertext.size(), small_key().public_key().size());
    ASSERT_TRUE(equal(rabin::decapsulate(small_key(), made.ciphertext), made.key)) << i;
  }
}

TEST(RabinKem, ABrokenGeneratorDoesNotLeadToAKeyEveryoneKnows) {
  Buffer one(small_key().public_key().size());
  one.back() = 1;
  GivenFirst random(one);
  const auto made = rabin::encapsulate(small_key().public_key(), random);
  EXPECT_NE(made.ciphertext, one);
}

TEST(RabinKem, AChangedCiphertextLeadsToAnotherKey) {
  OsRandom random;
  const auto made = rabin::encapsulate(small_key().public_key(), random);
  for (std::size_t i = 0; i < made.ciphertext.size(); i += 5) {
    auto changed = made.ciphertext;
    changed[i] ^= 0x10;
    EXPECT_FALSE(equal(rabin::decapsulate(small_key(), changed), made.key)) << i;
  }
}

TEST(RabinKem, WhatIsNoCiphertextIsRejectedWithoutSayingSo) {
  const auto& key = small_key();
  const std::size_t size = key.public_key().size();
  Buffer zero(size);
  Buffer modulus = to_buffer(key.public_key().modulus());
  Buffer above(size, 0xFF);
  Buffer short_one(size - 1, 1);
  Buffer long_one(size + 1, 1);
  // -1 is no square modulo a prime that is 3 mod 4.
  Buffer minus_one = modulus;
  minus_one.back() -= 1;
  for (const auto& c : {zero, modulus, above, short_one, long_one, Buffer{}, minus_one}) {
    EXPECT_TRUE(equal(rabin::decapsulate(key, c), rejected(key, c)));
  }
  zero.back() = 1;
  EXPECT_FALSE(equal(rabin::decapsulate(key, zero), rejected(key, zero))) << "1 is a square";
}

TEST(RabinKem, RejectionIsTheSameEachTimeAndDifferentForEachCiphertext) {
  const Buffer one(small_key().public_key().size(), 0xFE);
  const Buffer two(small_key().public_key().size(), 0xFD);
  EXPECT_TRUE(equal(rabin::decapsulate(small_key(), one), rabin::decapsulate(small_key(), one)));
  EXPECT_FALSE(equal(rabin::decapsulate(small_key(), one), rabin::decapsulate(small_key(), two)));
}

TEST(RabinKem, OnlySquaresAreAnswered) {
  // A quarter of the numbers below n are squares: the others must be rejected, and none of the squares.
  const auto& key = small_key();
  RepeatingRandom random(7);
  int squares = 0;
  constexpr int tries = 400;
  for (int i = 0; i < tries; ++i) {
    Buffer c(key.public_key().size());
    random.fill(c);
    c[0] &= 0x7F;
    squares += equal(rabin::decapsulate(key, c), rejected(key, c)) ? 0 : 1;
  }
  EXPECT_GT(squares, tries / 8);
  EXPECT_LT(squares, tries * 3 / 8);
}

TEST(RabinKem, CountsTheSquaringOfItsCiphertextAndOneDecryption) {
  const auto cost = [](auto step) {
    CountOperations counter;
    step();
    return counter.so_far();
  };
  OsRandom random;
  const auto& key = small_key();
  Buffer encrypted;
  EXPECT_EQ(cost([&] { encrypted = rabin::encrypt(key.public_key(), as_bytes("data"), random).value(); }), Operations{.m = 1});
  EXPECT_EQ(cost([&] { (void)rabin::decrypt(key, encrypted).value(); }), Operations{.rad = 1});
  const auto made = rabin::encapsulate(key.public_key(), random);
  EXPECT_EQ(cost([&] { (void)rabin::decapsulate(key, made.ciphertext); }), Operations{.rad = 1});
  EXPECT_EQ(cost([&] { (void)rabin::encapsulate(key.public_key(), random); }), Operations{.m = 2})
      << "what is encapsulated is drawn as a square too";
}

TEST(RabinKem, AKeyServesSeveralThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&wrong] {
      OsRandom random;
      for (int i = 0; i < 100; ++i) {
        const auto made = rabin::encapsulate(small_key().public_key(), random);
        if (!equal(rabin::decapsulate(small_key(), made.ciphertext), made.key)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(RabinPadding, ThePublishedFrameOpens) {
  const auto v = vector_named("SL2_paper_1024_test_modulus");
  const auto opened = rabin::decrypt(key_of(v), hex(text_of(v, "c")));
  ASSERT_TRUE(opened);
  const auto data_and_checksum = text_of(v, "D");
  EXPECT_EQ(to_hex(opened->reveal()), data_and_checksum.substr(0, data_and_checksum.size() - 16));
}

TEST(RabinPadding, EncryptsToThePublishedCiphertext) {
  const auto v = vector_named("SL2_paper_1024_test_modulus");
  const auto key = rabin::PublicKey::from_modulus(hex(text_of(v, "n")), for_tests).value();
  const auto padded = hex(text_of(v, "EM"));
  const auto data = hex(text_of(v, "D"));
  GivenFirst random(Buffer(padded.begin() + 2, padded.end() - static_cast<std::ptrdiff_t>(data.size()) - 1));
  EXPECT_EQ(to_hex(rabin::encrypt(key, Bytes(data).first(data.size() - 8), random).value()), text_of(v, "c"));
}

TEST(RabinPadding, ComesBackWhateverItsLength) {
  OsRandom random;
  const std::size_t longest = small_key().public_key().size() - rabin::padding_overhead;
  for (std::size_t size = 0; size <= longest; ++size) {
    Buffer data(size);
    random.fill(data);
    const auto opened = rabin::decrypt(small_key(), rabin::encrypt(small_key().public_key(), data, random).value());
    ASSERT_TRUE(opened) << size;
    EXPECT_TRUE(same(opened->reveal(), data));
  }
  EXPECT_FALSE(rabin::encrypt(small_key().public_key(), Buffer(longest + 1), random));
}

TEST(RabinPadding, TheSameDataNeverLooksTheSame) {
  OsRandom random;
  const auto key = small_key().public_key();
  EXPECT_NE(rabin::encrypt(key, as_bytes("on"), random).value(), rabin::encrypt(key, as_bytes("on"), random).value());
}

TEST(RabinPadding, AGeneratorThatGivesZerosDoesNotEndThePaddingEarly) {
  GivenFirst zeros(Buffer(small_key().public_key().size() - 11 - 2, 0));
  const auto opened = rabin::decrypt(small_key(), rabin::encrypt(small_key().public_key(), as_bytes("on"), zeros).value());
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(opened->reveal()), "on");
}

TEST(RabinPadding, AChangedOrForeignCiphertextDoesNotOpen) {
  OsRandom random;
  const auto& key = small_key();
  const auto c = rabin::encrypt(key.public_key(), as_bytes("on"), random).value();
  for (std::size_t i = 0; i < c.size(); i += 3) {
    auto changed = c;
    changed[i] ^= 1;
    EXPECT_FALSE(rabin::decrypt(key, changed)) << i;
  }
  const std::size_t size = key.public_key().size();
  for (const auto& wrong :
       {Buffer(size), to_buffer(key.public_key().modulus()), Buffer(size, 0xFF), Buffer(size - 1, 1), Buffer{}}) {
    const auto opened = rabin::decrypt(key, wrong);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().blame, Blame::peer_misbehaved);
  }
}

TEST(RabinPadding, ThePaddingIsAtLeastSixteenOctets) {
  // What encrypt() would not make, built by hand from the shape in the header: fifteen octets of padding, then the data.
  const auto& key = small_key();
  const std::size_t size = key.public_key().size();
  const auto ciphertext_of = [&](std::size_t padding) {
    Buffer padded{0, 2};
    padded.resize(2 + padding, 7);
    padded.push_back(0);
    const Buffer data(size - 2 - padding - 1 - 8, 5);
    append(padded, data);
    append(padded, Bytes(sha3_256(data)).first(8));
    // The square modulo n, doubled and added bit by bit.
    const auto modulus = key.public_key().modulus();
    Buffer sum(size);
    const auto reduce = [&](unsigned carry) {
      const bool larger = carry != 0 || !std::ranges::lexicographical_compare(sum, modulus);
      if (!larger) return;
      int borrow = 0;
      for (std::size_t i = size; i-- > 0;) {
        const int difference = sum[i] - modulus[i] - borrow;
        sum[i] = static_cast<std::uint8_t>(difference);
        borrow = difference < 0 ? 1 : 0;
      }
    };
    const auto add = [&](Bytes other) {
      unsigned carry = 0;
      const auto copy = to_buffer(other);
      for (std::size_t i = size; i-- > 0;) {
        carry += unsigned{sum[i]} + copy[i];
        sum[i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
      }
      reduce(carry);
    };
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      add(sum);
      if ((padded[bit / 8] >> (7 - bit % 8) & 1) != 0) add(padded);
    }
    return sum;
  };
  EXPECT_TRUE(rabin::decrypt(key, ciphertext_of(16)));
  EXPECT_FALSE(rabin::decrypt(key, ciphertext_of(15)));
  EXPECT_FALSE(rabin::decrypt(key, ciphertext_of(0)));
}

TEST(RabinPadding, OfRandomCiphertextsNoneOpensAndOfTrueOnesEveryOne) {
  // Exactly one of the four roots is padded data for what was encrypted, none for chance. 10^4 of each.
  const auto& key = small_key();
  RepeatingRandom random(11);
  for (int i = 0; i < 10'000; ++i) {
    Buffer data(16);
    random.fill(data);
    const auto opened = rabin::decrypt(key, rabin::encrypt(key.public_key(), data, random).value());
    ASSERT_TRUE(opened) << i;
    ASSERT_TRUE(same(opened->reveal(), data));
    Buffer noise(key.public_key().size());
    random.fill(noise);
    ASSERT_FALSE(rabin::decrypt(key, noise)) << i;
  }
}

TEST(RabinKey, ComesBackFromItsSecret) {
  const auto& key = small_key();
  const auto again = rabin::PrivateKey::from_secret(key.export_secret(), for_tests);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_hex(again->public_key().modulus()), to_hex(key.public_key().modulus()));
  EXPECT_EQ(again->public_key().size(), 128U);
  OsRandom random;
  const auto made = rabin::encapsulate(key.public_key(), random);
  EXPECT_TRUE(equal(rabin::decapsulate(*again, made.ciphertext), made.key));
}

TEST(RabinKey, IsNotMadeOfAnythingElse) {
  const auto good = to_buffer(small_key().export_secret().reveal());
  const auto refused = [](Buffer primes, unsigned least = for_tests) {
    const auto key = rabin::PrivateKey::from_secret(Secret(std::move(primes)), least);
    return !key && key.error().blame == Blame::caller_misused;
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(refused(good, 3072)) << "too small for anything but tests";
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused(Buffer(good.begin(), good.end() - 1)));
  auto twice = good;
  std::copy_n(good.begin(), 64, twice.begin() + 64);
  EXPECT_TRUE(refused(twice)) << "one prime, twice";
  auto changed = good;
  changed[63] ^= 2;
  EXPECT_TRUE(refused(changed)) << "1 mod 4";
  changed = good;
  changed[64] &= 0x7F;
  EXPECT_TRUE(refused(changed)) << "too small a prime";
  changed = good;
  changed[62] ^= 1;
  EXPECT_TRUE(refused(changed)) << "not prime";
  EXPECT_TRUE(refused(Buffer(128, 0xFF)));
}

TEST(RabinKey, AModulusIsReadStrictly) {
  const auto good = to_buffer(small_key().public_key().modulus());
  const auto refused = [](Bytes modulus, unsigned least = for_tests) {
    const auto key = rabin::PublicKey::from_modulus(modulus, least);
    return !key && key.error().blame == Blame::peer_misbehaved;
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(refused(good, rabin::least_bits));
  EXPECT_TRUE(refused({}, 0));
  EXPECT_TRUE(refused(Bytes(good).first(127)));
  auto changed = good;
  changed[0] &= 0x7F;
  EXPECT_TRUE(refused(changed));
  changed = good;
  changed.back() ^= 1;
  EXPECT_TRUE(refused(changed)) << "even";
  changed = good;
  changed.back() ^= 2;
  EXPECT_TRUE(refused(changed)) << "3 mod 4";
  Buffer long_one(rabin::most_bits / 8 + 1, 0xFD);
  EXPECT_TRUE(refused(long_one));
  EXPECT_FALSE(refused(Bytes(long_one).first(rabin::most_bits / 8)));
}

TEST(RabinKey, OddSizesAreABug) {
  EXPECT_THROW(rabin::PrivateKey::generate(1000), std::invalid_argument);
  EXPECT_THROW(rabin::PrivateKey::generate(512), std::invalid_argument);
  EXPECT_THROW(rabin::PrivateKey::generate(16384), std::invalid_argument);
}

}  // namespace
}  // namespace sealmq::crypto
