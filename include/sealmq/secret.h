// Secret: octets that wipe themselves. It moves; it has no copy, no ==, no printing.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "sealmq/bytes.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// Overwrites memory in a way the compiler keeps.
void wipe(void* data, std::size_t size);

/// Compares in time that depends on the lengths only.
bool same(Bytes a, Bytes b);

/// Small ones lie in pages that the system keeps out of swap, as far as it lets a process lock memory (RLIMIT_MEMLOCK), and out
/// of core dumps.
class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes);
  /// Nothing stays in `bytes`.
  explicit Secret(Buffer&& bytes);
  Secret(Secret&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), large_(std::move(other.large_)) {}
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { forget(); }

  /// Named so that every place that looks at a secret can be searched for.
  Bytes reveal() const { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  void forget();

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  Buffer large_;  // where data_ is, if it is larger than a key
};

}  // namespace sealmq
#pragma GCC visibility pop
