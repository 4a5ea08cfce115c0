// Any bytes as a packet of any version. What decodes must encode, and decode to an equal packet again.
// Input: one byte that chooses the version, then a packet.
#include <cstdlib>

#include "unit/mqtt/same_packet.h"

using namespace sealmq;
using namespace sealmq::mqtt;

namespace {

std::optional<Packet> decode_front(Bytes bytes, Version version) {
  auto header = decode_header(bytes, version);
  if (!header || !*header || bytes.size() - (*header)->size < (*header)->remaining) return std::nullopt;
  auto packet = decode(**header, bytes.subspan((*header)->size, (*header)->remaining), version);
  if (!packet) return std::nullopt;
  return *std::move(packet);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr Version versions[] = {Version::v3_1, Version::v3_1_1, Version::v5};
  Version version = versions[data[0] % 3];

  auto first = decode_front({data + 1, size - 1}, version);
  if (!first) return 0;
  Buffer bytes;
  encode(*first, version, bytes);
  auto second = decode_front(bytes, version);
  if (!second || !mqtt::test::same(*first, *second)) std::abort();
  auto* publish = std::get_if<Publish>(&*first);
  if (publish != nullptr && encoded_size(*publish, version) != bytes.size()) std::abort();
  return 0;
}
