// The messages of the login PMQTT-2, as they stand in Authentication Data, and what both sides make of them. README.md has the
// tables.
#pragma once

#include <array>

#include "crypto/ecdsa.h"
#include "crypto/key_exchange.h"
#include "crypto/p256.h"
#include "schemes/login_surroundings.h"
#include "sealmq/login.h"

namespace sealmq::pmqtt {

inline constexpr std::string_view login_method = "PMQTT-2";

using Nonce = std::array<std::uint8_t, 32>;

/// What a password is hashed with, as M2 says it.
struct PasswordCost {
  std::array<std::uint8_t, 16> salt{};
  std::uint8_t log2_n = 17, r = 8, p = 1;
  bool operator==(const PasswordCost&) const = default;
};

/// M1, client to broker.
struct Hello {
  Nonce nonce{};
  crypto::Sec1Compressed point{};
};
Buffer encode(const Hello& hello);
/// Errors: peer_misbehaved with the code of a protocol error; the point is decoded by whoever uses it.
Result<Hello> decode_hello(Bytes in);

/// M2 without its signature, broker to client.
struct Challenge {
  Nonce nonce{};
  crypto::Sec1Compressed point{};
  PasswordCost cost;
};
Buffer encode(const Challenge& challenge);

/// M2.
struct SignedChallenge {
  Challenge challenge;
  Bytes signed_part;  ///< of the input
  crypto::ecdsa::Signature signature{};
};
/// Refuses a cost that could wear out the client, or that protects the password too little.
Result<SignedChallenge> decode_challenge(Bytes in);

/// M3, client to broker.
struct Proof {
  crypto::ecdsa::Signature signature{};
  std::array<std::uint8_t, 32> mac{};
};
Buffer encode(const Proof& proof);
Result<Proof> decode_proof(Bytes in);

/// M4, broker to client.
using Confirmation = std::array<std::uint8_t, 32>;
Result<Confirmation> decode_confirmation(Bytes in);

/// What both sides know before the first message.
struct LoginFacts : LoginSurroundings {
  std::string client_id;
  std::string user_name;
  std::string broker_id;
};

/// th1: the facts, M1 and the challenge.
crypto::KeyExchange begin_transcript(const LoginFacts& facts, Bytes hello, Bytes challenge);

/// Label of a signature, then the hash.
Buffer signed_by_broker(const crypto::Digest& th1);
Buffer signed_by_client(const crypto::Digest& th2);

struct LoginKeys {
  Secret client_mac, broker_mac, session;
};
/// The shared secret has been given to the transcript, which stands at th1.
LoginKeys derive_keys(const crypto::KeyExchange& transcript);

/// Of a password; of none, which is what an identity without a password has, 32 zero bytes.
std::array<std::uint8_t, 32> proof_mac(const LoginKeys& keys, const crypto::Digest& th2, Bytes verifier);
inline constexpr std::size_t verifier_size = 32;

}  // namespace sealmq::pmqtt
