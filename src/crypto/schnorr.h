// Schnorr signatures over P-256 with SHA3-256, as the Malina scheme uses them (its specification, section 3).
//
//   sign:   R = d*G;  e = SHA3-256(list, R, G);  z = d - e*a mod q;  signature = (z, e)
//   verify: R~ = z*G + e*ID;  accept iff e = SHA3-256(list, R~, G)
//
// The list is what is signed: each element goes in as u32 length and its bytes, R and G follow in the same way (33 bytes each),
// so no two lists give the same hash input. The first element is the scheme's tag; a key is used for one scheme only. The list
// names the signer's Id: over a list that does not, anyone can find a new key that fits a given nonce and z.
#pragma once

#include "crypto/p256.h"

namespace sealmq::crypto::schnorr {

/// A public key: the x coordinate of the point that has it and an even y.
using Id = PointX;

struct Signature {
  std::array<std::uint8_t, 32> z{};
  std::array<std::uint8_t, 32> e{};

  bool operator==(const Signature&) const = default;
};

/// Moves, has no copy. Signing is const and may happen on any thread.
class SigningKey {
 public:
  /// 32 bytes in [1, q-1], else caller_misused. A secret whose point has an odd y is replaced by q - secret, so that the Id is
  /// true.
  static Result<SigningKey> from_secret(const Secret& secret);
  static SigningKey generate(Random& random);

  SigningKey(SigningKey&&) noexcept = default;
  SigningKey& operator=(SigningKey&&) noexcept = default;
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;

  const Id& id() const { return id_; }
  /// For the key store. What from_secret() takes; not always what it was given.
  Secret export_secret() const;
  /// For the arithmetic of sign().
  const Scalar& scalar() const { return scalar_; }

 private:
  SigningKey(const Scalar& scalar, const Id& id) : scalar_(scalar), id_(id) {}
  static SigningKey from_scalar(const Scalar& scalar);
  Scalar scalar_;
  Id id_;
};

/// Decodes its point once; copies are cheap. Any thread.
class VerifyingKey {
 public:
  /// peer_misbehaved if no point of the curve has this x.
  static Result<VerifyingKey> from_id(const Id& id);

  const Id& id() const { return id_; }
  const Point& point() const { return point_; }

 private:
  VerifyingKey(const Id& id, Point point) : id_(id), point_(std::move(point)) {}
  Id id_;
  Point point_;
};

/// The nonce is hedged: even a broken Random gives away no key and no two messages the same nonce.
/// Fails only as caller_misused, when an element is longer than its 32-bit length can say.
Result<Signature> sign(const SigningKey& key, std::span<const Bytes> elements, Random& random);

/// Takes variable time: everything here is public.
bool verify(const VerifyingKey& key, std::span<const Bytes> elements, const Signature& signature);

}  // namespace sealmq::crypto::schnorr
