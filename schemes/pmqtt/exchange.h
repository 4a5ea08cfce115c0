// How two partners come to a session, and how one of them asks the other to begin anew.
//
//   offering                                        answering
//   Offer::make      -- KX1 --------------------->  Invitation::read     signed by the partner, of now
//                                                   (the caller sees to it that it is no copy)
//   Offer::take      <-- KX2 ----------------------  Invitation::accept   a session that is not confirmed yet
//
// The keys come from crypto/key_exchange.h: HKDF over what was agreed on, salted with the hash of both frames.
//
// One thread at a time for each object.
#pragma once

#include "crypto/agree.h"
#include "crypto/ecdsa.h"
#include "schemes/freshness.h"
#include "schemes/pmqtt/session.h"
#include "sealmq/keystore.h"

namespace sealmq::pmqtt {

/// Names what was signed, for the memory of what has been seen.
using Mark = crypto::Digest;

/// A partner, as the user has pinned it.
struct Pinned {
  std::string name;
  crypto::ecdsa::VerifyingKey key;
};

/// An offer of ours that waits for its answer.
class Offer {
 public:
  /// Errors: the key store's.
  static Result<Offer> make(KeyStore& key, std::string_view to, Random& random, Now now);

  const Buffer& frame() const { return frame_; }
  /// The session, if `answer` is the partner's to this very offer. Anything else leaves the offer waiting. Errors: malformed,
  /// peer_misbehaved.
  Result<Session> take(Bytes answer, const Pinned& partner, Now now, const SessionLimits& limits = {}) const;

 private:
  Offer(std::string from, crypto::AgreementKey ephemeral) : from_(std::move(from)), ephemeral_(std::move(ephemeral)) {}
  std::string from_;
  crypto::AgreementKey ephemeral_;
  Buffer frame_;
};

/// A partner's offer to us, verified.
class Invitation {
 public:
  /// Errors: malformed, peer_misbehaved (not signed by the partner for us, not of now).
  static Result<Invitation> read(Bytes frame, const Pinned& partner, std::string_view to, Now now);
  const Mark& mark() const { return mark_; }

  struct Accepted;
  /// Errors: peer_misbehaved if there is no point in it, the key store's.
  Result<Accepted> accept(KeyStore& key, Random& random, Now now, const SessionLimits& limits = {}) const;

 private:
  std::string from_;
  Buffer frame_;
  crypto::Sec1Compressed point_{};
  Mark mark_{};
};

struct Invitation::Accepted {
  Session session;
  Buffer frame;  ///< KX2
};

/// "Offer me a new session": of somebody who cannot open what comes.
Result<Buffer> make_request(KeyStore& key, std::string_view to, const SessionId& unknown, Now now);
struct ReadRequest {
  SessionId unknown;  ///< zeroes: it has no session at all
  Mark mark;
};
Result<ReadRequest> read_request(Bytes frame, const Pinned& partner, std::string_view to, Now now);

}  // namespace sealmq::pmqtt
