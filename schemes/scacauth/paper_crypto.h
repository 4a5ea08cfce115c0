// What the publication calls Cpr, Cpu and BCE, by the method that was chosen. README.md has the table.
#pragma once

#include "schemes/scacauth/method.h"

namespace sealmq::scacauth {

// -- BCE: CBC with an IV of zeroes and zeroes up to whole blocks

std::size_t block_size(const Method& method);
Buffer encrypt(const Method& method, const Secret& key, const Secret& plaintext);
/// With its padding. Errors: peer_misbehaved, for what is not whole blocks, one at least.
Result<Secret> decrypt(const Method& method, const Secret& key, Bytes ciphertext);
/// Whether these bytes may stand behind what is known to be all: less than a block, and zeroes.
bool is_padding(const Method& method, Bytes rest);

// -- Cpr: "encryption with the private key", which proves who holds it

/// Octets of Cpr over a message of that length.
std::size_t proof_size(const Method& method, std::size_t message);
/// Errors: those of the key store.
Result<Buffer> prove(const Method& method, KeyStore& own, Bytes message);
/// The message, of exactly that length. Errors: peer_misbehaved.
Result<Buffer> recover(const Method& method, const PublicKeys& of, Bytes proof, std::size_t length);

// -- Cpu: encryption with the public key

/// Octets of Cpu over a message of that length.
std::size_t sealed_size(const Method& method, std::size_t message);
/// Errors: peer_misbehaved for a key that is none, caller_misused for a message that is too long.
Result<Buffer> seal_for(const Method& method, const PublicKeys& to, Bytes message, Random& random);
/// Always that length, random octets if it was no encryption of so many: who compares them with what was to be expected tells
/// nobody why they differ. Errors: peer_misbehaved only for what everybody sees, and those of the key store.
Result<Secret> unseal(const Method& method, KeyStore& own, Bytes sealed, std::size_t length, Random& random);

/// Whether there is a key of this method's kind and length.
bool has_keys(const Method& method, const PublicKeys& keys);
/// A broker's, in the form that the functions above take.
PublicKeys keys_of(const BrokerIdentity& broker);

}  // namespace sealmq::scacauth
