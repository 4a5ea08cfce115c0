// PublishWriter: how PUBLISH packets leave on one connection: as they were encoded for all, with a topic alias in the name's
// place, or with a payload that is sealed for this connection alone. Knows no session and counts nothing. One thread.
#pragma once

#include <memory>
#include <string_view>

#include "base/keyed_hash.h"
#include "broker/routing/publish_encoder.h"
#include "mqtt/connection.h"
#include "sealmq/payload_guard.h"

namespace sealmq::broker {

class PublishWriter {
 public:
  /// Both outlive it; `budget` may be null.
  PublishWriter(mqtt::Connection& connection, Budget* budget) : connection_(connection), budget_(budget) {}

  /// The client's Topic Alias Maximum, or less.
  void use_aliases(std::uint16_t most) { alias_maximum_ = most; }
  /// From now on. Topic aliases are not used then: one would be of use for the bytes that others get too.
  void protect_with(std::unique_ptr<PayloadGuard> guard) {
    guard_ = std::move(guard);
    alias_maximum_ = 0;
  }
  /// Null: payloads go as they are.
  PayloadGuard* guard() const { return guard_.get(); }

  /// Whether the client takes packets of that size. [MQTT-3.1.2-24]
  bool fits(const EncodedPublish& encoded) const { return size_of(encoded) <= connection_.peer_maximum_packet_size(); }
  /// False: its payload cannot be sealed for this connection, and nothing is sent.
  bool write(const EncodedPublish& encoded, std::uint16_t packet_id, bool dup, Now now);
  /// A frame of QoS 0. False likewise.
  bool write_frame(std::string_view topic, Bytes payload, Now now);

  /// Bytes of the aliases.
  std::size_t memory() const { return alias_bytes_; }

 private:
  /// With what a sealed payload is longer.
  std::size_t size_of(const EncodedPublish& encoded) const;
  bool write_sealed(const EncodedPublish& encoded, std::uint16_t packet_id, bool dup, Now now);
  bool write_with_alias(const EncodedPublish& encoded, std::uint16_t packet_id, bool dup);

  mqtt::Connection& connection_;
  Budget* const budget_;
  std::unique_ptr<PayloadGuard> guard_;
  std::uint16_t alias_maximum_ = 0;
  TextMap<std::uint16_t> aliases_;
  std::size_t alias_bytes_ = 0;
};

}  // namespace sealmq::broker
