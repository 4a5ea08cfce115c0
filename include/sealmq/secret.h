// Secret: octets that wipe themselves. It moves; it has no copy, no ==, no printing.
#pragma once

#include <array>
#include <cstddef>

#include "sealmq/bytes.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// Overwrites memory in a way the compiler keeps.
void wipe(void* data, std::size_t size);

/// Compares in time that depends on the lengths only.
bool same(Bytes a, Bytes b);

class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes) : bytes_(bytes.begin(), bytes.end()) {}
  explicit Secret(Buffer&& bytes) : bytes_(std::move(bytes)) {}
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(bytes_.data(), bytes_.size()); }

  /// Named so that every place that looks at a secret can be searched for.
  Bytes reveal() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  Buffer bytes_;
};

}  // namespace sealmq
#pragma GCC visibility pop
