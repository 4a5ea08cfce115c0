#include "schemes/malina/ecies.h"

#include <algorithm>

#include "crypto/kdf.h"

namespace sealmq::malina {
namespace {

constexpr std::size_t iv_size = std::tuple_size_v<crypto::Iv>;

Encapsulation first_step(Bytes context, const crypto::Sec1Compressed& point, Recipient recipient, const Secret& shared) {
  Encapsulation made;
  made.point = point;
  made.exchange.see(context).see(point).see_lp16(as_bytes(recipient.name)).see(recipient.key).step();
  made.exchange.share(shared);
  return made;
}

struct KeyAndIv {
  crypto::AesGcm key;
  crypto::Iv iv;
};

KeyAndIv key_and_iv(const Encapsulation& encapsulation, std::string_view label) {
  Secret derived = encapsulation.exchange.derive(label, 28);
  KeyAndIv made{crypto::AesGcm(derived.reveal().first(16)), {}};
  Bytes iv = derived.reveal().last(iv_size);
  std::copy(iv.begin(), iv.end(), made.iv.begin());
  return made;
}

}  // namespace

Secret paper_key(const Secret& shared) {
  crypto::Sha3_256 hash;
  const std::uint8_t counter[] = {0, 0, 0, 1};
  crypto::Digest digest = hash.update(shared.reveal()).update(counter).finish();
  Secret key(Bytes(digest).first(16));
  wipe(digest.data(), digest.size());
  return key;
}

void paper_seal(crypto::AesGcm& key, Bytes plaintext, Random& random, Buffer& out) {
  crypto::Iv iv;
  random.fill(iv);
  append(out, iv);
  key.seal(iv, {}, plaintext, out);
}

Result<Buffer> paper_open(crypto::AesGcm& key, Bytes sealed) {
  if (sealed.size() < iv_size) return fail(Blame::peer_misbehaved, "sealed message is shorter than its iv");
  crypto::Iv iv;
  std::copy_n(sealed.begin(), iv_size, iv.begin());
  return key.open(iv, {}, sealed.subspan(iv_size));
}

Result<Encapsulation> encapsulate(Bytes context, Recipient recipient, const crypto::AgreementKey& ephemeral) {
  Secret shared = TRY(crypto::agree(ephemeral, recipient.key));
  return first_step(context, ephemeral.public_key(), recipient, shared);
}

Result<Encapsulation> decapsulate(Bytes context, std::string_view own_name, KeyStore& own, const crypto::Sec1Compressed& point) {
  Secret shared = TRY(own.agree(point));
  return first_step(context, point, {own_name, own.identity().keys.agreement}, shared);
}

void seal_once(const Encapsulation& to, std::string_view label, Bytes plaintext, Buffer& out) {
  // The ephemeral key is fresh and so is the derived key: its one iv is used here and nowhere else.
  KeyAndIv derived = key_and_iv(to, label);
  derived.key.seal(derived.iv, to.exchange.hash(), plaintext, out);
}

Result<Buffer> open_once(const Encapsulation& from, std::string_view label, Bytes sealed) {
  KeyAndIv derived = key_and_iv(from, label);
  return derived.key.open(derived.iv, from.exchange.hash(), sealed);
}

crypto::Digest used_point(const crypto::Sec1Compressed& point) {
  crypto::Sha256 hash;
  return hash.update(as_bytes("MALINA-2 used x")).update(Bytes(point).subspan(1)).finish();
}

}  // namespace sealmq::malina
