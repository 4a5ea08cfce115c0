// The crypto library's side of P-256. Included by p256.cpp and ecdsa.cpp only; nothing outside this folder sees these types.
#pragma once

#include <openssl/ec.h>

#include "crypto/big_number.h"
#include "crypto/p256.h"

namespace sealmq::crypto {

using GroupElement = std::unique_ptr<EC_POINT, FreeWith<EC_POINT_free>>;

/// Made once, only read afterwards; any thread.
const EC_GROUP* p256();

/// The number in `out`, marked as secret, without the library looking for leading zeros.
void load_secret(const Scalar& scalar, BIGNUM* out);

}  // namespace sealmq::crypto
