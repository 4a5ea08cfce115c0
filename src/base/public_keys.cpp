// What sealmq/identity.h says of a key alone; every layer may ask it.
#include <algorithm>

#include "sealmq/identity.h"

namespace sealmq {

bool is_there(Bytes key) {
  return std::ranges::any_of(key, [](std::uint8_t octet) { return octet != 0; });
}

}  // namespace sealmq
