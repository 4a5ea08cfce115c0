// Rabin: squaring modulo n = r*s, which only who knows the primes can take back. Two uses of it:
//
//   key encapsulation   x random with Jacobi symbol +1, below n/2;  c = x^2 mod n;  K = HKDF(x, ...)
//   padded encryption   w = 00 02 || random || 00 || D || checksum;  c = w^2 mod n; for the paper profile alone
//
// A device pays two squarings at most. Of the four roots the encapsulation means the one below n/2 with symbol +1, which is one
// of the two that come from squares; the padded form is recognised by its shape. Who sees a root other than the sender's can
// factor n, so neither form ever gives a root away.
//
// Private operations: constant-time exponentiation of a blinded number. Each takes fresh chance from the crypto library's
// generator.
#pragma once

#include <memory>

#include "sealmq/ports.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::crypto::rabin {

inline constexpr unsigned usual_bits = 4096;
inline constexpr unsigned least_bits = 3072;  ///< less is for tests
inline constexpr unsigned most_bits = 8192;
inline constexpr std::size_t key_size = 32;  ///< of an encapsulated key

/// Copies are cheap. Any thread.
class PublicKey {
 public:
  /// Strict: a whole number of octets, at least `least` and at most `most_bits` bits, the first bit set, and n = 1 mod 4 as every
  /// product of two primes that are 3 mod 4; else peer_misbehaved. Nobody can see without the primes that n is a product of them.
  static Result<PublicKey> from_modulus(Bytes modulus, unsigned least = least_bits);

  Bytes modulus() const;
  /// Of the modulus and of a ciphertext, in octets.
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
  /// Two primes = 3 mod 4 of half the bits each, from the crypto library's generator. Takes seconds for 4096 bits. `bits` is a
  /// multiple of 16 from 1024 to `most_bits`; another number is a bug and ends in an exception.
  static PrivateKey generate(unsigned bits = usual_bits);
  /// The primes as export_secret() gave them. caller_misused if they are not two different numbers = 3 mod 4 of one size, their
  /// upper two bits set, modulo which roots can be taken; or if n has fewer than `least` bits.
  static Result<PrivateKey> from_secret(const Secret& secret, unsigned least = least_bits);

  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey();

  const PublicKey& public_key() const;
  /// For the key file: r || s, half the size of the modulus each.
  Secret export_secret() const;

  struct Loaded;
  const Loaded& loaded() const { return *loaded_; }

 private:
  explicit PrivateKey(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

struct Encapsulated {
  Buffer ciphertext;
  Secret key;  ///< `key_size` octets
};
Encapsulated encapsulate(const PublicKey& key, Random& random);

/// Always answers `key_size` octets, after the same work: for a ciphertext that nobody encapsulated, octets that only the holder
/// of the primes could foresee, so that what was sealed under the true key does not open.
Secret decapsulate(const PrivateKey& key, Bytes ciphertext);

/// What goes into one ciphertext of the padded form: the size of the modulus less this.
inline constexpr std::size_t padding_overhead = 27;

/// caller_misused if `data` is too long for the modulus.
Result<Buffer> encrypt(const PublicKey& key, Bytes data, Random& random);

/// The data, if exactly one of the four roots is padded data; else peer_misbehaved, after the same exponentiations and checks.
/// Hashing `data` takes a time that depends on its length.
Result<Secret> decrypt(const PrivateKey& key, Bytes ciphertext);

}  // namespace sealmq::crypto::rabin
