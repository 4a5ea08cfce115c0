#include "schemes/payload/stamps.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/thumbprint.h"

namespace sealmq::payload {

namespace {

StampId id_of(const crypto::Digest& thumbprint) {
  StampId id{};
  std::copy_n(thumbprint.begin(), id.size(), id.begin());
  return id;
}

}  // namespace

StampId stamp_id(const crypto::Sec1Compressed& public_key) {
  const auto thumbprint = crypto::thumbprint_p256(public_key);
  return thumbprint ? id_of(*thumbprint) : StampId{};
}

EarlierStampId earlier_stamp_id(Bytes public_key) {
  const auto digest = crypto::sha256(public_key);
  EarlierStampId id{};
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

Result<StampVerifier> StampVerifier::make(std::int64_t algorithm, Bytes public_key) {
  switch (algorithm) {
    case algorithm::es256: {
      auto key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(public_key));
      return StampVerifier(algorithm, id_of(TRY(crypto::thumbprint_p256(public_key))), std::move(key));
    }
    case algorithm::eddsa: {
      auto key = TRY(crypto::OtherPublicKey::from_raw(crypto::KeyKind::ed25519, public_key));
      const StampId id = id_of(crypto::thumbprint(key));
      return StampVerifier(algorithm, id, std::move(key));
    }
    case algorithm::ps256: {
      auto key = TRY(crypto::OtherPublicKey::from_der(crypto::KeyKind::rsa, public_key));
      const StampId id = id_of(crypto::thumbprint(key));
      return StampVerifier(algorithm, id, std::move(key));
    }
    default:
      return fail(Blame::peer_incompatible, "a signature algorithm that this scheme does not have");
  }
}

bool StampVerifier::verify(Bytes message, Bytes signature) const {
  if (const auto* other = std::get_if<crypto::OtherPublicKey>(&key_))
    return crypto::verify(*other, algorithm_ == algorithm::eddsa ? crypto::Signing::ed25519 : crypto::Signing::rsa_pss, message,
                          signature);
  crypto::ecdsa::Signature raw{};
  if (signature.size() != raw.size()) return false;
  std::ranges::copy(signature, raw.begin());
  return crypto::ecdsa::verify(std::get<crypto::ecdsa::VerifyingKey>(key_), message, raw);
}

Stamper stamper(const crypto::OtherPrivateKey& key) {
  const bool is_rsa = key.kind() == crypto::KeyKind::rsa;
  const auto how = is_rsa ? crypto::Signing::rsa_pss : crypto::Signing::ed25519;
  return {is_rsa ? algorithm::ps256 : algorithm::eddsa, id_of(crypto::thumbprint(key.public_key())),
          [&key, how](Bytes message) -> Result<Buffer> { return crypto::sign(key, how, message); }};
}

Buffer external_aad(std::string_view topic, Place place, Bytes outer) {
  Buffer out;
  out.reserve(topic.size() + outer.size() + 28);
  cbor::Writer(out).array(4).text("SealMQ payload 1").text(topic).integer(static_cast<int>(place)).bytes(outer);
  return out;
}

crypto::Digest outer_of(Bytes header, const std::vector<Bytes>& readers) {
  Buffer named;
  cbor::Writer out(named);
  out.array(2).bytes(header).array(readers.size());
  for (Bytes reader : readers) out.bytes(reader);
  return crypto::sha256(named);
}

Result<Buffer> encode_sign1(const Stamper& stamper, Header header, Bytes external, Bytes body) {
  header.algorithm = stamper.algorithm;
  header.key_id = stamper.id;
  const Buffer encoded = encode_header(header);
  const Buffer signature = TRY(stamper.sign(to_be_sealed(Structure::sign1, encoded, external, body)));
  return encode_signed(Structure::sign1, encoded, body, signature);
}

}  // namespace sealmq::payload
