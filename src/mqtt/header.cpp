#include "mqtt/packet.h"
#include "mqtt/wire.h"

namespace sealmq::mqtt {
namespace {

/// [MQTT-2.1.3-1] The reserved flags of each type; PUBLISH has none that are reserved.
bool flags_fit(PacketType type, std::uint8_t flags, Version version) {
  switch (type) {
    case PacketType::publish:
      return true;
    case PacketType::pubrel:
    case PacketType::subscribe:
    case PacketType::unsubscribe:
      // MQTT 3.1 calls these QoS 1 and lets a repetition carry DUP (its sections 3.6, 3.8, 3.10).
      return flags == 0b0010 || (version == Version::v3_1 && flags == 0b1010);
    default:
      return flags == 0;
  }
}

}  // namespace

Result<std::optional<FixedHeader>> decode_header(Bytes in, Version version) {
  if (in.empty()) return std::nullopt;
  FixedHeader header;
  header.type = static_cast<PacketType>(in[0] >> 4);
  header.flags = in[0] & 0x0F;
  if (in[0] >> 4 == 0) return malformed("packet type is 0");
  if (header.type == PacketType::auth && version != Version::v5) return malformed("packet type is reserved before MQTT 5");
  if (!flags_fit(header.type, header.flags, version)) return malformed("reserved flags of the fixed header are wrong");

  for (std::uint8_t i = 0; i < 4; ++i) {
    if (in.size() < i + 2u) return std::nullopt;
    std::uint8_t byte = in[i + 1u];
    header.remaining |= (byte & 0x7Fu) << (7 * i);
    if ((byte & 0x80) != 0) continue;
    // [MQTT-1.5.5-1]; before MQTT 5 there is no such rule
    if (byte == 0 && i > 0 && version == Version::v5) return malformed("remaining length is not in its shortest form");
    header.size = static_cast<std::uint8_t>(i + 2);
    return header;
  }
  return malformed("remaining length is longer than four bytes");
}

std::size_t header_size(Bytes packet) {
  std::size_t size = 2;
  while ((packet[size - 1] & 0x80) != 0) ++size;
  return size;
}

std::uint32_t read_variable(Reader& in) {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    std::uint8_t byte = in.u8();
    value |= (byte & 0x7Fu) << shift;
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && shift > 0) in.fail("variable byte integer is not in its shortest form");
    return in.failed() ? 0 : value;
  }
  in.fail("variable byte integer is longer than four bytes");
  return 0;
}

void write_variable(std::size_t value, Buffer& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

void insert_length(std::size_t start, Buffer& out) {
  auto at = out.begin() + static_cast<std::ptrdiff_t>(start);
  std::size_t size = out.size() - start;
  if (size < 0x80) {
    out.insert(at, static_cast<std::uint8_t>(size));
    return;
  }
  Buffer length;
  write_variable(size, length);
  out.insert(at, length.begin(), length.end());
}

}  // namespace sealmq::mqtt
