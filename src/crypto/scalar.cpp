#include "crypto/scalar.h"

#include <algorithm>

namespace sealmq::crypto {
namespace {

__extension__ using Wide = unsigned __int128;
using Limbs = std::array<std::uint64_t, 4>;

// All least significant limb first.
constexpr Limbs q = {0xF3B9CAC2FC632551, 0xBCE6FAADA7179E84, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF00000000};
constexpr Limbs r_squared = {0x83244C95BE79EEA2, 0x4699799C49BD6FA6, 0x2845B2392B6BEC59, 0x66E12D94F3D95620};  // 2^512 mod q
constexpr std::uint64_t minus_q_inverse = 0xCCD1C8AAEE00BC4F;                                                  // -1/q mod 2^64

/// All ones if `bit` is 1, zero if 0. The compiler does not see where the mask comes from, so it cannot make a branch of it.
std::uint64_t mask_of(std::uint64_t bit) {
  std::uint64_t mask = 0 - bit;
  __asm__("" : "+r"(mask));
  return mask;
}

/// a + b; answers the carry.
std::uint64_t add_limbs(Limbs& a, const Limbs& b) {
  Wide carry = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    carry += static_cast<Wide>(a[i]) + b[i];
    a[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  return static_cast<std::uint64_t>(carry);
}

/// a - b; answers the borrow.
std::uint64_t subtract_limbs(Limbs& a, const Limbs& b) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    Wide difference = static_cast<Wide>(a[i]) - b[i] - borrow;
    a[i] = static_cast<std::uint64_t>(difference);
    borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
  }
  return borrow;
}

Limbs select(std::uint64_t mask, const Limbs& if_ones, const Limbs& if_zero) {
  Limbs out;
  for (std::size_t i = 0; i < 4; ++i) out[i] = (if_ones[i] & mask) | (if_zero[i] & ~mask);
  return out;
}

/// (carry * 2^256 + value) mod q, for values below 2q.
Limbs subtract_q_once(const Limbs& value, std::uint64_t carry) {
  Limbs reduced = value;
  std::uint64_t borrow = subtract_limbs(reduced, q);
  std::uint64_t was_smaller = borrow & (carry ^ 1);
  return select(mask_of(was_smaller), value, reduced);
}

/// a * b / 2^256 mod q (Montgomery), for a * b < 2^256 * q.
Limbs montgomery(const Limbs& a, const Limbs& b) {
  std::array<std::uint64_t, 6> sum{};
  for (std::size_t i = 0; i < 4; ++i) {
    Wide carry = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      carry += static_cast<Wide>(a[j]) * b[i] + sum[j];
      sum[j] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
    carry += sum[4];
    sum[4] = static_cast<std::uint64_t>(carry);
    sum[5] = static_cast<std::uint64_t>(carry >> 64);

    std::uint64_t factor = sum[0] * minus_q_inverse;  // makes the lowest limb of sum + factor * q zero
    carry = (static_cast<Wide>(factor) * q[0] + sum[0]) >> 64;
    for (std::size_t j = 1; j < 4; ++j) {
      carry += static_cast<Wide>(factor) * q[j] + sum[j];
      sum[j - 1] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
    carry += sum[4];
    sum[3] = static_cast<std::uint64_t>(carry);
    sum[4] = sum[5] + static_cast<std::uint64_t>(carry >> 64);
  }
  Limbs result = subtract_q_once({sum[0], sum[1], sum[2], sum[3]}, sum[4]);
  wipe(sum.data(), sizeof sum);
  return result;
}

}  // namespace

Limbs Scalar::load(std::span<const std::uint8_t, 32> bytes) {
  Limbs limbs{};
  for (std::size_t i = 0; i < 32; ++i) limbs[3 - i / 8] = limbs[3 - i / 8] << 8 | bytes[i];
  return limbs;
}

std::optional<Scalar> Scalar::decode(Bytes bytes) {
  if (bytes.size() != 32) return std::nullopt;
  Limbs limbs = load(bytes.first<32>());
  Limbs difference = limbs;
  bool below_q = subtract_limbs(difference, q) == 1;
  wipe(difference.data(), sizeof difference);
  if (!below_q) return std::nullopt;
  return Scalar(limbs);
}

Scalar Scalar::reduce(std::span<const std::uint8_t, 32> bytes) {
  return Scalar(subtract_q_once(load(bytes), 0));  // 2^256 < 2q
}

Scalar Scalar::reduce_wide(std::span<const std::uint8_t, 48> bytes) {
  std::array<std::uint8_t, 32> upper{};
  std::copy(bytes.begin(), bytes.begin() + 16, upper.begin() + 16);
  Scalar upper_times_2_256(montgomery(load(upper), r_squared));
  wipe(upper.data(), upper.size());
  return upper_times_2_256 + reduce(bytes.last<32>());
}

void Scalar::encode(std::span<std::uint8_t, 32> out) const {
  for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<std::uint8_t>(limbs_[3 - i / 8] >> (56 - 8 * (i % 8)));
}

Secret Scalar::to_secret() const {
  Buffer bytes(32);
  encode(std::span(bytes).first<32>());
  return Secret(std::move(bytes));
}

bool Scalar::is_zero() const {
  return (limbs_[0] | limbs_[1] | limbs_[2] | limbs_[3]) == 0;
}

Scalar Scalar::operator+(const Scalar& other) const {
  Limbs sum = limbs_;
  std::uint64_t carry = add_limbs(sum, other.limbs_);
  return Scalar(subtract_q_once(sum, carry));
}

Scalar Scalar::operator-(const Scalar& other) const {
  Limbs difference = limbs_;
  std::uint64_t borrow = subtract_limbs(difference, other.limbs_);
  add_limbs(difference, select(mask_of(borrow), q, Limbs{}));
  return Scalar(difference);
}

Scalar Scalar::operator*(const Scalar& other) const {
  return Scalar(montgomery(montgomery(limbs_, other.limbs_), r_squared));
}

// x^(q-2), by Fermat. The exponent is public, so a branch on its bits tells nothing of x.
Scalar Scalar::inverse() const {
  Limbs exponent = q;
  exponent[0] -= 2;
  Scalar result({1, 0, 0, 0});
  for (std::size_t bit = 256; bit-- > 0;) {
    result = result * result;
    if ((exponent[bit / 64] >> (bit % 64) & 1) != 0) result = result * *this;
  }
  return result;
}

}  // namespace sealmq::crypto
