// Payloads as published: nothing opens under a key that has not made it, and what was sealed opens.
#include <cstdlib>

#include "crypto/random.h"
#include "schemes/payload/paper_keys.h"

using namespace sealmq;
using payload::paper::Keys;

namespace {

Keys of_kind(const char* kind) {
  return Keys::read({{"payload.topic-key", "000102030405060708090a0b0c0d0e0f"},
                     {"payload.stamp", kind},
                     {"payload.stamp-mac-key", "202122232425262728292a2b2c2d2e2f"}},
                    "payload.")
      .value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static crypto::OsRandom random;
  static const Keys all[] = {of_kind("none"), of_kind("checksum"), of_kind("hash"), of_kind("mac")};
  const Bytes input(data, size);
  for (const Keys& keys : all) {
    const auto opened = keys.open("t", input);
    if (opened && keys.stamp() == payload::paper::StampKind::mac) std::abort();
    Buffer sealed = keys.seal("t", input, random);
    if (keys.open("t", sealed).value_or(Buffer(1)) != to_buffer(input)) std::abort();
    if (keys.stamp() == payload::paper::StampKind::none) continue;
    if (keys.open("u", sealed)) std::abort();
    sealed.back() ^= 1;
    if (keys.open("t", sealed)) std::abort();
  }
  return 0;
}
