// Why a message was refused: one of six words, with which each error of the scheme begins.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "sealmq/mqtt.h"
#include "sealmq/result.h"

namespace sealmq::payload {

enum class Cause : std::uint8_t { malformed, policy, stale, stamp, decrypt, replay };
inline constexpr std::array<std::string_view, 6> cause_names = {"malformed", "policy", "stale", "stamp", "decrypt", "replay"};

inline Failure refused(Cause cause, std::string_view why) {
  const auto code = cause == Cause::malformed ? mqtt::Reason::payload_format_invalid : mqtt::Reason::success;
  return fail(Blame::peer_misbehaved, std::string(cause_names[static_cast<std::size_t>(cause)]).append(": ").append(why),
              static_cast<std::uint8_t>(code));
}

}  // namespace sealmq::payload
