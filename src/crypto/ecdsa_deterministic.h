// ECDSA over P-256 with the nonce of RFC 6979: the same key and message give the same signature. For published protocols that ask
// for it; everything else takes sign() of ecdsa.h, whose nonce has fresh chance in it.
#pragma once

#include "crypto/ecdsa.h"

namespace sealmq::crypto::ecdsa {

/// With SHA-256, nonce by HMAC-SHA-256.
Signature sign_deterministic(const SigningKey& key, Bytes message);

/// With SHA-1, nonce by HMAC-SHA-1; the 160 bits of the hash are the number that is signed.
Signature sign_sha1(const SigningKey& key, Bytes message);
/// Refuses r or s outside [1, q-1].
bool verify_sha1(const VerifyingKey& key, Bytes message, const Signature& signature);

}  // namespace sealmq::crypto::ecdsa
