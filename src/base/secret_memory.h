// Memory for secrets: pages that are not swapped, as far as the system lets this process lock memory, and that no core dump
// holds. And what a process that holds keys does at its start.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sealmq {

/// A larger secret is a message rather than a key, and lies where other memory is.
inline constexpr std::size_t largest_in_secret_memory = 1024;

/// 1 to largest_in_secret_memory bytes. Any thread. Throws std::bad_alloc.
std::uint8_t* take_secret_memory(std::size_t size);
/// What was taken, with the same size, wiped.
void give_secret_memory(std::uint8_t* memory, std::size_t size);

/// No core dumps, and no other process of the same user may look into this one's memory. To be called before there are keys.
void protect_process();

}  // namespace sealmq
