// For tests that compare with published vectors. Production code does not include this: whoever knows x knows the key.
#pragma once

#include "crypto/rabin.h"

namespace sealmq::crypto::rabin {

/// x has the size of the modulus, is below half of it and has the Jacobi symbol +1.
Encapsulated encapsulate_root(const PublicKey& key, const Secret& x);

}  // namespace sealmq::crypto::rabin
