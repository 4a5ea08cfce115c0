// The broker's Rabin key as a client has it: pinned in broker.pub, or as the broker announces it later, signed by the key that is
// pinned there. It serves for a while.
#pragma once

#include <optional>

#include "crypto/rabin.h"
#include "mqtt/own_topics.h"
#include "sealmq/keystore.h"
#include "sealmq/scheme.h"

namespace sealmq::sl2 {

using mqtt::parameters_topic;

class BrokerKey {
 public:
  /// Errors: caller_misused if broker.pub was not named, or holds a modulus that is none.
  static Result<BrokerKey> pinned(const std::optional<BrokerIdentity>& broker);

  const std::string& broker_id() const { return broker_.id; }
  /// Only while is_current().
  const crypto::rabin::PublicKey& rabin() const { return *rabin_; }
  /// Nothing is sealed for a key that may be erased, or in other hands.
  bool is_current(Now now) const { return rabin_ && now.wall <= broker_.parameters->rabin_not_after; }

  /// A connection begins: the present key will be announced in a moment.
  void connected(Now now) { since_ = now.steady; }
  /// Whether there is a key to seal for. Error: caller_misused, when there is none and none was announced in time.
  Result<bool> is_ready(Now now) const;
  /// What came on parameters_topic. Errors: peer_misbehaved (malformed, not this broker's, older than what is known).
  Result<> take(Bytes announced);

 private:
  explicit BrokerKey(BrokerIdentity broker) : broker_(std::move(broker)) {}
  BrokerIdentity broker_;
  std::optional<crypto::rabin::PublicKey> rabin_;
  std::optional<std::uint64_t> since_;  // steady
};

}  // namespace sealmq::sl2
