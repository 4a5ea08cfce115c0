// Scalar: a number modulo q, the order of P-256.
//
// Arithmetic here never branches on and never indexes by a value: every operation runs the same instructions whatever the
// numbers are. That is why it is not the crypto library's big numbers, whose public calls drop leading zeros and pick a path by
// sign.
#pragma once

#include <array>
#include <optional>

#include "sealmq/bytes.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

using Scalar32 = std::array<std::uint8_t, 32>;

class Scalar {
 public:
  Scalar() = default;  ///< zero
  Scalar(const Scalar&) = default;
  Scalar& operator=(const Scalar&) = default;
  ~Scalar() { wipe(limbs_.data(), sizeof limbs_); }

  /// Strict: 32 bytes, big-endian, below q. Zero is a scalar.
  static std::optional<Scalar> decode(Bytes bytes);
  /// Any 32 bytes modulo q; biased when the bytes are random, so for hashes only.
  static Scalar reduce(std::span<const std::uint8_t, 32> bytes);
  /// Any 48 bytes modulo q; uniform to 2^-128 when the bytes are random.
  static Scalar reduce_wide(std::span<const std::uint8_t, 48> bytes);

  /// 32 bytes, big-endian.
  void encode(std::span<std::uint8_t, 32> out) const;
  Secret to_secret() const;
  bool is_zero() const;

  Scalar operator+(const Scalar& other) const;
  Scalar operator-(const Scalar& other) const;
  Scalar operator*(const Scalar& other) const;
  /// 1/x; of zero, zero.
  Scalar inverse() const;

 private:
  using Limbs = std::array<std::uint64_t, 4>;  // least significant first, always below q
  explicit Scalar(const Limbs& limbs) : limbs_(limbs) {}
  static Limbs load(std::span<const std::uint8_t, 32> bytes);

  Limbs limbs_{};
};

}  // namespace sealmq::crypto
