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

/// What a password is hashed with. Costs 128 * r * 2^log2_n bytes of memory and a time that grows with them and with p.
struct ScryptCost {
  unsigned log2_n = 15;
  unsigned r = 8;
  unsigned p = 1;
  bool operator==(const ScryptCost&) const = default;
};
/// Errors: environment, also for more memory than 256 MiB.
Result<Secret> scrypt(Bytes password, Bytes salt, ScryptCost cost, std::size_t length);

}  // namespace sealmq::crypto
