// SHA-1 and HMAC-SHA-1, for published protocols that name them. Collisions can be had; nothing of our own uses it.
#pragma once

#include <array>

#include "sealmq/bytes.h"

namespace sealmq::crypto {

using Sha1Digest = std::array<std::uint8_t, 20>;

Sha1Digest sha1(Bytes message);
Sha1Digest hmac_sha1(Bytes key, Bytes data);

}  // namespace sealmq::crypto
