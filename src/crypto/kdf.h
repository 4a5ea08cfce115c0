// Key derivation: HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), scrypt (RFC 7914).
#pragma once

#include "crypto/hash.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

/// Compare results with same(), never with ==.
Digest hmac_sha256(Bytes key, Bytes data);

Secret hkdf_extract(Bytes salt, Bytes input_key);
/// `length` is at most 255 * 32; more is a bug and ends in an exception.
Secret hkdf_expand(Bytes pseudo_random_key, Bytes info, std::size_t length);
Secret hkdf(Bytes input_key, Bytes salt, Bytes info, std::size_t length);

/// What a password is hashed with (index of specifications, rule 16). Costs 128 * r * 2^log2_n bytes of memory and a time that
/// grows with them and with p.
struct ScryptCost {
  unsigned log2_n = 17;
  unsigned r = 8;
  unsigned p = 1;
  auto operator<=>(const ScryptCost&) const = default;
  /// What it costs whoever tries passwords, in units of 2^10 rounds with r = 8.
  std::uint64_t work() const { return (std::uint64_t{1} << log2_n) * r * p >> 13; }
};
/// For machines that have not as much memory: 32 MiB instead of 128.
inline constexpr ScryptCost scrypt_cost_of_devices{15, 8, 3};
/// Errors: environment, also for more memory than 256 MiB.
Result<Secret> scrypt(Bytes password, Bytes salt, ScryptCost cost, std::size_t length);

}  // namespace sealmq::crypto
