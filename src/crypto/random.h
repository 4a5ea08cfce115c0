// Chance from the operating system.
#pragma once

#include "sealmq/ports.h"

namespace sealmq::crypto {

/// Any thread. Ends the process if the generator fails: no key or nonce may ever come from anything weaker.
class OsRandom : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace sealmq::crypto
