#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

TEST(Hash, AgreesWithFips180AndFips202) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha3_256({})), "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
  EXPECT_EQ(to_hex(sha3_256(as_bytes("abc"))), "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
  Buffer a3(200, 0xA3);  // the 1600-bit message of the examples published with FIPS 202
  EXPECT_EQ(to_hex(sha3_256(a3)), "79f38adec5c20307a98ef76e8324afbfd46cfd81b22e3973c65fa1bd9de31787");
}

RC_GTEST_PROP(Hash, DoesNotDependOnWhereTheMessageIsCut, (const std::vector<Buffer>& parts)) {
  Buffer whole;
  Sha256 two;
  Sha3_256 three;
  for (const Buffer& part : parts) {
    append(whole, part);
    two.update(part);
    three.update(part);
  }
  RC_ASSERT(two.finish() == sha256(whole));
  RC_ASSERT(three.finish() == sha3_256(whole));
}

TEST(Hash, StartsOverAfterFinish) {
  Sha3_256 hash;
  hash.update(as_bytes("first")).finish();
  EXPECT_EQ(hash.update(as_bytes("abc")).finish(), sha3_256(as_bytes("abc")));
}

TEST(Hash, RunsOnEachThreadByItself) {
  Digest there;
  Sha256 here;
  here.update(as_bytes("a"));
  std::thread([&] { there = sha256(as_bytes("abc")); }).join();
  EXPECT_EQ(here.update(as_bytes("bc")).finish(), there);
}

TEST(Hmac, AgreesWithRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(Buffer(20, 0x0b), as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(Buffer(131, 0xaa), as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hkdf, AgreesWithRfc5869Appendix1) {
  Buffer key(22, 0x0b);
  Secret pseudo_random_key = hkdf_extract(hex("000102030405060708090a0b0c"), key);
  EXPECT_EQ(to_hex(pseudo_random_key.reveal()), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(to_hex(hkdf_expand(pseudo_random_key.reveal(), hex("f0f1f2f3f4f5f6f7f8f9"), 42).reveal()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(Hkdf, AgreesWithRfc5869Appendix2) {
  auto count_from = [](std::uint8_t first) {
    Buffer out(80);
    for (auto& byte : out) byte = first++;
    return out;
  };
  EXPECT_EQ(to_hex(hkdf(count_from(0x00), count_from(0x60), count_from(0xb0), 82).reveal()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b83677"
            "93a9aca3"
            "db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

TEST(Hkdf, AgreesWithRfc5869Appendix3WithoutSaltAndInfo) {
  EXPECT_EQ(to_hex(hkdf(Buffer(22, 0x0b), {}, {}, 42).reveal()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hkdf, GivesAnyLengthUpToItsLimit) {
  Secret key = hkdf_extract({}, as_bytes("key"));
  Secret longest = hkdf_expand(key.reveal(), {}, 255 * 32);
  for (std::size_t length : {0, 1, 31, 32, 33, 64, 8159}) {
    Secret shorter = hkdf_expand(key.reveal(), {}, length);
    EXPECT_EQ(to_buffer(shorter.reveal()), to_buffer(longest.reveal().first(length)));
  }
  EXPECT_THROW(hkdf_expand(key.reveal(), {}, 255 * 32 + 1), std::length_error);
}
