// The paper profile's bytes: u16 length of the stamp, the stamp, and the body, which is the plaintext, IV and AES-128-CBC, or an
// RSA-OAEP key before those.
#pragma once

#include <array>

#include "crypto/other_keys.h"
#include "sealmq/ports.h"

namespace sealmq::payload::paper {

struct Frame {
  Bytes stamp;  ///< empty: there is none
  Bytes body;
};
/// Errors: peer_misbehaved.
Result<Frame> split(Bytes payload);
Buffer join(Bytes stamp, Bytes body);

/// What a stamp is over.
Buffer stamped(std::string_view topic, Bytes body);

/// CRC-32 of IEEE 802.3. It finds accidents, no attackers.
std::array<std::uint8_t, 4> crc32(Bytes bytes);

/// The key has 16 bytes.
Buffer encrypt(const Secret& key, Bytes plaintext, Random& random);
Result<Buffer> decrypt(const Secret& key, Bytes body);
Buffer encrypt_for(const crypto::OtherPublicKey& reader, Bytes plaintext, Random& random);
Result<Buffer> decrypt_by(const crypto::OtherPrivateKey& reader, Bytes body);

}  // namespace sealmq::payload::paper
