// RSA, for smart cards and tokens that know nothing else. Two uses of it:
//
//   RSA-PSS             SHA-256, MGF1 with SHA-256, 32 octets of salt: signatures of this project's own protocols
//   PKCS#1 v1.5, raw    block type 01 over a message without a hash ("encryption with the private key"), and block type 02:
//                       for a published protocol alone
//
// The public exponent is always 65537. Private operations are blinded by the crypto library. Opening a block of type 02 never
// tells whether it was one: who could see that, could decrypt and sign with the key (Bleichenbacher's attack).
#pragma once

#include <memory>

#include "sealmq/ports.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto::rsa {

inline constexpr unsigned usual_bits = 2048;
inline constexpr unsigned most_bits = 4096;
inline constexpr std::uint32_t exponent = 65537;
inline constexpr std::size_t padding_overhead = 11;  ///< of PKCS#1 v1.5: what a block takes besides the message

/// Copies are cheap. Any thread.
class PublicKey {
 public:
  /// Strict: 2048, 3072 or 4096 bits, the first bit set, odd; else peer_misbehaved.
  static Result<PublicKey> from_modulus(Bytes modulus);

  const Buffer& modulus() const;
  /// Of the modulus, of a signature and of a ciphertext, in octets.
  std::size_t size() const { return modulus().size(); }

  struct Loaded;
  const Loaded& loaded() const { return *loaded_; }

 private:
  explicit PublicKey(std::shared_ptr<const Loaded> loaded) : loaded_(std::move(loaded)) {}
  std::shared_ptr<const Loaded> loaded_;
};

/// Moves, has no copy. Every use is const and may happen on several threads at once.
class PrivateKey {
 public:
  /// From the crypto library's generator; takes up to a second for 2048 bits. Another length than 2048, 3072 and 4096 is a bug
  /// and ends in an exception.
  static PrivateKey generate(unsigned bits = usual_bits);
  /// The primes as export_secret() gave them; caller_misused if they are none of a key.
  static Result<PrivateKey> from_secret(const Secret& secret);
  /// Modulus and private exponent, as test vectors have them; caller_misused if they do not belong together.
  static Result<PrivateKey> from_exponent(Bytes modulus, const Secret& private_exponent);

  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey();

  const PublicKey& public_key() const;
  /// For the key file: p || q, half the size of the modulus each. Not for a key made by from_exponent().
  Secret export_secret() const;

  struct Loaded;
  const Loaded& loaded() const { return *loaded_; }

 private:
  explicit PrivateKey(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

// -- RSA-PSS

Buffer sign_pss(const PrivateKey& key, Bytes message);
bool verify_pss(const PublicKey& key, Bytes message, Bytes signature);

// -- PKCS#1 v1.5, raw

/// 00 01 FF..FF 00 message, and the private operation. caller_misused if the message is too long.
Result<Buffer> seal_with_private(const PrivateKey& key, Bytes message);
/// Takes it back with the public key. peer_misbehaved unless the padding is all FF and the message `length` octets long.
Result<Buffer> open_with_public(const PublicKey& key, Bytes block, std::size_t length);

/// 00 02 random 00 message, and the public operation. caller_misused if the message is too long.
Result<Buffer> encrypt(const PublicKey& key, Bytes message);
/// Always `length` octets, after the same work: those of the message, or random ones if this was no encryption of `length`
/// octets. The caller compares them with what it expects. peer_misbehaved only for what everybody sees: a ciphertext of another
/// size, or not below the modulus.
Result<Secret> decrypt(const PrivateKey& key, Bytes ciphertext, std::size_t length, Random& random);

/// For tokens: the private operation without any padding. The same errors as decrypt().
Result<Secret> raw_private(const PrivateKey& key, Bytes ciphertext);
/// What decrypt() does with the answer of raw_private(), in constant time.
Secret open_block(const Secret& block, std::size_t length, Random& random);
/// What everybody sees of a ciphertext: its size, and that it is below the modulus.
Result<> check_ciphertext(const PublicKey& key, Bytes ciphertext);

/// The padded block that seal_with_private() works on.
Result<Buffer> pad_type_1(Bytes message, std::size_t size);

}  // namespace sealmq::crypto::rsa
