// Whoever may send ciphertexts as it likes learns nothing from how they are refused. Claim of Rabin-KEM: a ciphertext that is
// none is answered with a key too, and the broker works as long on it as on a true one.
#include <gtest/gtest.h>

#include "crypto/operations.h"
#include "crypto/random.h"
#include "support/rabin_keys.h"

namespace sealmq::testing {
namespace {

using crypto::Operations;

Operations cost(const crypto::rabin::PrivateKey& key, Bytes ciphertext) {
  crypto::CountOperations counter;
  (void)crypto::rabin::decapsulate(key, ciphertext);
  return counter.so_far();
}

TEST(RabinOracle, EveryCiphertextCostsOneDecryptionRightOrWrong) {
  const auto key = rabin_key(first_rabin_primes);
  crypto::OsRandom random;
  const Buffer right = crypto::rabin::encapsulate(key->public_key(), random).ciphertext;
  const Operations one = cost(*key, right);
  EXPECT_EQ(one.rad, 1U);
  const Buffer modulus = to_buffer(key->public_key().modulus());
  Buffer tampered = right, no_square = modulus;
  tampered[right.size() / 2] ^= 1;
  no_square.back() -= 1;  // -1 is no square modulo a prime that is 3 mod 4
  const Buffer zero(modulus.size()), above(modulus.size(), 0xFF), cut(right.begin(), right.end() - 1);
  for (const Bytes any : {Bytes(tampered), Bytes(no_square), Bytes(zero), Bytes(modulus), Bytes(above), Bytes(cut), Bytes(right)})
    EXPECT_EQ(cost(*key, any), one) << any.size();
}

}  // namespace
}  // namespace sealmq::testing
