// The second line of NAME.pub: that whoever made the file holds the keys of its first line, and keys of later algorithms.
//
//   sealmq-keys 2 boiler-7 [mlkem-768=K|ephemeral] [mldsa-44=K|mldsa-65=K] proof=P      K and P in base64url
//
//   statement = "SealMQ public keys 2" || lp8(name) || u8 kind || D || lp16(ML-KEM key, "ephemeral" or nothing) || lp16(ML-DSA
//   key) P         = lp8(z || e) || lp8(ECDSA) || lp16(RSA-PSS) || lp16(ML-DSA)
//
// D is crypto::identity_digest. Each signing key that there is signs the statement, the others are empty; Schnorr signs the list
// ("SealMQ public keys 2", statement). A key for agreement cannot sign: joining proves it.
//
// Without it one could put another's keys into a file of one's own: what the other signs would be shown as one's own, and the
// other could not be enrolled any more.
#pragma once

#include "sealmq/keystore.h"

namespace sealmq {

/// Keys of the second line. This build reads and keeps them; it cannot use them.
struct LaterKeys {
  Buffer mlkem{};                   ///< 1184 bytes, or nothing
  bool mlkem_is_ephemeral = false;  ///< it speaks hybrid, with a key for each run
  Buffer mldsa{};                   ///< 1312 or 1952 bytes, or nothing
  bool operator==(const LaterKeys&) const = default;
};

struct SecondLine {
  std::string name;
  LaterKeys keys;
  Buffer proof;
};
std::string to_line(const SecondLine& line);
/// Strict, as parse_public_identity.
Result<SecondLine> parse_second_line(std::string_view line);

/// The proof of broker.pub, whose first line are the keys that stand there: an ECDSA key, one for agreement and perhaps one of
/// RSA. Errors: as prove_keys.
Result<Buffer> prove_broker_keys(KeyStore& broker);
Result<> verify_broker_keys(const BrokerIdentity& broker);

/// A line without later keys. Errors: caller_misused, where one of the keys signs nothing but logins; the key store's.
Result<SecondLine> prove_keys(KeyStore& keys);
/// Errors: caller_misused: it is another's, or a signature is wrong, missing, or of no key. That by ML-DSA is not looked at.
Result<> verify_keys(const PublicIdentity& identity, const SecondLine& line);

}  // namespace sealmq
