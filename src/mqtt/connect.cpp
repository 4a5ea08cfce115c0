// CONNECT and CONNACK: MQTT 5 sections 3.1 and 3.2.
#include "mqtt/packet.h"
#include "mqtt/properties.h"
#include "mqtt/topic.h"

namespace sealmq::mqtt {
namespace {

constexpr std::string_view name_3_1 = "MQIsdp", name_later = "MQTT";

// Connect Flags
constexpr unsigned reserved_flag = 0x01, clean_start_flag = 0x02, will_flag = 0x04, will_qos_shift = 3, will_retain_flag = 0x20,
                   password_flag = 0x40, user_name_flag = 0x80;
constexpr unsigned bridge_bit = 0x80;  // of the protocol level; an extension of MQTT 3 that mosquitto brought

std::optional<Version> version_of(std::string_view protocol, unsigned level) {
  if (protocol == name_3_1 && (level & ~bridge_bit) == 3) return Version::v3_1;
  if (protocol == name_later && (level & ~bridge_bit) == 4) return Version::v3_1_1;
  if (protocol == name_later && level == 5) return Version::v5;
  return std::nullopt;
}

void check_flags(unsigned flags, Version version, Reader& in) {
  if ((flags & reserved_flag) != 0 && version != Version::v3_1)  // [MQTT-3.1.2-3]; MQTT 3.1 calls it unused
    in.fail("reserved flag of CONNECT is set");
  unsigned will_qos = flags >> will_qos_shift & 3;
  if (will_qos == 3) in.fail("QoS of the will is 3");  // [MQTT-3.1.2-12]
  // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
  if ((flags & will_flag) == 0 && (will_qos != 0 || (flags & will_retain_flag) != 0)) in.fail("flags of a will without a will");
  // MQTT 3.1.1 [MQTT-3.1.2-22]; MQTT 5 section 3.1.2.9 allows it
  if (version != Version::v5 && (flags & password_flag) != 0 && (flags & user_name_flag) == 0)
    in.fail("password without a user name");
}

Will read_will(unsigned flags, Version version, Reader& in) {
  Will will;
  will.qos = static_cast<QoS>(flags >> will_qos_shift & 3);
  will.retain = (flags & will_retain_flag) != 0;
  if (version == Version::v5) read_properties(in, Carrier::will, will.properties);
  will.topic = read_text(in);
  will.payload = in.lp16();
  if (!in.failed() && !is_topic_name(will.topic))
    in.fail("topic of the will is not a topic name", code(Reason::topic_name_invalid));
  return will;
}

void check_client_id(const Connect& p, Reader& in) {
  bool fits = true;
  // MQTT 3.1 section 3.1 asks for 1 to 23 characters. The upper bound is gone since 3.1.1 and was never kept in the field.
  if (p.version == Version::v3_1) fits = !p.client_id.empty();
  // MQTT 3.1.1 [MQTT-3.1.3-8]: without a name there is no session to find again
  if (p.version == Version::v3_1_1) fits = !p.client_id.empty() || p.clean_start;
  if (!fits) in.fail("client identifier is not valid", code(Reason::client_identifier_not_valid));
}

/// MQTT 3.1.1 table 3.1. What it has no number for becomes "server unavailable".
std::uint8_t return_code_of(Reason reason) {
  switch (reason) {
    case Reason::success:
      return 0;
    case Reason::unsupported_protocol_version:
      return 1;
    case Reason::client_identifier_not_valid:
      return 2;
    case Reason::bad_user_name_or_password:
      return 4;
    case Reason::not_authorized:
    case Reason::banned:
    case Reason::bad_authentication_method:
      return 5;
    default:
      return 3;
  }
}

Reason read_return_code(Reader& in) {
  constexpr Reason reasons[] = {Reason::success,
                                Reason::unsupported_protocol_version,
                                Reason::client_identifier_not_valid,
                                Reason::server_unavailable,
                                Reason::bad_user_name_or_password,
                                Reason::not_authorized};
  std::uint8_t number = in.u8();
  if (number < std::size(reasons)) return reasons[number];
  in.fail("return code is reserved");
  return Reason::unspecified_error;
}

}  // namespace

Result<Connect> decode_connect(Bytes body) {
  Connect p;
  Reader in = packet_reader(body);
  std::string_view protocol = read_text(in);
  unsigned level = in.u8();
  if (in.failed()) return failure_of(in);
  auto version = version_of(protocol, level);
  if (!version)  // [MQTT-3.1.2-1] [MQTT-3.1.2-2]
    return fail(Blame::peer_incompatible, "protocol name or version is not spoken here",
                code(Reason::unsupported_protocol_version));

  p.version = *version;
  p.bridge = (level & bridge_bit) != 0;
  unsigned flags = in.u8();
  check_flags(flags, p.version, in);
  p.clean_start = (flags & clean_start_flag) != 0;
  p.keep_alive = in.u16();
  if (p.version == Version::v5) read_properties(in, Carrier::connect, p.properties);
  p.client_id = read_text(in);
  if ((flags & will_flag) != 0) p.will = read_will(flags, p.version, in);
  // MQTT 3.1 section 3.1: servers must accept that a flag is set and its string missing. Later versions do not.
  bool may_be_missing = p.version == Version::v3_1;
  if ((flags & user_name_flag) != 0 && !(may_be_missing && in.remaining() == 0)) p.user_name = read_text(in);
  if ((flags & password_flag) != 0 && !(may_be_missing && in.remaining() == 0)) p.password = in.lp16();
  if (in.remaining() == 0) check_client_id(p, in);  // the form comes first: left-over bytes are a Malformed Packet
  return in.finish(std::move(p));
}

void encode(const Connect& p, Buffer& out) {
  write_packet(PacketType::connect, 0, out, [&] {
    unsigned flags = p.clean_start ? clean_start_flag : 0;
    if (p.will)
      flags |= will_flag | static_cast<unsigned>(p.will->qos) << will_qos_shift | (p.will->retain ? will_retain_flag : 0);
    if (p.user_name) flags |= user_name_flag;
    if (p.password) flags |= password_flag;
    unsigned level = static_cast<unsigned>(p.version) | (p.bridge && p.version != Version::v5 ? bridge_bit : 0);

    Writer w(out);
    w.lp16(p.version == Version::v3_1 ? name_3_1 : name_later);
    w.u8(static_cast<std::uint8_t>(level));
    w.u8(static_cast<std::uint8_t>(flags));
    w.u16(p.keep_alive);
    if (p.version == Version::v5) write_properties(p.properties, Carrier::connect, out);
    w.lp16(p.client_id);
    if (p.will) {
      if (p.version == Version::v5) write_properties(p.will->properties, Carrier::will, out);
      w.lp16(p.will->topic);
      w.lp16(p.will->payload);
    }
    if (p.user_name) w.lp16(*p.user_name);
    if (p.password) w.lp16(*p.password);
  });
}

Result<Connack> decode_connack(Bytes body, Version version) {
  Connack p;
  Reader in = packet_reader(body);
  std::uint8_t flags = in.u8();
  if (flags > 1) in.fail("reserved flag of CONNACK is set");   // [MQTT-3.2.2-1]
  p.session_present = flags == 1 && version != Version::v3_1;  // MQTT 3.1 does not use this byte
  p.reason = version == Version::v5 ? read_reason(in, PacketType::connack) : read_return_code(in);
  if (version == Version::v5) read_properties(in, Carrier::connack, p.properties);
  // [MQTT-3.2.2-6]
  if (p.session_present && p.reason != Reason::success) in.fail("a refusal with a session", code(Reason::protocol_error));
  return in.finish(std::move(p));
}

void encode(const Connack& p, Version version, Buffer& out) {
  write_packet(PacketType::connack, 0, out, [&] {
    Writer w(out);
    w.u8(p.session_present && version != Version::v3_1 ? 1 : 0);
    w.u8(version == Version::v5 ? code(p.reason) : return_code_of(p.reason));
    if (version == Version::v5) write_properties(p.properties, Carrier::connack, out);
  });
}

}  // namespace sealmq::mqtt
