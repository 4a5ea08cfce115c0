// Key pairs that are not on P-256, for messages in other people's formats: Ed25519 (RFC 8032), X25519 (RFC 7748) and RSA
// (RFC 8017). Private keys are kept as PKCS#8, public ones as SubjectPublicKeyInfo, which every library reads; the two curves
// also in their 32 bytes.
#pragma once

#include <memory>

#include "sealmq/bytes.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

enum class KeyKind : std::uint8_t { ed25519, x25519, rsa };

/// Copies share the key and are cheap. Any thread.
class OtherPublicKey {
 public:
  /// peer_misbehaved unless it is exactly one key of this kind; RSA: 2048 to 4096 bits.
  static Result<OtherPublicKey> from_der(KeyKind kind, Bytes subject_public_key_info);
  /// 32 bytes of Ed25519 or X25519.
  static Result<OtherPublicKey> from_raw(KeyKind kind, Bytes raw);

  KeyKind kind() const { return kind_; }
  Buffer to_der() const;
  Buffer to_raw() const;

  struct Loaded;
  const Loaded& loaded() const { return *loaded_; }

 private:
  friend class OtherPrivateKey;
  OtherPublicKey(KeyKind kind, std::shared_ptr<const Loaded> loaded) : kind_(kind), loaded_(std::move(loaded)) {}
  KeyKind kind_;
  std::shared_ptr<const Loaded> loaded_;
};

/// Moves, has no copy. Any thread.
class OtherPrivateKey {
 public:
  /// RSA with 2048 bits; the crypto library's own randomness.
  static OtherPrivateKey generate(KeyKind kind);
  /// caller_misused unless it is exactly one key of this kind.
  static Result<OtherPrivateKey> from_der(KeyKind kind, const Secret& pkcs8);
  static Result<OtherPrivateKey> from_raw(KeyKind kind, const Secret& raw);

  KeyKind kind() const { return public_key_.kind(); }
  const OtherPublicKey& public_key() const { return public_key_; }
  Secret to_der() const;

 private:
  explicit OtherPrivateKey(OtherPublicKey key) : public_key_(std::move(key)) {}
  OtherPublicKey public_key_;  // the library's object holds both halves
};

enum class Signing : std::uint8_t {
  ed25519,    ///< 64 bytes, always the same for a message
  rsa_pss,    ///< with SHA-256, and a salt as long as the hash
  rsa_pkcs1,  ///< RSASSA-PKCS1-v1_5 with SHA-256, for a published form
};
/// The wrong kind of key is a bug and ends in an exception.
Buffer sign(const OtherPrivateKey& key, Signing how, Bytes message);
bool verify(const OtherPublicKey& key, Signing how, Bytes message, Bytes signature);

/// X25519: 32 bytes for a key derivation. peer_misbehaved for a point of small order.
Result<Secret> agree(const OtherPrivateKey& own, const OtherPublicKey& peer);

/// RSAES-OAEP with SHA-256: at most 190 bytes for 2048 bits; more is a bug and ends in an exception.
Buffer encrypt_oaep(const OtherPublicKey& key, const Secret& plaintext);
/// peer_misbehaved, whatever the reason.
Result<Secret> decrypt_oaep(const OtherPrivateKey& key, Bytes ciphertext);

}  // namespace sealmq::crypto
