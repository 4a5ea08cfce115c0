// BridgeState: the figures of one bridge.
#pragma once

#include <cstdint>
#include <string>

namespace sealmq::server {

struct BridgeState {
  std::string name;
  bool local_connected = false;
  bool remote_connected = false;
  std::uint64_t messages_in = 0;   ///< from the other broker, taken over here
  std::uint64_t messages_out = 0;  ///< from here, taken over by the other broker
  std::uint64_t loops = 0;         ///< not passed on, because they had come from there
  std::uint64_t refused = 0;       ///< by the broker they were meant for
  std::uint64_t lost = 0;          ///< QoS 0 while a side was away
};

}  // namespace sealmq::server
