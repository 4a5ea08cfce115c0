#include "crypto/schnorr.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <thread>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/ecdsa.h"
#include "crypto/operations.h"
#include "crypto/random.h"
#include "crypto/schnorr_testing.h"
#include "support.h"
#include "support/json_arrays.h"

using namespace sealmq;
using namespace sealmq::crypto;
using namespace sealmq::crypto::schnorr;

namespace {

constexpr auto order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

static_assert(!std::copyable<SigningKey> && std::movable<SigningKey>);
static_assert(std::copyable<VerifyingKey>);

Signature from_bytes(Bytes z_e) {
  Reader in(z_e);
  Signature out;
  out.z = in.array<32>();
  out.e = in.array<32>();
  return *in.finish(out);
}

/// The SL1_2 message of the vectors, with what it is made of.
struct Sl1 {
  nlohmann::json all = vectors("malina.json");
  Buffer topic = to_buffer(as_bytes(text_of(all, "T")));
  Buffer id = hex(text_of(all, "ID_P"));
  Buffer message = to_buffer(as_bytes(text_of(all, "M")));
  Buffer time = hex(text_of(all, "t"));
  SigningKey key = *SigningKey::from_secret(hex_secret(text_of(all, "a_P")));
  VerifyingKey verifier = *VerifyingKey::from_id(key.id());
  Signature signature = from_bytes(hex(text_of(all["SL1"], "sig_z_e")));
  std::array<Bytes, 5> list = {as_bytes("SL1_2"), topic, id, message, time};
};

std::array<std::uint8_t, 32> flipped(std::array<std::uint8_t, 32> bytes, std::size_t bit) {
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  return bytes;
}

/// By Fermat: number^(q-2).
Scalar inverse(const Scalar& number) {
  Scalar result = *Scalar::decode(hex("0000000000000000000000000000000000000000000000000000000000000001"));
  for (std::uint8_t byte : hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f"))
    for (int bit = 7; bit >= 0; --bit) {
      result = result * result;
      if ((byte >> bit & 1) != 0) result = result * number;
    }
  return result;
}

}  // namespace

TEST(Schnorr, MakesExactlyTheSignatureOfTheVectors) {
  Sl1 sl1;
  EXPECT_EQ(to_buffer(sl1.key.id()), sl1.id);
  auto made = sign_with_nonce(sl1.key, sl1.list, hex_array<32>(text_of(sl1.all["SL1"], "nonce_d")));
  ASSERT_TRUE(made);
  EXPECT_EQ(to_hex(made->z), to_hex(sl1.signature.z));
  EXPECT_EQ(to_hex(made->e), to_hex(sl1.signature.e));
  EXPECT_TRUE(verify(sl1.verifier, sl1.list, sl1.signature));
}

TEST(Schnorr, AcceptsTheHardenedFrameOfTheVectors) {
  Sl1 sl1;
  Buffer frame = hex(text_of(sl1.all["hardened"], "SL1_2_frame"));
  Reader in(frame);
  in.expect(hex("021201"));
  Bytes topic = in.lp16();
  Id id = in.array<32>();
  Bytes message = in.lp32();
  Bytes time = in.bytes(8);
  Bytes sequence = in.bytes(8);
  Signature signature;
  signature.z = in.array<32>();
  signature.e = in.array<32>();
  ASSERT_TRUE(in.finish(true));
  EXPECT_EQ(to_buffer(sequence), hex(text_of(sl1.all["hardened"], "seq")));
  std::string broker = text_of(sl1.all["hardened"], "broker_id");
  Buffer type = {0x12}, suite = {0x01};
  std::array<Bytes, 9> list = {as_bytes("MALINA-2"), type, suite, as_bytes(broker), topic, id, message, time, sequence};
  auto verifier = VerifyingKey::from_id(id);
  ASSERT_TRUE(verifier);
  EXPECT_TRUE(verify(*verifier, list, signature));
  for (std::size_t i = 0; i < list.size(); ++i) {
    Buffer changed = to_buffer(list[i]);
    changed.back() ^= 1;
    auto other = list;
    other[i] = changed;
    EXPECT_FALSE(verify(*verifier, other, signature)) << "element " << i;
  }
}

TEST(Schnorr, RefusesEveryFlippedBit) {
  Sl1 sl1;
  for (std::size_t bit = 0; bit < 256; ++bit) {
    EXPECT_FALSE(verify(sl1.verifier, sl1.list, {flipped(sl1.signature.z, bit), sl1.signature.e})) << "z, bit " << bit;
    EXPECT_FALSE(verify(sl1.verifier, sl1.list, {sl1.signature.z, flipped(sl1.signature.e, bit)})) << "e, bit " << bit;
  }
}

// Only a z below 2^224 leaves room for z + q in 32 bytes. Such a signature is made by fitting the key to it: the list here does
// not name the signer, so e is known before the key is.
TEST(Schnorr, RefusesTheSameNumberUnderASecondName) {
  const std::array<Bytes, 1> list = {as_bytes("a list that does not name its signer")};
  const auto z = *Scalar::decode(hex("0000000000000000000000000000000000000000000000000000000000000005"));
  const auto z_plus_q = hex_array<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632556");
  RepeatingRandom random;
  for (;;) {
    Scalar nonce = *decode_secret_scalar(generate_scalar(random));
    Scalar32 nonce_bytes;
    nonce.encode(nonce_bytes);
    auto any_key = SigningKey::generate(random);
    Signature signature = *sign_with_nonce(any_key, list, nonce_bytes);
    Scalar fitting = (nonce - z) * inverse(Scalar::reduce(signature.e));
    if (multiply_generator(fitting)[0] != 2) continue;
    auto verifier = *VerifyingKey::from_id(SigningKey::from_secret(fitting.to_secret())->id());
    z.encode(signature.z);
    EXPECT_TRUE(verify(verifier, list, signature));
    EXPECT_FALSE(verify(verifier, list, {z_plus_q, signature.e}));
    return;
  }
}

TEST(Schnorr, ZeroesAreNobodysKey) {
  EXPECT_TRUE(Point::decode(Sec1Compressed{2})) << "there is such a point";
  EXPECT_FALSE(VerifyingKey::from_id({}));
  EXPECT_FALSE(crypto::ecdsa::VerifyingKey::from_sec1({}));
  EXPECT_FALSE(Point::decode(Sec1Compressed{}));
}

TEST(Schnorr, RefusesTheEdges) {
  Sl1 sl1;
  auto q = hex_array<32>(order);
  std::array<std::uint8_t, 32> zero{}, most{};
  most.fill(0xFF);
  for (const auto& z : {zero, q, most}) EXPECT_FALSE(verify(sl1.verifier, sl1.list, {z, sl1.signature.e}));
  for (const auto& e : {zero, q}) EXPECT_FALSE(verify(sl1.verifier, sl1.list, {sl1.signature.z, e}));
}

TEST(Schnorr, RefusesANeutralCommitment) {
  // With z = -e*a the commitment is the neutral element whatever e is; only the owner of the key can ask for it.
  Sl1 sl1;
  Scalar z = Scalar() - Scalar::reduce(sl1.signature.e) * sl1.key.scalar();
  Signature signature{.z = {}, .e = sl1.signature.e};
  z.encode(signature.z);
  ASSERT_FALSE(multiply_and_add(z, Scalar::reduce(signature.e), sl1.verifier.point()));
  EXPECT_FALSE(verify(sl1.verifier, sl1.list, signature));
}

TEST(Schnorr, RefusesAnotherKey) {
  Sl1 sl1;
  auto other = VerifyingKey::from_id(hex_array<32>(text_of(sl1.all, "ID_S")));
  ASSERT_TRUE(other);
  EXPECT_FALSE(verify(*other, sl1.list, sl1.signature));
}

TEST(Schnorr, TellsListsApartThatJoinToTheSameBytes) {
  Sl1 sl1;
  OsRandom random;
  std::array<Bytes, 2> list = {as_bytes("ab"), as_bytes("c")};
  auto signature = *sign(sl1.key, list, random);
  EXPECT_TRUE(verify(sl1.verifier, list, signature));
  EXPECT_FALSE(verify(sl1.verifier, std::array<Bytes, 2>{as_bytes("a"), as_bytes("bc")}, signature));
  EXPECT_FALSE(verify(sl1.verifier, std::array<Bytes, 1>{as_bytes("abc")}, signature));
  EXPECT_FALSE(verify(sl1.verifier, std::array<Bytes, 3>{as_bytes("ab"), as_bytes("c"), Bytes()}, signature));
}

TEST(Schnorr, NormalisesAKeyWhosePointHasAnOddY) {
  // The generator's y is odd, so the secret 1 becomes q - 1 and keeps its x.
  auto key = SigningKey::from_secret(hex_secret("0000000000000000000000000000000000000000000000000000000000000001"));
  ASSERT_TRUE(key);
  EXPECT_EQ(to_buffer(key->id()), to_buffer(Bytes(generator()).last(32)));
  EXPECT_EQ(to_hex(key->export_secret().reveal()), "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
  auto again = SigningKey::from_secret(key->export_secret());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id(), key->id());
  EXPECT_EQ(to_buffer(again->export_secret().reveal()), to_buffer(key->export_secret().reveal()));
}

TEST(Schnorr, SignsWithEitherSignOfTheSameSecret) {
  Sl1 sl1;
  OsRandom random;
  Scalar negated = Scalar() - sl1.key.scalar();
  auto key = SigningKey::from_secret(negated.to_secret());
  ASSERT_TRUE(key);
  EXPECT_EQ(key->id(), sl1.key.id());
  EXPECT_TRUE(verify(sl1.verifier, sl1.list, *sign(*key, sl1.list, random)));
}

TEST(Schnorr, GeneratesKeysThatSignAndComeBackFromStorage) {
  Sl1 sl1;
  OsRandom random;
  for (int i = 0; i < 50; ++i) {
    auto key = SigningKey::generate(random);
    auto verifier = VerifyingKey::from_id(key.id());
    ASSERT_TRUE(verifier);
    EXPECT_EQ(multiply_generator(key.scalar())[0], 2);
    EXPECT_EQ(SigningKey::from_secret(key.export_secret())->id(), key.id());
    EXPECT_TRUE(verify(*verifier, sl1.list, *sign(key, sl1.list, random)));
  }
}

TEST(Schnorr, RefusesSecretsAndIdsThatAreNoKey) {
  for (const std::string& text :
       {std::string(), std::string(64, '0'), std::string(order), std::string(64, 'f'), std::string(62, '1')})
    EXPECT_FALSE(SigningKey::from_secret(hex_secret(text))) << text;
  Id no_point{};
  no_point[31] = 1;
  auto refused = VerifyingKey::from_id(no_point);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::peer_misbehaved);
  Id above_p;
  above_p.fill(0xFF);
  EXPECT_FALSE(VerifyingKey::from_id(above_p));
}

