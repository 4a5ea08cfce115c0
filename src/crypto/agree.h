// Diffie-Hellman over P-256 (RFC 5903's shared secret: the x coordinate).
#pragma once

#include "crypto/p256.h"

namespace sealmq::crypto {

/// Moves, has no copy. Agreeing is const and may happen on any thread.
class AgreementKey {
 public:
  /// 32 bytes in [1, q-1], else caller_misused.
  static Result<AgreementKey> from_secret(const Secret& secret);
  static AgreementKey generate(Random& random);

  AgreementKey(AgreementKey&&) noexcept = default;
  AgreementKey& operator=(AgreementKey&&) noexcept = default;
  AgreementKey(const AgreementKey&) = delete;
  AgreementKey& operator=(const AgreementKey&) = delete;

  const Sec1Compressed& public_key() const { return public_key_; }
  /// For the key store.
  Secret export_secret() const;
  /// For the arithmetic of agree().
  const Scalar& scalar() const { return scalar_; }

 private:
  explicit AgreementKey(const Scalar& scalar) : scalar_(scalar), public_key_(multiply_generator(scalar)) {}
  Scalar scalar_;
  Sec1Compressed public_key_;
};

/// The x coordinate, 32 bytes; feed it to hkdf(), never use it as a key. peer_misbehaved if `peer` is no point of the curve.
Result<Secret> agree(const AgreementKey& own, const Sec1Compressed& peer);

}  // namespace sealmq::crypto
