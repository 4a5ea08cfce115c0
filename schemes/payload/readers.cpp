#include "schemes/payload/readers.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/key_wrap.h"

namespace sealmq::payload {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

/// The one-time half as COSE_Key has it, and the key that both ends get from it.
struct Agreed {
  Buffer x;
  Buffer y;
  Secret secret;
};

Result<Agreed> agree_once(const ReaderKey& reader, Random& random) {
  if (reader.other) {
    const auto once = crypto::OtherPrivateKey::generate(crypto::KeyKind::x25519);
    auto secret = TRY(crypto::agree(once, *reader.other));
    return Agreed{once.public_key().to_raw(), {}, std::move(secret)};
  }
  const auto once = crypto::AgreementKey::generate(random);
  auto secret = TRY(crypto::agree(once, reader.p256));
  const auto point = crypto::uncompressed(*crypto::Point::decode(once.public_key()));
  const Bytes coordinates = Bytes(point).subspan(1);
  return Agreed{to_buffer(coordinates.first(32)), to_buffer(coordinates.last(32)), std::move(secret)};
}

Result<crypto::Sec1Compressed> point_of(const EphemeralKey& key) {
  crypto::Sec1Compressed point{};
  const bool is_odd = key.y.empty() ? key.y_is_odd : (key.y.back() & 1) != 0;
  point[0] = is_odd ? 3 : 2;
  std::ranges::copy(key.x, point.begin() + 1);
  const auto decoded = TRY(crypto::Point::decode(point));
  if (key.y.empty()) return point;
  const auto whole = crypto::uncompressed(decoded);
  if (!std::ranges::equal(Bytes(whole).last(32), key.y)) return refused("an ephemeral key that is no point of its curve");
  return point;
}

}  // namespace

ReaderId reader_id(Bytes public_key) {
  const auto digest = crypto::sha256(public_key);
  ReaderId id{};
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

ReaderKey ReaderKey::of(const crypto::OtherPublicKey& other) {
  const Buffer its = other.kind() == crypto::KeyKind::rsa ? other.to_der() : other.to_raw();
  return {reader_id(its), {}, other};
}

Result<Buffer> wrap_for(const ReaderKey& reader, const Secret& content_key, Random& random) {
  Recipient recipient;
  Header header{.key_id = reader.id};
  if (reader.other && reader.other->kind() == crypto::KeyKind::rsa) {
    header.algorithm = algorithm::rsa_oaep256;
    const Buffer encoded = encode_header(header);
    const Buffer wrapped = crypto::encrypt_oaep(*reader.other, content_key);
    recipient.header_bytes = encoded;
    recipient.wrapped = wrapped;
    return encode_recipient(recipient);
  }
  header.algorithm = content_key.size() == 16 ? algorithm::ecdh_es_a128kw : algorithm::ecdh_es_a256kw;
  const Agreed agreed = TRY(agree_once(reader, random));
  const Buffer encoded = encode_header(header);
  const Buffer wrapped = crypto::wrap_key(wrapping_key(header.algorithm, agreed.secret, encoded), content_key);
  recipient.header_bytes = encoded;
  recipient.ephemeral = EphemeralKey{reader.other ? Curve::x25519 : Curve::p256, agreed.x, agreed.y};
  recipient.wrapped = wrapped;
  return encode_recipient(recipient);
}

Result<Secret> unwrap(const Recipient& recipient, const ReaderSecret& reader) {
  const auto how = recipient.header.algorithm;
  if (how == algorithm::rsa_oaep256) {
    if (reader.other == nullptr || reader.other->kind() != crypto::KeyKind::rsa || recipient.ephemeral)
      return refused("wrapped for a key of another kind");
    return crypto::decrypt_oaep(*reader.other, recipient.wrapped);
  }
  if (how != algorithm::ecdh_es_a128kw && how != algorithm::ecdh_es_a256kw)
    return refused("wrapped by an algorithm that this scheme does not have");
  if (!recipient.ephemeral) return refused("there is no ephemeral key");
  Secret agreed;
  if (recipient.ephemeral->curve == Curve::x25519) {
    if (reader.other == nullptr || reader.other->kind() != crypto::KeyKind::x25519)
      return refused("wrapped for a key of another kind");
    const auto peer = TRY(crypto::OtherPublicKey::from_raw(crypto::KeyKind::x25519, recipient.ephemeral->x));
    agreed = TRY(crypto::agree(*reader.other, peer));
  } else {
    if (!reader.agree) return refused("wrapped for a key of another kind");
    const auto peer = TRY(point_of(*recipient.ephemeral));
    agreed = TRY(reader.agree(peer));
  }
  return crypto::unwrap_key(wrapping_key(how, agreed, recipient.header_bytes), recipient.wrapped);
}

std::optional<crypto::AeadName> cipher_of(std::int64_t algorithm) {
  switch (algorithm) {
    case algorithm::a128gcm:
      return crypto::AeadName::aes128_gcm;
    case algorithm::a256gcm:
      return crypto::AeadName::aes256_gcm;
    case algorithm::chacha20_poly1305:
      return crypto::AeadName::chacha20_poly1305;
    default:
      return std::nullopt;
  }
}

std::int64_t algorithm_of(crypto::AeadName cipher) {
  switch (cipher) {
    case crypto::AeadName::aes128_gcm:
      return algorithm::a128gcm;
    case crypto::AeadName::aes256_gcm:
      return algorithm::a256gcm;
    case crypto::AeadName::chacha20_poly1305:
      break;
  }
  return algorithm::chacha20_poly1305;
}

}  // namespace sealmq::payload
