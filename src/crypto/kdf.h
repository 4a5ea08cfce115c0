// Key derivation: HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869).
#pragma once

#include "crypto/hash.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

/// Compare results with same(), never with ==.
Digest hmac_sha256(Bytes key, Bytes data);

Secret hkdf_extract(Bytes salt, Bytes input_key);
/// `length` is at most 255 * 32; more is a bug and ends in an exception.
Secret hkdf_expand(Bytes pseudo_random_key, Bytes info, std::size_t length);
Secret hkdf(Bytes input_key, Bytes salt, Bytes info, std::size_t length);

}  // namespace sealmq::crypto
