// The real clocks.
#pragma once

#include <chrono>

#include "sealmq/ports.h"

namespace sealmq::server {

inline Now system_now() {
  using std::chrono::duration_cast, std::chrono::milliseconds;
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return {.steady = static_cast<std::uint64_t>(duration_cast<milliseconds>(since_start).count()),
          .wall = static_cast<std::uint64_t>(duration_cast<milliseconds>(since_1970).count())};
}

}  // namespace sealmq::server