TEST(Schnorr, RefusesNoncesOutOfRange) {
  Sl1 sl1;
  EXPECT_EQ(sign_with_nonce(sl1.key, sl1.list, Scalar32{}).error().blame, Blame::caller_misused);
  EXPECT_FALSE(sign_with_nonce(sl1.key, sl1.list, hex_array<32>(order)));
}

TEST(Schnorr, DoesNotRepeatANonceWhenChanceIsStuck) {
  // The same R for two messages would show as the same nonce; z + e*a is the nonce.
  Sl1 sl1;
  StuckRandom stuck(0);
  auto nonce_of = [&](std::span<const Bytes> list) {
    auto signature = *sign(sl1.key, list, stuck);
    EXPECT_TRUE(verify(sl1.verifier, list, signature));
    Scalar nonce = *Scalar::decode(signature.z) + Scalar::reduce(signature.e) * sl1.key.scalar();
    return to_buffer(nonce.to_secret().reveal());
  };
  std::array<Bytes, 1> first = {as_bytes("first")}, second = {as_bytes("second")};
  EXPECT_NE(nonce_of(first), nonce_of(second));
  EXPECT_EQ(nonce_of(first), nonce_of(first));
  StuckRandom differently(1);
  EXPECT_NE(*sign(sl1.key, first, stuck), *sign(sl1.key, first, differently));
}

