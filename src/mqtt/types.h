// The words of MQTT 3.1, 3.1.1 and 5.0. Numbers are the standards' own.
#pragma once

#include <cstdint>
#include <string_view>

#include "sealmq/mqtt.h"

namespace sealmq::mqtt {

enum class PacketType : std::uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth,
};

std::string_view name(PacketType type);
std::string_view name(Version version);

inline constexpr std::uint32_t largest_remaining_length = 268'435'455;  // four bytes of seven bits

}  // namespace sealmq::mqtt
