#include "mqtt/packet.h"

#include "mqtt/wire.h"

namespace sealmq::mqtt {
namespace {

template <class Ping>
Result<Packet> decode_ping(Bytes body) {
  return packet_reader(body).finish(Packet(Ping{}));
}

}  // namespace

Result<Packet> decode(const FixedHeader& header, Bytes body, Version version) {
  switch (header.type) {
    case PacketType::connect:
      return decode_connect(body);
    case PacketType::connack:
      return decode_connack(body, version);
    case PacketType::publish:
      return decode_publish(header.flags, body, version);
    case PacketType::puback:
      return decode_ack<Puback>(body, version);
    case PacketType::pubrec:
      return decode_ack<Pubrec>(body, version);
    case PacketType::pubrel:
      return decode_ack<Pubrel>(body, version);
    case PacketType::pubcomp:
      return decode_ack<Pubcomp>(body, version);
    case PacketType::subscribe:
      return decode_subscribe(body, version);
    case PacketType::suback:
      return decode_suback(body, version);
    case PacketType::unsubscribe:
      return decode_unsubscribe(body, version);
    case PacketType::unsuback:
      return decode_unsuback(body, version);
    case PacketType::pingreq:
      return decode_ping<Pingreq>(body);
    case PacketType::pingresp:
      return decode_ping<Pingresp>(body);
    case PacketType::disconnect:
      return decode_disconnect(body, version);
    case PacketType::auth:
      return decode_auth(body);
  }
  return malformed("packet type is 0");
}

void encode(const Packet& packet, Version version, Buffer& out) {
  std::visit(
      [&](const auto& p) {
        if constexpr (std::is_same_v<decltype(p), const Connect&>)
          encode(p, out);
        else
          encode(p, version, out);
      },
      packet);
}

}  // namespace sealmq::mqtt
