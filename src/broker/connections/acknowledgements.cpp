#include "broker/connections/acknowledgements.h"

#include "broker/connections/link.h"

namespace sealmq::broker {

using mqtt::PacketType;

// Answers keep their order, whether they wait or not.
void Acknowledgements::promise(Link& link, DeferredAck ack, bool relies) {
  if (!durability_.is_due(link.waiting_acks, relies)) return durability_.defer(link.id, link.waiting_acks, std::move(ack));
  send(link, ack);
}

void Acknowledgements::send(Link& link, const DeferredAck& ack) {
  switch (ack.type) {
    case PacketType::puback:
      link.connection.send(mqtt::Puback{.packet_id = ack.packet_id, .reason = ack.reason, .properties = {}});
      link.connection.answered();
      break;
    case PacketType::pubrec:
      send_pubrec(link, ack.packet_id, ack.reason);
      break;
    case PacketType::pubcomp:
      link.connection.send(mqtt::Pubcomp{.packet_id = ack.packet_id, .reason = ack.reason, .properties = {}});
      break;
    case PacketType::suback:
    case PacketType::unsuback:
      if (ack.encoded.size() > link.connection.peer_maximum_packet_size())
        return connections_.abort(
            link, {Blame::peer_incompatible, "its maximum packet size is smaller than the answer that it asks for",
                   static_cast<std::uint8_t>(mqtt::Reason::packet_too_large)});
      link.connection.outbox().append(ack.encoded);
      break;
    default:  // one of the session's own
      return deliveries_.make_step(link, ack);
  }
  if (link.connection.unwritten() > 0) link.tell_writable();
}

void Acknowledgements::send_pubrec(Link& link, std::uint16_t packet_id, mqtt::Reason reason) {
  mqtt::Pubrec answer{.packet_id = packet_id, .reason = reason, .properties = {}};
  KeyRelay* relay = is_error(reason) ? nullptr : link.relay();
  if (relay == nullptr) return link.connection.send(answer);
  const auto property = relay->receipt(packet_id);
  if (!property) return connections_.part(link, property.error());
  if (*property) answer.properties.user.push_back({(*property)->name, (*property)->value});
  link.connection.send(answer);
}

}  // namespace sealmq::broker
