// PayloadGuard: what protects the payloads of one connection, from CONNACK on, at one of its two ends. A hop layer that the ends
// have agreed on, or what a login brings with it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sealmq/bytes.h"
#include "sealmq/ports.h"
#include "sealmq/result.h"

namespace sealmq {

namespace mqtt {
struct UserProperty;
}

/// Of a guard whose next key travels in the packets that acknowledge a message of QoS 2. Such a connection has one message in
/// flight in each direction, all of QoS 2, and its session ends with it. An error of any call ends the connection with DISCONNECT
/// 0x80 and farewell() as reason string.
class KeyRelay {
 public:
  /// A user property of PUBREC or PUBREL.
  struct Property {
    std::string name, value;
  };
  using Properties = std::span<const mqtt::UserProperty>;

  virtual ~KeyRelay() = default;
  virtual std::string_view farewell() const = 0;

  // -- of a message received
  /// For its PUBREC; the same each time it is sent. Nothing: no property.
  virtual Result<std::optional<Property>> receipt(std::uint16_t packet_id) = 0;
  /// Its PUBREL. `awaited`: PUBREC has been sent, and no PUBREL was accepted since.
  /// False: it is nothing that was asked for and changes nothing. True: to be answered with success.
  virtual Result<bool> released(std::uint16_t packet_id, Properties properties, bool awaited) = 0;

  // -- of a message sent
  /// Its PUBREC, which takes the message.
  virtual Result<> receipted(std::uint16_t packet_id, Properties properties) = 0;
  /// For its PUBREL; the same each time it is sent.
  virtual Result<std::optional<Property>> release(std::uint16_t packet_id) = 0;
  /// Its PUBCOMP.
  virtual void completed(std::uint16_t packet_id) = 0;
};

/// One connection's, used by its thread alone; a card's answer may take a moment.
class PayloadGuard {
 public:
  struct Opened {
    Buffer plaintext;
    bool repeat = false;  ///< an exact copy of one opened before
  };

  virtual ~PayloadGuard() = default;
  /// How long a payload of so many bytes gets at most; if it is one that cannot be sealed, more than any packet holds.
  virtual std::size_t sealed_size(std::size_t plaintext) const = 0;
  /// The full topic name, also where an alias is sent instead. Appends to `out`. Errors: caller_misused, once the key is used up.
  virtual Result<> seal(std::string_view topic, Bytes plaintext, Now now, Buffer& out) = 0;
  /// Errors: peer_misbehaved; with payload_format_invalid as code for what is no such payload at all.
  virtual Result<Opened> open(std::string_view topic, Bytes payload) = 0;
  /// So much did not open that the connection has to end.
  virtual bool must_end() const { return false; }
  /// Null: it has no part in acknowledgements.
  virtual KeyRelay* relay() { return nullptr; }
};

}  // namespace sealmq
