// What counters are told about the machine; tests tell them otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace sealmq {

struct Machine {
  std::function<std::uint64_t()> wall_microseconds;
  std::function<std::string()> boot;                            ///< different after every start of the machine; empty: not known
  std::function<std::uint64_t()> microseconds_since_boot = {};  ///< also while it slept
};

Machine this_machine();

}  // namespace sealmq
