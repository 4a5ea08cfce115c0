// AES in CBC mode, for published forms that use it. It protects no message from being changed: nothing of this project's own is
// made with it.
#pragma once

#include <array>

#include "sealmq/bytes.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

inline constexpr std::size_t aes_block_size = 16;
using CbcIv = std::array<std::uint8_t, aes_block_size>;

/// With PKCS#7 padding. The key has 16 bytes; another length is a bug and ends in an exception. Appends whole blocks, at least
/// one, to `out`.
void encrypt_cbc(const Secret& key, const CbcIv& iv, Bytes plaintext, Buffer& out);
/// peer_misbehaved unless these are whole blocks with a right padding.
Result<Buffer> decrypt_cbc(const Secret& key, const CbcIv& iv, Bytes ciphertext);

/// Without padding and with an IV of zeroes. The key has 16, 24 or 32 bytes, and these are whole blocks; anything else is a bug
/// and ends in an exception.
Buffer encrypt_blocks(const Secret& key, Bytes plaintext);
Secret decrypt_blocks(const Secret& key, Bytes ciphertext);

}  // namespace sealmq::crypto
