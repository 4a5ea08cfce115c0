#include "crypto/schnorr.h"

#include <algorithm>
#include <limits>

#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/operations.h"
#include "crypto/schnorr_testing.h"

namespace sealmq::crypto::schnorr {
namespace {

constexpr std::uint8_t even_y = 2;

void hash_element(Sha3_256& hash, Bytes element) {
  auto size = static_cast<std::uint32_t>(element.size());
  const std::uint8_t prefix[4] = {static_cast<std::uint8_t>(size >> 24), static_cast<std::uint8_t>(size >> 16),
                                  static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)};
  hash.update(prefix).update(element);
}

Sha3_256& hash_of(std::span<const Bytes> elements) {
  static thread_local Sha3_256 hash;  // finish() leaves it ready for the next list
  for (Bytes element : elements) hash_element(hash, element);
  return hash;
}

Digest challenge(std::span<const Bytes> elements, const Sec1Compressed& commitment) {
  count(&Operations::h);
  Sha3_256& hash = hash_of(elements);
  hash_element(hash, commitment);
  hash_element(hash, generator());
  return hash.finish();
}

bool all_lengths_fit(std::span<const Bytes> elements) {
  for (Bytes element : elements)
    if (element.size() > std::numeric_limits<std::uint32_t>::max()) return false;
  return true;
}

/// d = HKDF(secret key || 32 random bytes, "", "nonce" || SHA3-256(list), 48) mod q. Its hashes are ours, not the scheme's: not
/// counted.
Scalar hedged_nonce(const SigningKey& key, std::span<const Bytes> elements, Random& random) {
  std::array<std::uint8_t, 64> seed;
  key.scalar().encode(std::span(seed).first<32>());
  random.fill(std::span(seed).last<32>());
  Digest message = hash_of(elements).finish();
  Buffer info = to_buffer(as_bytes("nonce"));
  append(info, message);
  Secret wide = hkdf(seed, {}, info, 48);
  wipe(seed.data(), seed.size());
  return Scalar::reduce_wide(wide.reveal().first<48>());
}

/// Nothing for the values the verifier refuses; they come with probability 2^-256.
std::optional<Signature> sign_once(const SigningKey& key, std::span<const Bytes> elements, const Scalar& nonce) {
  if (nonce.is_zero()) return std::nullopt;
  Signature signature;
  signature.e = challenge(elements, multiply_generator(nonce));
  Scalar e = Scalar::reduce(signature.e);
  count(&Operations::m);
  count(&Operations::a);
  Scalar z = nonce - e * key.scalar();
  if (e.is_zero() || z.is_zero()) return std::nullopt;
  z.encode(signature.z);
  return signature;
}

}  // namespace

SigningKey SigningKey::from_scalar(const Scalar& scalar) {
  Sec1Compressed point = multiply_generator(scalar);
  Id id;
  std::copy(point.begin() + 1, point.end(), id.begin());
  return point[0] == even_y ? SigningKey(scalar, id) : SigningKey(Scalar() - scalar, id);
}

Result<SigningKey> SigningKey::from_secret(const Secret& secret) {
  return from_scalar(TRY(decode_secret_scalar(secret)));
}

SigningKey SigningKey::generate(Random& random) {
  return from_scalar(*decode_secret_scalar(generate_scalar(random)));
}

Secret SigningKey::export_secret() const {
  return scalar_.to_secret();
}

Result<VerifyingKey> VerifyingKey::from_id(const Id& id) {
  // P-256 has a point with x = 0, but zeroes are how a key is left out.
  if (id == Id{}) return fail(Blame::peer_misbehaved, "no key");
  Sec1Compressed encoded{even_y};
  std::copy(id.begin(), id.end(), encoded.begin() + 1);
  return VerifyingKey(id, TRY(Point::decode(encoded)));
}

Result<Signature> sign(const SigningKey& key, std::span<const Bytes> elements, Random& random) {
  if (!all_lengths_fit(elements)) return fail(Blame::caller_misused, "element too long to sign");
  for (;;)
    if (auto signature = sign_once(key, elements, hedged_nonce(key, elements, random))) return *signature;
}

Result<Signature> sign_with_nonce(const SigningKey& key, std::span<const Bytes> elements, const Scalar32& nonce) {
  auto scalar = Scalar::decode(nonce);
  if (!scalar || !all_lengths_fit(elements)) return fail(Blame::caller_misused, "nonce out of range");
  auto signature = sign_once(key, elements, *scalar);
  if (!signature) return fail(Blame::caller_misused, "nonce leads to no signature");
  return *signature;
}

bool verify(const VerifyingKey& key, std::span<const Bytes> elements, const Signature& signature) {
  auto z = Scalar::decode(signature.z);
  Scalar e = Scalar::reduce(signature.e);
  if (!z || z->is_zero() || e.is_zero() || !all_lengths_fit(elements)) return false;
  auto commitment = multiply_and_add(*z, e, key.point());
  return commitment && challenge(elements, *commitment) == signature.e;
}

}  // namespace sealmq::crypto::schnorr
