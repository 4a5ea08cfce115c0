// What an identity is called in signed things: the hash of the public keys that stand in the first line of NAME.pub.
#pragma once

#include <vector>

#include "crypto/hash.h"
#include "sealmq/identity.h"

namespace sealmq::crypto {

/// SHA-256("SealMQ key 1" || m): m is the x coordinate of a key on P-256, whatever its purpose, or an RSA modulus.
Digest key_hash(Bytes key);
/// Of Schnorr, ECDSA, agreement and RSA, those that there are.
std::vector<Digest> key_hashes(const PublicKeys& keys);
/// SHA-256("SealMQ identity 1" || u8 n || n key hashes).
Digest identity_digest(const PublicKeys& keys);

}  // namespace sealmq::crypto
