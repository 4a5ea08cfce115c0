#include "crypto/private_keys.h"

#include <openssl/crypto.h>

namespace sealmq::crypto {

void keep_private_keys_apart() {
  // Room for thousands of keys: what is full is full. Linux lets a process lock 8 MiB.
  constexpr std::size_t size = 2 << 20, smallest = 32;
  if (CRYPTO_secure_malloc_initialized() == 0) (void)CRYPTO_secure_malloc_init(size, smallest);
}

}  // namespace sealmq::crypto
