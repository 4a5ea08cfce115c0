// The messages of SCACAuth2 as they stand in Authentication Data, and what both sides make of them. README.md has the tables.
#pragma once

#include <array>

#include "crypto/ecdsa.h"
#include "crypto/key_exchange.h"
#include "crypto/p256.h"
#include "schemes/login_surroundings.h"
#include "schemes/scacauth/method.h"

namespace sealmq::scacauth {

using Nonce = std::array<std::uint8_t, 32>;
using Mac = std::array<std::uint8_t, 32>;

/// M1, client to broker: 02 || UID || nC || X_C
struct Hello {
  std::string_view uid;  ///< of the input
  Nonce nonce{};
  crypto::Sec1Compressed point{};
};
Buffer encode(const Hello& hello);
/// Errors: peer_misbehaved with the code of a protocol error; the point is decoded by whoever uses it.
Result<Hello> decode_hello(Bytes in);

/// M2, broker to client: nB || X_B || lp16(sig_B)
struct Challenge {
  Nonce nonce{};
  crypto::Sec1Compressed point{};
  crypto::ecdsa::Signature signature{};
};
Buffer encode(const Challenge& challenge);
Result<Challenge> decode_challenge(Bytes in);

/// M3, client to broker: lp16(sig_C) || mac. A view into the input.
struct Proof {
  Bytes signature;
  Mac mac{};
};
Buffer encode(const Proof& proof);
/// The signature is as long as the method has them.
Result<Proof> decode_proof(const Method& method, Bytes in);

/// M4, broker to client: mac
Result<Mac> decode_confirmation(Bytes in);

/// What both sides know before the first message.
struct LoginFacts : LoginSurroundings {
  std::string method;
  std::string uid;
  std::string broker_id;
};

/// th1: the facts, M1, nB and X_B.
crypto::KeyExchange begin_transcript(const LoginFacts& facts, Bytes hello, const Nonce& nonce,
                                     const crypto::Sec1Compressed& point);

/// Label of a signature, then the hash.
Buffer signed_by_broker(const crypto::Digest& th1);
Buffer signed_by_client(const crypto::Digest& th2);

struct LoginKeys {
  Secret client_mac, broker_mac, session;
};
/// The shared secret has been given to the transcript, which stands at th2.
LoginKeys derive_keys(const crypto::KeyExchange& transcript);

/// HMAC(key, th2 || sig_C)
Mac client_mac(const LoginKeys& keys, const crypto::Digest& th2, Bytes signature);

/// By the method's algorithm. Errors: those of the key store.
Result<Buffer> sign(const Method& method, KeyStore& own, Bytes message);
/// A key that is missing or none verifies nothing, in about the same time.
bool verify(const Method& method, const PublicKeys& of, Bytes message, Bytes signature);

}  // namespace sealmq::scacauth
