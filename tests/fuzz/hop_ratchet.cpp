// RATCHET1: nothing opens that nobody sealed, and what was refused leaves no trace.
#include <cstdlib>

#include "crypto/ratchet.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  const Secret key{Buffer(32, 7)};
  crypto::RatchetPayloads client(key, crypto::HopEnd::client), broker(key, crypto::HopEnd::broker);
  if (broker.open("t", input)) std::abort();
  for (int i = 0; i < 3; ++i) {
    Buffer payload;
    if (!client.seal("t", input, {}, payload)) std::abort();
    if (payload.size() != client.sealed_size(size)) std::abort();
    if (i == 1) continue;  // one that does not come
    const auto opened = broker.open("t", payload);
    if (!opened || opened->plaintext != to_buffer(input)) std::abort();
    if (broker.open("t", input)) std::abort();
  }
  return 0;
}
