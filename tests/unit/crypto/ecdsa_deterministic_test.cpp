#include "crypto/ecdsa_deterministic.h"

#include <gtest/gtest.h>

#include "crypto/sha1.h"
#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

// RFC 6979 appendix A.2.5: P-256.
const auto& key() {
  static const auto made =
      ecdsa::SigningKey::from_secret(hex_secret("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")).value();
  return made;
}

ecdsa::VerifyingKey verifier() {
  return ecdsa::VerifyingKey::from_sec1(key().public_key()).value();
}

}  // namespace

TEST(DeterministicEcdsa, SignsAsThePublishedVectorsSay) {
  EXPECT_EQ(to_hex(ecdsa::sign_deterministic(key(), as_bytes("sample"))),
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
  EXPECT_EQ(to_hex(ecdsa::sign_deterministic(key(), as_bytes("test"))),
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083");
  EXPECT_EQ(to_hex(ecdsa::sign_sha1(key(), as_bytes("sample"))),
            "61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32"
            "6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb");
  EXPECT_EQ(to_hex(ecdsa::sign_sha1(key(), as_bytes("test"))),
            "0cbcc86fd6abd1d99e703e1ec50069ee5c0b4ba4b9ac60e409e8ec5910d81a89"
            "01b9d7b73dfaa60d5651ec4591a0136f87653e0fd780c3b1bc872ffdeae479b1");
}

TEST(DeterministicEcdsa, VerifiesWhatItSigned) {
  const auto signature = ecdsa::sign_sha1(key(), as_bytes("sample"));
  EXPECT_TRUE(ecdsa::verify_sha1(verifier(), as_bytes("sample"), signature));
  EXPECT_FALSE(ecdsa::verify_sha1(verifier(), as_bytes("Sample"), signature));
  EXPECT_FALSE(ecdsa::verify(verifier(), as_bytes("sample"), signature));
  EXPECT_TRUE(ecdsa::verify(verifier(), as_bytes("sample"), ecdsa::sign_deterministic(key(), as_bytes("sample"))));
  EXPECT_FALSE(ecdsa::verify_sha1(verifier(), as_bytes("sample"), ecdsa::Signature{}));
}

TEST(Sha1, FollowsFips180AndRfc2202) {
  EXPECT_EQ(to_hex(sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(hmac_sha1(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(to_hex(hmac_sha1(Buffer(80, 0xaa), as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}
