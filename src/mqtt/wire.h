// The data types of MQTT (MQTT 5 section 1.5) on top of Reader and Writer; for the codec files of this folder only.
#pragma once

#include <algorithm>

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"
#include "mqtt/types.h"

namespace sealmq::mqtt {

constexpr std::uint8_t code(Reason reason) {
  return static_cast<std::uint8_t>(reason);
}

/// A Reader whose failures are Malformed Packet unless they say otherwise.
inline Reader packet_reader(Bytes body) {
  return Reader(body).answer_with(code(Reason::malformed_packet));
}

inline Failure malformed(const char* what) {
  return fail(Blame::peer_misbehaved, what, code(Reason::malformed_packet));
}
inline Failure protocol_error(const char* what) {
  return fail(Blame::peer_misbehaved, what, code(Reason::protocol_error));
}

/// MQTT 5 section 2.4: true if this packet may carry this reason code.
bool may_carry(PacketType packet, Reason reason);

// -- reading ------------------------------------------------------------------------------------------------------------------

/// UTF-8 Encoded String. [MQTT-1.5.4-1] [MQTT-1.5.4-2]
inline std::string_view read_text(Reader& in) {
  std::string_view text = as_text(in.lp16());
  if (!is_mqtt_utf8(text)) in.fail("string is not valid UTF-8");
  return text;
}

/// Variable Byte Integer, in its shortest form. [MQTT-1.5.5-1]
std::uint32_t read_variable(Reader& in);

inline std::uint16_t read_packet_id(Reader& in) {
  std::uint16_t id = in.u16();
  if (id == 0) in.fail("packet identifier is 0", code(Reason::protocol_error));  // [MQTT-2.2.1-3] [MQTT-2.2.1-4]
  return id;
}

/// A reason code that `packet` may carry; any other one cannot be parsed.
inline Reason read_reason(Reader& in, PacketType packet) {
  auto reason = static_cast<Reason>(in.u8());
  if (!may_carry(packet, reason)) in.fail("reason code is not one of this packet");
  return reason;
}

/// The first failure, for decoders that build their packet in place.
inline Failure failure_of(const Reader& in) {
  return Failure(std::move(in.finish(0)).error());
}

// -- writing ------------------------------------------------------------------------------------------------------------------

constexpr std::size_t variable_size(std::size_t value) {
  return value < 1u << 7 ? 1 : value < 1u << 14 ? 2 : value < 1u << 21 ? 3 : 4;
}

void write_variable(std::size_t value, Buffer& out);

/// Room for `size` more bytes in one growth; grows at least twofold, so many small packets stay cheap.
inline void make_room(std::size_t size, Buffer& out) {
  if (out.capacity() - out.size() < size) out.reserve(std::max(2 * out.capacity(), out.size() + size));
}

inline void write_header(PacketType type, std::uint8_t flags, std::size_t remaining, Buffer& out) {
  out.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags));
  write_variable(remaining, out);
}

/// Puts the number of bytes that begin at `start` in front of them.
void insert_length(std::size_t start, Buffer& out);

/// A whole packet: `body` appends what follows the fixed header. The length is put in afterwards; for packets that are small.
template <class Body>
void write_packet(PacketType type, std::uint8_t flags, Buffer& out, Body&& body) {
  make_room(16, out);
  out.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags));
  std::size_t start = out.size();
  body();
  insert_length(start, out);
}

}  // namespace sealmq::mqtt
