// Whose dealt keys count, and for which topics: what its user trusts, and what the owners of filters have delegated.
#pragma once

#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// Whether this administrator may deal keys for the filter. Its owner is the one with the most specific trusted filter that
/// covers it; an administrator deals for what is its own whole, or delegated to it. Error: peer_misbehaved, "policy: …".
Result<> may_deal(TopicKeys& keys, const PublicIdentity& administrator, std::string_view filter, std::uint64_t seconds);
/// The same of a key that is here; one that was made here may be used always.
Result<> may_be_used(TopicKeys& keys, const TopicKey& key, std::uint64_t seconds);

}  // namespace sealmq::payload
