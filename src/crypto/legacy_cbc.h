// Triple DES and DES in CBC mode, for a published form that names them. Blocks of 64 bits, and for DES a key that can be
// searched: nothing of this project's own is made with them.
#pragma once

#include "sealmq/bytes.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

inline constexpr std::size_t des_block_size = 8;

/// Without padding and with an IV of zeroes. The key has 24 bytes (triple DES) or 8 (DES), and these are whole blocks; anything
/// else is a bug and ends in an exception.
Buffer encrypt_legacy_blocks(const Secret& key, Bytes plaintext);
Secret decrypt_legacy_blocks(const Secret& key, Bytes ciphertext);

}  // namespace sealmq::crypto
