// Counts what the program asks of the heap, by replacing the global operator new. For one source file of a test program.
#pragma once

#include <cstdlib>
#include <new>

namespace sealmq::testing {
inline std::size_t allocations = 0;

template <class Work>
std::size_t allocations_of(Work work) {
  std::size_t before = allocations;
  work();
  return allocations - before;
}
}  // namespace sealmq::testing

// Not inlined, or the compiler sees free() meet a pointer from new and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++sealmq::testing::allocations;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
// The standard library asks so for buffers that it can do without; what it gives back must have come from here too.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++sealmq::testing::allocations;
  return std::malloc(size != 0 ? size : 1);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
