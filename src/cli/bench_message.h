// The messages of a run of `sealmq bench`.
#pragma once

#include <string_view>

#include "mqtt/types.h"
#include "sealmq/bytes.h"

namespace sealmq::load {

/// When a message was sent, by which publisher, and its number: the first bytes of its payload.
struct Stamp {
  static constexpr std::size_t size = 16;
  std::uint64_t time;  ///< nanoseconds
  std::uint64_t publisher;
  std::uint64_t number;

  void write(std::uint8_t* out) const;
  /// `payload` has at least `size` bytes.
  static Stamp read(Bytes payload);
};

/// A PUBLISH encoded once; each message is a copy of it with stamp and packet identifier written over.
class PublishTemplate {
 public:
  PublishTemplate(std::string_view topic, mqtt::QoS qos, mqtt::Version version, std::size_t size);

  void append_to(Buffer& out, const Stamp& stamp, std::uint16_t packet_id);

 private:
  mqtt::QoS qos_;
  Buffer packet_;
  std::size_t stamp_at_;
  std::size_t packet_id_at_;
};

}  // namespace sealmq::load
