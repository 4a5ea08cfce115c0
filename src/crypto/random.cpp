#include "crypto/random.h"

#include <openssl/rand.h>

#include "crypto/must.h"

namespace sealmq::crypto {

// The library's generator for secrets: the one Random serves keys, nonces and IVs alike, so it is always the stricter of the two.
void OsRandom::fill(std::span<std::uint8_t> out) {
  if (out.empty()) return;
  must(RAND_priv_bytes(out.data(), int_length(out.size())) == 1, "RAND_priv_bytes");
}

}  // namespace sealmq::crypto
