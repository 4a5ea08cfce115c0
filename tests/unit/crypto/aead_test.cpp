#include "crypto/aead.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/operations.h"
#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B, as NIST published it.
constexpr auto key_128 = "feffe9928665731c6d6a8f9467308308";
constexpr auto key_256 = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr auto iv_text = "cafebabefacedbaddecaf888";
constexpr auto aad_text = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
constexpr auto plain_text =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
constexpr auto sealed_128 =  // test case 4
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
    "5bc94fbc3221a5db94fae95ae7121a47";
constexpr auto sealed_256 =  // test case 16
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    "76fc6ece0f4e1768cddf8853bb2d551b";

Buffer seal(AesGcm& cipher, const Iv& iv, Bytes aad, Bytes plaintext) {
  Buffer out;
  cipher.seal(iv, aad, plaintext, out);
  return out;
}

}  // namespace

TEST(AesGcm, AgreesWithNistsVectors) {
  Iv iv = hex_array<12>(iv_text);
  AesGcm cipher128(hex_secret(key_128));
  EXPECT_EQ(to_hex(seal(cipher128, iv, hex(aad_text), hex(plain_text))), sealed_128);
  EXPECT_EQ(cipher128.open(iv, hex(aad_text), hex(sealed_128)), hex(plain_text));
  AesGcm cipher256(hex_secret(key_256));
  EXPECT_EQ(to_hex(seal(cipher256, iv, hex(aad_text), hex(plain_text))), sealed_256);
  EXPECT_EQ(cipher256.open(iv, hex(aad_text), hex(sealed_256)), hex(plain_text));
}

TEST(AesGcm, SealsNothingIntoATagAlone) {
  AesGcm cipher(Secret(Buffer(16)));
  EXPECT_EQ(to_hex(seal(cipher, Iv{}, {}, {})), "58e2fccefa7e3061367f1d57a4e7455a");  // test case 1
  EXPECT_EQ(cipher.open(Iv{}, {}, hex("58e2fccefa7e3061367f1d57a4e7455a")), Buffer{});
}

TEST(AesGcm, AppendsToWhatIsThere) {
  AesGcm cipher(hex_secret(key_128));
  Buffer out = {0x48, 0x01};
  cipher.seal(hex_array<12>(iv_text), hex(aad_text), hex(plain_text), out);
  EXPECT_EQ(to_hex(out), std::string("4801") + sealed_128);
}

TEST(AesGcm, RefusesAMessageWithAnyBitFlipped) {
  AesGcm cipher(hex_secret(key_128));
  Iv iv = hex_array<12>(iv_text);
  Buffer sealed = hex(sealed_128);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Buffer changed = sealed;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    auto opened = cipher.open(iv, hex(aad_text), changed);
    ASSERT_FALSE(opened) << "bit " << bit;
    ASSERT_EQ(opened.error().blame, Blame::peer_misbehaved);
  }
  EXPECT_TRUE(cipher.open(iv, hex(aad_text), sealed));
}

TEST(AesGcm, RefusesAnotherIvAadKeyOrLength) {
  AesGcm cipher(hex_secret(key_128));
  Iv iv = hex_array<12>(iv_text);
  Buffer sealed = hex(sealed_128);
  EXPECT_FALSE(cipher.open(Iv{}, hex(aad_text), sealed));
  EXPECT_FALSE(cipher.open(iv, {}, sealed));
  EXPECT_FALSE(AesGcm(Secret(Buffer(16))).open(iv, hex(aad_text), sealed));
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(cipher.open(iv, hex(aad_text), Bytes(sealed).first(size))) << size;
  sealed.push_back(0);
  EXPECT_FALSE(cipher.open(iv, hex(aad_text), sealed));
}

TEST(AesGcm, RefusesAKeyOfAnotherLength) {
  for (std::size_t size : {0, 15, 17, 24, 31, 33}) EXPECT_THROW(AesGcm{Secret{Buffer(size)}}, std::invalid_argument) << size;
}

TEST(AesGcm, CountsOneOperationAMessage) {
  AesGcm cipher(hex_secret(key_128));
  CountOperations counter;
  Buffer sealed = seal(cipher, Iv{}, {}, hex(plain_text));
  EXPECT_EQ(counter.so_far(), (Operations{.aes = 1}));
  EXPECT_TRUE(cipher.open(Iv{}, {}, sealed));
  EXPECT_EQ(counter.so_far(), (Operations{.aes = 2}));
}

RC_GTEST_PROP(AesGcm, OpensWhatItSealedInAnyOrderOfCalls, (const std::vector<std::pair<Buffer, Buffer>>& messages)) {
  AesGcm cipher(hex_secret(key_256));
  AesGcm other(hex_secret(key_256));
  Iv iv{};
  for (const auto& [aad, plaintext] : messages) {
    ++iv[0];
    Buffer sealed = seal(cipher, iv, aad, plaintext);
    RC_ASSERT(sealed.size() == plaintext.size() + AesGcm::tag_size);
    RC_ASSERT(cipher.open(iv, aad, sealed) == plaintext);
    RC_ASSERT(other.open(iv, aad, sealed) == plaintext);
  }
}
