// KeyExchange: what the authenticated Diffie-Hellman exchanges of this project have in common. Both sides hash what they have
// seen, step by step, and derive keys from what they share under the hash of the moment:
//
//   th1 = SHA-256(what was seen)          th2 = SHA-256(th1 || what was seen since)          and so on
//   derive(label, n) = HKDF(all shared secrets so far, in order; salt: the last th; info: label; n bytes)
//
// A key can therefore be had only by who holds the secrets and has seen the same bytes. Labels and layouts belong to the protocol
// that uses it; so do the signatures over a th.
#pragma once

#include <optional>
#include <string_view>

#include "crypto/agree.h"
#include "crypto/hash.h"

namespace sealmq::crypto {

/// One side of one exchange. Moves, has no copy. One thread at a time.
class KeyExchange {
 public:
  /// A second one that goes on from the last step with the same secrets: for an answer that may turn out to be somebody else's.
  /// What was seen since that step is not in it.
  KeyExchange fork() const;

  KeyExchange& see(Bytes part);
  KeyExchange& see(std::string_view text) { return see(as_bytes(text)); }
  /// u16 length, then the part. The caller has bounded the length; more is a bug and ends in an exception.
  KeyExchange& see_lp16(Bytes part);

  /// The next th, over the one before and all that was seen since.
  const Digest& step();
  /// The last th; all zero before the first step.
  const Digest& hash() const { return hash_; }

  /// A shared secret of this exchange, as agree() answers it.
  KeyExchange& share(const Secret& secret);

  /// Not before the first step and the first secret: doing so is a bug and ends in an exception.
  Secret derive(std::string_view label, std::size_t length) const;

 private:
  Sha256 running_;
  Digest hash_{};
  bool stepped_ = false;
  Secret shared_;
};

}  // namespace sealmq::crypto