TEST(Schnorr, CostsWhatThePublicationSays) {  // Table 2: sign 1SM+1M+1A+1H, verify 2SM+1A+1H
  Sl1 sl1;
  OsRandom random;
  CountOperations outer;
  {
    CountOperations counter;
    auto signature = sign(sl1.key, sl1.list, random);
    EXPECT_EQ(counter.so_far(), (Operations{.sm = 1, .m = 1, .a = 1, .h = 1}));
  }
  {
    CountOperations counter;
    EXPECT_TRUE(verify(sl1.verifier, sl1.list, sl1.signature));
    EXPECT_EQ(counter.so_far(), (Operations{.sm = 2, .a = 1, .h = 1}));
  }
  EXPECT_EQ(outer.so_far(), (Operations{.sm = 3, .m = 1, .a = 2, .h = 2}));
}

TEST(Schnorr, CountsPerThread) {
  Sl1 sl1;
  CountOperations counter;
  std::thread([&] { EXPECT_TRUE(verify(sl1.verifier, sl1.list, sl1.signature)); }).join();
  EXPECT_EQ(counter.so_far(), Operations{});
}

RC_GTEST_PROP(Schnorr, AcceptsWhatItSignedAndNothingNearIt, (const std::vector<Buffer>& elements, std::uint32_t seed)) {
  RepeatingRandom random(seed);
  auto key = SigningKey::generate(random);
  auto verifier = *VerifyingKey::from_id(key.id());
  std::vector<Bytes> list(elements.begin(), elements.end());
  auto signature = *sign(key, list, random);
  RC_ASSERT(verify(verifier, list, signature));
  list.push_back(Bytes());
  RC_ASSERT(!verify(verifier, list, signature));
}

