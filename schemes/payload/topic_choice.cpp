#include "schemes/payload/topic_choice.h"

#include <algorithm>

#include "mqtt/topic.h"
#include "schemes/freshness.h"

namespace sealmq::payload {

bool overlap(std::string_view one, std::string_view other) {
  const auto level = [](std::string_view& rest) {
    const auto its = rest.substr(0, rest.find('/'));
    const bool is_last = its.size() == rest.size();
    rest.remove_prefix(is_last ? rest.size() : its.size() + 1);
    return std::pair(its, is_last);
  };
  for (bool is_first = true;; is_first = false) {
    const auto [its, ends] = level(one);
    const auto [others, other_ends] = level(other);
    const auto is_wildcard = [](std::string_view text) { return text == "+" || text == "#"; };
    if (is_first && ((is_wildcard(its) && others.starts_with('$')) || (is_wildcard(others) && its.starts_with('$'))))
      return false;
    if (its == "#" || others == "#") return true;
    if (its != "+" && others != "+" && its != others) return false;
    if (ends && other_ends) return true;
    if (ends) return other == "#";  // `a/#` matches `a` too
    if (other_ends) return one == "#";
  }
}

bool is_more_specific(std::string_view one, std::string_view other) {
  const auto wildcards = [](std::string_view filter) {
    return std::ranges::count_if(filter, [](char c) { return c == '+' || c == '#'; });
  };
  const auto its = wildcards(one);
  const auto others = wildcards(other);
  return its != others ? its < others : one.size() > other.size();
}

std::string_view filter_for(const TopicKeys::Keys& keys, std::string_view topic) {
  std::string_view best;
  for (const TopicKey& key : keys)
    if (mqtt::matches(key.filter, topic) && (best.empty() || is_more_specific(key.filter, best))) best = key.filter;
  return best;
}

const TopicKey* key_to_send(const TopicKeys::Keys& keys, std::string_view topic, std::uint64_t seconds) {
  const auto filter = filter_for(keys, topic);
  const TopicKey* newest = nullptr;
  for (const TopicKey& key : keys) {
    if (filter.empty() || key.filter != filter || key.state != TopicKey::State::active) continue;
    // Whoever made it may have a clock that is a little ahead; readers take that too.
    if (seconds + accepted_ahead / 1000 < key.not_before || seconds > key.not_after) continue;
    if (newest == nullptr || key.not_before > newest->not_before) newest = &key;
  }
  return newest;
}

}  // namespace sealmq::payload
