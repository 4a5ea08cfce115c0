#include "net/websocket_frames.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"

namespace sealmq::net {
namespace {

constexpr std::uint8_t fin = 0x80, reserved_bits = 0x70, opcode_bits = 0x0F;
constexpr std::uint8_t masked = 0x80, length_bits = 0x7F;
constexpr std::uint8_t length_16 = 126, length_64 = 127;
constexpr std::uint64_t largest_control = 125;

bool is_control(Opcode opcode) {
  return (static_cast<std::uint8_t>(opcode) & 8) != 0;
}

/// [RFC 6455, 7.4] what may stand in a close frame.
bool is_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/// Masks or unmasks; `at` is the place of the first byte in its payload.
void apply_mask(const std::array<std::uint8_t, 4>& mask, std::uint64_t at, std::span<std::uint8_t> bytes) {
  std::array<std::uint8_t, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(at + i) % 4];
  std::uint64_t word_mask = 0;
  std::memcpy(&word_mask, turned.data(), sizeof word_mask);
  std::size_t i = 0;
  for (; i + sizeof word_mask <= bytes.size(); i += sizeof word_mask) {  // eight at a time
    std::uint64_t word = 0;
    std::memcpy(&word, &bytes[i], sizeof word);
    word ^= word_mask;
    std::memcpy(&bytes[i], &word, sizeof word);
  }
  for (; i < bytes.size(); ++i) bytes[i] ^= turned[i % 8];
}

}  // namespace

Failure FrameReader::refuse(CloseCode code, const char* why) {
  code_ = code;
  return fail(Blame::peer_misbehaved, std::string("WebSocket: ") + why);
}

Result<> FrameReader::read(Bytes bytes, Buffer& plain, Buffer& answers) {
  while (!ended_) {
    if (!in_payload_) {
      const std::size_t count = std::min<std::size_t>(header_wanted_ - header_size_, bytes.size());
      std::copy_n(bytes.begin(), count, header_.begin() + header_size_);
      header_size_ = static_cast<std::uint8_t>(header_size_ + count);
      bytes = bytes.subspan(count);
      if (header_size_ < header_wanted_) return {};
      TRY(begin_frame());
      if (!in_payload_) continue;  // now it is known how long the header is
    }
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    const Bytes part = bytes.first(count);
    bytes = bytes.subspan(count);
    std::span<std::uint8_t> place;
    if (is_control(opcode_)) {
      place = std::span(control_).subspan(taken_, count);
      std::ranges::copy(part, place.begin());
    } else {
      append(plain, part);
      place = std::span(plain).last(count);
    }
    if (side_ == Side::broker) apply_mask(mask_, taken_, place);
    left_ -= count;
    taken_ += count;
    if (left_ > 0) return {};
    if (is_control(opcode_)) TRY(end_control(answers));
    in_payload_ = false;
    header_size_ = 0;
    header_wanted_ = 2;
  }
  return {};
}

/// Called when header_wanted_ bytes are there; either wants more of them, or begins the payload.
Result<> FrameReader::begin_frame() {
  const std::uint8_t length = header_[1] & length_bits;
  const bool is_masked = (header_[1] & masked) != 0;
  const auto opcode = static_cast<Opcode>(header_[0] & opcode_bits);
  const bool is_last = (header_[0] & fin) != 0;
  if (header_size_ == 2) {
    if ((header_[0] & reserved_bits) != 0) return refuse(CloseCode::protocol_error, "a reserved bit is set");
    if (is_masked != (side_ == Side::broker))  // section 5.1
      return refuse(CloseCode::protocol_error, is_masked ? "a broker's frame is masked" : "a client's frame is not masked");
    switch (opcode) {
      case Opcode::continuation:
        if (!in_message_) return refuse(CloseCode::protocol_error, "there is nothing to continue");
        break;
      case Opcode::binary:
        if (in_message_) return refuse(CloseCode::protocol_error, "a message begins inside another");
        break;
      case Opcode::text:  // [MQTT-6.0.0-1]
        return refuse(CloseCode::unacceptable, "MQTT does not come as text");
      case Opcode::close:
      case Opcode::ping:
      case Opcode::pong:
        if (!is_last || length > largest_control)
          return refuse(CloseCode::protocol_error, "a control frame is fragmented or long");
        break;
      default:
        return refuse(CloseCode::protocol_error, "an opcode is unknown");
    }
    const int wanted = 2 + (length == length_16 ? 2 : length == length_64 ? 8 : 0) + (is_masked ? 4 : 0);
    header_wanted_ = static_cast<std::uint8_t>(wanted);
    if (header_wanted_ > 2) return {};
  }
  std::size_t at = 2;
  std::uint64_t size = length;
  if (length >= length_16) {
    size = 0;
    for (const std::size_t end = length == length_16 ? 4 : 10; at < end; ++at) size = size << 8 | header_[at];
    // Section 5.2: in as few bytes as will hold it, and below 2^63.
    if (size < length_16 || (length == length_64 && size <= 0xFFFF) || size >> 63 != 0)
      return refuse(CloseCode::protocol_error, "a length is not in its shortest form");
  }
  if (is_masked) std::copy_n(header_.begin() + at, mask_.size(), mask_.begin());
  if (!is_control(opcode)) {
    if (opcode == Opcode::binary) message_size_ = 0;
    if (size > largest_message - message_size_) return refuse(CloseCode::too_big, "a message is too long");
    message_size_ += size;
    in_message_ = !is_last;
  }
  opcode_ = opcode;
  left_ = size;
  taken_ = 0;
  in_payload_ = true;
  return {};
}

Result<> FrameReader::end_control(Buffer& answers) {
  const Bytes payload = Bytes(control_).first(taken_);
  if (opcode_ == Opcode::ping) write_frame(side_, Opcode::pong, payload, answers);
  if (opcode_ != Opcode::close) return {};
  // Section 5.5.1: nothing, or a code and a text.
  if (payload.size() == 1) return refuse(CloseCode::protocol_error, "a close frame holds half a code");
  if (payload.size() >= 2 && (!is_close_code(payload[0] << 8 | payload[1]) || !is_mqtt_utf8(as_text(payload.subspan(2)))))
    return refuse(CloseCode::protocol_error, "a close frame holds no code, or no text");
  write_frame(side_, Opcode::close, payload.first(std::min<std::size_t>(payload.size(), 2)), answers);
  ended_ = true;
  return {};
}

void write_frame(Side side, Opcode opcode, Bytes payload, Buffer& out) {
  const std::uint8_t mask_bit = side == Side::client ? masked : 0;
  Writer writer(out);
  writer.u8(fin | static_cast<std::uint8_t>(opcode));
  if (payload.size() < length_16)
    writer.u8(static_cast<std::uint8_t>(mask_bit | payload.size()));
  else if (payload.size() <= 0xFFFF)
    writer.u8(mask_bit | length_16).u16(static_cast<std::uint16_t>(payload.size()));
  else
    writer.u8(mask_bit | length_64).u64(payload.size());
  if (side == Side::broker) {
    writer.bytes(payload);
    return;
  }
  std::array<std::uint8_t, 4> mask{};
  if (::getrandom(mask.data(), mask.size(), 0) != static_cast<ssize_t>(mask.size()))
    throw std::system_error(errno, std::generic_category(), "getrandom");
  writer.bytes(mask).bytes(payload);
  apply_mask(mask, 0, std::span(out).last(payload.size()));
}

void write_close(Side side, CloseCode code, Buffer& out) {
  const auto number = static_cast<std::uint16_t>(code);
  write_frame(side, Opcode::close, std::array{static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xFF)},
              out);
}

}  // namespace sealmq::net
