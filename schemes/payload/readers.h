// Readers: for whom a content key is wrapped, by each of the three algorithms of the scheme, and how they get it out again.
#pragma once

#include <functional>

#include "crypto/aead.h"
#include "crypto/agree.h"
#include "crypto/other_keys.h"
#include "schemes/payload/cose.h"
#include "sealmq/ports.h"

namespace sealmq::payload {

/// Of a reader's key: 16 bytes of its hash, which is what keeps a reader from answering to the name of another.
using ReaderId = std::array<std::uint8_t, 16>;
ReaderId reader_id(Bytes public_key);

struct ReaderKey {
  ReaderId id{};
  crypto::Sec1Compressed p256{};                ///< or
  std::optional<crypto::OtherPublicKey> other;  ///< X25519 or RSA

  static ReaderKey of(const crypto::Sec1Compressed& p256) { return {reader_id(p256), p256, std::nullopt}; }
  static ReaderKey of(const crypto::OtherPublicKey& other);
};

/// What a reader does with its private key.
struct ReaderSecret {
  ReaderId id{};
  std::function<Result<Secret>(const crypto::Sec1Compressed& peer)> agree;  ///< or
  const crypto::OtherPrivateKey* other = nullptr;
};

/// One COSE_recipient with the content key in it. Errors: peer_misbehaved, if the reader's key is none.
Result<Buffer> wrap_for(const ReaderKey& reader, const Secret& content_key, Random& random);
Result<Secret> unwrap(const Recipient& recipient, const ReaderSecret& reader);

/// The algorithm of the body, by its number; nothing for others.
std::optional<crypto::AeadName> cipher_of(std::int64_t algorithm);
std::int64_t algorithm_of(crypto::AeadName cipher);

}  // namespace sealmq::payload
