// JOIN and ORDER frames at a broker, whichever scheme takes them in: opened and carried out by a thread that may wait for the
// registry, answered by the shard. What becomes of them, join.md and revocation.md.
#pragma once

#include "sealmq/scheme.h"

namespace sealmq::malina {

/// Whether this is a topic for them, and a frame of them.
bool takes_registration(std::string_view topic);
bool is_registration(const Incoming& incoming, Profile profile);
/// Of those: it tries a ticket.
bool is_join(const Incoming& incoming);
/// Of those: it comes from the authority.
bool is_order(const Incoming& incoming);

/// Null if this broker has no registrar. What `ports` refers to outlives it.
std::unique_ptr<Preparation> prepare_registration(const Incoming& incoming, Profile profile, const BrokerPorts& ports);

struct Registered {
  Buffer reply;                    ///< JOIN's answer, whatever it says; empty for an order
  std::optional<ReplayMark> mark;  ///< of a JOIN that was accepted: its point must not serve again. Without `scheme`
  std::optional<Error> refusal;    ///< why a JOIN was refused
};
/// What has been prepared for this very frame. Errors: malformed, peer_misbehaved, not_authorised (nobody registers here).
Result<Registered> registered(Preparation* prepared);

}  // namespace sealmq::malina
