// The text of a file with a topic key:
//
//   # sealmq topic key of plant/+/temperature
//   # …
//   SEALMQ-TOPIC-KEY-1 <base64url>
//
// in the form of secret_text.h. The secret line holds what struct TopicKey does, in its order, as the decoder shows.
#pragma once

#include "sealmq/topic_keys.h"

namespace sealmq {

inline constexpr std::size_t longest_topic_key_file = 1024 * 1024;  // with thousands of members

Secret encode_topic_key(const TopicKey& key);
/// caller_misused if it is no such file, or is damaged. The error never repeats the content.
Result<TopicKey> parse_topic_key(std::string_view text);

}  // namespace sealmq
