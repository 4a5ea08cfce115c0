#include "crypto/random.h"

#include <sys/random.h>

#include <cerrno>

#include "crypto/must.h"

namespace sealmq::crypto {

// Asked for every draw: a generator inside the process would be copied with it, by fork() and with a machine that is cloned.
void OsRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const auto drawn = ::getrandom(out.data(), out.size(), 0);
    if (drawn < 0 && errno == EINTR) continue;
    must(drawn > 0, "getrandom");
    out = out.subspan(static_cast<std::size_t>(drawn));
  }
}

}  // namespace sealmq::crypto
