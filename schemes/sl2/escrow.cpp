#include "schemes/sl2/escrow.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/agree.h"
#include "crypto/kdf.h"

namespace sealmq::sl2 {
namespace {

constexpr std::size_t aes_key_size = 16;

struct Cipher {
  crypto::AesGcm gcm;
  crypto::Iv iv;
};

/// A fresh point with every escrow: key and IV are used once.
Cipher cipher_for(const Secret& shared, const crypto::Sec1Compressed& point, const crypto::Sec1Compressed& authority) {
  Buffer salt = to_buffer(point);
  append(salt, authority);
  const auto key = crypto::hkdf(shared.reveal(), salt, as_bytes("MALINA-2 escrow"), aes_key_size + std::tuple_size_v<crypto::Iv>);
  Cipher cipher{crypto::AesGcm(key.reveal().first(aes_key_size)), {}};
  std::copy_n(key.reveal().begin() + aes_key_size, cipher.iv.size(), cipher.iv.begin());
  return cipher;
}

Buffer bound(std::string_view topic, std::uint64_t time) {
  Buffer aad;
  Writer(aad).lp16(topic).u64(time);
  return aad;
}

}  // namespace

Result<EscrowKey> EscrowKey::from_sec1(const crypto::Sec1Compressed& authority) {
  auto point = TRY(crypto::Point::decode(authority));
  return EscrowKey(authority, std::move(point));
}

Buffer EscrowKey::seal(std::string_view topic, std::uint64_t time, const Authorship& authorship, Random& random) const {
  const auto own = crypto::AgreementKey::generate(random);
  const auto shared = crypto::multiply_to_x(own.scalar(), point_);
  auto cipher = cipher_for(shared, own.public_key(), key_);
  Buffer plaintext;
  Writer(plaintext).bytes(authorship.id).u64(authorship.sequence).bytes(authorship.signature);
  Buffer out = to_buffer(own.public_key());
  cipher.gcm.seal(cipher.iv, bound(topic, time), plaintext, out);
  return out;
}

Result<Authorship> open_escrow(KeyStore& authority, Bytes escrow, std::string_view topic, std::uint64_t time) {
  if (escrow.size() != escrow_size) return fail(Blame::peer_misbehaved, "not an escrow");
  crypto::Sec1Compressed point;
  std::copy_n(escrow.begin(), point.size(), point.begin());
  const auto shared = TRY(authority.agree(point));
  auto cipher = cipher_for(shared, point, authority.identity().keys.agreement);
  const auto plaintext = TRY(cipher.gcm.open(cipher.iv, bound(topic, time), escrow.subspan(point.size())));
  Reader in(plaintext);
  Authorship authorship;
  authorship.id = in.array<32>();
  authorship.sequence = in.u64();
  authorship.signature = in.array<64>();
  return in.finish(authorship);
}

}  // namespace sealmq::sl2
