// Frames of an authority's log: what decodes encodes to the same bytes, and no head is taken that the authority did not sign.
#include <algorithm>
#include <cstdlib>

#include "keystore/key_log.h"
#include "support/fakes.h"

using namespace sealmq;

namespace {

template <class T>
void must_be_the_same(const Result<T>& decoded, Bytes input) {
  if (!decoded) return;
  const Buffer again = key_log::encode(*decoded);
  if (!std::ranges::equal(again, input)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static testing::CountingRandom random;
  static auto authority = make_memory_keys("authority", Kind::authority, random);
  const Bytes input(data, size);
  must_be_the_same(key_log::decode_leaf(input), input);
  must_be_the_same(key_log::decode_state(input), input);
  must_be_the_same(key_log::decode_entries(input), input);
  must_be_the_same(key_log::decode_frontier(input), input);
  if (key_log::read_head(input, authority->identity().keys)) std::abort();
  (void)key_log::read_submitted(input);
  return 0;
}
