// AES Key Wrap (RFC 3394): one key sealed under another, without a nonce.
#pragma once

#include "sealmq/bytes.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

/// The wrapping key has 16 or 32 bytes, the key whole blocks of 8 and at least two; anything else is a bug and ends in an
/// exception. Eight bytes longer than the key.
Buffer wrap_key(const Secret& wrapping_key, const Secret& key);
/// peer_misbehaved if it was not wrapped under this key.
Result<Secret> unwrap_key(const Secret& wrapping_key, Bytes wrapped);

}  // namespace sealmq::crypto
