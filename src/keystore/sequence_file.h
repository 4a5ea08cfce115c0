// The number of an identity's next message, kept in NAME.key.sequence for all processes that use the key.
#pragma once

#include <memory>
#include <string>

#include "keystore/machine.h"
#include "sealmq/ports.h"

namespace sealmq {

/// The file is made at the first next(). Errors of next(): environment.
std::unique_ptr<SequenceCounter> open_sequence_file(std::string path, Machine machine = this_machine());

}  // namespace sealmq
