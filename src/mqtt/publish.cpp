// PUBLISH: MQTT 5 section 3.3. The packet that decides how fast everything is.
#include "mqtt/packet.h"
#include "mqtt/properties.h"
#include "mqtt/topic.h"

namespace sealmq::mqtt {
namespace {

constexpr unsigned retain_flag = 0x01, qos_shift = 1, dup_flag = 0x08;

std::uint8_t flags_of(const Publish& p) {
  return static_cast<std::uint8_t>((p.retain ? retain_flag : 0) | static_cast<unsigned>(p.qos) << qos_shift |
                                   (p.dup ? dup_flag : 0));
}

struct Sizes {
  std::size_t properties = 0;
  std::size_t remaining = 0;
};

Sizes sizes_of(const Publish& p, Version version) {
  Sizes sizes;
  sizes.remaining = 2 + p.topic.size() + (p.qos == QoS::at_most_once ? 0 : 2) + p.payload.size();
  if (version == Version::v5) {
    sizes.properties = properties_size(p.properties, Carrier::publish);
    sizes.remaining += variable_size(sizes.properties) + sizes.properties;
  }
  return sizes;
}

void check_topic(const Publish& p, Reader& in) {
  if (in.failed()) return;
  if (p.topic.empty() && p.properties.topic_alias) return;
  // MQTT 5 section 3.3.2.1, [MQTT-4.7.3-1]
  if (p.topic.empty()) return in.fail("topic is empty", code(Reason::protocol_error));
  // [MQTT-3.3.2-2]
  if (has_wildcard(p.topic)) in.fail("topic has a wildcard", code(Reason::topic_name_invalid));
}

}  // namespace

Result<Publish> decode_publish(std::uint8_t flags, Bytes body, Version version) {
  Result<Publish> result(tl::in_place);  // the one object that is returned: Properties is too large to be moved for every message
  Publish& p = *result;
  Reader in = packet_reader(body);
  p.dup = (flags & dup_flag) != 0;
  p.qos = static_cast<QoS>(flags >> qos_shift & 3);
  p.retain = (flags & retain_flag) != 0;
  if ((flags >> qos_shift & 3) == 3) in.fail("QoS is 3");                                // [MQTT-3.3.1-4]
  if (p.dup && p.qos == QoS::at_most_once) in.fail("a message of QoS 0 is marked DUP");  // [MQTT-3.3.1-2]
  p.topic = read_text(in);
  if (p.qos != QoS::at_most_once) p.packet_id = read_packet_id(in);
  if (version == Version::v5) read_properties(in, Carrier::publish, p.properties);
  check_topic(p, in);
  p.payload = in.rest();
  if (in.failed()) result = failure_of(in);
  return result;
}

void encode(const Publish& p, Version version, Buffer& out) {
  Sizes sizes = sizes_of(p, version);
  make_room(1 + variable_size(sizes.remaining) + sizes.remaining, out);
  write_header(PacketType::publish, flags_of(p), sizes.remaining, out);
  Writer w(out);
  w.lp16(p.topic);
  if (p.qos != QoS::at_most_once) w.u16(p.packet_id);
  if (version == Version::v5) write_properties(p.properties, Carrier::publish, sizes.properties, out);
  w.bytes(p.payload);
}

void encode_with_alias(Bytes publish, std::uint16_t packet_id, bool dup, std::uint16_t alias, bool named, Buffer& out) {
  constexpr std::uint8_t topic_alias_property = 0x23;
  constexpr std::size_t property_size = 3;
  bool has_id = (publish[0] >> qos_shift & 3) != 0;
  Reader in(publish.subspan(header_size(publish)));
  std::string_view topic = as_text(in.lp16());
  if (has_id) in.u16();
  std::size_t properties = read_variable(in);
  Bytes rest = in.rest();

  if (!named) topic = {};
  properties += property_size;
  std::size_t remaining = 2 + topic.size() + (has_id ? 2 : 0) + variable_size(properties) + property_size + rest.size();
  make_room(1 + variable_size(remaining) + remaining, out);
  write_header(PacketType::publish, static_cast<std::uint8_t>((publish[0] & 0x0F) | (dup ? dup_flag : 0)), remaining, out);
  Writer w(out);
  w.lp16(topic);
  if (has_id) w.u16(packet_id);
  write_variable(properties, out);
  w.u8(topic_alias_property).u16(alias).bytes(rest);
}

std::size_t encoded_size(const Publish& p, Version version) {
  std::size_t remaining = sizes_of(p, version).remaining;
  return 1 + variable_size(remaining) + remaining;
}

}  // namespace sealmq::mqtt
