// Whose dealt keys count, and for which topics: what its user trusts, and what the owners of filters have delegated.
#pragma once

#include "sealmq/scheme.h"
#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// Whether this administrator may deal keys for the filter. Its owner is the one with the most specific trusted filter that
/// covers it; an administrator deals for what is its own whole, or delegated to it. Error: peer_misbehaved, "policy: …".
Result<> may_deal(TopicKeys& keys, const PublicIdentity& administrator, std::string_view filter, std::uint64_t seconds);
/// The same of a key that is here; one that was made here may be used always.
Result<> may_be_used(TopicKeys& keys, const TopicKey& key, std::uint64_t seconds);

// -- what an authority's log says of it

/// Error: peer_misbehaved, "policy: …": an order stands against one of its keys.
Result<> may_have_dealt(const AuthorityView& authority, const PublicIdentity& administrator);
/// Of a key that was dealt, and whose administrator has made another deal for the filter since: until when, in seconds, something
/// may have been said under it. Nothing: it is of the last deal, or the log says nothing of it.
std::optional<std::uint64_t> end_of_deal(const AuthorityView& authority, const TopicKey& key);

}  // namespace sealmq::payload
