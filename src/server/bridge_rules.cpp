#include "server/bridge_rules.h"

#include <algorithm>

#include "base/keyed_hash.h"
#include "broker/evidence.h"
#include "mqtt/topic.h"

namespace sealmq::server {
namespace {

bool goes(const BridgeTopic& row, BridgeDirection direction) {
  return row.direction == BridgeDirection::both || row.direction == direction;
}

std::vector<BridgeSubscription> subscriptions(const std::vector<BridgeTopic>& topics, BridgeDirection direction,
                                              std::string BridgeTopic::*prefix) {
  std::vector<BridgeSubscription> found;
  for (const BridgeTopic& row : topics)
    if (goes(row, direction)) found.push_back({row.*prefix + row.filter, row.qos});
  return found;
}

std::optional<BridgeTarget> target(const std::vector<BridgeTopic>& topics, BridgeDirection direction, std::string_view topic,
                                   std::string BridgeTopic::*from, std::string BridgeTopic::*to) {
  for (const BridgeTopic& row : topics) {
    if (!goes(row, direction) || !mqtt::matches(row.*from + row.filter, topic)) continue;
    // "a/#" with the prefix "x/" also matches "x/a" but never a name shorter than its prefix.
    std::string renamed = row.*to + std::string(topic.substr(std::min((row.*from).size(), topic.size())));
    const bool is_named = (row.*to + row.filter).starts_with('$');
    if (mqtt::is_topic_name(renamed)) return BridgeTarget{std::move(renamed), row.qos, is_named};
  }
  return std::nullopt;
}

std::uint64_t key_of(std::string_view topic, Bytes payload) {
  const TextHash hash;
  return hash(topic) * 0x9E3779B97F4A7C15ull + hash(as_text(payload));
}

}  // namespace

std::vector<BridgeSubscription> local_subscriptions(const std::vector<BridgeTopic>& topics) {
  return subscriptions(topics, BridgeDirection::out, &BridgeTopic::local_prefix);
}
std::vector<BridgeSubscription> remote_subscriptions(const std::vector<BridgeTopic>& topics) {
  return subscriptions(topics, BridgeDirection::in, &BridgeTopic::remote_prefix);
}
std::optional<BridgeTarget> to_remote(const std::vector<BridgeTopic>& topics, std::string_view local_topic) {
  return target(topics, BridgeDirection::out, local_topic, &BridgeTopic::local_prefix, &BridgeTopic::remote_prefix);
}
std::optional<BridgeTarget> to_local(const std::vector<BridgeTopic>& topics, std::string_view remote_topic) {
  return target(topics, BridgeDirection::in, remote_topic, &BridgeTopic::remote_prefix, &BridgeTopic::local_prefix);
}

std::optional<UserProperties> cross(const UserProperties& properties, std::string_view bridge) {
  constexpr std::size_t longest_path = 16;
  UserProperties passed_on;
  std::string path;
  for (const auto& [name, value] : properties) {
    if (name == bridge_path)
      path += (path.empty() ? "" : ",") + value;
    else if (!broker::is_evidence(name))
      passed_on.emplace_back(name, value);
  }
  std::size_t crossed = 0;
  for (std::size_t at = 0; at < path.size(); ++crossed) {
    const std::size_t end = std::min(path.find(',', at), path.size());
    if (std::string_view(path).substr(at, end - at) == bridge) return std::nullopt;
    at = end + 1;
  }
  if (crossed >= longest_path) return std::nullopt;
  passed_on.emplace_back(bridge_path, path.empty() ? std::string(bridge) : path + "," + std::string(bridge));
  return passed_on;
}

void Echoes::expect(std::string_view topic, Bytes payload, std::uint64_t steady) {
  forget_old(steady);
  const std::uint64_t key = key_of(topic, payload);
  sent_.push_back({steady + remembered, key});
  expected_[key].push_back(steady + remembered);
}

bool Echoes::is_one(std::string_view topic, Bytes payload, std::uint64_t steady) {
  forget_old(steady);
  const auto at = expected_.find(key_of(topic, payload));
  if (at == expected_.end()) return false;
  at->second.pop_front();
  if (at->second.empty()) expected_.erase(at);
  return true;
}

// Those that came back are no longer expected; what is forgotten of them is only their place in the order of time.
void Echoes::forget_old(std::uint64_t steady) {
  while (!sent_.empty() && (sent_.front().forget <= steady || sent_.size() > at_most)) {
    const Sent oldest = sent_.front();
    sent_.pop_front();
    const auto at = expected_.find(oldest.key);
    if (at == expected_.end()) continue;
    while (!at->second.empty() && at->second.front() <= oldest.forget) at->second.pop_front();
    if (at->second.empty()) expected_.erase(at);
  }
}

}  // namespace sealmq::server
