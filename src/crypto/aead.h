// AES-GCM with a 96-bit IV and a 128-bit tag.
#pragma once

#include <array>
#include <memory>

#include "sealmq/bytes.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

using Iv = std::array<std::uint8_t, 12>;

/// One key, set up once, so that a message costs no key schedule. Moves, has no copy. One thread at a time.
/// The caller sees to it that no IV is used twice with a key.
class AesGcm {
 public:
  static constexpr std::size_t tag_size = 16;

  /// The key has 16 or 32 bytes; another length is a bug and ends in an exception.
  explicit AesGcm(Bytes key);
  explicit AesGcm(const Secret& key) : AesGcm(key.reveal()) {}
  AesGcm(AesGcm&&) noexcept;
  AesGcm& operator=(AesGcm&&) noexcept;
  ~AesGcm();

  /// Appends ciphertext and tag to `out`; `aad` and `plaintext` must not lie inside it.
  void seal(const Iv& iv, Bytes aad, Bytes plaintext, Buffer& out);
  /// The plaintext, or peer_misbehaved if anything at all was changed; nothing of a refused message is answered.
  Result<Buffer> open(const Iv& iv, Bytes aad, Bytes ciphertext_and_tag);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace sealmq::crypto
