#include "crypto/ecdsa_deterministic.h"

#include <algorithm>

#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/operations.h"
#include "crypto/sha1.h"

namespace sealmq::crypto::ecdsa {
namespace {

/// A hash of at most 256 bits as the number it stands for, modulo q (bits2int and bits2octets of RFC 6979).
template <class Hashed>
Scalar number_of(const Hashed& digest) {
  Scalar32 padded{};
  std::copy(digest.begin(), digest.end(), padded.end() - static_cast<std::ptrdiff_t>(digest.size()));
  return Scalar::reduce(padded);
}

/// The candidates for k of RFC 6979 section 3.2, one after the other. What the steps there call K and V has their names.
template <class Hashed, Hashed (*hmac)(Bytes, Bytes)>
class Nonces {
 public:
  Nonces(const Scalar& secret, const Scalar& hash) {
    K_.fill(0x00);
    V_.fill(0x01);
    std::array<std::uint8_t, 64> seed;
    secret.encode(std::span(seed).template first<32>());
    hash.encode(std::span(seed).template last<32>());
    for (const std::uint8_t round : {std::uint8_t{0x00}, std::uint8_t{0x01}}) stir(round, seed);  // steps d to g
    wipe(seed.data(), seed.size());
  }
  ~Nonces() {
    wipe(K_.data(), K_.size());
    wipe(V_.data(), V_.size());
  }
  Nonces(const Nonces&) = delete;
  Nonces& operator=(const Nonces&) = delete;

  /// Step h. In [1, q-1].
  Scalar next() {
    for (;;) {
      Scalar32 candidate{};
      for (std::size_t filled = 0; filled < candidate.size();) {
        V_ = hmac(K_, V_);
        const std::size_t part = std::min(V_.size(), candidate.size() - filled);
        std::copy_n(V_.begin(), part, candidate.begin() + static_cast<std::ptrdiff_t>(filled));
        filled += part;
      }
      const auto scalar = Scalar::decode(candidate);
      wipe(candidate.data(), candidate.size());
      const bool fits = scalar && !scalar->is_zero();  // all but one in 2^32; that one was never used
      if (fits && !std::exchange(is_used_, true)) return *scalar;
      stir(0x00, {});
      is_used_ = false;
    }
  }

 private:
  void stir(std::uint8_t round, Bytes seed) {
    Buffer input;
    input.reserve(V_.size() + 1 + seed.size());  // never grows: no unwiped copy is left behind
    append(input, V_);
    input.push_back(round);
    append(input, seed);
    K_ = hmac(K_, input);
    V_ = hmac(K_, V_);
    wipe(input.data(), input.size());
  }

  Hashed K_, V_;
  bool is_used_ = false;  // the candidate before this one, which led to no signature
};

/// s = (h + r * d) / k. All that is secret goes through Scalar and the multiplication of p256.h, which take the same time for
/// every number.
template <class Hashed, Hashed (*hmac)(Bytes, Bytes)>
Signature sign_digest(const SigningKey& key, const Hashed& digest) {
  count(&Operations::h);
  count(&Operations::m, 2);
  count(&Operations::a);
  const Scalar hash = number_of(digest);
  Nonces<Hashed, hmac> nonces(key.scalar(), hash);
  for (;;) {
    const Scalar k = nonces.next();
    const Sec1Compressed point = multiply_generator(k);
    const Scalar r = Scalar::reduce(std::span(point).template last<32>());
    const Scalar s = (hash + r * key.scalar()) * k.inverse();
    if (r.is_zero() || s.is_zero()) continue;
    Signature signature;
    r.encode(std::span(signature).template first<32>());
    s.encode(std::span(signature).template last<32>());
    return signature;
  }
}

}  // namespace

Signature sign_deterministic(const SigningKey& key, Bytes message) {
  return sign_digest<Digest, hmac_sha256>(key, sha256(message));
}

Signature sign_sha1(const SigningKey& key, Bytes message) {
  return sign_digest<Sha1Digest, hmac_sha1>(key, sha1(message));
}

bool verify_sha1(const VerifyingKey& key, Bytes message, const Signature& signature) {
  return verify_digest(key, sha1(message), signature);
}

}  // namespace sealmq::crypto::ecdsa
