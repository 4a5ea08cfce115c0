// For tests that compare with published vectors. Production code does not include this: a nonce used twice gives the key away.
#pragma once

#include "crypto/schnorr.h"

namespace sealmq::crypto::schnorr {

/// Fails as caller_misused if the nonce is not in [1, q-1] or leads to z = 0 or e = 0 mod q.
Result<Signature> sign_with_nonce(const SigningKey& key, std::span<const Bytes> elements, const Scalar32& nonce);

}  // namespace sealmq::crypto::schnorr
