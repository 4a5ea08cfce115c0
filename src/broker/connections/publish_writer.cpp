#include "broker/connections/publish_writer.h"

#include "mqtt/wire.h"

namespace sealmq::broker {

using mqtt::QoS;

namespace {

void append_id(std::uint16_t packet_id, Buffer& out) {
  out.push_back(static_cast<std::uint8_t>(packet_id >> 8));
  out.push_back(static_cast<std::uint8_t>(packet_id));
}

void write_id(std::uint16_t packet_id, Buffer& out, std::size_t at) {
  out[at] = static_cast<std::uint8_t>(packet_id >> 8);
  out[at + 1] = static_cast<std::uint8_t>(packet_id);
}

}  // namespace

std::size_t PublishWriter::size_of(const EncodedPublish& encoded) const {
  if (guard_ == nullptr) return encoded.bytes.size();
  constexpr std::size_t longer_length = 1;  // of the remaining length
  return encoded.bytes.size() - encoded.payload_size + longer_length + guard_->sealed_size(encoded.payload_size);
}

bool PublishWriter::write(const EncodedPublish& encoded, std::uint16_t packet_id, bool dup, Now now) {
  if (guard_ != nullptr) return write_sealed(encoded, packet_id, dup, now);
  if (alias_maximum_ != 0 && write_with_alias(encoded, packet_id, dup)) return true;
  mqtt::Outbox& outbox = connection_.outbox();
  Buffer& tail = outbox.tail();
  const std::size_t at = tail.size();
  const bool is_small = encoded.rest().size() < mqtt::Outbox::share_from;
  append(tail, is_small ? Bytes(encoded.bytes) : Bytes(encoded.bytes).first(encoded.id_at));
  if (dup) tail[at] |= 0x08;
  const bool has_id = encoded.qos != QoS::at_most_once;
  if (is_small) {
    if (has_id) write_id(packet_id, tail, at + encoded.id_at);
  } else {
    if (has_id) append_id(packet_id, tail);
    outbox.append_shared(encoded.shared_rest(budget_));
  }
  return true;
}

/// The same packet with a topic alias in the name's place, or for the first time beside it. False: this topic gets none.
bool PublishWriter::write_with_alias(const EncodedPublish& encoded, std::uint16_t packet_id, bool dup) {
  constexpr std::size_t worth_it = 6;              // bytes of topic: twice what an alias takes
  constexpr std::size_t longer = 5;                // at most, where name and alias go together: the property, and two lengths
  constexpr std::size_t most_aliased = 16 * 1024;  // bytes of topics remembered for one client
  const std::string_view topic = encoded.topic();
  if (topic.size() < worth_it) return false;
  auto known = aliases_.find(topic);
  bool is_new = known == aliases_.end();
  if (is_new) {
    if (aliases_.size() >= alias_maximum_ || alias_bytes_ + topic.size() > most_aliased) return false;
    if (encoded.bytes.size() + longer > connection_.peer_maximum_packet_size()) return false;  // [MQTT-3.1.2-24]
    known = aliases_.emplace(std::string(topic), static_cast<std::uint16_t>(aliases_.size() + 1)).first;
    alias_bytes_ += topic.size();
  }
  mqtt::encode_with_alias(encoded.bytes, packet_id, dup, known->second, is_new, connection_.outbox().tail());
  return true;
}

bool PublishWriter::write_sealed(const EncodedPublish& encoded, std::uint16_t packet_id, bool dup, Now now) {
  const Bytes bytes = encoded.bytes;
  const std::size_t header = mqtt::header_size(bytes);
  Buffer payload;
  if (!guard_->seal(encoded.topic(), encoded.payload(), now, payload)) return false;
  Buffer& tail = connection_.outbox().tail();
  tail.push_back(bytes[0] | (dup ? 0x08 : 0));
  mqtt::write_variable(bytes.size() - header - encoded.payload_size + payload.size(), tail);
  const std::size_t body = tail.size();
  append(tail, bytes.subspan(header, bytes.size() - header - encoded.payload_size));
  if (encoded.qos != QoS::at_most_once) write_id(packet_id, tail, body + encoded.id_at - header);
  append(tail, payload);
  return true;
}

bool PublishWriter::write_frame(std::string_view topic, Bytes payload, Now now) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = payload;
  Buffer sealed;
  if (guard_ != nullptr) {
    if (!guard_->seal(topic, payload, now, sealed)) return false;
    packet.payload = sealed;
  }
  connection_.send(packet);
  return true;
}

}  // namespace sealmq::broker
