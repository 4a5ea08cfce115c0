// Thumbprints of public keys (RFC 9679, SHA-256): the hash of the key as COSE has it, without anything that may be left out.
#pragma once

#include "crypto/hash.h"
#include "crypto/other_keys.h"
#include "crypto/p256.h"

namespace sealmq::crypto {

/// Of a point in its compressed form. Error: peer_misbehaved, if it is none.
Result<Digest> thumbprint_p256(Bytes sec1_compressed);
/// Of an Ed25519 or RSA key.
Digest thumbprint(const OtherPublicKey& key);

}  // namespace sealmq::crypto
