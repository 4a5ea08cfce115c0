// The broker's Rabin key as a client has it: pinned in broker.pub, for a while.
#pragma once

#include "crypto/rabin.h"
#include "sealmq/scheme.h"

namespace sealmq::sl2 {

struct BrokerKey {
  std::string broker_id;
  crypto::rabin::PublicKey rabin;
  std::uint64_t not_after;  ///< wall

  /// caller_misused if broker.pub was not named, or has no parameters.
  static Result<BrokerKey> pinned(const std::optional<BrokerIdentity>& broker);
  /// Nothing is sealed for a key that may be erased, or in other hands.
  Result<> must_be_current(Now now) const;
};

}  // namespace sealmq::sl2
