// ECIES over P-256: to seal something for the holder of an agreement key, in the paper's form and in the hardened one.
#pragma once

#include "crypto/aead.h"
#include "crypto/agree.h"
#include "crypto/key_exchange.h"
#include "sealmq/keystore.h"

namespace sealmq::malina {

// -- paper form (the framework's specification, section 6)

/// ANSI X9.63 with SHA3-256 and no shared info: the first 16 bytes of SHA3-256(x || 00000001).
Secret paper_key(const Secret& shared);

/// Appends IV || GCM(key, IV, "", plaintext) with a random IV. A key seals far fewer than 2^32 messages, so no IV comes twice.
void paper_seal(crypto::AesGcm& key, Bytes plaintext, Random& random, Buffer& out);
/// Takes all of `sealed`.
Result<Buffer> paper_open(crypto::AesGcm& key, Bytes sealed);

// -- hardened form
//
//   th = SHA-256(context || R || lp16(recipient's name) || SEC1c(recipient's key))
//   key || iv = HKDF(x(r * recipient), th, label, 28)
//   R || GCM(key, iv, th, plaintext)

/// Whom to seal for. Views; they outlive the call.
struct Recipient {
  std::string_view name;  ///< a broker's id, or what the protocol calls its authority
  const crypto::Sec1Compressed& key;
};

/// An exchange after its first step: its hash() is th.
struct Encapsulation {
  crypto::KeyExchange exchange;
  crypto::Sec1Compressed point{};  ///< R
};

/// `context` is everything in front of R. An ephemeral key seals one message: the key derived from it has one iv.
Result<Encapsulation> encapsulate(Bytes context, Recipient recipient, const crypto::AgreementKey& ephemeral);
/// The recipient's part. Error: `point` is no point of the curve.
Result<Encapsulation> decapsulate(Bytes context, std::string_view own_name, KeyStore& own, const crypto::Sec1Compressed& point);

/// Appends GCM(...), without R. Once for each Encapsulation.
void seal_once(const Encapsulation& to, std::string_view label, Bytes plaintext, Buffer& out);
Result<Buffer> open_once(const Encapsulation& from, std::string_view label, Bytes sealed);

/// Names the key that an ephemeral point leads to, for a memory of those that were used: SHA-256("MALINA-2 used x" || x). Not of
/// the point: it and its negative lead to the same key.
crypto::Digest used_point(const crypto::Sec1Compressed& point);

}  // namespace sealmq::malina
