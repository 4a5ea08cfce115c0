// PUBACK, PUBREC, PUBREL and PUBCOMP: MQTT 5 sections 3.4 to 3.7.
#include "mqtt/packet.h"
#include "mqtt/properties.h"

namespace sealmq::mqtt {
namespace {

constexpr Carrier carrier_of(PacketType type) {
  return static_cast<Carrier>(type);
}

}  // namespace

template <class Ack>
Result<Ack> decode_ack(Bytes body, Version version) {
  Result<Ack> result(tl::in_place);  // as in decode_publish
  Ack& p = *result;
  Reader in = packet_reader(body);
  p.packet_id = read_packet_id(in);
  if (version == Version::v5 && in.remaining() > 0) {
    p.reason = read_reason(in, Ack::type);
    if (in.remaining() > 0) read_properties(in, carrier_of(Ack::type), p.properties);
  }
  if (in.failed() || in.remaining() > 0) result = Failure(std::move(in.finish(0)).error());
  return result;
}

template <PacketType type>
void encode(const Acknowledgement<type>& p, Version version, Buffer& out) {
  constexpr std::uint8_t flags = type == PacketType::pubrel ? 0b0010 : 0;
  std::size_t properties = version == Version::v5 ? properties_size(p.properties, carrier_of(type)) : 0;
  if (version != Version::v5 || (p.reason == Reason::success && properties == 0)) {
    constexpr auto head = static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
    const std::uint8_t whole[] = {head, 2, static_cast<std::uint8_t>(p.packet_id >> 8), static_cast<std::uint8_t>(p.packet_id)};
    return append(out, whole);
  }
  write_packet(type, flags, out, [&] {
    Writer(out).u16(p.packet_id).u8(code(p.reason));
    if (properties > 0) write_properties(p.properties, carrier_of(type), properties, out);
  });
}

template Result<Puback> decode_ack(Bytes, Version);
template Result<Pubrec> decode_ack(Bytes, Version);
template Result<Pubrel> decode_ack(Bytes, Version);
template Result<Pubcomp> decode_ack(Bytes, Version);
template void encode(const Puback&, Version, Buffer&);
template void encode(const Pubrec&, Version, Buffer&);
template void encode(const Pubrel&, Version, Buffer&);
template void encode(const Pubcomp&, Version, Buffer&);

}  // namespace sealmq::mqtt
