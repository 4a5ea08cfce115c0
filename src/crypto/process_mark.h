// Whether this is still the process in which something was made: fork() copies the memory, and with it keys and their counters.
#pragma once

#include <cstdint>

namespace sealmq::crypto {

/// The same as long as this process lives, and another one on the other side of a fork(). Any thread.
std::uint64_t process_mark();

}  // namespace sealmq::crypto
