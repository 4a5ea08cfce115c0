// AES-GCM, and ChaCha20-Poly1305 (RFC 8439), with a 96-bit IV and a 128-bit tag.
#pragma once

#include <array>
#include <memory>

#include "sealmq/bytes.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

using Iv = std::array<std::uint8_t, 12>;

enum class AeadName : std::uint8_t { aes128_gcm, aes256_gcm, chacha20_poly1305 };
/// 16 or 32 bytes.
std::size_t key_size(AeadName name);

/// One key, set up once, so that a message costs no key schedule. Moves, has no copy. One thread at a time.
/// The caller sees to it that no IV is used twice with a key.
class Aead {
 public:
  static constexpr std::size_t tag_size = 16;

  /// A key of another length than key_size() is a bug and ends in an exception.
  Aead(AeadName name, Bytes key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  /// Appends ciphertext and tag to `out`; `aad` and `plaintext` must not lie inside it.
  void seal(const Iv& iv, Bytes aad, Bytes plaintext, Buffer& out);
  /// The plaintext, or peer_misbehaved if anything at all was changed; nothing of a refused message is answered.
  Result<Buffer> open(const Iv& iv, Bytes aad, Bytes ciphertext_and_tag);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// With the key's length as the choice between AES-128 and AES-256.
class AesGcm : public Aead {
 public:
  /// The key has 16 or 32 bytes; another length is a bug and ends in an exception.
  explicit AesGcm(Bytes key) : Aead(key.size() == 16 ? AeadName::aes128_gcm : AeadName::aes256_gcm, key) {}
  explicit AesGcm(const Secret& key) : AesGcm(key.reveal()) {}
};

}  // namespace sealmq::crypto
