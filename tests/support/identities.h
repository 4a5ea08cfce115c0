// Identities for tests that do not use their keys: the bytes are different for every name, and no points of the curve.
#pragma once

#include <functional>
#include <string_view>

#include "sealmq/identity.h"

namespace sealmq::testing {

inline PublicKeys keys_for(std::string_view name) {
  PublicKeys keys;
  std::uint64_t state = 1;
  for (const char c : name) state = state * 0x100000001B3U + static_cast<std::uint8_t>(c);
  const auto fill = [&state](std::span<std::uint8_t> out) {
    for (auto& byte : out) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      byte = static_cast<std::uint8_t>(state >> 56);
    }
  };
  fill(keys.schnorr);
  fill(keys.ecdsa);
  fill(keys.agreement);
  keys.ecdsa[0] = 2;
  keys.agreement[0] = 3;
  return keys;
}

inline Identity identity_named(std::string_view name) {
  Identity identity;
  identity.name = name;
  identity.keys = keys_for(name);
  return identity;
}

}  // namespace sealmq::testing
