// ECDSA over P-256 with SHA-256; signatures are raw r || s, never DER.
#pragma once

#include "crypto/p256.h"

namespace sealmq::crypto::ecdsa {

using Signature = std::array<std::uint8_t, 64>;

/// Moves, has no copy. Signing is const and may happen on any thread.
class SigningKey {
 public:
  /// 32 bytes in [1, q-1], else caller_misused.
  static Result<SigningKey> from_secret(const Secret& secret);
  static SigningKey generate(Random& random);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  const Sec1Compressed& public_key() const { return public_key_; }
  /// For the key store.
  Secret export_secret() const;
  /// For the arithmetic of signing.
  const Scalar& scalar() const { return scalar_; }

  struct Loaded;
  const Loaded& loaded() const { return *loaded_; }

 private:
  explicit SigningKey(const Scalar& scalar);
  Scalar scalar_;
  Sec1Compressed public_key_;
  std::unique_ptr<Loaded> loaded_;
};

/// Decodes its point once; copies are cheap. Any thread.
class VerifyingKey {
 public:
  /// Strict: 33 bytes, on the curve; else peer_misbehaved.
  static Result<VerifyingKey> from_sec1(Bytes sec1_compressed);

  const Sec1Compressed& public_key() const { return public_key_; }

  struct Loaded;
  const Loaded& loaded() const { return *loaded_; }

 private:
  VerifyingKey(const Sec1Compressed& public_key, std::shared_ptr<const Loaded> loaded)
      : public_key_(public_key), loaded_(std::move(loaded)) {}
  Sec1Compressed public_key_;
  std::shared_ptr<const Loaded> loaded_;
};

/// The nonce is the library's own: hashed from the key, the message and fresh chance.
Signature sign(const SigningKey& key, Bytes message);

/// Refuses r or s outside [1, q-1].
bool verify(const VerifyingKey& key, Bytes message, const Signature& signature);
/// (r, s) and (r, q - s) verify alike: of the two the one with the smaller s. Where bytes identify what is signed, it alone
/// counts.
Signature lowered(const Signature& signature);
bool is_low(const Signature& signature);
/// The same as verify() for a hash, of at most 32 bytes, that the caller has computed.
bool verify_digest(const VerifyingKey& key, Bytes digest, const Signature& signature);

}  // namespace sealmq::crypto::ecdsa
