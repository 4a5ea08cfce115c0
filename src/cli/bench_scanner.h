// PacketScanner: finds the MQTT packets in a stretch of bytes, and no more. The load generator shares a machine with the broker
// it measures, so it looks only at what it needs; the broker reads its packets with the strict decoders of mqtt/packet.h.
//
//   PacketScanner scanner(received);
//   while (auto packet = scanner.next()) handle(*packet);
//   keep(received.subspan(scanner.consumed()));     // the start of a packet that has not arrived whole
#pragma once

#include <optional>

#include "mqtt/types.h"
#include "sealmq/bytes.h"

namespace sealmq::load {

struct ScannedPacket {
  std::uint8_t head;  ///< the first byte: type and flags
  Bytes body;         ///< what follows the fixed header; points into the input

  mqtt::PacketType type() const { return static_cast<mqtt::PacketType>(head >> 4); }
  mqtt::QoS qos() const { return static_cast<mqtt::QoS>(head >> 1 & 3); }
};

class PacketScanner {
 public:
  explicit PacketScanner(Bytes input) : input_(input) {}

  /// The next whole packet; nothing when the input ends before it does, or when no packet can begin like that.
  std::optional<ScannedPacket> next() {
    std::size_t at = consumed_ + 1;
    std::uint32_t remaining = 0;
    for (unsigned shift = 0;; shift += 7, ++at) {
      if (shift == 28) {
        malformed_ = true;  // [MQTT-1.5.5-1] four bytes at most
        return std::nullopt;
      }
      if (at >= input_.size()) return std::nullopt;
      remaining |= static_cast<std::uint32_t>(input_[at] & 0x7F) << shift;
      if (input_[at] < 0x80) break;
    }
    ++at;
    if (input_.size() - at < remaining) return std::nullopt;
    ScannedPacket packet{input_[consumed_], input_.subspan(at, remaining)};
    consumed_ = at + remaining;
    return packet;
  }

  std::size_t consumed() const { return consumed_; }
  bool malformed() const { return malformed_; }

 private:
  Bytes input_;
  std::size_t consumed_ = 0;
  bool malformed_ = false;
};

/// The application message in the body of a PUBLISH. `valid` is false when the body cannot be one.
struct ScannedPublish {
  bool valid = false;
  std::uint16_t packet_id = 0;
  Bytes payload;
};

inline ScannedPublish scan_publish(const ScannedPacket& packet, mqtt::Version version) {
  const Bytes body = packet.body;
  ScannedPublish found;
  if (body.size() < 2) return found;
  std::size_t at = 2 + static_cast<std::size_t>(body[0] << 8 | body[1]);
  if (packet.qos() != mqtt::QoS::at_most_once) {
    if (body.size() < at + 2) return found;
    found.packet_id = static_cast<std::uint16_t>(body[at] << 8 | body[at + 1]);
    at += 2;
  }
  if (version == mqtt::Version::v5) {
    std::size_t properties = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (shift == 28 || at >= body.size()) return found;
      properties |= static_cast<std::size_t>(body[at] & 0x7F) << shift;
      if (body[at++] < 0x80) break;
    }
    at += properties;
  }
  if (body.size() < at) return found;
  found.payload = body.subspan(at);
  found.valid = true;
  return found;
}

}  // namespace sealmq::load
