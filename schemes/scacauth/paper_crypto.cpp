#include "schemes/scacauth/paper_crypto.h"

#include <algorithm>

#include "base/try.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/aes_cbc.h"
#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "crypto/hash.h"
#include "crypto/legacy_cbc.h"
#include "crypto/rsa.h"

namespace sealmq::scacauth {
namespace {

constexpr std::size_t signature_size = 64, point_size = 33;

/// K = the first 16 bytes of SHA-256(x || 00000001 || SEC1c(E)); the IV is zero, because K is used once.
crypto::AesGcm once(const Secret& shared, Bytes point) {
  Buffer input;
  input.reserve(shared.size() + 4 + point.size());
  append(input, shared.reveal());
  Writer(input).u32(1).bytes(point);
  const Secret whole(std::move(input));
  const auto digest = crypto::sha256(whole.reveal());
  const Secret key(Bytes(digest).first(16));
  return crypto::AesGcm(key);
}

Secret chance(std::size_t length, Random& random) {
  Buffer bytes(length);
  random.fill(bytes);
  return Secret(std::move(bytes));
}

}  // namespace

std::size_t block_size(const Method& method) {
  return method.is_legacy() ? crypto::des_block_size : crypto::aes_block_size;
}

Buffer encrypt(const Method& method, const Secret& key, const Secret& plaintext) {
  const std::size_t block = block_size(method);
  Buffer padded;
  padded.reserve(plaintext.size() + block);
  append(padded, plaintext.reveal());
  padded.resize((padded.size() + block - 1) / block * block);
  const Secret whole(std::move(padded));
  return method.is_legacy() ? crypto::encrypt_legacy_blocks(key, whole.reveal()) : crypto::encrypt_blocks(key, whole.reveal());
}

Result<Secret> decrypt(const Method& method, const Secret& key, Bytes ciphertext) {
  if (ciphertext.empty() || ciphertext.size() % block_size(method) != 0)
    return fail(Blame::peer_misbehaved, "not a whole number of blocks");
  return method.is_legacy() ? crypto::decrypt_legacy_blocks(key, ciphertext) : crypto::decrypt_blocks(key, ciphertext);
}

bool is_padding(const Method& method, Bytes rest) {
  return rest.size() < block_size(method) && std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; });
}

std::size_t proof_size(const Method& method, std::size_t message) {
  return method.algorithm == Algorithm::rsa ? method.bits / 8 : message + signature_size;
}

Result<Buffer> prove(const Method& method, KeyStore& own, Bytes message) {
  if (method.algorithm == Algorithm::rsa) return own.seal_rsa(message);
  const auto signature = TRY(own.sign_ecdsa(message));
  Buffer out = to_buffer(message);
  append(out, signature);
  return out;
}

Result<Buffer> recover(const Method& method, const PublicKeys& of, Bytes proof, std::size_t length) {
  if (method.algorithm == Algorithm::rsa) {
    const auto key = TRY(crypto::rsa::PublicKey::from_modulus(of.rsa));
    return crypto::rsa::open_with_public(key, proof, length);
  }
  if (proof.size() != length + signature_size) return fail(Blame::peer_misbehaved, "a proof of another length");
  const auto key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(of.ecdsa));
  crypto::ecdsa::Signature signature{};
  std::ranges::copy(proof.last(signature_size), signature.begin());
  if (!crypto::ecdsa::verify(key, proof.first(length), signature)) return fail(Blame::peer_misbehaved, "the signature is wrong");
  return to_buffer(proof.first(length));
}

std::size_t sealed_size(const Method& method, std::size_t message) {
  return method.algorithm == Algorithm::rsa ? method.bits / 8 : point_size + message + crypto::AesGcm::tag_size;
}

Result<Buffer> seal_for(const Method& method, const PublicKeys& to, Bytes message, Random& random) {
  if (method.algorithm == Algorithm::rsa) {
    const auto key = TRY(crypto::rsa::PublicKey::from_modulus(to.rsa));
    return crypto::rsa::encrypt(key, message);
  }
  const auto own = crypto::AgreementKey::generate(random);
  const Secret shared = TRY(crypto::agree(own, to.agreement));
  Buffer out = to_buffer(own.public_key());
  once(shared, own.public_key()).seal(crypto::Iv{}, {}, message, out);  // a key of this message alone
  return out;
}

Result<Secret> unseal(const Method& method, KeyStore& own, Bytes sealed, std::size_t length, Random& random) {
  if (method.algorithm == Algorithm::rsa) return own.decrypt_rsa(sealed, length);
  Secret substitute = chance(length, random);
  if (sealed.size() != sealed_size(method, length)) return fail(Blame::peer_misbehaved, "a ciphertext of another length");
  std::array<std::uint8_t, point_size> point{};
  std::ranges::copy(sealed.first(point_size), point.begin());
  auto shared = own.agree(point);
  if (!shared && shared.error().blame != Blame::peer_misbehaved) return Failure(std::move(shared).error());
  if (!shared) return substitute;
  auto opened = once(*shared, point).open(crypto::Iv{}, {}, sealed.subspan(point_size));
  if (!opened) return substitute;
  return Secret(std::move(*opened));
}

bool has_keys(const Method& method, const PublicKeys& keys) {
  if (method.algorithm == Algorithm::rsa) return keys.rsa.size() == method.bits / 8;
  return is_there(keys.ecdsa) && is_there(keys.agreement);
}

PublicKeys keys_of(const BrokerIdentity& broker) {
  PublicKeys keys;
  keys.ecdsa = broker.ecdsa;
  keys.agreement = broker.agreement;
  keys.rsa = broker.rsa;
  return keys;
}

}  // namespace sealmq::scacauth
