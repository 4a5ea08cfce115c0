// The signature of Malina et al. as SL1, SL2 and SL3 use it: what is signed, in the paper's form and in the hardened one
// (specification of the framework, sections 3 and 9). The arithmetic is crypto/schnorr.h.
#pragma once

#include <array>
#include <unordered_map>

#include "crypto/schnorr.h"
#include "schemes/freshness.h"
#include "sealmq/keystore.h"
#include "sealmq/ports.h"

namespace sealmq::malina {

using Id = std::array<std::uint8_t, 32>;

inline constexpr std::uint8_t hardened = 0x02;  // first byte of a hardened frame
inline constexpr std::uint8_t suite = 0x01;     // P-256, SHA3-256, HKDF-SHA256, AES-128-GCM

/// z || e.
using Signature = std::array<std::uint8_t, 64>;

/// The paper's list: (tag, T, ID, M, t).
struct PaperStatement {
  std::string_view tag;
  std::string_view topic;
  Id id;
  Bytes message;
  std::uint64_t time;
};

/// ("MALINA-2", type, suite, broker id, T, ID, M, t, sequence).
struct Statement {
  std::uint8_t type;
  std::string_view broker_id;
  std::string_view topic;
  Id id;
  Bytes message;
  std::uint64_t time;
  std::uint64_t sequence;
  std::uint8_t under = suite;
};

Result<Signature> sign(KeyStore& key, const PaperStatement& statement);
Result<Signature> sign(KeyStore& key, const Statement& statement);

/// Decoded public keys. Decoding costs a square root, so those of known authors are kept; at most `limit` of them.
/// One thread.
class KnownKeys {
 public:
  explicit KnownKeys(std::size_t limit = 10'000) : limit_(limit) {}
  /// `keep`: only for identities on a list, so that strangers cannot fill it. Error: not a point of the curve.
  Result<crypto::schnorr::VerifyingKey> find(const Id& id, bool keep);

 private:
  struct Hash {
    std::size_t operator()(const Id& id) const;
  };
  std::size_t limit_;
  std::unordered_map<Id, crypto::schnorr::VerifyingKey, Hash> keys_;
};

bool verify(const crypto::schnorr::VerifyingKey& key, const PaperStatement& statement, const Signature& signature);
bool verify(const crypto::schnorr::VerifyingKey& key, const Statement& statement, const Signature& signature);

using sealmq::accepted_ahead;
using sealmq::accepted_behind;
using sealmq::is_fresh;

/// The memory of a message is needed as long as its time could be accepted, and 5 s more. `e`, the second half of the signature,
/// is a hash of all that was signed.
ReplayMark mark_of(std::string_view scheme, const Id& author, std::uint64_t time, const Signature& signature);

/// Author and topic as one key of a subscriber's memory.
std::string memory_key(const Id& author, std::string_view topic);

}  // namespace sealmq::malina