TEST(Schnorr,
     HedgesItsNonceAsTheIndependentScriptDoes) {  // tests/vectors/check_schnorr.py computes the same from the same chance
  struct Recorded : Random {
    Buffer octets;
    void fill(std::span<std::uint8_t> out) override {
      ASSERT_EQ(out.size(), octets.size());
      std::copy(octets.begin(), octets.end(), out.begin());
    }
  };
  auto made = vectors("schnorr_made_here.json");
  std::vector<Buffer> elements;
  for (const auto& element : sealmq::testing::some_of(made, "elements")) elements.push_back(hex(element.get<std::string>()));
  std::vector<Bytes> list(elements.begin(), elements.end());
  Recorded random;
  random.octets = hex(text_of(made, "random"));
  auto key = SigningKey::from_secret(hex_secret(text_of(made, "secret_key")));
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->id()), text_of(made, "id"));
  auto signature = sign(*key, list, random);
  ASSERT_TRUE(signature);
  EXPECT_EQ(to_hex(signature->z), text_of(made, "z"));
  EXPECT_EQ(to_hex(signature->e), text_of(made, "e"));
}

TEST(Schnorr, SharesItsKeysBetweenThreads) {
  const Sl1 sl1;
  std::vector<std::thread> threads;
  std::atomic<int> accepted = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      OsRandom random;
      for (int k = 0; k < 25; ++k) accepted += verify(sl1.verifier, sl1.list, *sign(sl1.key, sl1.list, random)) ? 1 : 0;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(accepted, 100);
}
