// The number of an identity's next message, kept in NAME.key.sequence for all processes that use the key.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sealmq/ports.h"

namespace sealmq {

/// What the counter is told about the machine; tests tell it otherwise.
struct Machine {
  std::function<std::uint64_t()> wall_microseconds;
  std::string boot;  ///< different after every start of the machine; empty: not known
};

Machine this_machine();

/// The file is made at the first next(). Errors of next(): environment.
std::unique_ptr<SequenceCounter> open_sequence_file(std::string path, Machine machine = this_machine());

}  // namespace sealmq
