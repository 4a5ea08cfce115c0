#include "schemes/sl2/broker_key.h"

namespace sealmq::sl2 {

Result<BrokerKey> BrokerKey::pinned(const std::optional<BrokerIdentity>& broker) {
  if (!broker)
    return fail(Blame::caller_misused, "this scheme needs the broker's public keys; name broker.pub with --broker-key");
  if (!broker->parameters)
    return fail(Blame::caller_misused,
                "broker.pub has no Rabin key; a broker writes it there when a [[topic]] names this scheme, so fetch it again");
  auto rabin = TRY(crypto::rabin::PublicKey::from_modulus(broker->parameters->rabin_modulus));
  return BrokerKey{broker->id, std::move(rabin), broker->parameters->rabin_not_after};
}

Result<> BrokerKey::must_be_current(Now now) const {
  if (now.wall > not_after)
    return fail(Blame::caller_misused, "the Rabin key in broker.pub has served its time; fetch broker.pub from the broker again");
  return {};
}

}  // namespace sealmq::sl2
