// Escrow: who wrote a message, sealed for the authority alone. The subscriber gets it with the message and can hand it on, so
// that a dispute can be settled; it cannot look inside, nor test candidates against a signature.
//
//   point(33) || GCM(key, iv, lp16(T) || t, ID || u64 sequence || z || e)
//   (key, iv) = HKDF(x(d*K), salt = point || K, "MALINA-2 escrow", 28),  point = d*G with a fresh d,  K the authority's key
#pragma once

#include "crypto/p256.h"
#include "schemes/malina/signature.h"

namespace sealmq::sl2 {

inline constexpr std::size_t escrow_size = 33 + 32 + 8 + 64 + 16;

struct Authorship {
  malina::Id id;
  std::uint64_t sequence;
  malina::Signature signature;
  bool operator==(const Authorship&) const = default;
};

/// The authority's public key, decoded once. Copies are cheap. Any thread.
class EscrowKey {
 public:
  /// peer_misbehaved if it is no point of the curve.
  static Result<EscrowKey> from_sec1(const crypto::Sec1Compressed& authority);

  /// `escrow_size` octets, for the message with this topic and time.
  Buffer seal(std::string_view topic, std::uint64_t time, const Authorship& authorship, Random& random) const;

 private:
  EscrowKey(const crypto::Sec1Compressed& key, crypto::Point point) : key_(key), point_(std::move(point)) {}
  crypto::Sec1Compressed key_;
  crypto::Point point_;
};

/// By the authority. What comes out is a claim until the signature has been verified, over the message the subscriber shows.
/// Errors: peer_misbehaved; those of the key store.
Result<Authorship> open_escrow(KeyStore& authority, Bytes escrow, std::string_view topic, std::uint64_t time);

}  // namespace sealmq::sl2
