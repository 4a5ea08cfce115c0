// The group P-256, as Schnorr, ECDSA and ECDH share it.
//
// Secret scalars: the crypto library's single-scalar multiplication, which takes the same time for every scalar whose upper 64
// bits are not all zero (a random one has them with probability 2^-64). Public scalars may take variable time.
#pragma once

#include <memory>

#include "crypto/scalar.h"
#include "sealmq/ports.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

using PointX = std::array<std::uint8_t, 32>;
using Sec1Compressed = std::array<std::uint8_t, 33>;  ///< 02 (even y) or 03 (odd y), then x

/// Uniform in [1, q-1], 32 bytes.
Secret generate_scalar(Random& random);
/// A secret scalar from storage: 32 bytes in [1, q-1], else caller_misused.
Result<Scalar> decode_secret_scalar(const Secret& secret);

/// A point on the curve, never the neutral element. Copies share the decoded form and are cheap. Any thread.
class Point {
 public:
  /// Strict: 33 bytes, 02 or 03, x below p and on the curve; else peer_misbehaved.
  static Result<Point> decode(Bytes sec1_compressed);

  struct Decoded;
  const Decoded& decoded() const { return *decoded_; }

 private:
  explicit Point(std::shared_ptr<const Decoded> decoded) : decoded_(std::move(decoded)) {}
  std::shared_ptr<const Decoded> decoded_;
};

/// The long form, 04 || x || y, which published protocols use; and back. Strict: 65 bytes, 04 and on the curve, else
/// peer_misbehaved.
using Sec1Uncompressed = std::array<std::uint8_t, 65>;
Sec1Uncompressed uncompressed(const Point& point);
Result<Sec1Compressed> compressed(Bytes sec1_uncompressed);

/// The generator G.
const Sec1Compressed& generator();

/// secret * G. The scalar is not zero.
Sec1Compressed multiply_generator(const Scalar& secret);

/// x(secret * point), 32 bytes. The scalar is not zero.
Secret multiply_to_x(const Scalar& secret, const Point& point);

/// g_factor * G + factor * point in variable time, for public numbers only; nothing if the sum is the neutral element.
std::optional<Sec1Compressed> multiply_and_add(const Scalar& g_factor, const Scalar& factor, const Point& point);

}  // namespace sealmq::crypto
