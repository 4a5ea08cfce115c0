// UnderAuthority: a scheme's client side that goes by what a revocation authority says.
//
// It follows the authority's log (log_follower.h) and, where a broker tells them (below mqtt::orders_topic), its orders as they
// are given. What somebody pinned has sent is refused while an order stands against it, and nothing is sealed for a pinned
// reader. While the newest head of the log is older than it may be, nothing is opened and nothing sealed: a broker can keep the
// log back, and by that make this client silent, but not wrong. Messages wait for a head: those of QoS 1 and 2 without an
// acknowledgement, so that their senders keep them.
#pragma once

#include <map>
#include <optional>

#include "client/log_follower.h"
#include "sealmq/scheme.h"

namespace sealmq {

/// Errors: caller_misused: it is no authority, or by this scheme nobody is known whom it could mean.
Result<> check_authority(const std::string& scheme, const PublicIdentity& authority, const std::vector<PublicIdentity>& peers);

std::unique_ptr<ClientScheme> under_authority(std::unique_ptr<ClientScheme> scheme, const PublicIdentity& authority,
                                              std::shared_ptr<LogFollower> log, const std::vector<PublicIdentity>& peers);

}  // namespace sealmq
