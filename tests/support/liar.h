// Somebody who has keys, and does not sign with them what it says.
#pragma once

#include "sealmq/keystore.h"

namespace sealmq::testing {

/// Signs rightly until it is told to lie.
class Liar : public KeyStore {
 public:
  explicit Liar(KeyStore& keys) : keys_(keys) {}
  const PublicIdentity& identity() const override { return keys_.identity(); }
  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> elements) override {
    auto signature = keys_.sign_schnorr(elements);
    if (lies && signature) (*signature)[40] ^= 1;
    return signature;
  }
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override { return keys_.sign_ecdsa(message); }
  Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return keys_.agree(peer); }
  SequenceCounter& sequence() override { return keys_.sequence(); }
  bool lies = false;

 private:
  KeyStore& keys_;
};

}  // namespace sealmq::testing
