// SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK: MQTT 5 sections 3.8 to 3.11.
//
// A filter that breaks the rules of section 4.7 cannot be parsed; Topic Filter Invalid is for one that is well-formed and yet
// refused.
#include "mqtt/packet.h"
#include "mqtt/properties.h"
#include "mqtt/topic.h"

namespace sealmq::mqtt {
namespace {

// Subscription Options
constexpr unsigned qos_mask = 0x03, no_local_flag = 0x04, retain_as_published_flag = 0x08, retain_handling_shift = 4;

SubscriptionOptions read_options(Reader& in, Version version) {
  unsigned bits = in.u8();
  // [MQTT-3.8.3-5]; in MQTT 3.1.1 [MQTT-3-8.3-4] all but the QoS are reserved
  if (bits > (version == Version::v5 ? 0x3F : qos_mask)) in.fail("reserved bits of the subscription options are set");
  if ((bits & qos_mask) == 3)
    in.fail("QoS of a subscription is 3", code(version == Version::v5 ? Reason::protocol_error : Reason::malformed_packet));
  if (bits >> retain_handling_shift == 3) in.fail("retain handling is 3", code(Reason::protocol_error));
  SubscriptionOptions options;
  options.qos = static_cast<QoS>(bits & qos_mask);
  options.no_local = (bits & no_local_flag) != 0;
  options.retain_as_published = (bits & retain_as_published_flag) != 0;
  options.retain_handling = static_cast<RetainHandling>(bits >> retain_handling_shift & 3);
  return options;
}

std::uint8_t bits_of(const SubscriptionOptions& options, Version version) {
  unsigned bits = static_cast<unsigned>(options.qos);
  if (version == Version::v5)
    bits |= (options.no_local ? no_local_flag : 0) | (options.retain_as_published ? retain_as_published_flag : 0) |
            static_cast<unsigned>(options.retain_handling) << retain_handling_shift;
  return static_cast<std::uint8_t>(bits);
}

/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
std::string_view read_filter(Reader& in, Version version) {
  std::string_view filter = read_text(in);
  // `$share` is an ordinary level before MQTT 5: who gets it may refuse a share without a name, but nothing is malformed.
  const bool is_old_share = version != Version::v5 && SharedFilter::is_shared(filter) && is_topic_filter(filter.substr(1));
  if (!is_topic_filter(filter) && !SharedFilter::parse(filter) && !is_old_share) in.fail("not a topic filter");
  return filter;
}

/// MQTT 3.1.1 section 3.9.3 knows the granted QoS and 0x80.
Reason read_suback_reason(Reader& in, Version version) {
  Reason reason = read_reason(in, PacketType::suback);
  if (version != Version::v5 && code(reason) > code(Reason::unspecified_error)) in.fail("return code is reserved");
  return reason;
}

std::uint8_t suback_code_of(Reason reason, Version version) {
  return version != Version::v5 && is_error(reason) ? code(Reason::unspecified_error) : code(reason);
}

}  // namespace

Result<Subscribe> decode_subscribe(Bytes body, Version version) {
  Subscribe p;
  Reader in = packet_reader(body);
  p.packet_id = read_packet_id(in);
  if (version == Version::v5) read_properties(in, Carrier::subscribe, p.properties);
  if (in.remaining() == 0) in.fail("nothing to subscribe to", code(Reason::protocol_error));  // [MQTT-3.8.3-2]
  while (in.remaining() > 0) {
    std::string_view filter = read_filter(in, version);
    SubscriptionOptions options = read_options(in, version);
    // [MQTT-3.8.3-4]
    if (options.no_local && SharedFilter::is_shared(filter))
      in.fail("no local on a shared subscription", code(Reason::protocol_error));
    p.entries.push_back({filter, options});
  }
  return in.finish(std::move(p));
}

void encode(const Subscribe& p, Version version, Buffer& out) {
  write_packet(PacketType::subscribe, 0b0010, out, [&] {
    Writer(out).u16(p.packet_id);
    if (version == Version::v5) write_properties(p.properties, Carrier::subscribe, out);
    for (auto& [filter, options] : p.entries) Writer(out).lp16(filter).u8(bits_of(options, version));
  });
}

Result<Suback> decode_suback(Bytes body, Version version) {
  Suback p;
  Reader in = packet_reader(body);
  p.packet_id = read_packet_id(in);
  if (version == Version::v5) read_properties(in, Carrier::suback, p.properties);
  if (in.remaining() == 0) in.fail("SUBACK without a reason code");
  while (in.remaining() > 0) p.reasons.push_back(read_suback_reason(in, version));
  return in.finish(std::move(p));
}

void encode(const Suback& p, Version version, Buffer& out) {
  write_packet(PacketType::suback, 0, out, [&] {
    Writer(out).u16(p.packet_id);
    if (version == Version::v5) write_properties(p.properties, Carrier::suback, out);
    for (Reason reason : p.reasons) Writer(out).u8(suback_code_of(reason, version));
  });
}

Result<Unsubscribe> decode_unsubscribe(Bytes body, Version version) {
  Unsubscribe p;
  Reader in = packet_reader(body);
  p.packet_id = read_packet_id(in);
  if (version == Version::v5) read_properties(in, Carrier::unsubscribe, p.properties);
  if (in.remaining() == 0) in.fail("nothing to unsubscribe from", code(Reason::protocol_error));  // [MQTT-3.10.3-2]
  while (in.remaining() > 0) p.filters.push_back(read_filter(in, version));
  return in.finish(std::move(p));
}

void encode(const Unsubscribe& p, Version version, Buffer& out) {
  write_packet(PacketType::unsubscribe, 0b0010, out, [&] {
    Writer(out).u16(p.packet_id);
    if (version == Version::v5) write_properties(p.properties, Carrier::unsubscribe, out);
    for (std::string_view filter : p.filters) Writer(out).lp16(filter);
  });
}

Result<Unsuback> decode_unsuback(Bytes body, Version version) {
  Unsuback p;
  Reader in = packet_reader(body);
  p.packet_id = read_packet_id(in);
  if (version == Version::v5) {
    read_properties(in, Carrier::unsuback, p.properties);
    if (in.remaining() == 0) in.fail("UNSUBACK without a reason code");
    while (in.remaining() > 0) p.reasons.push_back(read_reason(in, PacketType::unsuback));
  }
  return in.finish(std::move(p));
}

void encode(const Unsuback& p, Version version, Buffer& out) {
  write_packet(PacketType::unsuback, 0, out, [&] {
    Writer(out).u16(p.packet_id);
    if (version != Version::v5) return;
    write_properties(p.properties, Carrier::unsuback, out);
    for (Reason reason : p.reasons) Writer(out).u8(code(reason));
  });
}

}  // namespace sealmq::mqtt
