// must(): a call of the crypto library that fails only without memory or with a broken installation. Going on would be unsafe.
#pragma once

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace sealmq::crypto {

inline void must(bool succeeded, const char* call) {
  if (succeeded) [[likely]]
    return;
  std::fprintf(stderr, "sealmq: the crypto library failed in %s\n", call);
  std::abort();
}

/// The library takes lengths as int; nothing this project handles is longer than an MQTT packet, 256 MiB.
inline int int_length(std::size_t size) {
  if (size > INT_MAX) throw std::length_error("message too long for the crypto library");
  return static_cast<int>(size);
}

}  // namespace sealmq::crypto
