#include "schemes/sl2/broker_key.h"

#include "base/try.h"

namespace sealmq::sl2 {
namespace {

constexpr std::uint64_t announced_within = 10'000;  // milliseconds after a connection began

}  // namespace

Result<BrokerKey> BrokerKey::pinned(const std::optional<BrokerIdentity>& broker) {
  if (!broker)
    return fail(Blame::caller_misused, "this scheme needs the broker's public keys; name broker.pub with --broker-key");
  BrokerKey key(*broker);
  if (broker->parameters) key.rabin_ = TRY(crypto::rabin::PublicKey::from_modulus(broker->parameters->rabin_modulus));
  return key;
}

Result<bool> BrokerKey::is_ready(Now now) const {
  if (is_current(now)) return true;
  if (!since_ || now.steady - *since_ < announced_within) return false;
  return fail(
      Blame::caller_misused,
      "broker.pub has no Rabin key that still serves, and the broker announces none; it has one when a [[topic]] names this "
      "scheme");
}

Result<> BrokerKey::take(Bytes announced) {
  auto parameters = TRY(parse_parameters(announced, broker_));
  // An old announcement, sent again, would lead to a key that may be erased or known.
  if (broker_.parameters && parameters.rabin_not_after < broker_.parameters->rabin_not_after)
    return fail(Blame::peer_misbehaved, "announces a Rabin key that is older than the one that is known");
  rabin_ = TRY(crypto::rabin::PublicKey::from_modulus(parameters.rabin_modulus));
  broker_.parameters = std::move(parameters);
  return {};
}

}  // namespace sealmq::sl2
