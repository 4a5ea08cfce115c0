// How old a signed time may be (index of specifications, section 3 rule 6): one window for all schemes.
#pragma once

#include <cstdint>

#include "sealmq/scheme.h"

namespace sealmq {

/// Signed times are accepted within 5 s ahead and 30 s behind the receiver's clock, in milliseconds.
inline constexpr std::uint64_t accepted_ahead = 5'000;
inline constexpr std::uint64_t accepted_behind = 30'000;
static_assert(sendable_for < accepted_behind);

constexpr bool is_fresh(std::uint64_t time, Now now) {
  return time <= now.wall + accepted_ahead && (time >= now.wall || now.wall - time <= accepted_behind);
}

}  // namespace sealmq
