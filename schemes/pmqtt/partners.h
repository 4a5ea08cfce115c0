// What both profiles want of a client that writes to partners: an identity of its own, and the partners that the user has named.
#pragma once

#include "schemes/pmqtt/topics.h"
#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

inline constexpr std::size_t most_partners = 1000;

/// Errors: caller_misused with a hint, if there is no key, nobody is named, somebody is named twice, a name fits in no topic, or
/// the table that the user has given has somebody not for a partner.
Result<> check_ends(const ClientPorts& ports, std::string_view scheme);

/// What an application is told of frames that have not come before one that has.
std::string tell_gap(std::uint64_t missing, bool late);

}  // namespace sealmq::pmqtt
