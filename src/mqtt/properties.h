// MQTT 5 properties (section 2.2.2): one table says which exist, of which type, in which packets.
#pragma once

#include "mqtt/packet.h"
#include "mqtt/wire.h"

namespace sealmq::mqtt {

/// What carries the properties. The numbers are those of PacketType; a Will has its own section inside CONNECT.
enum class Carrier : std::uint8_t {
  will = 0,
  connect,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  disconnect = 14,
  auth,
};

/// Reads the length and the properties of a section. Failures: an identifier that is unknown or not of this packet, a value not
/// of its type (Malformed Packet), one that stands twice or has a forbidden value (Protocol Error).
void read_properties(Reader& in, Carrier carrier, Properties& out);

/// Bytes of the properties that `carrier` may carry, without the length in front. 0: there are none.
std::size_t properties_size(const Properties& properties, Carrier carrier);

/// Appends length and properties; those the carrier may not have are left out. `size` is properties_size() of the same.
void write_properties(const Properties& properties, Carrier carrier, std::size_t size, Buffer& out);
inline void write_properties(const Properties& properties, Carrier carrier, Buffer& out) {
  write_properties(properties, carrier, properties_size(properties, carrier), out);
}

}  // namespace sealmq::mqtt
