// Which key a topic has: the one whose filter says most about it.
#pragma once

#include "base/keyed_hash.h"
#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// True: some topic matches both filters.
bool overlap(std::string_view one, std::string_view other);
/// True: `one` has fewer wildcards than `other`, or as many and is longer.
bool is_more_specific(std::string_view one, std::string_view other);
/// Of those that match the topic; empty: there is none.
std::string_view filter_for(const TopicKeys::Keys& keys, std::string_view topic);
/// What is sent with at this time: the newest that is active. Null: there is none.
const TopicKey* key_to_send(const TopicKeys::Keys& keys, std::string_view topic, std::uint64_t seconds);

}  // namespace sealmq::payload
