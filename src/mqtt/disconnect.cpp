// PINGREQ, PINGRESP, DISCONNECT and AUTH: MQTT 5 sections 3.12 to 3.15.
#include "mqtt/packet.h"
#include "mqtt/properties.h"

namespace sealmq::mqtt {

void encode(const Pingreq&, Version, Buffer& out) {
  write_header(PacketType::pingreq, 0, 0, out);
}
void encode(const Pingresp&, Version, Buffer& out) {
  write_header(PacketType::pingresp, 0, 0, out);
}

Result<Disconnect> decode_disconnect(Bytes body, Version version) {
  Disconnect p;
  Reader in = packet_reader(body);
  if (version == Version::v5) {
    if (in.remaining() > 0) p.reason = read_reason(in, PacketType::disconnect);
    if (in.remaining() > 0) read_properties(in, Carrier::disconnect, p.properties);
  }
  return in.finish(std::move(p));
}

void encode(const Disconnect& p, Version version, Buffer& out) {
  write_packet(PacketType::disconnect, 0, out, [&] {
    std::size_t properties = properties_size(p.properties, Carrier::disconnect);
    if (version != Version::v5 || (p.reason == Reason::success && properties == 0)) return;
    Writer(out).u8(code(p.reason));
    if (properties > 0) write_properties(p.properties, Carrier::disconnect, properties, out);
  });
}

Result<Auth> decode_auth(Bytes body) {
  Auth p;
  Reader in = packet_reader(body);
  if (in.remaining() > 0) {  // MQTT 5 section 3.15.2.1: both are left out, or none
    p.reason = read_reason(in, PacketType::auth);
    read_properties(in, Carrier::auth, p.properties);
  }
  return in.finish(std::move(p));
}

void encode(const Auth& p, Version, Buffer& out) {
  write_packet(PacketType::auth, 0, out, [&] {
    std::size_t properties = properties_size(p.properties, Carrier::auth);
    if (p.reason == Reason::success && properties == 0) return;
    Writer(out).u8(code(p.reason));
    write_properties(p.properties, Carrier::auth, properties, out);
  });
}

}  // namespace sealmq::mqtt
