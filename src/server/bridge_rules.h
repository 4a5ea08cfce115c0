// What a bridge passes on, under which name, and how it notices that a message has been here before. No sockets.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sealmq/client_types.h"
#include "server/configuration.h"

namespace sealmq::server {

/// A filter to subscribe to, and up to which QoS.
struct BridgeSubscription {
  std::string filter;
  mqtt::QoS qos;
};
std::vector<BridgeSubscription> local_subscriptions(const std::vector<BridgeTopic>& topics);
std::vector<BridgeSubscription> remote_subscriptions(const std::vector<BridgeTopic>& topics);

/// The name of a message on the other side, by the first row that takes it there; nothing if none does.
struct BridgeTarget {
  std::string topic;
  mqtt::QoS qos;          ///< at most
  bool is_named = false;  ///< its row says that it is under `$` there, as clouds have such
  /// Under `$` brokers keep what is theirs, and take commands: no message may become one because a prefix was taken away.
  bool is_reserved() const { return topic.starts_with('$') && !is_named; }
};
std::optional<BridgeTarget> to_remote(const std::vector<BridgeTopic>& topics, std::string_view local_topic);
std::optional<BridgeTarget> to_local(const std::vector<BridgeTopic>& topics, std::string_view remote_topic);

/// The user property with the bridges that a message has crossed, the first one first, with commas between them.
inline constexpr std::string_view bridge_path = "bridge-path";
using UserProperties = std::vector<std::pair<std::string, std::string>>;
/// The properties to pass on, with `bridge` added to the path and without what a broker vouches for (`sealmq-…`); nothing if the
/// message has crossed this bridge before, or so many others that it must be running in circles.
std::optional<UserProperties> cross(const UserProperties& properties, std::string_view bridge);

/// For brokers of MQTT 3, which send a client its own messages if it subscribes to them: what was sent and will come back.
class Echoes {
 public:
  void expect(std::string_view topic, Bytes payload, std::uint64_t steady);
  /// True once for each copy that was expected less than a minute ago.
  bool is_one(std::string_view topic, Bytes payload, std::uint64_t steady);

 private:
  static constexpr std::uint64_t remembered = 60'000;  // milliseconds
  static constexpr std::size_t at_most = 100'000;
  struct Sent {
    std::uint64_t forget;  // steady
    std::uint64_t key;
  };
  void forget_old(std::uint64_t steady);

  std::deque<Sent> sent_;
  std::unordered_map<std::uint64_t, std::deque<std::uint64_t>> expected_;  // by key: when each is to be forgotten, oldest first
};

}  // namespace sealmq::server
